"""The attainable range against linear programs over the optimal face."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from lib import subsets
from lib.sparsest import attainable_range, sparsest


def extremes(v: torch.Tensor, zeta: float, m: int, slack: float) -> tuple[float, float, float]:
    """The ends of A(m) over ‖θ‖₁ ≤ (1 + slack)·optimum by HiGHS, in the unknowns split by sign; and the optimum."""
    n = subsets.player_count(v)
    s = np.arange(1, 2**n)
    common, order = s[:, None] & s, subsets.orders(n).numpy()[1:]
    model = np.hstack([common == s, (common != 0)[:, order >= 2]]).astype(float)
    both = np.hstack([model, -model])
    member = np.tile(np.concatenate([order, order[order >= 2]]) == m, 2).astype(float)
    target = (v[1:] - v[0]).numpy()
    rows, limits = np.vstack([both, -both]), np.concatenate([target + zeta, zeta - target])
    exact = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
    optimum = linprog(np.ones(both.shape[1]), rows, limits, method="highs", options=exact).fun
    rows = np.vstack([rows, np.ones(both.shape[1])])
    limits = np.append(limits, optimum * (1 + slack) + 1e-9)
    ends = [linprog(sign * member, rows, limits, method="highs", options=exact).fun for sign in (1.0, -1.0)]
    return ends[0], -ends[1], optimum


def within(n: int, seeds: Sequence[int], digits: Sequence[int], fractions: Sequence[float]) -> None:
    """The range of the exact optima lies within what is found, and no farther than the slack allows."""
    draws = (torch.randn(2**n, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) for seed in seeds)
    values = torch.stack([draw.round(decimals=few) for draw, few in zip(draws, digits, strict=True)])
    zetas = values.new_tensor(fractions) * (values - values[:, :1]).abs().amax(-1)
    orders = list(range(1, n + 1))
    found = attainable_range(values, zetas, orders, slack=1e-3)
    assert (found.excess <= 1.1e-3).all()
    for table, zeta, low, high in zip(values, zetas.tolist(), found.smallest, found.largest, strict=True):
        for k, m in enumerate(orders):
            smallest, largest, optimum = extremes(table, zeta, m, 0.0)
            margin = 1e-3 * optimum + 1e-8  # an end is found to a thousandth of the norm
            assert low[k] <= smallest + margin and high[k] >= largest - margin
            smallest, largest, _ = extremes(table, zeta, m, 1.1e-3)
            assert low[k] >= smallest - margin and high[k] <= largest + margin


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_range_of_the_exact_optima_lies_within(n: int) -> None:
    """Tables of few digits, which make ties, and of all; solved as one batch, which costs what one of them does."""
    drawn = [(seed, digits, fraction) for seed, digits in ((n, 0), (n + 4, 1), (n + 8, 15)) for fraction in (0.0, 0.1)]
    within(n, *zip(*drawn, strict=True))


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(
    n=st.integers(1, 4),
    seed=st.integers(0, 2**32),
    digits=st.sampled_from([0, 1, 15]),
    fraction=st.sampled_from([0.0, 0.1]),
)
def test_ranges_of_many_tables(n: int, seed: int, digits: int, fraction: float) -> None:
    within(n, [seed], [digits], [fraction])


def test_two_players_may_be_additive_or_not_at_the_same_norm() -> None:
    """x₁ + x₂ = (x₁ ∧ x₂) + (x₁ ∨ x₂): the order-1 strength is anything from 0 to 2."""
    values = torch.tensor([[0.0, 1.0, 1.0, 2.0], [3.0, 3.0, 3.0, 3.0]], dtype=torch.float64)
    found = attainable_range(values, 0.0, [1, 2])
    torch.testing.assert_close(found.smallest, torch.zeros(2, 2).double(), rtol=0.0, atol=1e-3)
    torch.testing.assert_close(found.largest, torch.tensor([[2.0, 2.0], [0.0, 0.0]]).double(), rtol=0.0, atol=1e-3)


def test_the_sparsest_lie_in_the_range() -> None:
    values = torch.randn(2, 3, 2**6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = attainable_range(values, 0.05, [1, 3, 6])
    assert found.smallest.shape == found.largest.shape == (2, 3, 3) and found.excess.shape == (2, 3)
    best = sparsest(values, 0.05, tolerance=1e-7, tie_break=0.0)
    for k, m in enumerate([1, 3, 6]):
        strength = (best.i_and.abs() + best.i_or.abs())[..., subsets.orders(6) == m].sum(-1)
        assert (found.smallest[..., k] <= strength + 1e-2).all() and (strength <= found.largest[..., k] + 1e-2).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"orders": [0]}, "an order is 0"), ({"orders": [1, 4]}, "an order is 4"), ({"slack": 0.0}, "slack is 0.0")],
)
def test_bad_arguments_are_named(arguments: dict, message: str) -> None:
    good = {"values": torch.zeros(8, dtype=torch.float64), "zeta": 0.0, "orders": [1]}
    with pytest.raises(ValueError, match=message):
        attainable_range(**(good | arguments))
