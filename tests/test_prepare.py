"""What a stage depends on: all that can change what it computes, and nothing else."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import yaml

from lib import closure, datasets, experiments, prepare
from lib.experiments import ROOT, Experiment

NOTEBOOK = {"cells": [{"cell_type": "code", "metadata": {}, "source": ["from lib import deep\n", "setting.seed\n"]}]}


@pytest.fixture
def house(tmp_path):
    """A small repository: one notebook, which imports deep, which imports a package's door, which imports a room."""
    files = {
        "lib/deep.py": '"""Deep."""\nfrom .rooms import room\n\n\ndef f():  # why\n    "What."\n    return room()\n',
        "lib/rooms/__init__.py": "from .first import room\n",
        "lib/rooms/first.py": "from ..devices import choose\n\n\ndef room():\n    return 1\n",
        "lib/devices.py": "def choose():\n    return 'cpu'\n",
        "notebooks/own.ipynb": json.dumps(NOTEBOOK),
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    return tmp_path


def prepared(root, **changes):
    closure._read.cache_clear()
    setting = experiments.load("digits-vgg", changes)
    return prepare.prepare("digits-vgg", setting, "own", root)


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("lib/rooms/first.py", "return 1", "return 2"),
        ("lib/deep.py", "return room()", "return room() + 1"),
        ("notebooks/own.ipynb", "setting.seed", "setting.seed + 1"),
    ],
)
def test_what_a_stage_computes_with_counts_however_deep_it_lies(house, file, before, after):
    first = prepared(house)
    content = (house / file).read_text()
    assert before in content
    (house / file).write_text(content.replace(before, after))
    assert prepared(house) != first


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("lib/deep.py", '"""Deep."""', '"""Another word for it,\n\non three lines."""'),
        ("lib/deep.py", "  # why", "  # because"),
        ("lib/deep.py", '    "What."\n', ""),
        ("lib/deep.py", "\n\n\n", "\n"),
        ("lib/devices.py", "cpu", "cuda"),  # machinery
    ],
)
def test_words_and_machinery_do_not_count(house, file, before, after):
    first = prepared(house)
    content = (house / file).read_text()
    assert before in content
    (house / file).write_text(content.replace(before, after))
    assert prepared(house) == first


def test_moving_a_module_changes_nothing(house):
    first = prepared(house)
    shutil.move(house / "lib/rooms/first.py", house / "lib/moved.py")
    (house / "lib/moved.py").write_text((house / "lib/moved.py").read_text().replace("from ..dev", "from .dev"))
    (house / "lib/rooms/__init__.py").write_text("from ..moved import room\n")
    assert prepared(house) == first


def test_only_the_parameters_that_a_notebook_uses_count(house):
    first = prepared(house)
    assert prepared(house, seed=1) != first and prepared(house, bootstrap=1) == first
    assert first["metadata"]["companion"]["parameters"] == {"seed": 0}


def test_every_parameter_is_used_by_some_notebook():
    found = set()
    for name in {*prepare.STAGES, *prepare.MEASURING, *prepare.ON_DEMAND}:
        cells = prepare.code_of(json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text()))["cells"]
        found |= set(prepare.used("\n".join(cell["source"] for cell in cells)))
    assert set(Experiment.model_fields) - found == {"measured"}


def test_the_text_that_counts_is_python_and_loses_only_words():
    for path in sorted((ROOT / "lib").rglob("*.py")):
        text = closure.stripped(path.read_text())
        assert '"""' not in text.split("cells", 1)[0] and "\n\n" not in text, path
        assert "    #" not in text, path
    source = 'x = "# no comment"  # one\ny = """not a docstring"""\nfrom .a import b\nimport os\nz = "é"  # é\n'
    assert closure.stripped(source) == 'x = "# no comment"\ny = """not a docstring"""\nimport os\nz = "é"\n'


@pytest.mark.case("A17")
def test_an_own_data_set_and_network_count_by_what_is_in_them(tmp_path, monkeypatch):
    """Case A17."""
    folder = tmp_path / "downloads" / "mine"
    for name in ("train/a/1.png", "test/a/1.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"one")
    own = {"dataset": "downloads/mine", "side": 32}
    setting = experiments.load("digits-vgg", own)
    first = prepare.dataset(setting, tmp_path)
    (folder / ".DS_Store").write_bytes(b"hidden")
    assert prepare.dataset(setting, tmp_path) == first
    (folder / "train/a/1.png").write_bytes(b"two")
    second = prepare.dataset(setting, tmp_path)
    monkeypatch.setattr(prepare, "HASHED", 0)  # of a large folder: sizes and times
    third = prepare.dataset(setting, tmp_path)
    os.utime(folder / "train/a/1.png", (1, 1))
    assert first != second and prepare.dataset(setting, tmp_path) != third
    (tmp_path / "downloads" / "mine.npz").write_bytes(b"one")
    setting = experiments.load("digits-vgg", own | {"dataset": "downloads/mine.npz"})
    first = prepare.dataset(setting, tmp_path)
    (tmp_path / "downloads" / "mine.npz").write_bytes(b"two")
    assert prepare.dataset(setting, tmp_path) != first

    (tmp_path / "netofmine.py").write_text("def make(shape, classes):\n    return 1\n")
    (tmp_path / "start.pt").write_bytes(b"one")
    monkeypatch.syspath_prepend(tmp_path)
    setting = experiments.load("digits-vgg", {"network": "netofmine:make", "weights": "start.pt"})
    first = prepare.network(setting, tmp_path)
    (tmp_path / "netofmine.py").write_text("# a word\ndef make(shape, classes):\n    return 1\n")
    assert prepare.network(setting, tmp_path) == first
    (tmp_path / "netofmine.py").write_text("def make(shape, classes):\n    return 2\n")
    second = prepare.network(setting, tmp_path)
    (tmp_path / "start.pt").write_bytes(b"two")
    assert first != second != prepare.network(setting, tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dataset": "downloads/absent.npz"}, "absent.npz is not there"),
        ({"network": "absentmodule:make"}, "no module absentmodule"),
        ({"weights": "absent.pt"}, "absent.pt is not there"),
    ],
)
def test_an_input_that_is_not_there_is_one_line(change, words):
    with pytest.raises((ValueError, OSError), match=words):
        prepare.prepare("digits-vgg", experiments.load("digits-vgg", change), "1_train")


def test_tables_measured_at_a_commit_do_not_depend_on_the_code_of_today(house):
    setting = experiments.load("digits-vgg", {"measured": "18c3eea"})
    shutil.copy(house / "notebooks/own.ipynb", house / "notebooks/2_extract.ipynb")
    first = prepare.prepare("digits-vgg", setting, "2_extract", house)
    (house / "lib/deep.py").write_text("def f():\n    return 5\n")
    assert prepare.prepare("digits-vgg", setting, "2_extract", house) == first
    assert "measured at the commit 18c3eea" in first["cells"][0]["source"]


def test_the_pipeline_reads_one_file_a_stage_and_writes_what_the_next_reads():
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    written = {"../../notebooks", "run", "verdicts"}  # folders into which several stages write
    for name, stage in stages.items():
        outs = [stage["do"].get(kind, []) for kind in ("outs", "plots", "metrics")]
        written |= {path if isinstance(path, str) else next(iter(path)) for own in outs for path in own}
        if name == "weave":
            continue
        notebook = stage["do"]["cmd"].split()[-2]
        assert stage["do"]["wdir"] == "results/${item}"
        assert stage["do"]["deps"][0] == f"../../build/${{item}}/{notebook}.ipynb"
        assert notebook in {*prepare.STAGES, *prepare.MEASURING, *prepare.ON_DEMAND}
    read = {dep for stage in stages.values() for dep in stage["do"].get("deps", [])}
    assert {dep for dep in read if not dep.startswith("../../build/${item}/")} <= written


def test_the_command_writes_every_stage_and_says_one_line_for_a_wrong_name():
    command = [sys.executable, "-m", "lib.prepare"]
    assert subprocess.run([*command, "digits-vgg"], cwd=ROOT).returncode == 0
    names = {path.stem for path in (ROOT / "build" / "digits-vgg").iterdir()}
    assert names == {*prepare.STAGES, *prepare.MEASURING, *prepare.ON_DEMAND}
    result = subprocess.run([*command, "digit-vgg"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode != 0 and result.stderr.strip().count("\n") == 0
    assert "experiment = 'digit-vgg': allowed are digits-vgg" in result.stderr


@pytest.mark.case("C19")
@pytest.mark.parametrize(
    ("change", "least"),
    [
        ({}, 70),  # of 797 test samples
        ({"label_noise": 0.9}, None),
        ({"train_samples": 200, "test_samples": 150, "seed": 5}, None),
    ],
)
def test_what_the_smallest_category_has_is_said_before_the_training(change, least):
    """As many as 2_extract finds when it has read the data, after the training: one more is refused."""
    setting = experiments.load("digits-vgg", change | {"category_samples": 0})
    given = (setting.label_noise, setting.seed, setting.train_samples, setting.test_samples)
    data = datasets.load("digits", 32, *given)
    kept = np.delete(data.y_train.numpy(), data.reset.numpy())
    fewest = min(np.bincount(y, minlength=10).min() for y in (kept, data.y_test.numpy()))
    assert least is None or fewest >= least
    prepare.categories("one", setting.model_copy(update={"category_samples": int(fewest)}))
    with pytest.raises(ValueError, match=f"^params.yaml: experiments.one.category_samples = {fewest + 1}: ") as error:
        prepare.categories("one", setting.model_copy(update={"category_samples": int(fewest) + 1}))
    assert f"allowed are at most {fewest}, all " in str(error.value) and "\n" not in str(error.value)


@pytest.mark.case("C19")
def test_categories_of_an_own_folder_are_counted_without_reading_its_images(tmp_path):
    for part, category, count in (("train", "a", 5), ("train", "b", 4), ("test", "a", 3), ("test", "b", 6)):
        (tmp_path / part / category).mkdir(parents=True)
        for k in range(count):
            (tmp_path / part / category / f"{k}.png").write_bytes(b"not read")
    own = {"dataset": str(tmp_path), "label_noise": 0.0, "category_samples": 3}
    prepare.categories("one", experiments.load("digits-vgg", own))
    with pytest.raises(ValueError, match="category_samples = 4: allowed are at most 3, all test samples of category 0"):
        prepare.categories("one", experiments.load("digits-vgg", own | {"category_samples": 4}))
    setting = experiments.load("digits-vgg", {"dataset": "mnist", "category_samples": 990})
    prepare.categories("one", setting)  # not here before the training
