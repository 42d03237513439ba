"""Exact solves by the symmetry of the players, against dense matrices."""

import pytest
import torch

from lib import subsets
from lib.sparsest.symmetric_equations import SymmetricEquations


@pytest.mark.parametrize("n", [0, 1, 2, 3, 6, 7])
def test_solves_what_dense_matrices_solve(n: int) -> None:
    draw = torch.Generator().manual_seed(n)
    weights = torch.rand(3, 3, dtype=torch.float64, generator=draw) + 0.1
    right = torch.randn(3, 2**n, dtype=torch.float64, generator=draw)
    equations = SymmetricEquations(n, 3, torch.device("cpu"))
    equations.set(torch.arange(3), weights)
    identity = torch.eye(2**n, dtype=torch.float64)
    zeta = subsets.superset_zeta(identity)  # Z: sums over the subsets of the row
    for k in range(3):
        x, y, t = weights[k]
        dense = x * identity + y * zeta.mT @ zeta + t * zeta @ zeta.mT
        torch.testing.assert_close(equations.solve(right)[k], torch.linalg.solve(dense, right[k]))


def test_samples_are_set_and_kept_one_by_one() -> None:
    n, draw = 5, torch.Generator().manual_seed(0)
    weights = torch.rand(3, 3, dtype=torch.float64, generator=draw) + 0.1
    right = torch.randn(3, 2**n, dtype=torch.float64, generator=draw)
    equations = SymmetricEquations(n, 3, torch.device("cpu"))
    equations.set(torch.arange(3), weights)
    before = equations.solve(right)
    equations.set(torch.tensor([1]), weights[[1]] * 2)
    after = equations.solve(right)
    torch.testing.assert_close(after, before * torch.tensor([[1.0], [0.5], [1.0]], dtype=torch.float64))
    equations.keep(torch.tensor([0, 2]))
    torch.testing.assert_close(equations.solve(right[[0, 2]]), before[[0, 2]])


def test_no_samples_are_solved_to_none() -> None:
    right = torch.zeros(0, 2**5, dtype=torch.float64)
    assert SymmetricEquations(5, 0, right.device).solve(right).shape == right.shape
