"""The transforms against their definitions."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lib import subsets


def integers(*shape: int, seed: int = 0) -> torch.Tensor:
    """Small whole numbers: sums of them are exact, in whatever order."""
    return torch.randint(-9, 10, shape, generator=torch.Generator().manual_seed(seed)).double()


def contained(n: int) -> torch.Tensor:
    """T ⊆ S, (S, T)."""
    s = torch.arange(2**n)
    return (s[:, None] & s) == s


@settings(deadline=None)
@given(n=st.integers(0, 9), seed=st.integers(0, 2**32), batch=st.sampled_from([(), (3,), (2, 1), (0,)]))
def test_transforms_are_their_definitions(n: int, seed: int, batch: tuple[int, ...]) -> None:
    x, inside, order = integers(*batch, 2**n, seed=seed), contained(n).double(), subsets.orders(n)
    signs = (-1.0) ** (order[:, None] - order) * inside
    assert torch.equal(subsets.zeta(x), x @ inside.mT)
    assert torch.equal(subsets.superset_zeta(x), x @ inside)
    assert torch.equal(subsets.mobius(x), x @ signs.mT)


@pytest.mark.parametrize("n", [16, 17, 20])
def test_large_tables_take_one_player_at_a_time_as_well(n: int) -> None:
    x = integers(2, 2**n)
    expected = x.clone()
    for player in range(n):
        pairs = expected.view(2, -1, 2, 2**player)
        pairs[:, :, 1] += pairs[:, :, 0]
    assert torch.equal(subsets.zeta(x), expected)
    assert torch.equal(subsets.mobius(expected), x)


def test_strides_and_inputs_are_left_alone() -> None:
    x = integers(2**6, 4)
    before = x.clone()
    assert torch.equal(subsets.zeta(x.mT), subsets.zeta(x.mT.contiguous()))
    assert torch.equal(x, before)


def test_interactions_rebuild_the_table() -> None:
    n = 6
    u_and, u_or = integers(2, 3, 2**n)
    h = subsets.logical_model(subsets.and_interactions(u_and), subsets.or_interactions(u_or), 1.5)
    assert torch.equal(h - 1.5, u_and - u_and[:, :1] + u_or - u_or[:, :1])


def test_one_interaction_fires_where_it_should() -> None:
    n, s = 5, 0b10110
    single, t = torch.zeros(2**n).double(), torch.arange(2**n)
    single[s] = 1.0
    nothing = torch.zeros_like(single)
    assert torch.equal(subsets.logical_model(single, nothing, 0.0), ((t & s) == s).double())
    assert torch.equal(subsets.logical_model(nothing, single, 0.0), ((t & s) != 0).double())


@pytest.mark.parametrize("size", [0, 3, 12])
def test_only_powers_of_two_are_tables(size: int) -> None:
    with pytest.raises(ValueError, match=f"has {size} entries"):
        subsets.player_count(torch.zeros(2, size))
