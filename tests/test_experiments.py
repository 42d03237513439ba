"""params.yaml: what is in it is what the code and the pipeline know, and what is wrong in it is named."""

import subprocess
import sys

import pytest
import yaml

from lib import experiments, networks
from lib.datasets import readers
from lib.experiments import ROOT


@pytest.fixture
def params(tmp_path):
    content = yaml.safe_load(experiments.PARAMS.read_text())

    def write(**changes):
        content["experiments"]["digits-vgg"].update(changes)
        path = tmp_path / "params.yaml"
        path.write_text(yaml.safe_dump(content))
        return path

    return write


def test_every_block_is_valid_and_every_name_has_code():
    for name in yaml.safe_load(experiments.PARAMS.read_text())["experiments"]:
        experiments.load(name)
    assert set(experiments.DATASETS) == set(readers.SETS)
    assert {*experiments.IMAGE_NETWORKS, *experiments.OF_SENTENCES} == set(networks.ARCHITECTURES)


def test_the_experiments_of_the_paper_are_there():
    """The union of Section 2.2.1 and Appendix I.1: data, network, share of labels reset, pixels."""
    blocks = yaml.safe_load(experiments.PARAMS.read_text())["experiments"]
    found = {name: (b["dataset"], b["network"], b["label_noise"], b["side"]) for name, b in blocks.items()}
    paper = {
        "digits-vgg": ("digits", "vgg4", 0.05, 32),
        "mnist-lenet": ("mnist", "lenet", 0.01, 32),
        "mnist-resnet20": ("mnist", "resnet20", 0.01, 32),
        "cifar10-vgg11": ("cifar10", "vgg11", 0.01, 32),
        "cifar10-vgg16": ("cifar10", "vgg16", 0.01, 32),
        "cub-alexnet": ("cub", "alexnet", 0.05, 224),
        "cub-vgg13": ("cub", "vgg13", 0.05, 224),
        "cub-vgg16": ("cub", "vgg16", 0.05, 224),
        "tinyimagenet-alexnet": ("tiny-imagenet", "alexnet", 0, 224),
        "tinyimagenet-vgg16": ("tiny-imagenet", "vgg16", 0, 224),
        "tinyimagenet-lenet": ("tiny-imagenet", "lenet", 0, 224),
        "sst2-bert-medium": ("sst2", "bert-medium", 0, None),
    }
    assert {name: found[name] for name in paper} == paper
    for name in paper:
        block = blocks[name]
        assert (block["samples"], block["players"], block["tau"], block["zeta"]) == (50, 10, 0.02, 0.02), name
    assert experiments.running() == ["digits-vgg"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"label_noise": 1.5}, ["label_noise = 1.5", "less than or equal to 1"]),
        ({"label_noise": -0.1}, ["label_noise = -0.1", "greater than or equal to 0"]),
        ({"label_noise": float("nan")}, ["label_noise = nan"]),
        ({"labelnoise": 0.1}, ["labelnoise: no such parameter", "label_noise"]),
        ({"dataset": "digit"}, ["dataset = 'digit'", "'digits'"]),
        ({"network": "vgg99"}, ["network = 'vgg99'", "'vgg4'"]),
        ({"players": 20, "grid": 6}, ["players = 20", "2 to 16"]),
        ({"players": 40}, ["players = 40", "24"]),
        ({"nested_players": 14, "grid": 5, "players": 5}, ["nested_players = 14", "2 to 9"]),
        ({"parameter_noise": [1, -1]}, ["parameter_noise.1 = -1", "greater than 0"]),
        ({"epochs": 2}, ["epochs = 2", "0 (the network is measured as it is) and 3 or more"]),
        ({"network": "my net:make"}, ["network = 'my net:make'", "'module:function'"]),
        ({"weights": "mine"}, ["weights = 'mine'", ".pt or .pth"]),
        ({"precision": "float16"}, ["precision = 'float16'", "'bfloat16'"]),
        ({"threads": 0}, ["threads = 0", "greater than or equal to 1"]),
        ({"train_noise": -1}, ["train_noise = -1", "greater than or equal to 0"]),
        ({"cut": "relu3"}, ["cut = 'relu3'", "'relu1', 'relu2' or 'pixels'"]),
        ({"baseline": None}, ["baseline = null", "zero or mean"]),
        ({"fgsm_sign": "+"}, ["fgsm_sign = '+'", "'adversarial' or 'printed'"]),
        ({"measured": "HEAD"}, ["measured = 'HEAD'"]),
        ({"alternatives": ["sing"]}, ["alternatives.0 = 'sing'", "'sign'"]),
        ({"length": 64}, ["length = 64", "allowed is null"]),
        ({"samples": 0}, ["samples = 0", "greater than or equal to 1"]),
        ({"samples": "many"}, ["samples = 'many'", "integer"]),
        ({"side": None}, ["side = null", "vgg4 takes images"]),
        ({"weights": "pretrained"}, ["weights = 'pretrained'", "scratch"]),
        ({"network": "bert-medium"}, ["side = 32", "null", "takes sentences"]),
        (
            {"network": "bert-medium", "side": None, "grid": None, "margin": None, "category_samples": 0},
            ["baseline = zero", "allowed is null", "takes sentences"],
        ),
    ],
)
def test_a_wrong_parameter_is_named_with_its_value_and_what_is_allowed(params, change, words):
    with pytest.raises(ValueError) as error:
        experiments.load("digits-vgg", params=params(**change))
    message = str(error.value)
    assert "\n" not in message
    assert all(word in message for word in ["experiments.digits-vgg", *words]), message


def test_a_missing_parameter_is_named(params):
    path = params()
    content = yaml.safe_load(path.read_text())
    del content["experiments"]["digits-vgg"]["epochs"]
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ValueError, match="epochs: missing"):
        experiments.running(path)


def test_an_unknown_experiment_is_named():
    with pytest.raises(ValueError, match="experiment = 'digits': allowed are digits-vgg, .*mnist-lenet"):
        experiments.load("digits")


def test_overrides_do_not_mix_with_the_results_of_the_pipeline():
    with pytest.raises(ValueError, match="folder = 'results'"):
        experiments.results("digits-vgg", overrides={"seed": 1})


def test_the_command_says_one_line_and_fails():
    command = [sys.executable, "-m", "lib.notebook", "run", "1_train", "digits-vgg"]
    wrong = [*command, "--overrides", '{"label_noise": 2}', "--folder", "scratch"]
    result = subprocess.run(wrong, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode != 0
    assert result.stderr.strip().count("\n") == 0
    assert "label_noise = 2" in result.stderr
