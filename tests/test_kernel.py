"""A notebook ends with what started it, its kernel with the notebook, and one process at a time runs it."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import nbformat
import psutil
import pytest

from lib import kernel, notebook, prepare
from lib.experiments import ROOT

RUN = (
    "import sys\nfrom pathlib import Path\nfrom lib import notebook\n"
    "notebook.ended(lambda: notebook.run(Path(sys.argv[1]), Path(sys.argv[2]), {}))\n"
)
ENDS = 30.0  # seconds, on a busy machine; it takes about one


@pytest.fixture
def slow(tmp_path):
    """A notebook that says in a file that it has begun, and sleeps; the command that runs it, and its output."""
    cells = ["from pathlib import Path", f"Path({str(tmp_path / 'begun')!r}).touch()\nimport time; time.sleep(300)"]
    code = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    prepare.write(code, tmp_path / "slow.ipynb")
    (tmp_path / "run.py").write_text(RUN)
    output = tmp_path / "experiment" / "run" / "slow.ipynb"
    return [sys.executable, str(tmp_path / "run.py"), str(tmp_path / "slow.ipynb"), str(output)], output


def begun(going, tmp_path):
    """Waits for the notebook; all processes below the one that was started."""
    while not (tmp_path / "begun").exists():
        assert going.poll() is None
        time.sleep(0.05)
    return psutil.Process(going.pid).children(recursive=True)


def at_work(process):
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def gone(processes):
    until = time.monotonic() + ENDS
    while any(at_work(process) for process in processes) and time.monotonic() < until:
        time.sleep(0.05)
    return not any(at_work(process) for process in processes)


@pytest.mark.case("C2")
@pytest.mark.parametrize(
    ("number", "shell"),
    [
        ("SIGKILL", True),
        ("SIGTERM", False),
        pytest.param("SIGKILL", False, marks=pytest.mark.slow),
        pytest.param("SIGTERM", True, marks=pytest.mark.slow),
    ],
)
def test_a_stage_ends_when_dvc_is_killed_alone(slow, tmp_path, number, shell):
    """DVC runs it in a shell, which most often is replaced by the command, and else outlives DVC."""
    command, output = slow
    run = ["/bin/sh", "-c", f"{' '.join(command)}; true"] if shell else command
    parent = f"import subprocess\nsubprocess.run({run!r})"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DVC_STAGE": "slow@experiment"}
    dvc = subprocess.Popen([sys.executable, "-c", parent], env=environment, cwd=ROOT, start_new_session=True)
    below = begun(dvc, tmp_path)
    assert len(below) == 2 + shell, "a notebook and its kernel"
    dvc.send_signal(signal.Signals[number])
    dvc.wait()
    assert gone(below) and list(output.parent.iterdir()) == []


@pytest.mark.case("C2")
def test_a_kernel_ends_when_its_notebook_is_killed_and_the_next_run_waits_for_it(slow, tmp_path):
    command, output = slow
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    going = subprocess.Popen(command, env=environment, cwd=ROOT)
    below = begun(going, tmp_path)
    said = "^slow of experiment is being run by another process: allowed is one at a time$"
    with pytest.raises(RuntimeError, match=said), kernel.only_one(output, seconds=0.0):
        pass
    going.kill()
    going.wait()
    with kernel.only_one(output, seconds=ENDS):
        assert len(below) == 1 and not at_work(below[0]), "the kernel holds it, too"


@pytest.mark.case("C2")
def test_another_notebook_of_the_experiment_may_run_at_the_same_time(tmp_path):
    with (
        kernel.only_one(tmp_path / "run" / "a.ipynb", tmp_path),
        kernel.only_one(tmp_path / "run" / "b.ipynb", tmp_path),
    ):
        pass


@pytest.mark.case("C2")
def test_a_notebook_whose_parent_has_gone_before_it_looks_does_not_start(slow, tmp_path):
    command, output = slow
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DVC_STAGE": "slow@experiment"}
    pid = tmp_path / "pid"
    parent = (
        "import os, subprocess\n"
        f"child = subprocess.Popen({command!r})\nopen({str(pid)!r}, 'w').write(str(child.pid))\nos._exit(0)"
    )
    subprocess.run([sys.executable, "-c", parent], env=environment, cwd=ROOT, start_new_session=True, check=True)
    with contextlib.suppress(psutil.NoSuchProcess):
        assert gone([psutil.Process(int(pid.read_text()))])
    assert not (tmp_path / "begun").exists() and not output.exists()


@pytest.mark.case("C3")
def test_a_second_signal_does_not_disturb_the_end(slow, tmp_path):
    """`make figures` sends SIGINT and SIGTERM, one after the other."""
    command, output = slow
    going = subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    below = begun(going, tmp_path)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        going.send_signal(number)
    said = going.communicate(timeout=ENDS)[1]
    assert going.returncode == 130 and said.count("\n") == 1 and said.startswith("interrupted; "), said
    assert gone(below) and list(output.parent.iterdir()) == []


def test_without_locks_nobody_is_kept_out(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with kernel.only_one(tmp_path / "run" / "a.ipynb", tmp_path) as held:
        assert held == () and notebook.kernel is kernel
