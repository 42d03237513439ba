"""The strongest interactions and the conditions of Appendix B, on games whose answer is known."""

import pytest
import torch

from lib.sparsity import growth_exponent, largest_drop, largest_order, mean_output, smallest_power, strongest
from lib.subsets import logical_model, mobius, orders


def tensor(*entries):
    return torch.tensor(entries, dtype=torch.float64)


def test_the_strongest_are_kept_of_both_tables_together():
    i_and = tensor(9.0, 1.0, -3.0, 0.5)
    i_or = tensor(9.0, 1.0, 0.0, -2.5)  # of player 0 there is one interaction, 1 + 1
    only_and, only_or = strongest(i_and, i_or, 2)
    assert only_and.tolist() == [0.0, 0.0, -3.0, 0.0] and only_or.tolist() == [0.0, 0.0, 0.0, -2.5]
    only_and, only_or = strongest(i_and, i_or, 3)
    assert only_and.tolist() == [0.0, 2.0, -3.0, 0.0] and only_or.tolist() == [0.0, 0.0, 0.0, -2.5]
    assert not any(table.any() for table in strongest(i_and, i_or, 0))
    with pytest.raises(ValueError, match="count is -1"):
        strongest(i_and, i_or, -1)


def test_all_of_them_are_the_whole_logical_model():
    i_and, i_or = torch.randn(2, 3, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    bias = torch.zeros(3, dtype=torch.float64)
    torch.testing.assert_close(logical_model(*strongest(i_and, i_or, 99), bias), logical_model(i_and, i_or, bias))


def test_the_largest_order_of_a_planted_game():
    planted = torch.zeros(2, 32, dtype=torch.float64)
    planted[0, 0b00111], planted[0, 0b11111], planted[0, 0b00001] = 1.0, 0.01, -2.0
    values = logical_model(planted, torch.zeros_like(planted), torch.ones(2, dtype=torch.float64))
    assert largest_order(mobius(values), 0.02).tolist() == [3, 0]
    assert largest_order(mobius(values), 0.005).tolist() == [5, 0]


def test_the_mean_output_of_a_sum_and_of_an_and():
    size = orders(4).double()
    torch.testing.assert_close(mean_output(3.0 + 2.0 * size), tensor(0.0, 2.0, 4.0, 6.0, 8.0))
    together = torch.zeros(16, dtype=torch.float64)
    together[0b0011] = 1.0
    everyone = logical_model(together, torch.zeros_like(together), 5.0)
    torch.testing.assert_close(mean_output(everyone), tensor(0.0, 0.0, 1 / 6, 3 / 6, 1.0))


def test_the_largest_drop_looks_at_all_pairs():
    assert largest_drop(tensor(0.0, 1.0, 2.0, 2.0)).item() == 0
    assert largest_drop(tensor(0.0, 3.0, 2.5, 1.0, 4.0)).item() == 2


@pytest.mark.parametrize("power", [0.5, 1.0, 2.5])
def test_the_smallest_power_of_a_power_law_is_its_own(power):
    u = torch.arange(7, dtype=torch.float64) ** power
    assert smallest_power(u).item() == pytest.approx(power)
    assert smallest_power(-u).item() == 0  # (k'/k)**p·ū(k) lies at or below ū(k') for every p up to its own


def test_the_smallest_power_satisfies_condition_3_and_hardly_less_does():
    def holds(u, p):
        k = range(1, len(u))
        return all(u[small] >= (small / large) ** p * u[large] - 1e-12 for large in k for small in k if small <= large)

    curves = torch.randn(300, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64).cumsum(-1)
    curves[:, 0] = 0.0
    found = smallest_power(curves)
    assert torch.isinf(found).any() and (found == 0).any() and ((found > 0) & found.isfinite()).any()
    for u, p in zip(curves.tolist(), found.tolist(), strict=True):
        if p == float("inf"):
            assert not any(holds(u, 0.02 * k) for k in range(1000))
        else:
            assert holds(u, p) and (p == 0 or not holds(u, 0.999 * p))


def test_no_power_where_fewer_players_are_worse_than_none():
    assert smallest_power(tensor(0.0, -1.0, 2.0)).item() == float("inf")
    assert smallest_power(tensor(0.0, 0.0, 2.0)).item() == float("inf")
    assert smallest_power(tensor(0.0, 0.0, 0.0)).item() == 0


def test_the_exponent_of_growth():
    players = tensor(6.0, 7.0, 8.0, 9.0)
    counts = torch.stack([3 * players**1.7, players**2, tensor(1.0, 0.0, 2.0, 3.0)])
    found = growth_exponent(players, counts)
    torch.testing.assert_close(found[:2], tensor(1.7, 2.0))
    assert found[2].isnan()
    with pytest.raises(ValueError, match="players are"):
        growth_exponent(players[:1], counts[:, :1])
