"""The sparsest model of measured masks against all columns written down, and against what was planted."""

import dataclasses
import math
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from scipy.optimize import linprog

from lib import subsets
from lib.experiments import ROOT
from lib.sparsest import Sampled, sparsest, sparsest_sampled
from lib.sparsest.sampled import interior
from lib.sparsest.sampled import program as linear_program
from lib.sparsest.sampled.columns import Columns
from lib.sparsest.sampled.glance import glance
from lib.sparsest.sampled.pricing import price

MANY = 10**9  # subsets: no limit


def every_column(n: int, highest: int) -> Columns:
    """All AND interactions up to an order, then all OR interactions of order 2 and more."""
    members = (np.arange(1, 2**n)[:, None] >> np.arange(n) & 1).astype(bool)
    members = members[members.sum(1) <= highest]
    both = Columns(np.concatenate([members, members]), np.arange(2 * len(members)) >= len(members))
    return both[~both.is_or | (both.order > 1)]


def some_masks(n: int, count: int, draw: np.random.Generator) -> np.ndarray:
    """Different masks, none empty, in which every player varies."""
    while True:
        states = draw.choice(np.arange(1, 2**n), min(count, 2**n - 1), replace=False)
        masks = (states[:, None] >> np.arange(n) & 1).astype(bool)
        if not (masks.all(0) | ~masks.any(0)).any():
            return masks


def optimum(masks: np.ndarray, g: np.ndarray, zeta: float, tie_break: float, highest: int) -> float:
    """By HiGHS on all columns; infinite where no model fits."""
    columns = every_column(masks.shape[1], highest)
    model = columns.on(masks)
    both = np.hstack([model, -model])
    found = linprog(
        np.tile(1.0 + tie_break * columns.order, 2),
        A_ub=np.vstack([both, -both]),
        b_ub=np.concatenate([g + zeta, zeta - g]),
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    assert found.status in (0, 2)
    return found.fun if found.status == 0 else math.inf


def quiet(*args, **settings) -> Sampled:
    """Without the warning that it may not be certified."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return sparsest_sampled(*args, **settings)


def assert_consistent(found: Sampled, masks: torch.Tensor, values: torch.Tensor, zeta: float, tie: float) -> None:
    """All that has to hold of an answer that fits."""
    scale = float((values - found.bias).abs().max()) + 1e-300
    h = found.predict(masks)
    assert found.worst_error == float((values - h).abs().max()) <= zeta + 1e-11 * scale
    assert found.predict(torch.zeros(1, masks.shape[1])).tolist() == [found.bias]
    order = found.members.sum(1)
    cost = float(((1.0 + tie * order.double()) * found.strengths.abs()).sum())
    assert found.objective == pytest.approx(cost, rel=1e-12, abs=0.0)
    assert found.lower_bound <= found.objective
    assert not (found.is_or & (order == 1)).any() and (order > 0).all() and (found.strengths != 0).all()
    assert (found.strengths.abs().diff() <= 0).all()
    assert len({(*row, kind) for row, kind in zip(found.members.tolist(), found.kinds, strict=True)}) == len(order)
    if found.objective:
        assert found.gap == (found.objective - found.lower_bound) / found.objective
    assert found.certified == (found.gap <= 1e-6) == (found.verdict == "certified")


WAYS = {"corner to corner": math.inf, "inside": -1.0}  # interactions a mask from which columns are generated inside


def cases(corners: tuple[int, int], inside: tuple[int, int]) -> list:
    """So many seeds each way, the second number of them with the slow ones."""
    return [
        pytest.param(way, seed, marks=[] if seed < quick else pytest.mark.slow)
        for way, (quick, all_of_them) in zip(WAYS, (corners, inside), strict=True)
        for seed in range(all_of_them)
    ]


@pytest.mark.parametrize(("way", "seed"), cases((40, 80), (20, 24)))
def test_optimum_over_all_subsets_lies_between_bound_and_objective(
    seed: int, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linear_program, "MANY", WAYS[way])
    draw = np.random.default_rng(seed)
    n = int(draw.integers(2, 9))
    masks = some_masks(n, int(draw.integers(2 * n, 91)), draw)
    if len(masks) < 2 * n:  # two players: the empty mask makes up the number
        masks = np.concatenate([masks, np.zeros((1, n), dtype=bool)])
    tie = (0.0, 1e-4)[seed % 2]
    bias = float(draw.standard_normal())
    values = draw.standard_normal(len(masks)).round((1, 15)[seed // 2 % 2])  # few digits make degenerate programs
    values = np.where(masks.any(1), 10.0 ** (seed % 5 - 2) * values + bias, bias)
    zeta = float(np.abs(values - bias).max()) * (0.0, 1e-3, 0.05, 0.3, 0.9)[seed % 5]
    t, v = torch.from_numpy(masks), torch.from_numpy(values)
    found = sparsest_sampled(t, v, zeta, bias=bias, tie_break=tie)
    assert_consistent(found, t, v, zeta, tie)
    exact = optimum(masks[masks.any(1)], (values - bias)[masks.any(1)], zeta, tie, n)
    assert found.certified
    assert found.lower_bound <= exact * (1 + 1e-8) and exact * (1 - 1e-8) <= found.objective


@pytest.mark.parametrize(("way", "seed"), cases((16, 30), (8, 8)))
def test_cap_is_kept_and_its_optimum_found_or_none_exists(seed: int, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_program, "MANY", WAYS[way])
    draw = np.random.default_rng(seed)
    n = int(draw.integers(3, 8))
    masks = some_masks(n, int(draw.integers(2 * n, 61)), draw)
    masks = masks if len(masks) >= 2 * n else some_masks(n, 2**n - 1, draw)
    highest = int(draw.integers(1, n))
    columns = every_column(n, highest)
    strengths = draw.standard_normal(len(columns)) * (draw.random(len(columns)) < 0.1)
    g = columns.on(masks) @ strengths + 1e-3 * draw.standard_normal(len(masks))
    zeta = (4e-3, 0.3)[seed % 2]
    t, v = torch.from_numpy(masks), torch.from_numpy(g)
    found = quiet(t, v, zeta, max_order=highest)
    exact = optimum(masks, g, zeta, 0.0, highest)
    assert (found.members.sum(1) <= highest).all() and not found.orders_trusted
    assert exact < math.inf and found.certified
    assert_consistent(found, t, v, zeta, 0.0)
    assert found.lower_bound <= exact * (1 + 1e-8) and exact * (1 - 1e-8) <= found.objective


def test_a_cap_without_any_model_is_told() -> None:
    draw = np.random.default_rng(0)
    masks = some_masks(6, 60, draw)
    values = torch.from_numpy(draw.standard_normal(60))
    assert optimum(masks, values.numpy(), 0.0, 0.0, 2) == math.inf
    with pytest.warns(UserWarning, match="after .* rounds without a model of order 2 or less within zeta"):
        found = sparsest_sampled(torch.from_numpy(masks), values, 0.0, max_order=2)
    assert not found.certified and not found.orders_trusted
    assert found.objective == math.inf and found.gap == 1.0 and found.lower_bound > 1e6


def test_on_a_full_table_it_is_the_sparsest() -> None:
    values = torch.randn(2**6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    masks = (torch.arange(2**6)[:, None] >> torch.arange(6) & 1).bool()
    bias = float(values[0])
    found = sparsest_sampled(masks, values, 0.1, bias=bias, tie_break=1e-4)
    same = sparsest(values, 0.1, tolerance=1e-6, tie_break=1e-4)
    assert found.objective == pytest.approx(float(same.objective), rel=2e-6)
    i_and, i_or = torch.zeros(2, 2**6, dtype=torch.float64)
    for kind, players, strength in found.interactions():
        (i_or if kind == "OR" else i_and)[sum(1 << i for i in players)] = strength
    torch.testing.assert_close(subsets.logical_model(i_and, i_or, bias), found.predict(masks), rtol=0.0, atol=1e-12)


def planted(n: int, count: int, interactions: int, seed: int, noise: float = 0.0):
    """Masks with each player kept with probability ½, and that of all; a game of orders 1 to 5; its interactions."""
    draw = np.random.default_rng(seed)
    masks = draw.random((count, n)) < 0.5
    masks[0] = True
    members = np.zeros((interactions, n), dtype=bool)
    for row in members:
        row[draw.choice(n, int(draw.integers(1, 6)), replace=False)] = True
    columns = Columns(members, (np.arange(interactions) % 2 == 1) & (members.sum(1) > 1))
    strengths = draw.standard_normal(interactions)
    strengths += 0.3 * np.sign(strengths)
    g = columns.on(masks) @ strengths
    values = g + noise * g.std() * draw.standard_normal(count)
    return torch.from_numpy(masks), torch.from_numpy(values), columns, strengths, noise * float(g.std())


@pytest.mark.parametrize("seed", range(3))
def test_planted_games_are_recovered_exactly_without_noise(seed: int) -> None:
    masks, values, columns, strengths, _ = planted(12, 150, 8, seed)
    found = sparsest_sampled(masks, values + 5.0, 0.0, bias=5.0, tie_break=1e-4)  # x₁ + x₂ = (x₁ ∧ x₂) + (x₁ ∨ x₂)
    assert found.certified and found.orders_trusted and found.held_out_r2 > 1 - 1e-9
    got = {(kind, players): s for kind, players, s in found.interactions() if abs(s) > 1e-8}
    want = {
        ("OR" if kind else "AND", tuple(row.nonzero()[0].tolist())): s
        for row, kind, s in zip(columns.members, columns.is_or, strengths, strict=True)
    }
    assert got.keys() == want.keys()
    assert all(got[key] == pytest.approx(want[key], abs=1e-8) for key in want)
    a = found.by_order()
    for m in range(1, 13):
        at = strengths[columns.order == m]
        expected = [np.maximum(at, 0.0).sum(), np.maximum(-at, 0.0).sum()]
        assert a[:, m - 1].tolist() == pytest.approx(expected, abs=1e-7)


def test_planted_games_are_found_under_noise_and_the_proof_holds() -> None:
    masks, values, columns, strengths, sd = planted(20, 600, 15, 0, noise=0.02)
    found = sparsest_sampled(masks, values, 4.0 * sd)
    assert_consistent(found, masks, values, 4.0 * sd, 0.0)
    assert found.certified and found.lower_bound <= np.abs(strengths).sum() and found.held_out_r2 > 0.99
    got = set(Columns(found.members.numpy(), found.is_or.numpy()).labels())
    assert sum(key in got for key in columns.labels()) >= 14
    unseen = planted(20, 600, 15, 0)[0].roll(1, 1)
    truth = torch.from_numpy(columns.on(unseen.numpy()) @ strengths)
    error = ((found.predict(unseen) - truth) ** 2).sum() / ((truth - truth.mean()) ** 2).sum()
    assert error < 0.01


@pytest.mark.parametrize("seed", [*range(40), *(pytest.param(k, marks=pytest.mark.slow) for k in range(40, 120))])
def test_the_search_finds_the_dearest_of_all(seed: int) -> None:
    draw = np.random.default_rng(seed)
    n = int(draw.integers(2, 9))
    masks = some_masks(n, int(draw.integers(3, 60)), draw)
    y = draw.standard_normal(len(masks)) * (draw.random(len(masks)) < 0.6)
    y = y.round(1) if seed % 3 == 0 else y
    tie, highest, count = (0.0, 1e-4, 0.1)[seed % 3], int(draw.integers(1, n + 1)), int(draw.integers(1, 30))
    columns = every_column(n, highest)
    prices = np.abs(columns.on(masks).T @ y) / (1.0 + tie * columns.order)
    threshold = float(np.quantile(prices, draw.random())) + 1e-3
    found = price(masks, y, tie, highest, threshold, count, MANY)
    assert found.complete and found.largest == pytest.approx(max(prices.max(), threshold), abs=1e-9)
    of = dict(zip(columns.labels(), prices.tolist(), strict=True))
    assert len(set(found.columns.labels())) == len(found.columns) <= count
    for key, its in zip(found.columns.labels(), found.prices.tolist(), strict=True):
        assert its == pytest.approx(of[key], abs=1e-9) and its > threshold
    over = set(prices[prices > threshold].round(9).tolist())  # of interactions on the same masks one is enough
    if not tie and len(found.columns) < count:
        assert set(found.prices.round(9).tolist()) == over


@pytest.mark.parametrize("seed", range(10))
def test_what_a_glance_finds_is_there_and_a_planted_one_of_order_five_among_it(seed: int) -> None:
    masks, _, columns, strengths, _ = planted(9, 120, 3, seed)
    draw = np.random.default_rng(seed)
    y = columns.on(masks.numpy()) @ strengths + 0.1 * draw.standard_normal(len(masks))
    y, tie, highest = y - y.mean(), (0.0, 0.1)[seed % 2], int(draw.integers(1, 10))
    every = every_column(9, highest)
    prices = np.abs(every.on(masks.numpy()).T @ y) / (1.0 + tie * every.order)
    found, nodes = glance(masks.numpy(), y, tie, highest, threshold=0.3 * prices.max(), count=20)
    of = dict(zip(every.labels(), prices.tolist(), strict=True))
    its = [of[key] for key in found.labels()]
    assert 0 < len(found) == len(set(found.labels())) <= 20 and nodes > 0
    assert min(its) > 0.3 * prices.max() and (np.diff(its) <= 1e-9).all()
    masks, members = draw.random((600, 24)) < 0.5, np.zeros((1, 24), dtype=bool)
    members[0, draw.choice(24, 5, replace=False)] = True
    for is_or in (False, True):
        column = Columns(members, np.array([is_or]))
        y = column.inside(masks)[:, 0] + 0.01 * draw.standard_normal(600)
        found, _ = glance(masks, y - y.mean(), 0.0, 24, 1e-3, 100)
        assert column.labels()[0] in found.labels()


@pytest.mark.parametrize("limit", [1, 40, 200, 1000, 3000])
def test_a_search_at_its_limit_still_bounds_what_it_has_not_seen(limit: int) -> None:
    draw = np.random.default_rng(0)
    masks, y = some_masks(8, 60, draw), draw.standard_normal(60)
    columns = every_column(8, 8)
    largest = np.abs(columns.on(masks).T @ y).max()
    found = price(masks, y, 0.0, 8, 1e-3, 5, limit)
    assert found.largest >= largest * (1 - 1e-12) and (found.complete or found.nodes >= limit)


def test_at_its_limit_the_answer_says_so_and_its_bound_still_holds() -> None:
    masks, values, *_ = planted(18, 200, 10, 1, noise=0.05)
    exact = sparsest_sampled(masks, values, 0.3)
    with pytest.warns(UserWarning, match="not certified: a search came to its limit of 50 subsets"):
        found = sparsest_sampled(masks, values, 0.3, limit=50)
    assert exact.certified and not found.certified and not found.orders_trusted
    assert found.lower_bound <= exact.objective <= found.objective * (1 + 1e-9)
    assert found.worst_error <= 0.3 + 1e-11 or found.objective == math.inf


@pytest.mark.parametrize(("way", "rounds"), [("corner to corner", 1), ("inside", 2)])  # one inside, and then a corner
def test_after_too_many_rounds_the_answer_says_so(way: str, rounds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    masks, values, *_ = planted(18, 200, 10, 1, noise=0.05)
    exact = sparsest_sampled(masks, values, 0.3)
    monkeypatch.setattr(linear_program, "MANY", WAYS[way])
    monkeypatch.setattr(linear_program, "ROUNDS", 1)
    monkeypatch.setattr(interior, "ROUNDS", 1)
    found = quiet(masks, values, 0.3)
    assert found.verdict.startswith(f"not certified: after {rounds} rounds") and found.rounds == rounds
    assert found.lower_bound <= exact.objective <= found.objective * (1 + 1e-9)


def test_equal_bytes_again_and_in_any_order_of_rows() -> None:
    masks, values, _, _, sd = planted(14, 250, 10, 2, noise=0.02)
    first = sparsest_sampled(masks, values, 3.0 * sd)
    shuffled = torch.from_numpy(np.random.default_rng(1).permutation(len(masks)))
    for again in (
        sparsest_sampled(masks, values, 3.0 * sd),
        sparsest_sampled(masks[shuffled].double(), values[shuffled], 3.0 * sd),
    ):
        for field in dataclasses.fields(Sampled):
            a, b = getattr(first, field.name), getattr(again, field.name)
            assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b, field.name


def test_masks_measured_twice_and_the_empty_one_count_as_they_should() -> None:
    masks, values, *_ = planted(8, 60, 5, 0)
    once = sparsest_sampled(masks, values, 0.01)
    more = torch.cat([masks, masks[:7], torch.zeros(1, 8, dtype=torch.bool)])
    twice = sparsest_sampled(more, torch.cat([values, values[:7], torch.zeros(1, dtype=torch.float64)]), 0.01)
    assert twice.objective == pytest.approx(once.objective, rel=1e-6)
    apart = torch.cat([values, values[:7] + 0.015, torch.full((1,), 0.009, dtype=torch.float64)])
    found = sparsest_sampled(more, apart, 0.01)
    assert_consistent(found, more, apart, 0.01, 0.0)
    assert found.objective >= once.lower_bound  # as the limits are closer


def test_values_within_zeta_of_the_bias_need_no_interactions() -> None:
    masks, values, *_ = planted(8, 60, 5, 0)
    found = sparsest_sampled(masks, 1e-3 * values.clamp(-1, 1) + 2.0, 0.01, bias=2.0)
    assert found.certified and found.objective == found.lower_bound == found.gap == 0.0
    assert not len(found.strengths) and found.by_order().eq(0).all() and "0 interactions" in str(found)


def test_an_answer_reads_aloud() -> None:
    masks, values, *_ = planted(10, 120, 6, 0)
    assert "6 interactions of 10 players, certified: strength" in str(sparsest_sampled(masks, values, 0.0))


GOOD, VALUES, *_ = planted(6, 42, 4, 0)
GOOD, VALUES = GOOD[GOOD.any(1)][:40], VALUES[GOOD.any(1)][:40]
CONSTANT = GOOD.clone()
CONSTANT[:, [1, 4]] = True
NAN = VALUES.clone()
NAN[3] = math.nan
DOUBLED = torch.cat([GOOD, GOOD[5:6]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"masks": GOOD[0]}, r"shape of masks is \(6,\); allowed: \(masks, players\)"),
        ({"masks": GOOD + 0.5}, r"masks is neither 0 nor 1 in \d+ entries, the first at \[\[0, 0\]\]; allowed: bool"),
        ({"masks": CONSTANT}, r"masks is the same in every mask for players \[1, 4\]; allowed: each player present in"),
        ({"masks": GOOD[:9], "values": VALUES[:9]}, r"masks is \d different rows; allowed: at least 12, two a player"),
        ({"values": VALUES[1:]}, r"shape of values is \(39,\); allowed: \(40,\), one a mask"),
        ({"values": VALUES.float()}, r"dtype of values is torch\.float32; allowed: torch\.float64"),
        ({"values": NAN}, r"values is NaN or infinite in 1 entries, the first at \[3\]; allowed: finite"),
        ({"zeta": -1.0}, r"zeta is -1\.0; allowed: finite and at least 0"),
        ({"zeta": math.nan}, r"zeta is nan; allowed: finite and at least 0"),
        ({"bias": math.inf}, r"bias is inf; allowed: finite"),
        ({"max_order": 0}, r"max_order is 0; allowed: None, or from 1 to 6"),
        ({"max_order": 7}, r"max_order is 7; allowed: None, or from 1 to 6"),
        ({"tie_break": -0.1}, r"tie_break is -0\.1; allowed: finite and at least 0"),
        ({"seed": -1}, r"seed is -1; allowed: at least 0"),
        ({"limit": 0}, r"limit is 0; allowed: finite and at least 1"),
        (
            {"masks": DOUBLED, "values": torch.cat([VALUES, VALUES[5:6] + 1.0])},
            r"values is \S+ and \S+ at rows 5 and 40, whose masks are the same; allowed: a difference of at most",
        ),
        (
            {"masks": torch.cat([GOOD, GOOD[:1] & False]), "values": torch.cat([VALUES, VALUES[:1] * 0 + 3.0])},
            r"values is 3 away from the bias 0 at row 40, whose mask is empty; allowed: at most zeta = 0\.01 away",
        ),
    ],
)
def test_bad_input_is_told_in_one_line(change: dict, message: str) -> None:
    settings = {"masks": GOOD, "values": VALUES, "zeta": 0.01, **change}
    with pytest.raises(ValueError, match=message) as told:
        sparsest_sampled(**settings)
    assert "\n" not in str(told.value)


def test_predictions_need_the_same_players() -> None:
    with pytest.raises(ValueError, match="players of masks is 5; allowed: 6, as measured"):
        sparsest_sampled(GOOD, VALUES, 0.01).predict(GOOD[:, :5])


def test_its_import_costs_nothing_until_it_is_called() -> None:
    code = (
        "import sys; from lib.sparsest import sparsest_sampled; sys.exit({'highspy', 'sklearn'} & {*sys.modules} or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_benchmark_of_sampled_masks_runs_and_all_rivals_answer(capsys, monkeypatch):
    """It takes too long to run here in full, and nothing else would tell that it broke."""
    import bench_sampled

    masks, values, _, noise = bench_sampled.planted_masks(8, 100, interactions=4)
    bench_sampled.beside_pairs("planted", masks, values, 4 * noise)
    table = bench_sampled.tables("planted", 1, n=8)[0]
    monkeypatch.setattr(bench_sampled, "known_tables", lambda n: {"planted": table})
    bench_sampled.on_exact_tables(8, (0.4,))
    said = capsys.readouterr().out
    rivals = ("LASSO ≤ 2", "AND+OR R²", "ProxySPEX 1.", "AND alone ≤ 4 R²", "boosted trees R²")
    assert all(rival in said for rival in rivals) and said.count("certified") == 2


def test_nothing_is_printed(capfd):
    masks = torch.rand(30, 5, generator=torch.Generator().manual_seed(0)) < 0.5
    values = (masks[:, 0] & masks[:, 1]).double()
    sparsest_sampled(masks, values, 0.1)
    assert capfd.readouterr() == ("", "")
