"""The script of the kills and the unusual places still begins as it should: what takes hours is not run here."""

import random
import shutil
import signal
import subprocess
import sys

import faults
import pytest

from lib import experiments, pipeline, prepare


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return faults.Small(tmp_path_factory.mktemp("faults") / "a b é")


def test_the_small_settings_are_those_of_an_experiment_that_can_run(small):
    params = small.folder / "params.yaml"
    assert experiments.running(params) == [faults.NAME] and experiments.choices(params) == []
    own = experiments.load(faults.NAME, params=params).model_dump(mode="json")
    assert {field: own[field] for field in faults.SMALL} == faults.SMALL


def test_dvc_reads_the_small_folder_and_finds_all_its_stages_to_run(small, monkeypatch):
    for name, value in small.environment.items():
        monkeypatch.setenv(name, value)
    subprocess.run([sys.executable, "-m", "lib.prepare", faults.NAME], cwd=small.folder, check=True)
    built = {path.stem for path in (small.folder / "build" / faults.NAME).iterdir()}
    assert built == {*prepare.STAGES, *prepare.MEASURING, *prepare.ON_DEMAND}
    needs = pipeline.graph([faults.NAME], [], small.folder)
    rows = {stage: f"{stage}@{faults.NAME}" for stage in faults.STAGES}
    assert set(needs) == set(rows.values())
    assert needs[rows["extract"]] == {rows["prepare"], rows["train"]}
    assert pipeline.outdated(needs, small.folder) >= set(needs) - {rows["prepare"]}
    found = small.contents()
    assert {"dvc.lock", f"build/{faults.NAME}/1_train.ipynb"} <= set(found) and not small.partial() and not small.left()
    git = subprocess.run(["git", "status", "--porcelain"], cwd=small.folder, capture_output=True, text=True, check=True)
    assert git.stdout == "", "what prepare writes is ignored"


def test_kills_are_of_every_kind_and_drawn_by_the_seed():
    took = dict.fromkeys(faults.COMMANDS, 50.0)
    drawn = faults.moments(16, 3, took)
    assert drawn == faults.moments(16, 3, took) != faults.moments(16, 4, took)
    kinds = {(moment.command, moment.number, moment.alone) for moment in drawn}
    assert len(kinds) == 8 and {number for _, number, _ in kinds} == {signal.SIGKILL, signal.SIGTERM}
    assert all(0 <= moment.after <= 50 for moment in drawn)


def test_after_two_kills_the_same_command_makes_the_bytes_of_an_undisturbed_run(tmp_path):
    """SIGKILL of the group, then SIGTERM of DVC alone, under `make figures`.

    `make faults` has fifty, each in a folder of its own, and more stages.
    """
    alone = {"category_samples": 0}  # else `prepare` counts the samples of each category
    small = faults.Small(tmp_path / "small", ("prepare", "train"), alone)
    made, took = faults.undisturbed(small, ["make figures"])
    assert any(name.endswith("curves.csv") for name in made)
    draw = random.Random(0)
    small.lay()
    for number, by_itself in ((signal.SIGKILL, False), (signal.SIGTERM, True)):
        moment = faults.Moment("make figures", number, by_itself, draw.uniform(1.0, took["make figures"] / 2))
        faults.kill(small, moment)
        assert moment.faults == "", small.said()[-2000:]
    faults.complete(small, moment, made)
    assert moment.faults == "", small.said()[-2000:]


@pytest.mark.skipif(not shutil.which("localedef"), reason="localedef, of the C library, makes the Turkish locale")
def test_every_unusual_place_can_be_laid(tmp_path):
    places = faults._unusual(tmp_path)
    assert len({name for name, _, _ in places.values()}) == len(places) == 8
    assert all(shutil.which(inside[0]) for _, _, inside in places.values() if inside)
