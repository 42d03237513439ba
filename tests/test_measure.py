"""Many samples: whole files, what is there stays, what is NaN is named; overfitting is told from planted shapes."""

import os
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
import torch

from lib import games, measure, subsets
from lib.experiments import ROOT
from lib.explain import explain, load


def planted(seed, n=4):
    return games.table(np.random.default_rng(seed).normal(size=2**n), names="abcdefgh"[:n])


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_each_sample_has_a_file_with_its_explanation(tmp_path, capsys):
    asked = {"one": planted(0), "two": planted(1, 3)}
    found = measure.measure(asked, tmp_path / "many", zeta=0.05)
    assert found.done == ("one", "two") and found.there == () and not found.skipped
    assert sorted(contents(tmp_path / "many")) == ["one.nc", "two.nc"]
    for name, game in asked.items():
        assert repr(load(tmp_path / "many" / f"{name}.nc")) == repr(explain(game, zeta=0.05))
    said = capsys.readouterr()
    assert "the first sample took" in said.out + said.err and "explained: 100%" in said.err
    assert list(measure.explanations(tmp_path / "many")) == ["one", "two"]


def test_what_is_there_is_not_done_again_nor_even_made(tmp_path):
    measure.measure([("a", planted(0))], tmp_path, progress=False)
    before, made = contents(tmp_path), []

    def make(name):
        def maker():
            made.append(name)
            return planted(len(made))

        return maker

    found = measure.measure({name: make(name) for name in "abc"}, tmp_path, progress=False)
    assert found.there == ("a",) and found.done == ("b", "c") and made == ["b", "c"]
    assert contents(tmp_path)["a.nc"] == before["a.nc"]
    assert repr(found) == f"{tmp_path}: 2 measured, 1 were there, 0 skipped"


@pytest.mark.case("B6")
def test_samples_that_are_nan_are_named_and_the_others_kept(tmp_path):
    """Case B6."""
    bad = games.Game(lambda present: torch.where(present[:, 0], torch.nan, 0.0), ("a", "b"))

    def loud():
        return bad

    found = measure.measure({"41": planted(0), "42": bad, "43": loud, "44": planted(1)}, tmp_path, progress=False)
    assert found.done == ("41", "44") and list(found.skipped) == ["42", "43"]
    assert "v is NaN or infinite on 2 of 4 states" in found.skipped["42"] and "42: v is NaN" in repr(found)
    assert sorted(contents(tmp_path)) == ["41.nc", "44.nc"]


def test_other_errors_stop_and_say_which_sample(tmp_path):
    wrong = games.Game(lambda present: present, ("a", "b"))
    with pytest.raises(ValueError, match="sample second: the game returned shape"):
        measure.measure({"first": planted(0), "second": wrong}, tmp_path, progress=False)
    assert sorted(contents(tmp_path)) == ["first.nc"]


def test_names_and_settings_are_checked_before_anything_is_done(tmp_path):
    for name in ("", "a/b", "..", " a", ".hidden", "a:b"):
        with pytest.raises(ValueError, match="allowed are names that files may have"):
            measure.measure({"fine": planted(0), name: planted(1)}, tmp_path)
    with pytest.raises(ValueError, match="sample 'a' is there twice"):
        measure.measure([("a", planted(0)), ("a", planted(1))], tmp_path)
    assert not contents(tmp_path)
    measure.measure({"a": planted(0)}, tmp_path, progress=False)
    for other in ({"zeta": 0.1}, {"ties": "high"}):
        with pytest.raises(ValueError, match=r"= .*: a in .* was explained with .*; allowed is the same, or another"):
            measure.measure({"a": planted(0), "b": planted(1)}, tmp_path, **other)
    with pytest.raises(ValueError, match="has no explanations"):
        measure.explanations(tmp_path / "nowhere")


class Slow:
    """A game that takes its time, so that a process can be killed at it."""

    n_players = 6

    def __init__(self, seed, pause):
        self.values, self.pause = np.random.default_rng(seed).normal(size=2**6), pause

    def __call__(self, present):
        time.sleep(self.pause)
        return self.values[np.asarray(present) @ 2 ** np.arange(6)]


TWO = """
import os, signal, sys
sys.path.append(sys.argv[2])
import test_measure
from lib import measure
other = os.fork()  # what is imported costs seconds
if other:
    print(other, flush=True)
pause, order = (0.05, range(12)[::-1]) if other else (0.1, range(12))
measure.measure({str(seed): test_measure.Slow(seed, pause) for seed in order}, sys.argv[1], progress=False)
if other:
    sys.exit(os.waitpid(other, 0)[1] != signal.SIGKILL)
"""


def test_a_killed_process_leaves_whole_files_and_two_together_write_the_bytes_of_one(tmp_path):
    alone, together = tmp_path / "alone", tmp_path / "together"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", TWO, together, ROOT / "tests"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as both:
        killed = int(both.stdout.readline())
        deadline = time.monotonic() + 200
        while not (together / "0.nc").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(killed, signal.SIGKILL)
        assert both.wait(200) == 0, "one was killed, the other came to its end"
    asked = {str(seed): Slow(seed, 0) for seed in range(12)}
    measure.measure(asked, alone, progress=False)
    measure.measure(asked, together, progress=False)  # nothing is left, or what the killed one had begun
    expected, found = contents(alone), contents(together)
    assert {name: found[name] for name in expected} == expected and len(expected) == 12
    assert len(measure.explanations(together)) == 12


class Deadly(Slow):
    """Kills the process that is first at it."""

    def __init__(self, seed, mark):
        super().__init__(seed, 0)
        self.mark = mark

    def __call__(self, present):
        if not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(present)


def nowhere_finite():
    return games.Game(lambda present: torch.where(present[:, 0], torch.nan, 0.0), ("a", "b"))


def of_another_shape():
    return games.Game(lambda present: present, ("a", "b"))


@pytest.fixture
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_two_workers_one_of_them_killed_write_the_bytes_of_one_process(tmp_path, one_thread, capsys):
    asked = {str(seed): Slow(seed, 0) for seed in range(8)}
    alone = measure.measure(asked, tmp_path / "alone", progress=False)
    deadly = asked | {"4": Deadly(4, tmp_path / "mark"), "bad": nowhere_finite}
    found = measure.measure(deadly, tmp_path / "together", workers=2)
    # What the killed worker had done, and not told yet, is there when it comes up again.
    assert {*found.done, *found.there} == {*alone.done} and list(found.skipped) == ["bad"]
    assert (tmp_path / "mark").exists() and "4" in found.done
    expected, together = contents(tmp_path / "alone"), contents(tmp_path / "together")
    assert {name: together[name] for name in expected} == expected and len(expected) == 8
    assert "2 at once" in (said := capsys.readouterr()).out + said.err
    assert measure.measure(asked, tmp_path / "together", workers=2, progress=False).there == alone.done


def test_a_client_of_the_readers_own_is_used_and_an_error_names_its_sample(tmp_path):
    from distributed import Client

    with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None) as client:
        assert measure.measure({"a": Slow(0, 0)}, tmp_path, workers=client, progress=False).done == ("a",)
        with pytest.raises(ValueError, match="sample second: the game returned shape"):
            measure.measure({"first": Slow(1, 0), "second": of_another_shape}, tmp_path, workers=client, progress=False)
        assert client.status == "running"
    for workers in (0, -1, 2.0, "two", True, None):
        with pytest.raises(ValueError, match="allowed are a number of processes, 1 or more, or a distributed.Client"):
            measure.measure({"b": planted(0)}, tmp_path, workers=workers)
    assert {path.suffix for path in tmp_path.iterdir()} == {".nc"}


def mixture(seed, n=6, spindle=0.0):
    """A table of ANDs whose strength halves with the order, plus some over the middle orders."""
    generator = np.random.default_rng(seed)
    order = subsets.orders(n).numpy()
    size = np.where(order > 0, 0.4**order, 0.0) * (generator.random(2**n) < 0.5)
    size += spindle * ((order == 3) | (order == 4)) * (generator.random(2**n) < 0.5)
    signs = generator.choice([-1.0, 1.0], size=2**n)
    return games.table(subsets.zeta(torch.from_numpy(size * signs + 3.0 * (order == 1))))


def test_overfitting_is_told_from_planted_shapes(tmp_path):
    found = {}
    for name, spindle in (("decay", 0.0), ("spindle", 0.6)):
        asked = {str(seed): mixture(seed, spindle=spindle) for seed in range(6)}
        measure.measure(asked, tmp_path / name, zeta=0, progress=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found[name] = measure.overfitting(tmp_path / name, resamples=50)
    decay, spindle = found["decay"], found["spindle"]
    assert decay.samples == 6 and decay.players == 6
    assert decay.mean_order_interval[0] <= decay.mean_order <= decay.mean_order_interval[1]
    assert decay.mean_order_interval[1] < spindle.mean_order_interval[0]
    assert 0 <= decay.spindle_share <= 1 and decay.spindle_share < spindle.spindle_share
    assert "mean order" in repr(spindle) and "spindle" in repr(spindle)
    strengths = [load(path).strength / load(path).swing for path in sorted((tmp_path / "spindle").iterdir())]
    total = torch.stack(strengths).sum((0, 1)).numpy()
    assert spindle.mean_order == pytest.approx(total @ np.arange(1, 7) / total.sum())


def test_overfitting_warns_at_a_bound_and_of_few_samples(tmp_path):
    measure.measure({"a": games.table(subsets.zeta(torch.eye(16).double()[1] * 2))}, tmp_path / "one", progress=False)
    with pytest.warns(UserWarning, match="at an end of its range: the range decided the split"):
        found = measure.overfitting(tmp_path / "one")
    assert found.mean_order == pytest.approx(1) and found.mean_order_interval is None and found.on_bound
    assert "too few samples" in repr(found) and "at a bound" in repr(found)
    measure.measure({"b": planted(0, 3)}, tmp_path / "one", progress=False)
    with pytest.raises(ValueError, match="has samples of 3, 4 players: allowed is one number of players"):
        measure.overfitting(tmp_path / "one")
    with pytest.warns(UserWarning, match="rounding"):
        measure.measure({"flat": games.table([1.0] * 8)}, tmp_path / "flat", progress=False)
    with pytest.raises(ValueError, match="has 0 samples with a range of v"):
        measure.overfitting(tmp_path / "flat")
