"""Masking and the output: against networks run on features zeroed one by one, and against plain probabilities."""

import pytest
import torch
from torch import nn

from lib import datasets, networks, players
from lib.networks import Cut


@pytest.fixture(scope="module")
def network():
    return networks.build("vgg4", (1, 32, 32), 10, seed=0).eval()


@pytest.fixture(scope="module")
def sample():
    return torch.rand(1, 32, 32, generator=torch.Generator().manual_seed(0))


def test_log_odds_is_log_p_over_1_minus_p():
    logits = torch.randn(7, 5, dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 3, 4, 0, 1])
    p = logits.softmax(-1)[torch.arange(7), labels]
    torch.testing.assert_close(players.log_odds(logits, labels), torch.log(p / (1 - p)))


def test_log_odds_does_not_saturate():
    logits = torch.tensor([[500.0, 0.0, 0.0], [0.0, 500.0, 0.0]])
    expected = torch.tensor([500 - torch.tensor(2.0, dtype=torch.float64).log(), -500.0], dtype=torch.float64)
    torch.testing.assert_close(players.log_odds(logits, torch.tensor([0, 0])), expected)


@pytest.mark.parametrize("label", [-1, 10])
def test_a_label_out_of_range_is_refused(network, sample, label):
    regions = players.patch_regions(torch.tensor([9, 10]), (32, 32))
    with pytest.raises(ValueError, match="allowed are 0 to 9"):
        players.value_table(network, sample, label, regions)


@pytest.mark.parametrize("baseline", [0.0, 0.7])
@pytest.mark.parametrize("states", [3, 128])
def test_value_table_is_the_network_run_with_zeroed_features(network, sample, baseline, states):
    patches = torch.tensor([9, 18, 27, 45, 54])
    table = players.value_table(network, sample, 3, players.patch_regions(patches, (32, 32)), baseline, states)
    with torch.no_grad():
        features = network.stem(sample[None])
        for subset in range(32):
            masked = features.clone()
            for i, patch in enumerate(patches.tolist()):
                if not subset >> i & 1:
                    top, left = 4 * (patch // 8), 4 * (patch % 8)
                    masked[:, :, top : top + 4, left : left + 4] = baseline
            expected = players.log_odds(network.head(masked), torch.tensor([3]))[0]
            torch.testing.assert_close(table[subset], expected, rtol=1e-5, atol=1e-5)
        whole = players.log_odds(network(sample[None]), torch.tensor([3]))[0]
    torch.testing.assert_close(table[-1], whole, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_masked_features_are_exact(layout):
    """Masking copies features bit for bit, in either memory layout."""
    seen = []
    features = torch.randn(1, 3, 8, 8).to(memory_format=layout)

    def head(masked):
        seen.append(masked)
        return masked.flatten(1)[:, :2]

    own = Cut(nn.Identity(), nn.Identity())
    own.stem.forward = lambda x: features
    own.head.forward = head
    regions = players.patch_regions(torch.tensor([9, 20]), (8, 8))
    players.value_table(own, torch.zeros(1), 0, regions, baseline=0.1)
    (masked,) = seen
    assert masked.is_contiguous(memory_format=layout)
    for subset in range(4):
        expected = features[0].clone()
        for i, (row, column) in enumerate([(1, 1), (2, 4)]):
            if not subset >> i & 1:
                expected[:, row, column] = 0.1
        assert torch.equal(masked[subset], expected)


@pytest.mark.parametrize("states", [1, 3, 7, 8, 16, 100])
@pytest.mark.parametrize("spoils", [False, True])
@pytest.mark.parametrize("inference", [False, True])
def test_what_stays_between_parts_is_what_it_was_whatever_the_network_does_with_it(states, spoils, inference):
    """Only regions that change are written anew; a network that writes into its input spoils what would stay."""
    draw = torch.Generator().manual_seed(0)
    features, baseline = torch.randn(3, 4, 6, generator=draw), torch.randn(3, 1, 1, generator=draw)
    regions = torch.arange(24).view(4, 6) % 7 == torch.arange(6)[:, None, None]  # some cells are no player's
    seen = []

    def head(masked):
        seen.append(masked.clone())
        logits = masked.flatten(1)[:, :10].clone()
        return (logits, masked.mul_(-3.0))[0] if spoils else logits

    own = Cut(nn.Identity(), nn.Identity())
    own.head.forward = head
    with torch.inference_mode(inference):
        players.value_table(own, features, 0, regions, baseline, states)
    for subset, masked in enumerate(torch.cat(seen)):
        there = torch.tensor([bool(subset >> k & 1) for k in range(6)])
        hidden = (regions & ~there[:, None, None]).any(0)
        assert torch.equal(masked, torch.where(hidden, baseline.expand(3, 4, 6), features)), subset


def test_words_are_masked_like_patches():
    """Integer features: a player is the tokens of a word, and the baseline is a token."""
    torch.manual_seed(0)
    tokens = torch.tensor([101, 7, 8, 9, 102])
    words = torch.tensor([[0, 1, 1, 0, 0], [0, 0, 0, 1, 0]], dtype=torch.bool)
    embedding = nn.Sequential(nn.Embedding(128, 4), nn.Flatten(), nn.Linear(20, 2))
    table = players.value_table(Cut(nn.Identity(), embedding), tokens, 1, words, baseline=103)
    with torch.no_grad():
        states = torch.tensor(
            [[101, 103, 103, 103, 102], [101, 7, 8, 103, 102], [101, 103, 103, 9, 102], [101, 7, 8, 9, 102]]
        )
        torch.testing.assert_close(table, players.log_odds(embedding(states), torch.ones(4, dtype=torch.int64)))


def test_a_network_brings_its_own_baseline(sample):
    network = networks.build("vgg4", (1, 32, 32), 10, seed=0).eval()
    regions = players.patch_regions(torch.tensor([9, 18]), (32, 32))
    expected = players.value_table(network, sample, 3, regions, baseline=0.7)
    assert not torch.equal(expected, players.value_table(network, sample, 3, regions))
    network.baseline = 0.7
    assert torch.equal(expected, players.value_table(network, sample, 3, regions))


def test_a_table_is_the_same_where_the_memory_is_short(network, sample, monkeypatch):
    regions = players.patch_regions(players.draw_patches(6, 1, seed=0), (32, 32))[0]
    whole = players.value_table(network, sample, 3, regions)
    forward, sizes = network.head.forward, []

    def short_of_memory(x):
        sizes.append(len(x))
        if len(x) > 20:
            raise torch.OutOfMemoryError
        return forward(x)

    monkeypatch.setattr(network.head, "forward", short_of_memory)
    torch.testing.assert_close(players.value_table(network, sample, 3, regions), whole, rtol=1e-5, atol=1e-5)
    assert sizes == [64, 32, 16, 16, 16, 16]


def test_tables_of_several_samples_are_the_tables_of_each(network):
    samples = torch.rand(3, 1, 32, 32)
    labels = torch.tensor([1, 2, 3])
    regions = players.patch_regions(players.draw_patches(4, 3, seed=0), (32, 32))
    tables = players.value_tables(network, samples, labels, regions)
    for k in range(3):
        assert torch.equal(tables[k], players.value_table(network, samples[k], labels[k], regions[k]))
    assert players.value_tables(network, samples[:0], labels[:0], regions[:0]).shape == (0, 2**4)


def test_one_player_a_sample_on_grey_pixels_is_each_samples_own(network):
    """Regions (samples, 1, h, w) could be those of as many players over (1, h, w) as well."""
    grey = networks.cut_at(network, "pixels")
    samples, labels = torch.rand(3, 1, 32, 32), torch.tensor([1, 2, 3])
    regions = players.patch_regions(players.draw_patches(4, 3, seed=0), (32, 32)).any(1, keepdim=True)
    tables = players.value_tables(grey, samples, labels, regions)
    for k in range(3):
        assert torch.equal(tables[k], players.value_table(grey, samples[k], labels[k], regions[k]))


def test_patches_are_drawn_inside_the_margin_by_the_seed_alone():
    patches = players.draw_patches(10, 200, seed=5)
    assert torch.equal(patches, players.draw_patches(10, 200, seed=5))
    assert not torch.equal(patches, players.draw_patches(10, 200, seed=6))
    assert all(len(set(row)) == 10 for row in patches.tolist())
    inside = {8 * row + column for row in range(1, 7) for column in range(1, 7)}
    assert set(patches.flatten().tolist()) == inside
    with pytest.raises(ValueError, match="players = 37: allowed are 1 to 36"):
        players.draw_patches(37, 1, seed=0)


@pytest.mark.parametrize("size", [8, 32, 55])
def test_patches_tile_the_feature_map(size):
    regions = players.patch_regions(torch.arange(64), (size, size))
    assert torch.equal(regions.sum(0), torch.ones(size, size, dtype=torch.int64))
    lines = [round(size * k / 8) for k in range(9)]
    rows, columns = regions[8 * 2 + 5].nonzero().unbind(1)
    assert (rows.min(), rows.max() + 1) == (lines[2], lines[3])
    assert (columns.min(), columns.max() + 1) == (lines[5], lines[6])


def test_wrong_regions_and_outputs_are_refused(network, sample):
    with pytest.raises(ValueError, match="needs 8 or more"):
        players.patch_regions(torch.tensor([0]), (6, 6))
    with pytest.raises(ValueError, match="allowed are 0 to 63"):
        players.patch_regions(torch.tensor([64]), (32, 32))
    with pytest.raises(ValueError, match=r"regions are over \(16, 16\)"):
        players.value_table(network, sample, 0, players.patch_regions(torch.tensor([9]), (16, 16)))
    with pytest.raises(ValueError, match="overlap"):
        players.value_table(network, sample, 0, players.patch_regions(torch.tensor([9, 9]), (32, 32)))
    broken = networks.build("vgg4", (1, 32, 32), 10, seed=0)
    broken.head[-1].bias.data[0] = torch.nan
    with pytest.raises(ValueError, match="NaN or infinite on 2 of 2 states"):
        players.value_table(broken, sample, 0, players.patch_regions(torch.tensor([9]), (32, 32)))


@pytest.mark.case("B3")
def test_one_set_of_regions_serves_all_samples():
    """Case B3; shapes that could be both are refused."""
    network = networks.build("lenet", (1, 32, 32), 10, seed=0)
    x, labels = torch.rand(3, 1, 32, 32), torch.tensor([1, 2, 3])
    patches = players.draw_patches(3, 1, seed=0)[0]
    regions = players.patch_regions(patches, (28, 28))
    shared = players.value_tables(network, x, labels, regions)
    each = players.value_tables(network, x, labels, regions.expand(3, -1, -1, -1))
    assert torch.equal(shared, each)
    tokens = Cut(torch.nn.Identity(), torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(15, 3)))
    own = torch.zeros(2, 5, 3, dtype=torch.bool)  # (players, tokens, width) for all, or (samples, players, tokens)
    assert players.value_tables(tokens, torch.rand(4, 5, 3), torch.tensor([0, 1, 2, 0]), own).shape == (4, 4)
    with pytest.raises(ValueError, match="each sample's own or the same for all"):
        square = Cut(torch.nn.Identity(), torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(9, 3)))
        players.value_tables(square, torch.rand(2, 3, 3), torch.tensor([0, 1]), torch.zeros(2, 3, 3, dtype=torch.bool))


@pytest.mark.case("B5")
@pytest.mark.parametrize(
    ("sample", "words"),
    [
        (torch.rand(1, 1, 32, 32), "shape (1, 1, 32, 32)"),  # the batch axis left on
        (torch.randint(255, (1, 32, 32), dtype=torch.uint8), "type torch.uint8"),
        (torch.rand(3, 32, 32), "shape (3, 32, 32)"),
    ],
)
def test_a_sample_that_the_network_cannot_take_is_one_line(sample, words):
    """Case B5."""
    network = networks.build("lenet", (1, 32, 32), 10, seed=0)
    regions = players.patch_regions(players.draw_patches(2, 1, seed=0)[0], (28, 28))
    with pytest.raises(ValueError) as error:
        players.value_table(network, sample, 1, regions)
    assert words in str(error.value) and "\n" not in str(error.value)


@pytest.mark.case("B5")
def test_arrays_of_numpy_are_taken():
    """Case B5."""
    network = networks.build("lenet", (1, 32, 32), 10, seed=0)
    x, regions = torch.rand(1, 32, 32), players.patch_regions(players.draw_patches(2, 1, seed=0)[0], (28, 28))
    assert torch.equal(
        players.value_table(network, x.numpy(), 1, regions.numpy()), players.value_table(network, x, 1, regions)
    )


def test_the_mean_of_features_is_that_of_each_channel_over_samples_and_positions():
    data = datasets.load("digits", 32, train_samples=300)
    network = networks.build("vgg4", data.shape, 10, seed=0)
    mean = players.mean_features(network, data, data.x_train)
    with torch.no_grad():
        expected = network.stem(data.prepare(data.x_train)).mean((0, 2, 3))
    torch.testing.assert_close(mean[:, 0, 0], expected)
    pixels = networks.cut_at(network, "pixels")
    colour = players.mean_features(pixels, data, data.x_train)
    assert colour.item() == pytest.approx(data.prepare(data.x_train).mean().item(), rel=1e-5)
    regions = players.patch_regions(players.draw_patches(4, 1, seed=0)[0], (32, 32))
    table = players.value_table(pixels, data.prepare(data.x_test[:1])[0], data.y_test[0], regions, baseline=colour)
    masked = torch.where(regions.any(0), colour, data.prepare(data.x_test[:1]))
    with torch.no_grad():
        assert table[0].item() == pytest.approx(players.log_odds(network(masked), data.y_test[:1]).item(), abs=1e-5)


def test_a_plain_logit_as_v():
    logits = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert players.logit(logits, torch.tensor([2, 0])).tolist() == [3.0, 4.0]
