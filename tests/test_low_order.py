"""Which tables "auto" gives to the simplex first, against dense least squares; the answers against HiGHS."""

import pytest
import torch
from test_sparsest import assert_consistent, optimum, planted, tables

from lib import subsets
from lib.sparsest import low_order, simplex, sparsest


@pytest.fixture
def from_seven_players(monkeypatch) -> None:
    monkeypatch.setattr(low_order, "FEWEST", 7)


def with_noise(n: int, count: int, seed: int, highest: int = 3) -> torch.Tensor:
    values = planted(n, count, seed, highest)[2]
    return values + 0.01 * torch.randn(2**n, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("n", [2, 5, 7])
def test_what_low_orders_leave_is_the_residual_of_least_squares(n: int) -> None:
    """Of the dense matrix with a column for each AND interaction of up to three players, and OR ones add nothing."""
    values, order = tables(n, 3), subsets.orders(n)
    s = torch.arange(2**n)
    inside, meeting = (s[:, None] & s) == s, (s[:, None] & s) != 0
    a = torch.cat([inside[:, order <= 3], meeting[:, (order >= 1) & (order <= 3)]], 1).double().numpy()
    fit = torch.from_numpy(a @ (torch.linalg.pinv(torch.from_numpy(a)) @ values.mT).numpy()).mT
    left = (values - fit).abs().amax(-1)
    if n <= 3:
        assert (left <= 1e-12).all() and low_order.explained(values, left + 1e-9).all()
        return
    assert low_order.explained(values, left * (1 + 1e-9)).all()
    assert not low_order.explained(values, left * (1 - 1e-9)).any()
    assert not low_order.explained(values * 0.0, left * 0.0).any()  # ζ = 0 asks for every state


def test_low_tables_end_at_the_optimum_of_highs_by_the_simplex_and_repeat(from_seven_players) -> None:
    values = torch.stack([with_noise(7, 8, seed) for seed in range(4)])
    zeta = torch.full((4,), 0.06, dtype=torch.float64)
    assert low_order.explained(values, zeta).all()
    found, again = (sparsest(values, zeta) for _ in range(2))
    assert_consistent(found, values, zeta)
    assert (found.gap <= 1e-7).all()
    assert torch.equal(found.iterations, sparsest(values, zeta, method="simplex").iterations)
    for name, one in vars(found).items():
        assert torch.equal(one, getattr(again, name)), name
    for k in range(4):
        exact = optimum(values[k], 0.06)
        assert found.lower_bound[k] <= exact * (1 + 1e-8) and exact * (1 - 1e-8) <= found.objective[k]


def test_of_a_batch_each_table_goes_its_own_way(from_seven_players, monkeypatch) -> None:
    """What is not low is solved as if the low ones were not there, and never by the simplex."""
    low, other = torch.stack([with_noise(7, 8, seed) for seed in range(2)]), tables(7, 2)
    taken = []
    walk = simplex.solve
    monkeypatch.setattr(simplex, "solve", lambda program, *rest: taken.append(len(program.g)) or walk(program, *rest))
    mixed = torch.stack([other[0], low[0], other[1], low[1]])
    found = sparsest(mixed, 0.06)
    assert sum(taken) == 2 and (found.gap <= 1e-7).all()
    alone = sparsest(other, 0.06, method="interior point")
    assert torch.equal(found.i_or[[0, 2]], alone.i_or) and torch.equal(found.iterations[[0, 2]], alone.iterations)


def test_what_the_simplex_does_not_get_to_is_solved_all_the_same(from_seven_players, monkeypatch) -> None:
    monkeypatch.setattr(low_order, "pivots", lambda n: 5)
    values = with_noise(7, 8, seed=0)
    found, exact = sparsest(values, 0.06), sparsest(values, 0.06, method="interior point")
    assert_consistent(found, values, 0.06)
    assert found.gap <= 1e-7 and int(found.iterations) == 5 + int(exact.iterations)


def test_a_number_of_iterations_is_one_of_the_method_itself(from_seven_players) -> None:
    with pytest.warns(UserWarning, match="missed the relative gap"):
        assert sparsest(with_noise(7, 8, seed=0), 0.06, max_iterations=3).iterations <= 3


def test_pivots_that_may_take_long_are_told_first(monkeypatch) -> None:
    monkeypatch.setattr(low_order, "IN_PIVOTS", 1e4)
    with pytest.warns(UserWarning, match=r"1 tables of 12 players by 'simplex', .* about .* to .* s"):
        found = sparsest(torch.zeros(2**12, dtype=torch.float64), 0.1)
    assert found.gap == 0


def test_ten_planted_players_take_fewer_pivots_than_the_budget() -> None:
    """By the default, so that the limit on players and the budget are as they are."""
    values = torch.stack([with_noise(10, 10, seed) for seed in range(3)])
    found = sparsest(values, 0.06)
    assert_consistent(found, values, 0.06)
    assert (found.gap <= 1e-7).all()
    assert ((found.iterations > 50) & (found.iterations < low_order.pivots(10))).all()
