"""params.yaml: what is in it is what the code and the pipeline know, and what is wrong in it is named."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from dvc.utils.hydra import apply_overrides

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
    for name in experiments.names():
        experiments.load(name)
    assert set(experiments.DATASETS) == set(readers.SETS)
    assert {*experiments.IMAGE_NETWORKS, *experiments.OF_SENTENCES} == set(networks.ARCHITECTURES)


def test_the_experiments_of_the_paper_are_there():
    """The union of Section 2.2.1 and Appendix I.1: data, network, share of labels reset, pixels."""
    blocks = experiments._read(experiments.PARAMS)["experiments"]
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
        samples = 50 if block["side"] != 224 else 20 if block["network"].startswith("vgg") else 30  # for the minutes
        assert (block["samples"], block["players"], block["tau"], block["zeta"]) == (samples, 10, 0.02, 0.02), name
    assert experiments.running() == ["digits-vgg"]


@pytest.mark.case("C7", "C19")
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
        ({"alpha_range": [0.5]}, ["alpha_range = [0.5]: allowed is a list of two"]),
        ({"alpha_range": [1.5, 0.5]}, ["alpha_range = [1.5, 0.5]: allowed is the least α, then a greater one"]),
        ({"alpha_range": 3}, ["alpha_range = 3: allowed is a list"]),
        ({"learning_rate": 1e308}, ["learning_rate = 1e+308: allowed is less than or equal to 1000000"]),
        ({"learning_rate": "1e308"}, ["learning_rate = '1e308': allowed is less than or equal to 1000000"]),
        ({"learning_rate": float("inf")}, ["learning_rate = inf: allowed is a finite number"]),
        ({"epochs": 10**30}, ["epochs = 1000", ": allowed is less than or equal to 1000000"]),
        ({"epochs": True}, ["epochs = True: allowed is no true or false"]),
        ({"input_noise": [2, True]}, ["input_noise = [2, True]: allowed is no true or false"]),
        ({"epochs": {"a": 1}}, ["epochs = {'a': 1}: allowed is a valid integer"]),
        ({"seed": None}, ["seed = null: allowed is a valid integer"]),
        ({"samples": 798}, ["samples = 798: allowed are at most 797, the test samples"]),
        ({"samples": 201, "test_samples": 200}, ["samples = 201: allowed are at most 200"]),
        ({"category_samples": 500}, ["category_samples = 500: allowed are at most 79"]),
        ({"nested_samples": 150}, ["nested_samples = 150: allowed are at most 50"]),
        ({"checkpoint_samples": 51}, ["checkpoint_samples = 51: allowed are at most 50"]),
        ({"reset_samples": 51}, ["reset_samples = 51: allowed are at most 50, the labels that are reset"]),
        ({"train_samples": 5000}, ["train_samples = 5000: allowed are 1 to 1,000, all of digits"]),
        ({"test_samples": 798}, ["test_samples = 798: allowed are 1 to 797"]),
        ({"parameter_noise": [3, 3]}, ["parameter_noise = [3.0, 3.0]: allowed is each once; 3.0 is there twice"]),
        ({"input_noise": [4, 4.0]}, ["input_noise = [4.0, 4.0]: allowed is each once"]),
        ({"alternatives": ["cut", "cut"]}, ["alternatives = ['cut', 'cut']: allowed is each once"]),
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
    assert message.startswith("params.yaml: experiments.digits-vgg.") and len(message) < 600
    assert all(word in message for word in words), message


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


TEXT = experiments.PARAMS.read_text(encoding="utf-8")
FIRST = "  digits-vgg:             # ours"
LINE = TEXT[: TEXT.index("    epochs: 96")].count("\n") + 1


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        pytest.param(*change, marks=pytest.mark.case(*cases.split()))
        for cases, *change in [
            ("C5", "  - digits-vgg\n", "  - x;touch y\n", "run = 'x;touch y': allowed are digits-vgg, "),
            ("C5", FIRST, "  x;touch y: #", "experiments has the name 'x;touch y': allowed are letters, digits"),
            ("C5", FIRST, "  $(touch y): #", "experiments has the name '$(touch y)': allowed are letters"),
            ("C6", FIRST, "  ..: #", "experiments has the name '..': allowed are letters"),
            ("C6", FIRST, "  2024: #", "experiments has the name 2024: allowed are letters"),
            ("C6", FIRST, "  '2024': #", "experiments has the name '2024': allowed are letters"),
            ("B13 C6", FIRST, "  a b: #", "experiments has the name 'a b': allowed are letters"),
            ("B13", FIRST, "  a.b: #", "experiments has the name 'a.b': allowed are letters"),
            ("C6", FIRST, "  -small: #", "experiments has the name '-small': allowed are letters"),
            ("C6", FIRST, "  a/b: #", "experiments has the name 'a/b': allowed are letters"),
            ("C6", FIRST, "  ../../outside: #", "experiments has the name '../../outside': allowed are letters"),
            ("C6", FIRST, "  '': #", "experiments has the name '': allowed are letters"),
            ("C6", FIRST, "  ' ': #", "experiments has the name ' ': allowed are letters"),
            ("C6", FIRST, '  "a\\n": #', "experiments has the name 'a\\n': allowed are letters"),
            ("C6", FIRST, "  é: #", "experiments has the name 'é': allowed are letters"),
            ("C7", "device: auto", "device: gpu", "device = 'gpu': allowed are auto, cpu, cuda or cuda:k"),
            ("C7", "device: auto", "device: 3", "device = 3: allowed are auto"),
            ("C7", "device: auto", "device: null", "device = null: allowed are auto"),
            ("C7", FIRST, "  a:\n" + FIRST, "experiments.a = null: allowed are parameters and their values"),
            ("C7", FIRST, "  a: [1, 2]\n" + FIRST, "experiments.a = [1, 2]: allowed are parameters"),
            ("C7", FIRST, "  a: {1: 2}\n" + FIRST, "experiments.a.1: no such parameter"),
            ("C7", "    epochs: 96", "    epochs: [96", f"line {LINE + 1}: expected ',' or ']'"),
            ("C7", "    epochs: 96", "  \tepochs: 96", f"line {LINE}: found character '\\t'"),
            ("C7", "    epochs: 96", "    epochs: !!python/name:os.system", f"line {LINE}: could not determine"),
            ("C7", "    epochs: 96", "    epochs: *nobody", f"line {LINE}: found undefined alias"),
            ("C7", "experiments:\n", "experiments: null\nmore:\n", "top level is ["),
            ("C23", "  - digits-vgg\n", "  - digits-vgg\n  - digits-vgg\n", "run = 'digits-vgg': allowed is each once"),
            ("C23", "  - digits-vgg\n", "  []\n", "run = []: allowed is a list of names, one name at least"),
            ("C23", "  - digits-vgg\n", "  digits-vgg\n", "run = 'digits-vgg': allowed is a list of names"),
            ("C23", "  - digits-vgg\n", "  - [digits-vgg]\n", "run = ['digits-vgg']: allowed are digits-vgg, "),
            ("C7", "seed: digits-vgg-seed-1", "seed: nobody", "digits-vgg.another_seed = 'nobody': allowed are "),
            ("C7", "seed: digits-vgg-seed-1", "seed: mnist-lenet", "of another dataset: allowed is one that is "),
            ("C7", "sweep_samples: 8", "sweep_samples: 30", "'digits-vgg-seed-1', of 20 samples: allowed is one of 30"),
            ("C23", "choices: []", "choices: [nobody]", "choices = 'nobody': allowed are digits-vgg, "),
            ("C23", "choices: []", "choices: [mnist-lenet]", "choices = ['mnist-lenet']: allowed are those under run"),
            ("C23", "    epochs: 96", "    epochs: 96\n    epochs: 97", f"line {LINE + 1}: epochs is there twice"),
            ("C23", "choices: []", "choices: []\nrun: [mnist-lenet]", "run is there twice"),
            ("C23", FIRST, "  mnist-lenet: {}\n" + FIRST, "mnist-lenet is there twice"),
        ]
    ],
)  # fmt: skip
def test_a_fault_in_params_yaml_is_one_line_before_anything_starts(tmp_path, before, after, said):
    assert before in TEXT
    path = tmp_path / "params.yaml"
    path.write_text(TEXT.replace(before, after, 1), encoding="utf-8")
    with pytest.raises(ValueError) as error:
        experiments.running(path)
    message = str(error.value)
    assert message.startswith("params.yaml: ") and "\n" not in message and said in message, message


@pytest.mark.case("C7")
@pytest.mark.parametrize(
    "content", [b"", b"- 1\n", b"[" * 3000, b"run: [b", b"a: \xe4\n", b"&a [*a]", b"a: 1\x00", b"? [a]\n: 1"]
)
def test_what_is_no_params_yaml_is_one_line(tmp_path, content):
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="^params.yaml: [^\n]*$"):
        experiments.running(path)


@pytest.mark.case("C19")
def test_more_samples_for_other_choices_than_there_are_is_named(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(
        TEXT.replace("choices: []", "choices: [digits-vgg]").replace(
            "    epochs: 96", "    samples: 10\n    epochs: 96", 1
        )
    )
    with pytest.raises(ValueError, match="digits-vgg.alternative_samples = 20: allowed are at most 10, the samples"):
        experiments.running(path)


@pytest.mark.case("C7")
def test_a_device_that_the_variable_asks_for_is_checked_too(monkeypatch):
    monkeypatch.setenv("COMPANION_DEVICE", "gpu")
    with pytest.raises(ValueError, match="COMPANION_DEVICE = 'gpu': allowed are auto, cpu, cuda or cuda:k"):
        experiments.device()


def written_out(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    return path


SHARED = """
run: [one]
choices:
device: cpu
common: {tau: 0.1, seed: 1, epochs: 3}
experiments:
  one: {like: two, seed: 3}
  two: {like: three, epochs: 5}
  three: {seed: 2, side: 8}
"""


def test_what_blocks_share_is_resolved_by_the_reader(tmp_path):
    found = experiments._read(written_out(tmp_path, SHARED))
    assert found["choices"] == []
    assert found["experiments"] == {
        "one": {"tau": 0.1, "seed": 3, "epochs": 5, "side": 8},
        "two": {"tau": 0.1, "seed": 2, "epochs": 5, "side": 8},
        "three": {"tau": 0.1, "seed": 2, "epochs": 3, "side": 8},
    }


@pytest.mark.case("A21")
def test_a_value_set_by_dvc_is_the_only_one_that_changes_and_common_acts_on(tmp_path):
    """What `dvc exp run -S` does to params.yaml, by DVC's own function."""
    path = written_out(tmp_path, TEXT)
    apply_overrides(path, ["experiments.digits-vgg.label_noise=0.1"])
    assert len(path.read_text(encoding="utf-8").splitlines()) < 1.5 * len(TEXT.splitlines())
    before, after = (experiments._read(params)["experiments"] for params in (experiments.PARAMS, path))
    alike = {"digits-vgg", *(f"digits-vgg-seed-{k}" for k in range(1, 5))}  # by `like`
    assert {name for name in before if before[name] != after[name]} == alike
    assert after["digits-vgg"] == before["digits-vgg"] | {"label_noise": 0.1}
    path.write_text(path.read_text(encoding="utf-8").replace("bootstrap: 200", "bootstrap: 7"), encoding="utf-8")
    assert {experiments.load(name, params=path).bootstrap for name in before} == {7}


@pytest.mark.parametrize(
    ("like", "said"),
    [
        ("nobody", "experiments.three.like = 'nobody': allowed are"),
        ("one", "experiments.three.like = 'one': allowed are"),  # a circle
        ("[one]", r"experiments.three.like = \['one'\]: allowed are"),
    ],
)
def test_a_block_that_is_like_none_is_named(tmp_path, like, said):
    path = written_out(tmp_path, SHARED.replace("three: {", f"three: {{like: {like}, "))
    with pytest.raises(ValueError, match=said):
        experiments.running(path)


@pytest.mark.case("C5", "C6", "C7", "C23")
@pytest.mark.parametrize("command", [["lib.pipeline"], ["lib.prepare", "digits-vgg"], ["lib.launch", "mnist-lenet"]])
def test_a_faulty_params_yaml_stops_a_command_with_one_line_and_nothing_starts(tmp_path, command):
    """In a copy of the code; a `dvc` that would leave a trace stands first on the PATH."""
    shutil.copytree(ROOT / "lib", tmp_path / "lib")
    for name in ("dvc.yaml", "dvc.lock"):
        shutil.copy(ROOT / name, tmp_path)
    written_out(tmp_path, TEXT.replace("  - digits-vgg\n", "  - x;touch y\n", 1))
    dvc = tmp_path / "bin" / "dvc"
    dvc.parent.mkdir()
    dvc.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    dvc.chmod(0o755)
    environment = {**os.environ, "PATH": f"{dvc.parent}:{os.environ['PATH']}", "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("error: params.yaml: run = 'x;touch y': allowed are digits-vgg, ")
    assert done.stderr.count("\n") == 1 and not (tmp_path / "started").exists() and not (tmp_path / "y").exists()
