"""Row generation against HiGHS on all states, its linear systems against dense ones; the choice of methods; SIGINT."""

import os
import signal
import subprocess
import sys
import time
import warnings

import pytest
import torch
from test_sparsest import assert_consistent, network_tables, optimum, planted, tables

from lib import subsets
from lib.sparsest import methods, row_equations, rows, sparsest
from lib.sparsest.row_equations import RowEquations, States
from lib.sparsest.table import Scaled


def program(values: torch.Tensor, zeta: float):
    scaled = Scaled(values[None], values.new_tensor([zeta]))
    return scaled, scaled.program(scaled.weights(1e-4))


def some_states(n: int, count: int, seed: int = 0) -> torch.Tensor:
    chosen = torch.randperm(2**n - 1, generator=torch.Generator().manual_seed(seed))[:count] + 1
    return torch.zeros(1, 2**n, dtype=torch.bool).index_fill(1, chosen, True)


def equation(states: States, n: int) -> torch.Tensor:
    """`combine` as a matrix of (rows kept, 3 tables), unit vector by unit vector."""
    size = 2**n
    units = torch.eye(3 * size, dtype=torch.float64).view(3 * size, 1, 3, size)
    return torch.stack([states.combine(u)[0, states.of_sample[0].rows] for u in units], 1)


@pytest.mark.parametrize("n", [1, 4, 6])
def test_the_equation_is_that_of_the_logical_model_and_has_its_adjoint(n: int) -> None:
    states = States(some_states(n, max(1, 2**n // 3)))
    u = torch.randn(1, 3, 2**n, dtype=torch.float64, generator=torch.Generator().manual_seed(n))
    u[..., 0] = 0.0
    a, o, d = u.unbind(1)
    own = states.combine(u)
    sign = 1.0 - 2.0 * (subsets.orders(n) % 2)
    h = subsets.logical_model(sign * a, o, torch.zeros(1, dtype=torch.float64))
    torch.testing.assert_close(own, torch.where(states.kept, sign * h + d, 0.0), rtol=0.0, atol=1e-12)
    y = torch.where(states.kept, torch.randn_like(d), 0.0)
    spread = states.spread(y)
    assert torch.isclose((own * y).sum(), (u * spread).sum(), rtol=1e-12)


@pytest.mark.parametrize("n", [2, 5])
def test_the_matrix_is_that_of_its_definition(n: int) -> None:
    states = States(some_states(n, 2**n // 2))
    diagonals = torch.rand(1, 3, 2**n, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) + 0.1
    diagonals[..., 0] = 0.0
    a = equation(states, n)
    dense = (a * diagonals.flatten()) @ a.T
    found = RowEquations(states, diagonals)
    kept = states.of_sample[0].rows
    sign = states.sign[kept]
    lower = found.factors[0].tril()
    product = lower @ lower.T
    torch.testing.assert_close(sign[:, None] * product * sign, dense, rtol=1e-12, atol=1e-12)
    right = torch.where(states.kept, torch.randn(1, 2**n, dtype=torch.float64), 0.0)
    y, flows = found.solve(right, right.new_tensor([1e-10]))
    torch.testing.assert_close(states.combine(flows), right, rtol=0.0, atol=1e-10)
    torch.testing.assert_close(y[0, kept], torch.linalg.solve(dense, right[0, kept]), rtol=1e-8, atol=0.0)


def test_samples_with_other_states_are_solved_as_each_alone() -> None:
    """Also when some of them have left, and the states of one have changed."""
    n, draw = 5, torch.Generator().manual_seed(2)
    kept = torch.cat([some_states(n, count, seed=count) for count in (3, 31, 12, 1)])
    diagonals = torch.rand(4, 3, 2**n, dtype=torch.float64, generator=draw) + 0.1
    right = torch.randn(4, 2**n, dtype=torch.float64, generator=draw)
    states = States(kept)
    more = kept.clone()
    more[2] |= some_states(n, 20, seed=9)[0]
    left = torch.tensor([0, 2, 3])
    for own, which in ((states, range(4)), (states.of(left), left.tolist()), (states.changed(more), range(4))):
        rows_of = [own.kept[k : k + 1] for k in range(len(own.kept))]
        b = torch.where(own.kept, right[list(which)], 0.0)
        y, flows = RowEquations(own, diagonals[list(which)]).solve(b, b.new_full((len(b),), 1e-11))
        for k, (sample, alone) in enumerate(zip(which, rows_of, strict=True)):
            one, its = RowEquations(States(alone), diagonals[sample : sample + 1]).solve(
                b[k : k + 1], b.new_tensor([1e-11])
            )
            torch.testing.assert_close(y[k : k + 1], one, rtol=1e-9, atol=1e-12)
            torch.testing.assert_close(flows[k : k + 1], its, rtol=1e-9, atol=1e-12)


def test_a_factor_that_is_wrong_in_few_directions_costs_few_steps(monkeypatch) -> None:
    """A sample beside it, whose factor is right, stays as it is."""
    n, draw = 6, torch.Generator().manual_seed(3)
    states = States(torch.cat([some_states(n, 40), some_states(n, 20)]))
    diagonals = torch.rand(2, 3, 2**n, dtype=torch.float64, generator=draw) + 0.1
    found = RowEquations(states, diagonals)
    right = torch.where(states.kept, torch.randn(2, 2**n, dtype=torch.float64, generator=draw), 0.0)
    expected, _ = found.solve(right, right.new_full((2,), 1e-10))
    lower = found.factors[0].tril()
    wrong = lower @ lower.T
    wrong.diagonal()[:5] += 100 * wrong.diagonal().max()
    found.factors[0] = torch.linalg.cholesky(wrong)
    monkeypatch.setattr(row_equations, "STEPS", 9)  # one, one for each direction, and some for rounding
    y, flows = found.solve(right, right.new_full((2,), 1e-10))
    torch.testing.assert_close(states.combine(flows), right, rtol=0.0, atol=1e-10)
    torch.testing.assert_close(y, expected, rtol=1e-7, atol=1e-9)


def test_each_look_up_is_made_once() -> None:
    kept = torch.cat([some_states(4, 5), some_states(4, 9)])
    states, more = States(kept), kept.clone()
    more[1, 1:] = True
    again = states.changed(more)
    assert again.of_sample[0] is states.of_sample[0] and again.of_sample[1] is not states.of_sample[1]
    assert states.of(torch.tensor([1])).of_sample == states.of_sample[1:]


@pytest.mark.parametrize("seed", range(6))
def test_from_a_few_random_states_it_gets_to_the_optimum_of_all(seed: int, monkeypatch) -> None:
    """The states that are needed join; a dozen of 127 to begin with."""
    values = tables(7, 1, seed)[0] if seed % 2 else planted(7, 6, seed)[2]
    zeta = [0.05, 0.3][seed // 3] * float(values.abs().max())
    scaled, whole = program(values, zeta)
    began = some_states(7, 12, seed)
    states = began.clone()
    monkeypatch.setattr(rows.first_order, "solve", None)  # no need of a look
    found = rows.solve(whole, 1e-6, 100, states)
    assert (began <= states).all() and began.sum() < states.sum()
    exact = optimum(values, zeta) / float(scaled.unit)
    assert float(found.bound) <= exact * (1 + 1e-8) and exact * (1 - 1e-8) <= float(found.objective)
    assert float(found.objective - found.bound) <= 1e-6 * float(found.objective)


def test_what_wants_to_begin_anew_does_so_with_its_states_and_the_others_go_on(monkeypatch) -> None:
    """A sample of a batch whose first states are far too few, for so many join at once that it begins anew."""
    values = tables(7, 3, seed=4)
    scaled = Scaled(values, 0.3 * values.abs().amax(-1))
    whole = scaled.program(scaled.weights(1e-4))
    kept = torch.cat([some_states(7, count, seed=1) for count in (2, 127, 120)])
    first = rows._Rows(whole, kept, rows.Solution.none(whole))
    first.run(1e-6, 100)
    assert first.anew.tolist() == [True, False, False] and (kept <= first.wanted).all()
    assert first.wanted[0].sum() > 1.25 * kept[0].sum()
    monkeypatch.setattr(rows.interior_point, "solve", None)  # no need of it
    monkeypatch.setattr(rows.first_order, "solve", None)  # nor of a look
    states = kept.clone()
    found = rows.solve(whole, 1e-6, 100, states)
    assert found.done(1e-6).all() and (first.wanted <= states).all()
    for k, v in enumerate(values):
        exact = optimum(v, float(scaled.zeta[k])) / float(scaled.unit[k])
        assert float(found.bound[k]) <= exact * (1 + 1e-8) and exact * (1 - 1e-8) <= float(found.objective[k])


def test_iterates_begin_near_what_is_known_and_feasible() -> None:
    """Inside of all bounds, the dual slacks those of y, and in the mean as far from the middle as the gap says."""
    values = network_tables(9)
    scaled = Scaled(values, 0.05 * values.abs().amax(-1))
    whole = scaled.program(scaled.weights(1e-4))
    known = rows.first_order.solve(whole, 1e-6, 300)
    kept = (known.d.abs() >= rows.NEAR * whole.zeta) & (whole.order >= 1)
    cold = rows._Rows(whole, kept, rows.Solution.none(whole))
    warm = rows._Rows(whole, kept, known)
    for iterates in (cold, warm):
        used = iterates.used[:, :, None].expand_as(iterates.x)
        assert (iterates.x > 0).all() and (iterates.z > 0).all()
        assert (iterates.x[~used] == 1).all() and (iterates.z[~used] == 1).all()
        q = iterates.spread(iterates.p)
        assert (iterates.p[~kept] == 0).all()
        for part, sign in ((0, 1.0), (1, -1.0)):
            slack = torch.where(
                iterates.used[:, :2], iterates.z[:, :2, part] + sign * q[:, :2], whole.costs[:, :, part]
            )
            torch.testing.assert_close(slack[..., 1:], whole.costs[:, :, part, 1:], rtol=1e-12, atol=1e-12)
        walls = torch.where(kept, iterates.z[:, 2, 1] - iterates.z[:, 2, 0], q[:, 2])
        torch.testing.assert_close(walls, q[:, 2], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(
            torch.where(kept, iterates.x[:, 2].sum(1), 2 * whole.zeta), (2 * whole.zeta).expand_as(kept)
        )
    _, a = whole.objective(known.o, known.d)
    found = warm.unknowns()
    torch.testing.assert_close(found[:, 0, 1:], a[:, 1:], rtol=1e-9, atol=1e-9)
    mu, first = (
        float(iterates.mean(iterates.x * iterates.z * iterates.used[:, :, None]).max()) for iterates in (warm, cold)
    )
    assert mu < 0.6 * first
    steps = [iterates.run(1e-6, 100).iterations for iterates in (cold, warm)]
    assert (steps[1] < steps[0]).all()


def test_states_that_join_find_room_where_the_factor_was() -> None:
    kept = some_states(6, 32)
    states, more = States(kept), kept.clone()
    more[0, (~kept[0]).nonzero()[1]] = True
    again = states.changed(more)
    assert again.of_sample[0].factor.data_ptr() == states.of_sample[0].factor.data_ptr()
    assert again.workspace is states.workspace
    everything = again.changed(torch.ones_like(kept))
    assert everything.of_sample[0].factor.shape == (64, 64) and len(everything.workspace) == 64**2


def test_a_matrix_that_has_no_factor_is_raised_until_it_has_one() -> None:
    n = 5
    states = States((torch.arange(2**n) % 2 == 1)[None])  # those with the first player, and no interaction but its own
    diagonals = torch.zeros(1, 3, 2**n, dtype=torch.float64)
    diagonals[0, 0, 1] = 0.7
    kept, found = states.of_sample[0].rows, RowEquations(states, diagonals)
    factor = found.factors[0].tril()
    a = equation(states, n)
    dense = states.sign[kept][:, None] * ((a * diagonals.flatten()) @ a.T) * states.sign[kept]
    raised = factor @ factor.T - dense
    assert torch.isfinite(factor).all() and (raised.diagonal() > 0).all() and raised.abs().max() < 1e-9
    torch.testing.assert_close(dense, torch.full_like(dense, 0.7))


def test_where_steps_come_to_nothing_all_states_are_taken(monkeypatch) -> None:
    """Also what wants to begin again and again ends, and a table with nothing found is never called done."""
    values = tables(6, 2, seed=0)
    scaled = Scaled(values, 0.05 * values.abs().amax(-1))
    whole = scaled.program(scaled.weights(1e-4))
    begun = []

    def stuck(iterates, tolerance, max_iterations):
        begun.append(len(iterates.anew))
        iterates.anew[:] = True
        return rows.Solution.none(iterates.program)

    monkeypatch.setattr(rows._Rows, "run", stuck)
    assert not rows.Solution.none(whole).done(0.5).any()
    found = rows.solve(whole, 1e-7, 100)
    assert begun == [2] * rows.BEGINNINGS and found.done(1e-7).all()


def test_no_more_states_are_kept_than_there_may_be(monkeypatch) -> None:
    values, most = tables(7, 1, seed=4), []
    scaled = Scaled(values, 0.02 * values.abs().amax(-1))
    whole = scaled.program(scaled.weights(1e-4))
    kept, matrix = some_states(7, 40), RowEquations.__init__

    def seen(self, states, diagonals):
        most.append(int(states.kept.sum()))
        matrix(self, states, diagonals)

    monkeypatch.setattr(RowEquations, "__init__", seen)
    monkeypatch.setattr(rows, "LARGEST", 60)
    assert rows.solve(whole, 1e-6, 100, kept.clone()).done(1e-6).all() and max(most) <= 60
    monkeypatch.undo()
    assert rows.solve(whole, 1e-6, 100, states := kept.clone()).done(1e-6).all() and states.sum() > 60


def degenerate(n: int) -> torch.Tensor:
    order = subsets.orders(n).double()
    additive = sum(((torch.arange(2**n) >> i) & 1).double() * (i - 1.7) for i in range(n))
    return torch.stack([0.0 * order + 3.7, additive, order, (-1.0) ** order, (order == n).double(), tables(n, 1)[0]])


@pytest.mark.parametrize("fraction", [0.0, 0.02, 0.3, 1.0])
def test_degenerate_tables_are_solved_and_repeat(fraction: float) -> None:
    values = degenerate(5)
    zeta = fraction * (values - values[:, :1]).abs().amax(-1)
    found, again = (sparsest(values, zeta, tolerance=1e-6, method="rows") for _ in range(2))
    assert_consistent(found, values, zeta)
    assert (found.gap <= 1e-6).all()
    for one, other in zip(vars(found).values(), vars(again).values(), strict=True):
        assert torch.equal(one, other)
    for k, v in enumerate(values):
        exact, slack = optimum(v, float(zeta[k])), 1e-8 * v.abs().max().item() * 2**5
        assert found.lower_bound[k] <= exact + slack and exact - slack <= found.objective[k]


def test_nine_players_by_rows_agree_with_all_states() -> None:
    values = torch.cat([network_tables(9)[:1], planted(9, 12, seed=0)[2][None]])
    zeta = 0.02 * (values[:, -1] - values[:, 0]).abs()
    found = sparsest(values, zeta, tolerance=1e-5, method="rows")
    assert_consistent(found, values, zeta)
    assert (found.gap <= 1e-5).all()
    whole = sparsest(values, zeta, tolerance=1e-7, method="interior point")
    assert (found.lower_bound <= whole.objective).all() and (whole.lower_bound <= found.objective).all()


@pytest.mark.parametrize(
    ("n", "exact", "tolerance", "method"),
    [
        (1, False, 1e-7, "interior point"),
        (9, False, 1e-4, "interior point"),
        (10, False, 1e-7, "rows"),
        (12, False, 1e-4, "rows"),
        (11, True, 1e-7, "interior point"),
        (16, False, 1e-3, "rows"),
        (12, True, 1e-4, "interior point"),
        (14, True, 1e-7, "interior point"),
        (14, True, 1e-4, "first order"),
        (15, True, 1e-7, "first order"),
    ],
)
def test_auto_chooses_by_players_zeta_and_tolerance(monkeypatch, n, exact, tolerance, method) -> None:
    cpu = torch.device("cpu")
    monkeypatch.setattr(methods, "free_memory", lambda device: 2**40)
    assert methods.choose(n, exact, tolerance, cpu) == method
    if n == 10:
        assert methods.choose(n, exact, tolerance, torch.device("cuda")) == "interior point"
    monkeypatch.setattr(methods, "free_memory", lambda device: 1000)
    assert methods.choose(n, exact, tolerance, cpu) == "first order"


@pytest.mark.case("B9")
def test_long_work_is_told_first(monkeypatch) -> None:
    """Case B9: where memory is short the method that fits is taken, and one line says how long it may take."""
    monkeypatch.setattr(methods, "free_memory", lambda device: 2**27)
    nothing = torch.zeros(4, 2**14, dtype=torch.float64)
    with pytest.warns(UserWarning, match=r"4 tables of 14 players by 'first order', .* about .* to .* s"):
        found = sparsest(nothing, 0.1, tolerance=1e-3, max_iterations=20_000)  # so that no simplex is tried first
    assert (found.gap == 0).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sparsest(nothing[:, : 2**11], 0.1)


def test_what_takes_longer_is_told_to_take_longer() -> None:
    for method in ("interior point", "rows", "first order"):
        low, high = zip(*(methods.seconds(method, n, 1e-4, 1) for n in (12, 13, 14, 16)), strict=True)
        assert list(low) == sorted(low) and list(high) == sorted(high)
        assert all(a <= b for a, b in zip(low, high, strict=True))
        assert methods.seconds(method, 12, 1e-4, 3)[1] == 3 * high[0]


WORKERS = """
import psutil, torch
from lib.sparsest.batches import in_batches
torch.set_num_threads(2)
before, seen = psutil.Process().num_threads(), []
def work(values, zeta):
    for _ in range(50):
        torch.ones(512, 32, dtype=torch.float64) @ torch.ones(32, 512, dtype=torch.float64)
    seen.append(psutil.Process().num_threads())
    return (zeta,)
in_batches(work, torch.zeros(16, 2**4), torch.zeros(16), lambda n: 1)
print(max(seen) - before)
"""


def test_two_workers_are_two_threads() -> None:
    """A product in a thread of its own has threads beside it, whatever `torch.set_num_threads` said in another."""
    own = {**os.environ, "OMP_NUM_THREADS": "2"}
    said = subprocess.run([sys.executable, "-c", WORKERS], env=own, capture_output=True, text=True, check=True).stdout
    assert int(said) <= 2


INTERRUPTED = """
import signal
import torch
from lib.sparsest import sparsest
torch.set_num_threads(2)
values = torch.randn(64, 2**12, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
signal.signal(signal.SIGINT, signal.default_int_handler)  # a process in the background ignores it
print("begun", flush=True)
try:
    sparsest(values, 0.0, tolerance=1e-9, method={method!r}, max_iterations=100000)
except KeyboardInterrupt:
    print("back", flush=True)
"""


@pytest.mark.case("B8")
@pytest.mark.parametrize("method", ["interior point", "simplex"])
def test_an_interrupt_comes_back(method: str) -> None:
    """Case B8: the parts at work end early, those that wait never begin. 64 such tables take minutes."""
    running = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED.format(method=method)], stdout=subprocess.PIPE, text=True, bufsize=1
    )
    try:
        assert running.stdout.readline() == "begun\n"
        time.sleep(1.0)
        running.send_signal(signal.SIGINT)
        said, _ = running.communicate(timeout=30)  # a busy machine is no defect; without a stop it takes far longer
    finally:
        running.kill()
    assert said == "back\n" and running.returncode == 0
