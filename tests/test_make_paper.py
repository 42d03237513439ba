"""`make paper`: its arithmetic on known times, every experiment known to it, and the edit of params.yaml."""

import pytest
import torch
import yaml

from book.builder import provenance
from lib import experiments, launch


def test_every_experiment_has_a_size():
    for name in experiments.names():
        assert experiments.load(name).dataset in launch.SIZES, name


def test_minutes_are_the_counts_times_the_seconds(monkeypatch):
    monkeypatch.setattr(launch, "seconds", lambda *_: (0.06, 0.006))
    changes = {
        "train_samples": 1000, "test_samples": 500, "epochs": 10, "checkpoints": 4, "samples": 5, "players": 6,
        "checkpoint_samples": 2, "category_samples": 1, "reset_samples": 2, "nested_samples": 3, "nested_players": 8,
        "parameter_noise": [1, 2], "input_noise": [3],
    }  # fmt: skip
    parts = launch.minutes(experiments.load("mnist-lenet", changes), torch.device("cpu"))
    assert parts["train"] == pytest.approx(10 * (1000 * 0.06 + 1500 * 0.006) / 60)
    tables = 7 * 5 + 4 * 2 + 20 + 4 * 2  # A–D and three levels of noise; checkpoints; ten categories; wrong labels
    assert parts["tables"] == pytest.approx((tables * 64 + 3 * 256) * 0.006 / 60)
    assert parts["solve"] == pytest.approx(tables * launch.SOLVE / 60)


def test_starting_adds_the_names_and_keeps_the_comments(monkeypatch, tmp_path):
    params = tmp_path / "params.yaml"
    params.write_text(experiments.PARAMS.read_text())
    calls = []
    monkeypatch.setattr(launch, "PARAMS", params)
    monkeypatch.setattr(launch.experiments, "running", lambda: yaml.safe_load(params.read_text())["run"])
    monkeypatch.setattr(
        launch.subprocess, "run", lambda command, **_: calls.append(command) or type("", (), {"returncode": 0})
    )
    before = params.read_text().splitlines()
    assert launch.start(["mnist-lenet", "digits-vgg"]) == 0
    after = params.read_text().splitlines()
    assert [line for line in after if line not in before] == ["  - mnist-lenet"]
    assert len(after) == len(before) + 1
    assert yaml.safe_load(params.read_text())["run"] == ["digits-vgg", "mnist-lenet"]
    assert [call[:2] + call[-1:] for call in calls if call[1] == "repro"] == [
        ["dvc", "repro", f"{last}@{name}"]
        for name in ("mnist-lenet", "digits-vgg")
        for last in ("inject", "decompose", "weave")
    ]
    launch.start(["mnist-lenet"])
    assert params.read_text().splitlines() == after, "a second time changes nothing"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("run:\n- a\nb: 1\n", "run:\n- a\n- c\n- d\nb: 1\n"),  # as `dvc exp run -S` leaves it
        ("run:\n  - x\n  - a # é\n\n# b\nb: 1\n", "run:\n  - x\n  - a # é\n  - c\n  - d\n\n# b\nb: 1\n"),
        ("b:\n  - 1\nrun: [x, a] # é\n", "b:\n  - 1\nrun: [x, a, c, d] # é\n"),
        ("run:\n    - 'a'", "run:\n    - 'a'\n    - c\n    - d"),
        ("# é\r\nrun:\r\n  - a\r\n", "# é\r\nrun:\r\n  - a\r\n  - c\n  - d\n"),
    ],
)
def test_names_are_added_however_the_list_is_written(before, after):
    found = launch.listed(before, ["c", "d"])
    assert found.replace("\r", "") == after.replace("\r", "")
    was = yaml.safe_load(before)
    assert yaml.safe_load(found) == was | {"run": [*was["run"], "c", "d"]}


def test_a_stage_that_fails_stops_the_rest(monkeypatch, tmp_path):
    params = tmp_path / "params.yaml"
    params.write_text(experiments.PARAMS.read_text())
    calls = []
    monkeypatch.setattr(launch, "PARAMS", params)
    monkeypatch.setattr(
        launch.subprocess, "run", lambda command, **_: calls.append(command) or type("", (), {"returncode": 3})
    )
    assert launch.start(["digits-vgg"]) == 3
    assert [call[1] for call in calls] == ["pull", "repro"]


def test_an_unknown_name_starts_nothing(monkeypatch):
    monkeypatch.setattr(launch.subprocess, "run", lambda *_, **__: pytest.fail("it started"))
    with pytest.raises(ValueError, match="experiment = 'mnist'"):
        launch.start(["mnist"])


def test_tables_of_an_older_commit_are_not_read_by_the_code_of_today(monkeypatch):
    monkeypatch.setattr(launch.subprocess, "run", lambda *_, **__: pytest.fail("it started"))
    load = experiments.load
    older = {"mnist-lenet": {"measured": "359ef24"}}
    monkeypatch.setattr(experiments, "load", lambda name: load(name, older.get(name)))
    with pytest.raises(ValueError, match="measured at the commit 359ef24.*measured = null"):
        launch.start(["mnist-lenet"])
    assert provenance.redrawing("mnist-lenet") == "git checkout 359ef24 && make paper RUN=mnist-lenet"
    assert provenance.redrawing("digits-vgg") == "make paper RUN=digits-vgg"


def test_what_the_tables_that_ship_took_is_told_by_name(monkeypatch, tmp_path):
    file = tmp_path / "costs.csv"
    file.write_text(
        "experiment,processor,beside,training,extraction,injection,alternatives\n"
        "one,A card,2 to 3,90,60,,30\nother,A core,,30,6,6,\n"
    )
    monkeypatch.setattr(launch, "COSTS", file)
    assert launch.cost("one") == "A card, beside 2 to 3 others: training 1.5 min, value tables 1.5 min"
    assert launch.cost("other") == "A core: training 0.5 min, value tables 0.2 min"
    assert launch.cost("none") is None


def test_costs_are_of_experiments_that_ship():
    lines = launch.COSTS.read_text(encoding="utf-8").splitlines()[1:]
    names = [line.partition(",")[0] for line in lines]
    assert len(set(names)) == len(names)
    for name in names:
        assert (launch.ROOT / "results" / name / "curves.csv").exists(), name
