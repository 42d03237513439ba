"""A reader's network as it comes: in training mode, with a stem that overwrites, under any setting of precision."""

import copy

import pytest
import torch
from torch import nn

from lib import inject, players
from lib.networks import Cut, full_precision


@pytest.fixture
def network():
    torch.manual_seed(0)
    stem = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU())
    network = Cut(stem, nn.Sequential(nn.BatchNorm2d(4), nn.Flatten(), nn.Dropout(0.5), nn.Linear(4 * 8 * 8, 3)))
    network.head[0].running_mean += torch.rand(4)
    return network


@pytest.fixture
def sample():
    return torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def regions():
    return players.patch_regions(torch.tensor([9, 12, 27, 45]), (8, 8))


def brute_force(network, sample, label, regions, baseline=0.0):
    """v on all states, with a masked copy of the features for each; the network is in evaluation mode."""
    rows = []
    with torch.no_grad():
        features = network.stem(sample.clone()[None])
        for subset in range(2 ** len(regions)):
            masked = features.clone()
            for player, region in enumerate(regions):
                if not subset >> player & 1:
                    masked = torch.where(region, torch.as_tensor(baseline).to(masked), masked)
            rows.append(players.log_odds(network.head(masked), torch.tensor([label]))[0])
    return torch.stack(rows)


@pytest.mark.case("A2", "A3")
def test_a_network_in_training_mode_is_evaluated_and_left_as_it_was(network, sample, regions):
    """Cases A2 and A3: dropout and batch norm."""
    expected = brute_force(copy.deepcopy(network).eval(), sample, 1, regions)
    network.train()
    network.head[2].eval()  # one of its own mind
    before = {name: value.clone() for name, value in network.state_dict().items()}
    for _ in range(2):
        torch.testing.assert_close(players.value_table(network, sample, 1, regions), expected, rtol=1e-5, atol=1e-6)
    inject.fgsm(network, sample[None], torch.tensor([1]), 0.01)
    assert network.training and network.head[0].training and not network.head[2].training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.case("A4")
def test_a_stem_that_overwrites_its_input_leaves_the_sample_alone(network, sample, regions):
    """Case A4."""

    class Overwrites(nn.Module):
        def forward(self, x):
            return x.sub_(0.5).div_(0.25).expand(-1, 4, -1, -1)

    network.stem = Overwrites()
    network.eval()
    before = sample.clone()
    expected = brute_force(network, sample, 2, regions)
    for _ in range(2):
        torch.testing.assert_close(players.value_table(network, sample, 2, regions), expected, rtol=1e-5, atol=1e-6)
    assert torch.equal(sample, before)


@pytest.mark.case("A5")
def test_regions_are_over_tokens_and_refused_where_they_might_be_over_their_width():
    """Case A5."""
    torch.manual_seed(0)
    wide = Cut(nn.Embedding(9, 6), nn.Sequential(nn.Flatten(), nn.Linear(24, 3)))
    tokens, regions = torch.tensor([1, 2, 3, 4]), torch.eye(4, dtype=torch.bool)[:3]
    expected = brute_force(wide, tokens, 0, regions[..., None].expand(3, 4, 6))
    torch.testing.assert_close(players.value_table(wide, tokens, 0, regions), expected, rtol=1e-5, atol=1e-6)
    square = Cut(nn.Embedding(9, 4), nn.Sequential(nn.Flatten(), nn.Linear(16, 3)))
    with pytest.raises(ValueError, match=r"regions are over \(4,\): .*\(4, 4\), which they fit in two ways"):
        players.value_table(square, tokens, 0, regions)
    both = regions[..., None].expand(3, 4, 4)
    torch.testing.assert_close(players.value_table(square, tokens, 0, both), brute_force(square, tokens, 0, both))


@pytest.mark.case("A6")
def test_regions_as_bytes_are_booleans_and_other_numbers_refused(network, sample, regions):
    """Case A6."""
    expected = players.value_table(network, sample, 0, regions)
    assert torch.equal(players.value_table(network, sample, 0, regions.byte()), expected)
    with pytest.raises(ValueError, match=r"regions have entries \[0, 255\]: allowed are 0 and 1"):
        players.value_table(network, sample, 0, regions.byte() * 255)


@pytest.mark.case("A11")
def test_a_baseline_that_whole_numbers_cannot_take_is_refused():
    """Case A11."""
    own = Cut(nn.Identity(), nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(16, 3)))
    tokens, regions = torch.tensor([1, 2, 3, 4]), torch.eye(4, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"baseline = 2\.7.*: features of torch.int64 allow whole numbers"):
        players.value_table(own, tokens, 0, regions, baseline=2.7)
    expected = brute_force(own, tokens, 0, regions, 2)
    torch.testing.assert_close(players.value_table(own, tokens, 0, regions, baseline=2.0), expected)


def test_a_baseline_may_be_a_mean_colour(network, sample, regions):
    network.eval()
    mean = torch.rand(4, 1, 1)
    expected = brute_force(network, sample, 1, regions, mean)
    torch.testing.assert_close(
        players.value_table(network, sample, 1, regions, baseline=mean), expected, rtol=1e-5, atol=1e-6
    )
    for shape in [(3, 1, 1), (4, 4, 8, 8)]:  # the second would be a baseline for each player
        with pytest.raises(ValueError, match=r"baseline has shape .*: allowed is what expands to \(4, 8, 8\)"):
            players.value_table(network, sample, 1, regions, baseline=torch.zeros(shape))


@pytest.mark.case("A13")
def test_half_precision_is_refused_and_autocast_is_off(network, sample, regions):
    """Case A13."""
    expected = players.value_table(network, sample, 1, regions)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(players.value_table(network, sample, 1, regions), expected)
        assert torch.is_autocast_enabled("cpu")
    with pytest.raises(ValueError, match=r"network has parameters of torch.bfloat16: allowed are float32 and float64"):
        players.value_table(network.bfloat16(), sample, 1, regions)


def everything():
    backends = torch.backends
    switches = (backends, backends.cuda.matmul, backends.cudnn, backends.cudnn.conv, backends.mkldnn.matmul)
    return [switch.fp32_precision for switch in switches], backends.cudnn.benchmark, backends.cudnn.deterministic


@pytest.mark.case("A22", "B1")
@pytest.mark.parametrize(
    ("switch", "value"),
    [("backends.cudnn.conv", "ieee"), ("backends.cuda.matmul", "tf32"), ("backends.mkldnn.matmul", "bf16")],
)
def test_precision_is_full_and_the_readers_settings_stay(network, sample, regions, switch, value):
    """Cases A22 and B1: masked features are copied bit for bit under any setting, by either of torch's interfaces."""
    expected = players.value_table(network, sample, 1, regions)
    module = torch
    for part in switch.split("."):
        module = getattr(module, part)
    before = module.fp32_precision
    try:
        module.fp32_precision = value
        own = everything()
        assert torch.equal(players.value_table(network, sample, 1, regions), expected)
        assert everything() == own and module.fp32_precision == value
    finally:
        module.fp32_precision = before


@pytest.mark.case("B1")
def test_the_older_interface_is_left_readable():
    """Case B1, the other way round."""
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        x, y = torch.rand(64, 64), torch.rand(64, 64)
        exact = x.double() @ y.double()
        with full_precision():
            assert (x @ y - exact).abs().max() < 1e-4
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
    assert torch.backends.cudnn.allow_tf32 is True


@pytest.mark.case("B4")
@pytest.mark.parametrize("count", [0, 31])
def test_too_few_and_too_many_players_are_one_line(network, sample, count):
    """Case B4."""
    with pytest.raises(ValueError, match=rf"players = {count}: allowed are 1 to 30"):
        players.value_table(network, sample, 0, torch.zeros(count, 8, 8, dtype=torch.bool))
