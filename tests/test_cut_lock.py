"""A dvc.lock that a kill has cut is seen, wherever it was cut, and the last whole one put back."""

import json
import os
import random
import re
import shutil
import subprocess
import sys
import threading
import time

import psutil
import pytest

from lib import pipeline, prepare, shipped
from lib.experiments import ROOT

WHOLE = (ROOT / "dvc.lock").read_bytes()
ROWS = re.findall(rb"  \S.*:\n(?:    .*\n)+", WHOLE)
HEAD = WHOLE[: WHOLE.index(ROWS[0])]
OLD = HEAD + b"".join(ROWS[:6])  # few, so that many cuts can be tried
OTHER = re.sub(rb"md5: [0-9a-f]{2}", b"md5: 00", ROWS[2])


@pytest.fixture
def root(tmp_path):
    """A pipeline without git, with a copy of its lock; it has no more of the repository."""
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    (tmp_path / "dvc.lock").write_bytes(OLD)
    shipped.keep(tmp_path)
    assert (tmp_path / shipped.COPY).read_bytes() == OLD
    return tmp_path


def commit(root):
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "--quiet"], ["add", "dvc.lock", "dvc.yaml"], ["commit", "--quiet", "-m", "whole"]):
        subprocess.run([*git, *command], cwd=root, check=True)


@pytest.mark.case("C1")
def test_a_cut_lock_of_what_each_stage_depends_on_is_made_anew(root):
    first = root / shipped.FIRST.replace(".yaml", ".lock")
    first.parent.mkdir()
    shutil.copy(ROOT / first.relative_to(root), first)
    shipped.mend(root)
    assert first.exists()
    first.write_bytes(first.read_bytes()[:20])
    shipped.mend(root)
    assert not first.exists() and (root / "dvc.lock").read_bytes() == OLD


def test_the_lock_is_header_and_rows():
    assert HEAD + b"".join(ROWS) == WHOLE and len(ROWS) > 100 and ROWS[2] != OTHER


@pytest.mark.case("C1")
@pytest.mark.parametrize("new", [OLD.replace(ROWS[2], OTHER), OLD + ROWS[6]], ids=["a row anew", "one row more"])
def test_a_lock_cut_anywhere_is_seen_and_the_whole_one_is_not(root, new):
    assert not shipped.is_cut(new, root) and not shipped.is_cut(OLD, root)
    ends = [place.end() for place in re.finditer(b"\n", new)][:-1]
    inside = random.Random(0).sample(range(len(new)), 15)
    lines = random.Random(1).sample(ends, 15) + ends[-20:]  # where it still reads as whole
    same = len(OLD) if new.startswith(OLD) else None  # the old one itself, whose next row DVC had not begun
    for place in sorted({0, *inside, *lines} - {same}):
        assert shipped.is_cut(new[:place], root), new[:place][-80:]


@pytest.mark.case("C1")
def test_blocks_of_the_lock_that_ships_are_seen_as_cut(root):
    """Python hands a file to the system in blocks of 8 kB, so that a kill cuts it there."""
    (root / "dvc.lock").write_bytes(WHOLE)
    shipped.keep(root)
    for place in range(8192, len(WHOLE), 10 * 8192):
        assert shipped.is_cut(WHOLE[:place], root)
    assert not shipped.is_cut(WHOLE, root)


@pytest.mark.case("C1")
@pytest.mark.parametrize("cut", [0, len(HEAD), len(HEAD) + len(ROWS[0]), len(OLD) - 30, len(OLD) - 1])
def test_the_copy_is_put_back_with_one_line(root, cut, capsys):
    (root / "dvc.lock").write_bytes(OLD[:cut])
    shipped.keep(root)
    assert (root / shipped.COPY).read_bytes() == OLD, "a cut one is not copied"
    shipped.mend(root, 0.0)
    assert (root / "dvc.lock").read_bytes() == OLD
    assert (root / "build" / "cut-dvc.lock").read_bytes() == OLD[:cut]
    said = capsys.readouterr().out
    assert said.startswith("dvc.lock was cut by a kill: the last whole copy is put back") and said.count("\n") == 1
    shipped.mend(root, 0.0)
    (root / "dvc.lock").unlink()
    shipped.mend(root, 0.0)
    shipped.keep(root)
    assert capsys.readouterr().out == "" and (root / shipped.COPY).read_bytes() == OLD, (
        "once, and not if it was removed"
    )


@pytest.mark.case("C1")
def test_whole_rows_of_a_cut_lock_are_newer_than_the_copy_and_stay(root, capsys):
    """Else DVC, which has read them from the cut one, would neither run their stages again nor write them."""
    new = HEAD + b"".join([*ROWS[:2], OTHER, *ROWS[3:8]])
    begun = len(new) - len(ROWS[7])
    for cut, rows in ((begun, 7), (begun + 40, 7), (len(new) - 1, 7), (begun - 30, 6)):
        shutil.copy(root / shipped.COPY, root / "old.lock")
        (root / "dvc.lock").write_bytes(new[:cut])
        assert shipped.is_cut(new[:cut], root) or cut == begun, cut  # there it is as whole as a lock can be
        shipped.mend(root, 0.0)
        assert (root / "dvc.lock").read_bytes() == HEAD + b"".join([*ROWS[:2], OTHER, *ROWS[3:rows]])
        shutil.copy(root / "old.lock", root / shipped.COPY)
    assert capsys.readouterr().out.count("\n") == 3
    (root / "dvc.lock").write_bytes(new[: len(HEAD + ROWS[0] + ROWS[1] + OTHER) + 50])  # before rows that the copy has
    shipped.mend(root, 0.0)
    assert (root / "dvc.lock").read_bytes() == HEAD + b"".join([*ROWS[:2], OTHER, *ROWS[3:6]])


@pytest.mark.case("C1")
def test_without_a_copy_it_comes_from_the_last_commit_and_else_a_line_tells_what_to_do(root, capsys):
    (root / shipped.COPY).unlink()
    commit(root)
    (root / "dvc.lock").write_bytes(OLD[:-100])
    shipped.mend(root, 0.0)
    assert (root / "dvc.lock").read_bytes() == OLD == (root / shipped.COPY).read_bytes()
    assert "the last commit is put back" in capsys.readouterr().out
    (root / shipped.COPY).unlink()
    shutil.rmtree(root / ".git")
    (root / "dvc.lock").write_bytes(OLD[:-100])
    with pytest.raises(ValueError, match="^dvc.lock is cut: allowed is a whole one; there is no copy here, a fresh"):
        shipped.mend(root, 0.0)


@pytest.mark.case("C1")
def test_a_lock_that_git_puts_there_is_whole_though_it_has_fewer_rows(root, capsys):
    (root / "dvc.lock").write_bytes(HEAD + b"".join(ROWS[:4]))
    commit(root)
    shipped.mend(root, 0.0)
    assert capsys.readouterr().out == ""
    assert (root / shipped.COPY).read_bytes() == (root / "dvc.lock").read_bytes() == HEAD + b"".join(ROWS[:4])


@pytest.mark.case("C1")
def test_a_lock_that_dvc_is_writing_is_waited_for(root, capsys):
    new = OLD.replace(ROWS[2], OTHER)
    (root / "dvc.lock").write_bytes(new[:5000])
    rest = threading.Timer(0.3, (root / "dvc.lock").write_bytes, [new])
    rest.start()
    shipped.mend(root, 1.0)
    rest.join()
    assert (root / "dvc.lock").read_bytes() == new == (root / shipped.COPY).read_bytes()
    assert capsys.readouterr().out == ""


@pytest.mark.case("C1")
def test_make_figures_copies_the_lock_after_each_stage_and_prepare_mends_it(root, monkeypatch):
    new = OLD + ROWS[6]
    (root / "new.lock").write_bytes(new)
    fake = root / "dvc"
    fake.write_text("#!/bin/sh\ncp new.lock dvc.lock\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(root), prepend=":")
    assert pipeline.Running(root).stage("train@digits-vgg") == 0
    assert (root / shipped.COPY).read_bytes() == new
    called = []
    monkeypatch.setattr(shipped, "mend", lambda: called.append("mended") or (_ for _ in ()).throw(OSError("enough")))
    with pytest.raises(OSError, match="enough"):
        prepare.main("digits-vgg")
    assert called


@pytest.mark.case("C1")
@pytest.mark.parametrize(
    ("content", "stays"),
    [
        ("", False),
        ('{"write": {"a": {"pid": ', False),
        ("[]", False),
        ('{"write": {}, "read": {}}', True),
        ("{}", True),
        ('{"write": {"a": {"pid": PID, "cmd": "dvc repro"}}}', True),
        ('{"read": {"a": [{"pid": GONE, "cmd": "dvc repro"}]}}', False),
    ],
)
def test_what_a_killed_dvc_leaves_of_its_bookkeeping_does_not_stop_the_next(root, content, stays):
    listed = root / ".dvc" / "tmp" / "rwlock"
    listed.parent.mkdir(parents=True)
    listed.write_text(content.replace("PID", str(os.getpid())).replace("GONE", str(2**22 + 1)))
    shipped.unblock(root, 0.0)
    assert listed.exists() == stays
    if "PID" in content:  # another process has its number since
        before = psutil.Process().create_time() - 100.0
        os.utime(listed, (before, before))
        shipped.unblock(root, 0.0)
        assert not listed.exists() and json.loads(content.replace("PID", "1"))


@pytest.mark.case("C2")
def test_dvc_ends_with_make_figures_though_that_is_killed(root, monkeypatch):
    """It is a group of its own, which a kill of the group of `make figures` does not reach."""
    fake = root / "dvc"
    fake.write_text("#!/bin/bash\nsleep 300 & echo $! > child\nwait\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(root), prepend=":")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    script = f"from pathlib import Path\nfrom lib import pipeline\npipeline.Running(Path({str(root)!r})).dvc('repro')"
    going = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, start_new_session=True)
    while not (root / "child").exists() or not (root / "child").read_text().strip():
        assert going.poll() is None
        time.sleep(0.02)
    below = psutil.Process(int((root / "child").read_text()))
    os.killpg(going.pid, 9)
    going.wait()
    until = time.monotonic() + 30.0
    while _at_work(below) and time.monotonic() < until:
        time.sleep(0.02)
    assert not _at_work(below)


def _at_work(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # between the two questions
        return False
