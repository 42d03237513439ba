"""`make figures` runs stages in an order that their needs allow, all that are stale and no other, and compares."""

import dataclasses
import subprocess
import threading
import time

import psutil
import pytest
import yaml

from lib import claims, pipeline
from lib.shipped import compared


@pytest.fixture(scope="module")
def needs():
    return pipeline.graph(["digits-vgg", "mnist-lenet"], ["mnist-lenet"])


class Recorder:
    """Stands in for `pipeline.Running`: notes when stages start and end."""

    def __init__(self, fails=()):
        self.events, self.fails, self.lock = [], fails, threading.Lock()

    def stage(self, row):
        with self.lock:
            self.events.append(("start", row))
        time.sleep(0.005)
        with self.lock:
            self.events.append(("end", row))
        return int(row in self.fails)


def test_the_graph_is_that_of_dvc_yaml(needs):
    assert needs["decompose@digits-vgg"] == {f"{stage}@digits-vgg" for stage in ("prepare", "extract", "inject")}
    assert needs["alternatives@mnist-lenet"] == {f"{stage}@mnist-lenet" for stage in ("prepare", "train", "extract")}
    measured = ("prepare", "train", "extract", "inject", "alternatives")
    assert needs["every_choice@mnist-lenet"] == {f"{stage}@mnist-lenet" for stage in measured}
    assert "alternatives@digits-vgg" not in needs and needs["prepare@digits-vgg"] == set()
    assert all(other.partition("@")[2] == row.partition("@")[2] for row in needs for other in needs[row])


def test_an_experiment_needs_nothing_of_one_whose_name_begins_its_own():
    needs = pipeline.graph(["digits-vgg-train-noise-10", "digits-vgg"], [])
    assert needs["train@digits-vgg-train-noise-10"] == {"prepare@digits-vgg-train-noise-10"}
    assert needs["train@digits-vgg"] == {"prepare@digits-vgg"}


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_every_stale_stage_runs_once_after_those_that_it_needs(needs, workers):
    stale = {row for row in needs if not row.startswith("prepare")} - {"train@digits-vgg"}
    recorder = Recorder()
    assert pipeline.run(needs, stale, workers, recorder.stage) is None
    ended, at_work = set(), 0
    for event, row in recorder.events:
        at_work += 1 if event == "start" else -1
        assert at_work <= workers
        if event == "start":
            assert needs[row] & stale <= ended, row
        else:
            ended.add(row)
    assert sorted(row for event, row in recorder.events if event == "end") == sorted(stale)


def test_after_a_failure_nothing_more_starts(needs):
    recorder = Recorder(fails={"extract@digits-vgg"})
    rows = {row for row in needs if row.endswith("digits-vgg") and not row.startswith("prepare")}
    assert pipeline.run(needs, rows, 1, recorder.stage) == "extract@digits-vgg"
    assert [row for _, row in recorder.events] == ["train@digits-vgg"] * 2 + ["extract@digits-vgg"] * 2


def test_claims_that_differ_beyond_their_band_are_shown():
    ships = claims.judged("returns", "digits-vgg", 0.3, (0.1, 0.4))
    same = dataclasses.replace(ships, measured=0.2, interval=(0.05, 0.3))
    beyond = dataclasses.replace(ships, measured=0.6, interval=(0.5, 0.7))
    other = dataclasses.replace(same, verdict="does not hold")
    assert compared.differences([ships], [same]) == []
    (line,) = compared.differences([ships], [beyond])
    assert "0.3 [0.1, 0.4] (holds) ships, 0.6 [0.5, 0.7] (holds) is yours" in line
    assert len(compared.differences([ships], [other])) == 1
    unmeasured = claims.judged("returns", "digits-vgg", None)
    assert len(compared.differences([ships], [unmeasured])) == len(compared.differences([ships], [])) == 1
    assert compared.differences([unmeasured], [unmeasured]) == []


def test_stages_at_work_end_with_the_pipeline(tmp_path, monkeypatch):
    """Also what they started themselves, for they are a process group each."""
    fake = tmp_path / "dvc"
    fake.write_text(f"#!/bin/bash\necho begun\nsleep 300 & echo $! > {tmp_path}/child\nwait\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    running, ended = pipeline.Running(tmp_path), []
    thread = threading.Thread(target=lambda: ended.append(running.stage("train@digits-vgg")))
    thread.start()
    while not (tmp_path / "child").exists() or not (tmp_path / "child").read_text().strip():
        time.sleep(0.01)
    running.stop()
    thread.join(2)
    assert ended and ended[0] != 0
    child = int((tmp_path / "child").read_text())
    time.sleep(0.1)
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_checkpoints_that_ship_are_set_aside_once_and_ones_own_never(tmp_path):
    def git(*command):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *command], cwd=tmp_path, check=True)

    folder = tmp_path / "results" / "one" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "epoch-00000.pt").write_bytes(b"ships")
    git("init", "--quiet")
    git("add", "results")
    git("commit", "--quiet", "-m", "ships")
    (folder / "unfinished.pt").write_bytes(b"a training of one's own")
    assert not pipeline.set_aside("one", tmp_path) and folder.is_dir()
    (folder / "unfinished.pt").unlink()
    (tmp_path / "build" / "one").mkdir(parents=True)
    assert not pipeline.set_aside("one", tmp_path), "the pipeline has run here"
    (tmp_path / "build" / "one").rmdir()
    assert pipeline.set_aside("one", tmp_path) and not folder.exists()
    assert not pipeline.set_aside("one", tmp_path)
    own = tmp_path / "results" / "two" / "checkpoints"
    own.mkdir(parents=True)
    (own / "epoch-00000.pt").write_bytes(b"not in git")
    assert not pipeline.set_aside("two", tmp_path) and own.is_dir()


def test_changed_data_are_no_stage_but_make_those_stale_that_read_them(tmp_path):
    def dvc(*arguments):
        subprocess.run(["dvc", *arguments], cwd=tmp_path, check=True, capture_output=True)

    dvc("init", "--no-scm")
    (tmp_path / "data").write_text("one")
    dvc("add", "data")
    (tmp_path / "code").write_text("")
    read = {"train": "data", "other": "code"}
    stages = {name: {"cmd": f"cp {path} {name}", "deps": [path], "outs": [name]} for name, path in read.items()}
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    dvc("repro")
    needs = {"train": set(), "other": set(), "figures": {"train"}}
    assert pipeline.outdated(needs, tmp_path) == set()
    (tmp_path / "data").write_text("two")
    assert pipeline.outdated(needs, tmp_path) == {"train", "figures"}
