"""Training: the grid of checkpoints, the same bytes again, and timepoints on curves drawn by hand."""

import importlib
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from lib import datasets, networks, prepare, training
from lib.experiments import ROOT
from lib.networks import Cut

FEW = {"train_samples": 320, "test_samples": 100}


def small(tmp_path, seed=0, learning_rate=0.05):
    data = datasets.load("digits", 32, 0.05, seed, **FEW)
    network = networks.build("vgg4", data.shape, 10, seed)
    curves = training.train(
        network, data, tmp_path, epochs=3, batch_size=32, learning_rate=learning_rate, momentum=0.9,
        checkpoints=5, seed=seed, report=lambda line: None,
    )  # fmt: skip
    return network, curves


def test_training_again_gives_the_same_bytes_and_another_seed_others(tmp_path):
    networks_and_curves = [small(tmp_path / name, seed) for name, seed in (("a", 0), ("b", 0), ("c", 1))]
    (_, first), (_, again), (_, other) = networks_and_curves
    pd.testing.assert_frame_equal(first, again)
    assert not first["train_loss"].equals(other["train_loss"])
    files = [sorted(path.name for path in (tmp_path / name).iterdir()) for name in "ab"]
    assert files[0] == files[1] == [*(f"epoch-{epoch:05d}.pt" for epoch in (0, 1, 2, 3)), "finished.json"]
    for name in files[0]:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_checkpoint_is_the_network_and_the_curve_is_of_it(tmp_path):
    network, curves = small(tmp_path)
    data = datasets.load("digits", 32, 0.05, 0, **FEW)
    again = training.load_checkpoint(
        networks.build("vgg4", data.shape, 10, seed=9), training.checkpoint_path(tmp_path, 3)
    )
    for a, b in zip(network.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
    loss, accuracy = training.evaluate(again, data, data.x_test, data.y_test)
    last = curves.iloc[-1]
    assert (last.epoch, last.test_loss, last.test_accuracy) == (3, pytest.approx(loss), pytest.approx(accuracy))
    untrained = training.evaluate(networks.build("vgg4", data.shape, 10, seed=0), data, data.x_test, data.y_test)
    assert curves.iloc[0].test_loss == pytest.approx(untrained[0])
    assert curves["train_loss"].iloc[-1] < curves["train_loss"].iloc[0]


def test_a_loss_that_is_no_longer_finite_stops_the_training(tmp_path):
    with pytest.raises(FloatingPointError, match="lower learning_rate"):
        small(tmp_path, learning_rate=1e6)


@pytest.mark.parametrize(("epochs", "count"), [(3, 4), (96, 16), (1000, 12), (5, 50)])
def test_checkpoints_go_from_untrained_to_the_last_epoch(epochs, count):
    grid = training.checkpoint_epochs(epochs, count)
    assert grid[0] == 0 and grid[-1] == epochs and len(grid) <= count
    steps = np.diff(grid)
    assert (steps > 0).all() and (np.diff(steps) >= -1).all()  # ever wider, up to rounding


def test_timepoints_on_curves_whose_minimum_and_gap_are_known():
    epoch = np.arange(101)
    test = 1 + (np.log1p(epoch) - np.log1p(20)) ** 2  # least at 20
    train = test - np.clip(epoch - 20, 0, None) / 80  # the gap opens linearly from 20 to 100
    curves = pd.DataFrame({"epoch": epoch, "train_loss": train, "test_loss": test})
    grid = [0, 1, 2, 5, 10, 20, 40, 60, 80, 100]
    assert training.timepoints(curves, grid) == {"A": 0, "B": 20, "C": 60, "D": 100}


def test_timepoints_stay_apart_where_nothing_overfits():
    curves = pd.DataFrame({"epoch": range(4), "train_loss": [4.0, 3, 2, 1], "test_loss": [4.0, 3, 2, 1]})
    assert training.timepoints(curves, [0, 1, 2, 3]) == {"A": 0, "B": 1, "C": 2, "D": 3}
    with pytest.raises(ValueError, match="need at least 4"):
        training.timepoints(curves, [0, 1, 3])


def droppy(folder, report=print, epochs=5, seed=0):
    """A training with all that has a state: momentum, batch norm, dropout."""
    data = datasets.load("digits", 8, 0.05, seed, train_samples=200, test_samples=50)
    torch.manual_seed(seed)
    stem = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    network = Cut(stem, nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(144, 10)))
    torch.manual_seed(hash(str(folder)) % 1000)  # the global stream is none of a training's
    return training.train(
        network, data, folder, epochs=epochs, batch_size=32, learning_rate=0.05, momentum=0.9, checkpoints=4,
        seed=seed, report=report,
    )  # fmt: skip


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_training_killed_at_any_epoch_ends_in_the_same_bytes(tmp_path):
    lines = []
    curves = droppy(tmp_path / "whole", lines.append)
    assert sorted(contents(tmp_path / "whole")) == [*(f"epoch-{e:05d}.pt" for e in (0, 1, 2, 5)), "finished.json"]
    for stopped in range(len(lines)):

        def stop(line, expected=lines[stopped]):
            if line == expected:
                raise KeyboardInterrupt

        folder, again = tmp_path / str(stopped), []
        with pytest.raises(KeyboardInterrupt):
            droppy(folder, stop)
        pd.testing.assert_frame_equal(droppy(folder, again.append), curves, check_exact=True)
        assert again == lines
        assert contents(folder) == contents(tmp_path / "whole")


def test_a_training_whose_process_is_killed_goes_on(tmp_path):
    script = (
        "import os, signal, sys, torch\n"
        "from pathlib import Path\n"
        "from tests.test_training import droppy\n"
        "torch.set_num_threads(int(sys.argv[2]))\n"  # on as many as the rest, whatever ran here before
        "droppy(Path(sys.argv[1]), lambda line: line.startswith('epoch    2') and os.kill(os.getpid(), signal.SIGKILL))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "killed"), str(torch.get_num_threads())]
    killed = subprocess.run(command, cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL
    assert "unfinished.pt" in contents(tmp_path / "killed")
    once = time.time_ns()
    curves = droppy(tmp_path / "killed")
    assert (tmp_path / "killed" / "epoch-00001.pt").stat().st_mtime_ns < once, "it was not trained again"
    pd.testing.assert_frame_equal(curves, droppy(tmp_path / "whole"), check_exact=True)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_a_training_of_another_setting_starts_anew(tmp_path):
    def stop(line):
        if line.startswith("epoch    3"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        droppy(tmp_path / "a", stop, epochs=9)
    droppy(tmp_path / "a", seed=1)
    droppy(tmp_path / "b", seed=1)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_parts_that_do_not_fit_the_memory_leave_the_evaluation_as_it_is(monkeypatch):
    data = datasets.load("digits", 32)
    network = networks.build("vgg4", data.shape, 10, seed=0)
    loss, accuracy = training.evaluate(network, data, data.x_test, data.y_test)
    forward = network.stem.forward

    def short_of_memory(x):
        if len(x) > 100:
            raise torch.OutOfMemoryError
        return forward(x)

    monkeypatch.setattr(network.stem, "forward", short_of_memory)
    assert training.evaluate(network, data, data.x_test, data.y_test) == (pytest.approx(loss, rel=1e-6), accuracy)


def test_the_curves_of_a_large_set_are_of_a_fixed_draw(tmp_path, monkeypatch):
    whole = droppy(tmp_path / "a")
    monkeypatch.setattr(training, "EVALUATED", 50)
    some = droppy(tmp_path / "b")
    assert whole["test_loss"].equals(some["test_loss"])
    assert (whole["train_loss"] != some["train_loss"]).all()
    assert (some["train_accuracy"] * 50 % 1).abs().max() < 1e-9


@pytest.mark.case("C13")
@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04cut"])
def test_a_damaged_unfinished_training_starts_anew_and_says_so(tmp_path, content):
    """Case C13: a file that a power cut left empty."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "unfinished.pt").write_bytes(content)
    lines = []
    droppy(tmp_path / "a", lines.append)
    assert lines[0] == "unfinished.pt is damaged: the training starts anew"
    droppy(tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    (tmp_path / "a" / "epoch-00001.pt").write_bytes(content)
    with pytest.raises(ValueError, match="epoch-00001.pt is damaged: remove it"):
        training.load_checkpoint(networks.build("vgg4", (1, 8, 8), 10, 0), tmp_path / "a" / "epoch-00001.pt")
    with pytest.raises(FileNotFoundError, match="epoch-00007.pt is not in"):
        training.load_checkpoint(networks.build("vgg4", (1, 8, 8), 10, 0), tmp_path / "a" / "epoch-00007.pt")


def test_an_unfinished_training_that_may_not_be_read_is_not_thrown_away(tmp_path, monkeypatch):
    """It is no damaged one."""
    droppy(tmp_path, epochs=3)
    (tmp_path / "unfinished.pt").write_bytes(b"")
    before = contents(tmp_path)

    def forbidden(*_, **__):
        raise PermissionError("not yours")

    monkeypatch.setattr(torch, "load", forbidden)
    with pytest.raises(PermissionError):
        droppy(tmp_path, epochs=3)
    assert contents(tmp_path) == before


@pytest.mark.case("C14")
def test_checkpoints_are_the_same_bytes_in_a_folder_of_any_name(tmp_path):
    """Case C14."""
    droppy(tmp_path / "plain", epochs=3)
    droppy(tmp_path / "é und leer", epochs=3)
    assert contents(tmp_path / "plain") == contents(tmp_path / "é und leer")


@pytest.mark.case("C9")
def test_a_disk_that_is_full_leaves_no_partial_checkpoint(tmp_path, monkeypatch):
    """Case C9."""

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(training.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        droppy(tmp_path)
    assert contents(tmp_path) == {}


def trained(folder, precision="float32", noise=0.0):
    data = datasets.load("digits", 32, 0.05, 0, **FEW)
    network = networks.build("vgg4", data.shape, 10, 0)
    return training.train(
        network, data, folder, epochs=4, batch_size=20, learning_rate=0.01, momentum=0.9, checkpoints=4, seed=0,
        noise=noise, precision=precision, report=lambda line: None,
    )  # fmt: skip


def test_training_in_bfloat16_is_the_training_to_rounding(tmp_path, monkeypatch):
    """Autocast keeps weights that it has shortened until its outermost context ends: every step has to see its own."""
    monkeypatch.setattr(training, "has_bfloat16", lambda device: True)  # in software it is slow, not wrong
    whole, short = trained(tmp_path / "a"), trained(tmp_path / "b", "bfloat16")
    assert not whole.equals(short)
    np.testing.assert_allclose(short["train_loss"], whole["train_loss"], rtol=0.15)
    assert short["train_loss"].iloc[-1] < 0.9 * short["train_loss"].iloc[0]


def test_without_bfloat16_in_hardware_the_training_is_in_float32_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "has_bfloat16", lambda device: False)
    data = datasets.load("digits", 8, train_samples=64, test_samples=20)
    lines, curves = [], []
    for precision in ("float32", "bfloat16"):
        network = networks.build("vgg4", data.shape, 10, 0)
        curves.append(training.train(
            network, data, tmp_path / precision, epochs=3, batch_size=32, learning_rate=0.01, momentum=0.9,
            checkpoints=4, seed=0, precision=precision, report=lines.append,
        ))  # fmt: skip
    pd.testing.assert_frame_equal(*curves, check_exact=True)
    assert "precision: this processor has no bfloat16 in hardware, so that the training is in float32" in lines


def test_noise_on_the_training_samples_is_of_the_size_asked_for(tmp_path):
    seen = []

    class Watch(nn.Module):
        def forward(self, x):
            if self.training:
                seen.append(x.detach().clone())
            return x

    data = datasets.load("digits", 8, train_samples=200, test_samples=20)
    for folder in ("a", "b"):
        torch.manual_seed(0)
        network = Cut(Watch(), nn.Sequential(nn.Flatten(), nn.Linear(64, 10)))
        training.train(
            network, data, tmp_path / folder, epochs=3, batch_size=200, learning_rate=0.01, momentum=0.9, checkpoints=4,
            seed=0, noise=0.3, report=lambda line: None,
        )  # fmt: skip
    clean = data.prepare(data.x_train)
    for epoch, x in enumerate(seen[:3], 1):
        order = torch.randperm(200, generator=training.generator(0, "order", epoch))
        noise = x - clean[order]
        assert noise.std().item() == pytest.approx(0.3, rel=0.02) and abs(noise.mean().item()) < 0.01
    assert not torch.equal(seen[0] - clean[0], seen[1] - clean[0])
    assert all(torch.equal(first, again) for first, again in zip(seen[:3], seen[3:], strict=True))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"precision": "float16"}, "precision = 'float16'"),
        ({"noise": -0.1}, "noise = -0.1"),
        ({"noise": float("nan")}, "noise"),
    ],
)
def test_wrong_settings_of_a_training_are_named(tmp_path, change, words):
    data = datasets.load("digits", 8, train_samples=64, test_samples=20)
    with pytest.raises(ValueError, match=words):
        training.train(
            networks.build("vgg4", data.shape, 10, 0), data, tmp_path, epochs=3, batch_size=32, learning_rate=0.01,
            momentum=0.9, checkpoints=4, seed=0, **change,
        )  # fmt: skip


def test_a_finished_training_is_kept_while_nothing_it_depends_on_changes(tmp_path):
    curves = droppy(tmp_path / "a")
    once, lines = time.time_ns(), []
    pd.testing.assert_frame_equal(droppy(tmp_path / "a", lines.append), curves, check_exact=True)
    assert len(lines) == 4 and all(path.stat().st_mtime_ns < once for path in (tmp_path / "a").iterdir())
    (tmp_path / "a" / "epoch-00002.pt").unlink()  # then it is not whole
    droppy(tmp_path / "a")
    assert (tmp_path / "a" / "epoch-00001.pt").stat().st_mtime_ns > once
    first = contents(tmp_path / "a")
    droppy(tmp_path / "a", seed=1)
    assert contents(tmp_path / "a") != first


def test_no_epochs_leave_the_network_as_it_is(tmp_path):
    curves = droppy(tmp_path, epochs=0)
    assert curves["epoch"].tolist() == [0]
    assert sorted(contents(tmp_path)) == ["epoch-00000.pt", "finished.json"]
    assert training.timepoints(curves, training.checkpoint_epochs(0, 4)) == {"A": 0, "B": 0, "C": 0, "D": 0}


@pytest.mark.parametrize("change", ["layer", "code"])
def test_a_network_that_differs_in_training_alone_is_trained_anew(tmp_path, monkeypatch, change):
    """Dropout of another share, or a layer of other code, is in no weight and in no output of an evaluation."""
    monkeypatch.syspath_prepend(tmp_path)

    def train(dropout, doubled):
        module = f"layers_{doubled.replace('.', '_')}"
        (tmp_path / f"{module}.py").write_text(
            "from torch import nn\n\n\nclass Own(nn.Module):\n    def forward(self, x):\n"
            f"        return {doubled} * x if self.training else x\n"
        )
        data = datasets.load("digits", 8, train_samples=64, test_samples=20)
        torch.manual_seed(0)
        own = importlib.import_module(module).Own()
        network = Cut(own, nn.Sequential(nn.Flatten(), nn.Dropout(dropout), nn.Linear(64, 10)))
        return training.train(
            network, data, tmp_path / "run", epochs=3, batch_size=32, learning_rate=0.05, momentum=0.9, checkpoints=4,
            seed=0, report=lambda line: None,
        )  # fmt: skip

    first = train(0.1, "1.0")
    assert train(0.1, "1.0").equals(first)
    assert not (train(0.5, "1.0") if change == "layer" else train(0.1, "2.0")).equals(first)


THREADS = """
import sys
from pathlib import Path
import torch
from tests.test_training import trained
torch.set_num_threads(2)
trained(Path(sys.argv[1]))
"""


@pytest.mark.case("C8")
def test_the_threads_of_the_environment_change_no_byte(tmp_path):
    """Where a notebook that measures begins, the parameter `threads` is set."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    trained(tmp_path / "here")
    torch.set_num_threads(threads)
    number = "1" if os.environ.get("OMP_NUM_THREADS") != "1" else "2"
    environment = {**os.environ, "OMP_NUM_THREADS": number, "MKL_NUM_THREADS": number}
    command = [sys.executable, "-c", THREADS, str(tmp_path / "other")]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    assert contents(tmp_path / "here") == contents(tmp_path / "other")
    for name in prepare.MEASURING:
        cells = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
        code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        before, found, after = code.partition("torch.set_num_threads(setting.threads)")
        assert found and "networks.build(" not in before and "networks.build(" in after, name
