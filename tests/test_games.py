"""Games of networks: any layer of any architecture, against a forward pass of its own for each masked state."""

import copy
import warnings

import numpy as np
import pytest
import torch
import torchvision
import transformers
from torch import nn

from lib import games, players
from lib.networks import Cut
from lib.players import log_odds


class Masking(nn.Module):
    """A module whose output is masked where `hidden` says so; in the module's place in its network."""

    def __init__(self, module, hidden, baseline):
        super().__init__()
        self.module, self.hidden, self.baseline = module, hidden, baseline

    def forward(self, *args, **kwargs):
        out = self.module(*args, **kwargs)
        first = out[0] if isinstance(out, tuple) else out
        masked = torch.where(self.hidden, torch.as_tensor(self.baseline).to(first), first)
        return (masked, *out[1:]) if isinstance(out, tuple) else masked

    def __getattr__(self, name):  # a parent may ask for what the module has
        return super().__getattr__(name) if name == "module" else getattr(self.module, name)


def brute_force(model, layer, inputs, regions, output, baseline=0.0):
    """v on all states, one forward pass of one sample for each. `regions` broadcast to the layer's output."""
    rows, own = [], copy.deepcopy(model).eval()
    parent, _, name = layer.rpartition(".")
    masking = Masking(own.get_submodule(layer), torch.zeros_like(regions[0]), baseline)
    setattr(own.get_submodule(parent), name, masking)
    for subset in range(2 ** len(regions)):
        masking.hidden = torch.zeros_like(regions[0])
        for player, region in enumerate(regions):
            if not subset >> player & 1:
                masking.hidden = masking.hidden | region
        with torch.no_grad():
            out = own(**inputs) if isinstance(inputs, dict) else own(inputs.clone()[None])
            rows.append(output(getattr(out, "logits", out)))
    return torch.cat(rows)


def odds(y):
    return lambda logits: log_odds(logits, torch.tensor([y]))


def disturb(model, side):
    """Running statistics as of a trained network, and all of it in training mode, on purpose; in double precision.

    Random weights in some eighty layers make much of what rounding leaves in single precision.
    """
    model.double().eval()
    norms = [module.train() for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for module in norms:
        module.momentum = 1.0
    with torch.no_grad():
        model(torch.rand(8, 3, side, side, dtype=torch.float64))
    for module in norms:
        module.momentum = 0.1
    return model.train()


VISION = {
    "resnet18": ("layer2", (4, 4)),
    "vgg11_bn": ("features.3", (16, 16)),
    "densenet121": ("features.denseblock1", (8, 8)),
    "efficientnet_b0": ("features.2", (16, 16)),
    "convnext_tiny": ("features.1", (8, 8)),
    "mobilenet_v3_small": ("features.1", (8, 8)),
    "alexnet": ("features.0", (15, 15)),
}

WIDE = {"vgg11_bn": 512 * 7 * 7, "alexnet": 256 * 6 * 6}  # one last layer here, not a hundred million weights


@pytest.mark.case("A3")
@pytest.mark.parametrize("name", VISION)
def test_a_layer_of_a_torchvision_network(name):
    torch.manual_seed(0)
    layer, shape = VISION[name]
    side = 64 if name in ("alexnet", "efficientnet_b0") else 32
    if name in WIDE:
        with torch.device("meta"):
            model = torchvision.models.get_model(name)
            model.classifier = nn.Linear(WIDE[name], 5)
        model.to_empty(device="cpu").apply(lambda module: getattr(module, "reset_parameters", bool)())
    else:
        model = torchvision.models.get_model(name, num_classes=5)
    model = disturb(model, side)
    image = torch.rand(3, side, side, dtype=torch.float64)
    regions = games.patches(shape, 2, chosen=[0, 1, 3])
    before = {key: value.clone() for key, value in model.state_dict().items()}
    seen = image.clone()
    values = games.value_table(games.at_layer(model, layer, image, regions, games.label(3)))
    expected = brute_force(model, layer, image, regions[:, None], odds(3))
    torch.testing.assert_close(values, expected, rtol=1e-9, atol=1e-11)
    assert float(values.max() - values.min()) > 1e-7
    assert torch.equal(image, seen) and all(module.training for module in model.modules())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


def test_the_layers_of_densenet_within_a_block_run_on_copies():
    """Their input is joined with their output, so that a batch of one cannot go before them."""
    torch.manual_seed(0)
    model = torchvision.models.densenet121(num_classes=3)
    image, regions = torch.rand(3, 32, 32), games.patches((8, 8), 2)
    layer = "features.denseblock1.denselayer2"
    values = games.value_table(games.at_layer(model, layer, image, regions, games.label(0)))
    expected = brute_force(model, layer, image, regions[:, None], odds(0))
    torch.testing.assert_close(values, expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("layer", ["conv_proj", "encoder.layers.encoder_layer_0"])
def test_a_vision_transformer_of_torchvision(layer):
    torch.manual_seed(0)
    model = torchvision.models.VisionTransformer(32, 8, 2, 2, 16, 32, dropout=0.3, num_classes=4)
    nn.init.normal_(model.heads.head.weight)
    image = torch.rand(3, 32, 32)
    if layer == "conv_proj":
        regions = games.patches((4, 4), 2)
        wide = regions[:, None]
    else:
        regions = games.tokens((4, 4), 2)
        wide = regions[..., None]
    values = games.value_table(games.at_layer(model, layer, image, regions, games.label(1)))
    torch.testing.assert_close(values, brute_force(model, layer, image, wide, odds(1)), rtol=2e-5, atol=2e-6)


SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}


def language_models():
    t = transformers
    encoder = {**SMALL, "vocab_size": 60, "num_labels": 3, "max_position_embeddings": 40}
    return {
        "BERT": (t.BertForSequenceClassification(t.BertConfig(**encoder)), "bert.encoder.layer.0"),
        "RoBERTa": (
            t.RobertaForSequenceClassification(t.RobertaConfig(**encoder)), "roberta.embeddings.word_embeddings"
        ),
        "GPT-2": (
            t.GPT2ForSequenceClassification(
                t.GPT2Config(vocab_size=60, n_positions=40, n_embd=16, n_layer=2, n_head=2, num_labels=3,
                pad_token_id=0)
            ),
            "transformer.h.0",
        ),
        "Llama": (
            t.LlamaForCausalLM(t.LlamaConfig(**SMALL, vocab_size=60, num_key_value_heads=1)), "model.layers.0"
        ),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["BERT", "RoBERTa", "GPT-2", "Llama"])
def test_tokens_of_language_models(name):
    torch.manual_seed(0)
    model, layer = language_models()[name]
    for parameter in model.parameters():  # else all outputs are 0, nearly
        nn.init.normal_(parameter, std=0.4)
    model.train()
    ids = torch.tensor([[5, 17, 8, 30, 41, 9, 2]])
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    regions = torch.eye(7, dtype=torch.bool)[1:5]
    if name == "Llama":
        output, expected_output = games.next_token(7), lambda logits: log_odds(logits[:, -1], torch.tensor([7]))
    else:
        output, expected_output = games.label(2), odds(2)
    values = games.value_table(games.at_layer(model, layer, inputs, regions, output))
    expected = brute_force(model, layer, inputs, regions[..., None], expected_output)
    torch.testing.assert_close(values, expected, rtol=2e-5, atol=2e-5)
    assert float(values.max() - values.min()) > 1e-2


def test_a_vision_transformer_of_transformers():
    torch.manual_seed(0)
    config = transformers.ViTConfig(**SMALL, image_size=32, patch_size=8, num_labels=3)
    model = transformers.ViTForImageClassification(config).train()
    nn.init.normal_(model.classifier.weight)
    inputs, regions = {"pixel_values": torch.rand(1, 3, 32, 32)}, games.tokens((4, 4), 2)
    layer = "vit.embeddings"
    values = games.value_table(games.at_layer(model, layer, inputs, regions, games.label(0)))
    torch.testing.assert_close(
        values, brute_force(model, layer, inputs, regions[..., None], odds(0)), rtol=2e-5, atol=2e-6
    )


@pytest.fixture
def network():
    torch.manual_seed(0)
    stem = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(inplace=True))
    return Cut(stem, nn.Sequential(nn.BatchNorm2d(4), nn.Flatten(), nn.Dropout(0.5), nn.Linear(4 * 8 * 8, 3)))


@pytest.fixture
def sample():
    return torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def regions():
    return players.patch_regions(torch.tensor([9, 12, 27, 45]), (8, 8))


def test_games_give_the_pipelines_own_tables(network, sample, regions):
    expected = players.value_table(network, sample, 1, regions)
    for layer in ("stem", "stem.1"):
        values = games.value_table(games.at_layer(network, layer, sample, regions, games.label(1)))
        torch.testing.assert_close(values, expected, rtol=0, atol=1e-6)
    pixels = Cut(nn.Identity(), network, 0.25)
    expected = players.value_table(pixels, sample, 2, regions)
    values = games.value_table(games.at_layer(network, None, sample, regions, games.label(2), baseline=0.25))
    torch.testing.assert_close(values, expected, rtol=0, atol=1e-6)
    mean = torch.rand(4, 1, 1)
    expected = players.value_table(network, sample, 0, regions, mean)
    values = games.value_table(games.at_layer(network, "stem", sample.numpy(), regions, games.label(0), mean))
    torch.testing.assert_close(values, expected, rtol=0, atol=1e-6)


@pytest.mark.case("A4")
def test_what_follows_may_write_into_the_layer_that_is_masked(network, sample, regions):
    """The ReLU overwrites what the convolution made."""
    values = games.value_table(games.at_layer(network, "stem.0", sample, regions, games.label(1), baseline=-1.0))
    expected = brute_force(network, "stem.0", sample, regions[:, None], odds(1), -1.0)
    torch.testing.assert_close(values, expected, rtol=1e-5, atol=1e-6)


def test_a_background_is_averaged_over(network, sample, regions):
    others = torch.rand(3, 1, 8, 8)
    values = games.value_table(
        games.at_layer(network, "stem", sample, regions, games.label(1), games.background(others))
    )
    tables = []
    for other in others:
        with torch.no_grad():
            tables.append(players.value_table(network, sample, 1, regions, network.stem(other[None])[0]))
    torch.testing.assert_close(values, torch.stack(tables).mean(0), rtol=0, atol=1e-6)
    assert float((tables[0] - tables[1]).abs().max()) > 1e-3


@pytest.mark.case("A5")
def test_axes_say_where_the_regions_lie():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(16, 3))
    tokens, regions = torch.tensor([1, 2, 3, 4]), torch.eye(4, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"\(4, 4\), which they fit in two ways: allowed is axes=\(0,\)"):
        games.at_layer(model, "0", tokens, regions, games.label(0))
    for axes, wide in (((0,), regions[..., None]), ((-1,), regions[:, None])):
        values = games.value_table(games.at_layer(model, "0", tokens, regions, games.label(0), axes=axes))
        torch.testing.assert_close(values, brute_force(model, "0", tokens, wide, odds(0)), rtol=1e-5, atol=1e-6)
    last = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Identity(), nn.Flatten(), nn.Linear(24, 3))  # rows, columns of 1, 3, 4
    image, crossed = torch.rand(1, 3, 4), games.regions(torch.arange(12).view(3, 4) // 4)
    straight = games.value_table(games.at_layer(last, "1", image, crossed, games.label(0)))
    turned = games.at_layer(last, "1", image, crossed.mT, games.label(0), axes=(2, 1))
    torch.testing.assert_close(games.value_table(turned), straight)
    for axes in [(0, 1), (1,), (1, 5), (1, 1)]:
        with pytest.raises(ValueError, match=r"axes = .*allowed are different axes of the features of those sizes"):
            games.at_layer(last, "1", image, crossed, games.label(0), axes=axes)


class Returns(nn.Module):
    """A network that returns what `wrap` makes of its logits."""

    def __init__(self, wrap, outputs=3):
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.head, self.wrap = nn.Linear(4, 4), nn.Linear(4, outputs), wrap

    def forward(self, x):
        return self.wrap(self.head(self.layer(x)))


X = torch.tensor([1.0, -2.0, 0.5, 3.0])
EACH = torch.eye(4, dtype=torch.bool)


def table_of(model, output, layer="layer"):
    return games.value_table(games.at_layer(model, layer, X, EACH, output))


@pytest.mark.case("B2")
@pytest.mark.parametrize(
    "wrap",
    [
        lambda out: {"logits": out, "hidden": out * 2},
        lambda out: {"out": out},
        lambda out: {"anything": out},
        lambda out: (out, out * 2),
        lambda out: transformers.modeling_outputs.SequenceClassifierOutput(logits=out),
    ],
)
def test_what_is_wrapped_is_folded_to_its_logits(wrap):
    expected = table_of(Returns(lambda out: out), games.label(2))
    assert torch.equal(table_of(Returns(wrap), games.label(2)), expected)


@pytest.mark.case("A10", "B2")
def test_outputs_say_which_number_v_is():
    plain = Returns(lambda out: out)
    expected = brute_force(plain, "layer", X, EACH, lambda out: out[:, 1].double())
    torch.testing.assert_close(table_of(plain, games.logit(1)), expected, rtol=1e-5, atol=1e-6)
    one = Returns(lambda out: out[:, 0])
    torch.testing.assert_close(table_of(one, games.logit()), table_of(plain, games.logit(0)))
    chance = Returns(lambda out: out.softmax(1))
    converted = table_of(chance, games.label(1, probabilities=True))
    torch.testing.assert_close(converted, table_of(plain, games.label(1)), rtol=1e-4, atol=1e-5)
    each = Returns(lambda out: out.sigmoid())
    converted = table_of(each, games.logit(1, probabilities=True))
    torch.testing.assert_close(converted, table_of(plain, games.logit(1)), rtol=1e-4, atol=1e-5)
    margin = table_of(plain, lambda logits: logits[:, 0] - logits[:, 1])
    torch.testing.assert_close(margin, table_of(plain, games.logit(0)) - table_of(plain, games.logit(1)))
    raw = Returns(lambda out: {"one": out, "two": out})
    assert torch.equal(table_of(raw, lambda out: out["two"][:, 0]), table_of(plain, games.logit(0)))


@pytest.mark.case("A10", "B2")
@pytest.mark.parametrize(
    ("model", "output", "said"),
    [
        (
            Returns(lambda out: out.softmax(1)),
            games.label(0),
            "with the sum 1, as probabilities are: allowed are logits",
        ),
        (Returns(lambda out: out.softmax(1)), games.logit(0), "with the sum 1, as probabilities are"),
        (nn.Sequential(nn.Linear(4, 3), nn.Softmax(1)), games.label(0), "the model ends in Softmax"),
        (nn.Sequential(nn.Linear(4, 3), nn.Sigmoid()), games.logit(0), "the model ends in Sigmoid"),
        (Returns(lambda out: out), games.label(3), r"label\(3\): allowed are 0 to 2"),
        (Returns(lambda out: out), games.logit(3), r"logit\(3\): .* k from 0 to 2"),
        (Returns(lambda out: out), games.label(0, probabilities=True), "allowed are 0 to 1, each row with the sum 1"),
        (Returns(lambda out: out, 1), games.label(0), r"shape \(1, 1\): allowed is .*logit\(k\) takes one logit"),
        (Returns(lambda out: out[:, 0]), games.label(0), r"shape \(1,\): allowed is"),
        (Returns(lambda out: {"a": out, "b": out}), games.label(0), "returned dict without logits"),
        (Returns(lambda out: out), lambda out: out, r"output returned shape \(1, 3\) for 1 states"),
        (Returns(lambda out: out), lambda out: 3.0, "output returned a float"),
        (Returns(lambda out: out), games.next_token(" Paris"), "allowed is a token's id; games.words takes text"),
    ],
)
def test_outputs_that_are_not_what_they_are_called_are_one_line(model, output, said):
    with pytest.raises(ValueError, match=said) as caught:
        games.value_table(games.at_layer(model, None, X, EACH, output))
    assert "\n" not in str(caught.value)


@pytest.mark.case("A10")
def test_independent_logits_are_no_classes():
    config = transformers.BertConfig(**SMALL, vocab_size=60, num_labels=3, problem_type="multi_label_classification")
    model = transformers.BertForSequenceClassification(config)
    inputs = {"input_ids": torch.tensor([[1, 2, 3]])}
    layer, regions = "bert.embeddings.word_embeddings", torch.eye(3, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"problem_type is multi_label_classification.*games.logit\(k\)"):
        games.at_layer(model, layer, inputs, regions, games.label(0))
    assert games.value_table(games.at_layer(model, layer, inputs, regions, games.logit(2))).shape == (8,)
    with pytest.warns(UserWarning, match="all outputs are between 0 and 1; if they are independent probabilities"):
        table_of(Returns(lambda out: out.sigmoid()), games.label(0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table_of(Returns(lambda out: out.sigmoid()), games.logit(0))  # a regression may be so


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.shared, self.unused, self.head = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.shared(self.shared(x)))


class Alive(nn.Module):
    """Drops units whether it trains or not."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        return nn.functional.dropout(self.layer(x).repeat(1, 9), 0.5, training=True)


class Mixing(nn.Sequential):
    """Its batch norm takes the statistics of the batch whether it trains or not."""

    def __init__(self):
        super().__init__(nn.Linear(4, 4), nn.Unflatten(1, (2, 2)), nn.BatchNorm1d(2, track_running_stats=False),
                         nn.Flatten(), nn.Linear(4, 3))  # fmt: skip


class Rows(nn.Module):
    """Its first layer makes rows of samples: windows, as in Swin."""

    def __init__(self):
        super().__init__()
        self.windows, self.head = nn.Unflatten(0, (-1, 1)), nn.Linear(4, 3)

    def forward(self, x):
        split = nn.Identity()(x.reshape(-1, 2))
        return self.head(self.part(split).reshape(len(x), 4))

    @property
    def part(self):
        return self.windows


@pytest.mark.parametrize(
    ("model", "layer", "said"),
    [
        (Twice(), "shared", "runs 2 times in a forward pass: allowed is a layer that runs once"),
        (Twice(), "unused", "does not run in a forward pass"),
        (Twice(), "shard", "has no such layer; allowed are its modules, shared"),
        (Alive(), "layer", "with all players present, .* of the model itself"),
        (Rows(), "windows", "of a batch of 1: allowed is a layer whose first axis is the batch"),
        (nn.LSTM(4, 4), None, "of a state in a batch, .* alone"),  # its first axis is time
        (Mixing(), "0", "of a state in a batch, .* alone: .*no batch norm without running statistics"),
        (Returns(lambda out: out).half(), "layer", r"model has parameters of torch.float16.*\(model.float\(\)\)"),
    ],
)
def test_layers_that_cannot_be_masked_are_one_line(model, layer, said):
    with pytest.raises(ValueError, match=said) as caught:
        games.at_layer(model, layer, X, EACH, games.label(0))
    assert "\n" not in str(caught.value)


@pytest.mark.case("B5")
def test_samples_and_regions_that_do_not_fit_are_one_line(network, sample, regions):
    with pytest.raises(ValueError, match=r"which the model cannot take .*a tensor without a batch axis"):
        games.at_layer(network, "stem", sample[None], regions, games.label(0))
    with pytest.raises(ValueError, match="which the model cannot take"):
        games.at_layer(network, "stem", (sample * 255).byte(), regions, games.label(0))
    with pytest.raises(ValueError, match="input_ids has a batch of 2: allowed is one sample"):
        games.at_layer(network, "stem", {"input_ids": torch.zeros(2, 3)}, regions, games.label(0))
    with pytest.raises(ValueError, match="layer = None: a sample that is a dict"):
        games.at_layer(network, None, {"x": sample[None]}, regions, games.label(0))
    with pytest.raises(
        ValueError, match=r"regions are over \(4, 4\), the features are \(4, 8, 8\): .*axes=\(…\) names"
    ):
        games.at_layer(network, "stem", sample, torch.ones(2, 4, 4), games.label(0))
    with pytest.raises(ValueError, match="regions overlap"):
        games.at_layer(network, "stem", sample, torch.ones(2, 8, 8), games.label(0))
    with pytest.raises(ValueError, match="players = 0: allowed are 1 to 30"):
        games.at_layer(network, "stem", sample, torch.ones(0, 8, 8), games.label(0))
    with pytest.raises(ValueError, match="names has 2 entries: allowed is one for each of 4 players"):
        games.at_layer(network, "stem", sample, regions, games.label(0), names=["a", "b"])
    with pytest.raises(ValueError, match="background has shape"):
        games.background(torch.zeros(0, 1, 8, 8))


@pytest.mark.case("A13", "A22")
def test_settings_of_precision_and_gradients_stay(network, sample, regions):
    expected = games.value_table(games.at_layer(network, "stem", sample, regions, games.label(1)))
    before = torch.backends.mkldnn.matmul.fp32_precision
    try:
        torch.backends.mkldnn.matmul.fp32_precision = "bf16"
        with torch.autocast("cpu", torch.bfloat16):
            game = games.at_layer(network, "stem", sample, regions, games.label(1))
            assert torch.equal(games.value_table(game), expected) and torch.is_autocast_enabled("cpu")
        assert torch.backends.mkldnn.matmul.fp32_precision == "bf16" and torch.is_grad_enabled()
    finally:
        torch.backends.mkldnn.matmul.fp32_precision = before


def test_buffers_that_a_network_writes_in_evaluation_too_are_put_back():
    class Counts(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("calls", torch.zeros(1))
            self.register_buffer("last", None)
            self.head = nn.Linear(4, 3)

        def forward(self, x):
            self.calls += 1
            self.last = x
            return self.head(x)

    model = Counts()
    games.value_table(games.at_layer(model, "head", X, torch.eye(3, dtype=torch.bool), games.label(0)))
    assert model.calls.item() == 0 and model.last is None


def test_a_game_takes_numpy_and_torch_and_refuses_other_shapes(network, sample, regions):
    game = games.at_layer(network, "stem", sample, regions, games.label(1), names="abcd")
    assert game.n_players == 4 and game.names == ("a", "b", "c", "d") and game.rounding > 0
    present = np.array([[True, False, True, True], [False] * 4])
    found = game(present)
    assert isinstance(found, np.ndarray) and found.dtype == np.float64 and found.shape == (2,)
    assert torch.equal(game(torch.from_numpy(present).byte()), torch.from_numpy(found))
    assert game(present.astype(int)).tolist() == found.tolist() and game(np.zeros((0, 4), bool)).shape == (0,)
    for bad in (np.zeros(4, bool), np.zeros((2, 5), bool), np.full((1, 4), 2)):
        with pytest.raises(ValueError, match="present has"):
            game(bad)


@pytest.mark.case("B4")
def test_any_function_is_a_game_and_says_what_is_wrong():
    table = games.value_table(lambda present: present @ [1.0, 10.0, 100.0], 3)
    assert table.tolist() == [0, 1, 10, 11, 100, 101, 110, 111]
    as_torch = games.value_table(lambda present: torch.from_numpy(present).float().sum(1), 2)
    assert as_torch.dtype == torch.float64 and as_torch.tolist() == [0, 1, 1, 2]
    for game, n, said in [
        (lambda present: present, 3, r"returned shape \(8, 3\) for 8 states"),
        (lambda present: np.where(present[:, 1], np.nan, 0.0), 2, r"NaN or infinite on 2 of 4 .*players \[1\] present"),
        (lambda present: present[:, 0].astype(str), 2, "allowed are real numbers"),
        (lambda present: present[:, 0], None, "players is not given"),
        (lambda present: present[:, 0], 40, r"players = 40: allowed are 1 to 30: a table of 2\*\*40 states would take"),
    ]:
        with pytest.raises(ValueError, match=said):
            games.value_table(game, n)
    with pytest.raises(ValueError, match="players = 3: the game has 2"):
        games.value_table(games.table([0, 1, 2, 3]), 3)


@pytest.mark.case("B3")
def test_label_maps_become_regions():
    seg = torch.tensor([[7, 7, 2, 2], [7, 7, 2, 2], [0, 0, 5, 5], [0, 0, 5, 5]])
    found = games.regions(seg.numpy(), ignore=0)
    assert found.shape == (3, 4, 4) and torch.equal(found[0], seg == 2) and torch.equal(found[2], seg == 7)
    small = games.regions(seg, (2, 2))
    assert small.int().argmax(0).tolist() == [[3, 1], [0, 2]]
    with pytest.raises(ValueError, match="has no cell on a feature map"):
        games.regions(seg, (1, 1))
    with pytest.raises(ValueError, match="seg has type .*allowed are whole numbers"):
        games.regions(seg / 2)
    with pytest.raises(ValueError, match="allowed are 2 sizes"):
        games.regions(seg, (2,))
    tokens = games.tokens((4, 4), 2)
    assert tokens.shape == (4, 17) and not tokens[:, 0].any() and tokens[1].nonzero()[:, 0].tolist() == [3, 4, 7, 8]


def test_channels_last_needs_axes():
    """Swin has rows, columns, channels."""
    torch.manual_seed(0)
    model = torchvision.models.SwinTransformer([4, 4], 12, [1, 1], [1, 2], [4, 4], num_classes=3)
    image, regions = torch.rand(3, 32, 32), games.patches((8, 8), 2)
    with pytest.raises(ValueError, match=r"the features are \(8, 8, 12\): .*axes=\(…\) names others"):
        games.at_layer(model, "features.1", image, regions, games.label(1))
    game = games.at_layer(model, "features.1", image, regions, games.label(1), axes=(0, 1))
    expected = brute_force(model, "features.1", image, regions[..., None], odds(1))
    torch.testing.assert_close(games.value_table(game), expected, rtol=2e-5, atol=2e-6)


def test_a_game_may_have_more_players_than_a_table_and_is_asked_for_chosen_states():
    network = nn.Sequential(nn.Flatten(1), nn.Linear(49, 3)).eval()
    game = games.at_layer(network, None, torch.rand(7, 7), games.patches((7, 7), grid=7), games.logit(1))
    assert games.count(game) == 49
    present = torch.rand(5000, 49) < 0.5
    values, rounding = games.on_masks(game, present.numpy())
    assert values.shape == (5000,) and 0 < rounding < 1e-4
    alone = torch.cat([games.on_masks(game, present[[k]].numpy())[0] for k in (7, 4500)])
    torch.testing.assert_close(values[[7, 4500]], alone, rtol=0.0, atol=2 * rounding)
    with pytest.raises(ValueError, match=r"players = 49: allowed are 1 to 30: a table of 2\*\*49 states would take"):
        games.value_table(game)
    twice = torch.cat([torch.eye(30), torch.eye(30)[:5]])
    with pytest.raises(ValueError, match="regions overlap: a position belongs to one player at most"):
        games.at_layer(nn.Linear(30, 2), None, torch.rand(30), twice, games.logit(0))
    with pytest.raises(ValueError, match="NaN or infinite on 1 of 2 states, the first with players .2. present"):
        games.on_masks(lambda p: np.where(p[:, 2], np.nan, 1.0), np.eye(3, dtype=bool)[[0, 2]])
    with pytest.raises(ValueError, match="players = 0: allowed are 1 or more"):
        games.Game(lambda p: p.sum(1), ())
