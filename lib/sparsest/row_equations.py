"""The linear systems of row generation: symmetric, positive definite, a row for each state that is kept.

With σ and D as in `normal_equations.py`, R the states kept and A[S, T] = [T ⊆ S] for AND, [T ∩ S ≠ ∅] for OR,
combine(D·spread(y)) = K y on R:

    K[S,T] = σ_S σ_T (t_a(S∩T) + t_o(N) - t_o(N∖S) - t_o(N∖T) + t_o(N∖(S∪T))) + D_d(S)·[S=T]

where t_a = Z D_a and t_o = Z D_o are sums over subsets. Factors are those of the matrix without σ, which turns right
sides and solutions instead.
"""

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from .batches import stop_if_asked
from .normal_equations import REFINEMENTS
from .program import subset_sums, superset_sums

LEAST, FASTER, MOST = 1e-14, 100.0, 1e4  # what a diagonal is raised by where pivots fail: at first, by steps, at most


class States:
    """The states kept of one sample, and the equation on them."""

    def __init__(self, kept: Bool[Tensor, "1 subsets"]):
        self.kept, self.rows = kept, kept[0].nonzero().flatten()
        every = torch.arange(kept.shape[-1], device=kept.device)
        parity = torch.zeros_like(every)
        for player in range(kept.shape[-1].bit_length() - 1):
            parity ^= every >> player & 1
        self.sign = 1.0 - 2.0 * parity.double()
        rows = self.rows.int()
        self.both = (rows[:, None] & rows).flatten()
        self.neither = (every.shape[0] - 1 - (rows[:, None] | rows)).flatten()
        # The matrix, a part of it and its factor; as new tensors they would cost more than the look-ups do.
        self.workspace = self.sign.new_empty(3, len(rows), len(rows))

    def model(self, unknowns: Float64[Tensor, "1 3 subsets"]) -> Float64[Tensor, "1 subsets"]:
        """σ·A(σa, o) on all states."""
        inside = subset_sums(unknowns[:, 1])
        return self.sign * (subset_sums(self.sign * unknowns[:, 0]) + inside[:, -1:] - inside.flip(-1))

    def combine(self, unknowns: Float64[Tensor, "1 3 subsets"]) -> Float64[Tensor, "1 subsets"]:
        """The equation's left side: the model with the noise on the states kept, and 0 elsewhere."""
        return torch.where(self.kept, self.model(unknowns) + unknowns[:, 2], 0.0)

    def spread(self, y: Float64[Tensor, "1 subsets"]) -> Float64[Tensor, "1 3 subsets"]:
        """The adjoint of `combine` for a y that is 0 where no state is kept: p, -Z p and y."""
        signed = self.sign * y
        p = self.sign * superset_sums(signed)
        p[:, 0] = 0.0
        inside = subset_sums(signed)
        return torch.stack([p, inside[:, -1:] - inside.flip(-1), y], 1)

    def factorise(self, diagonals: Float64[Tensor, "1 3 subsets"]) -> "RowEquations":
        return RowEquations(self, diagonals)


class RowEquations:
    """Solves with K; one factorisation serves any number of right sides."""

    def __init__(self, states: States, diagonals: Float64[Tensor, "1 3 subsets"]):
        self.states, self.diagonals = states, diagonals
        rows = states.rows
        first, second, third = diagonals[0].clone()
        first[0] = second[0] = 0.0  # the empty set is in no interaction
        t_a, t_o = subset_sums(first), subset_sums(second)
        matrix, part, factor = states.workspace
        torch.index_select(t_a, 0, states.both, out=matrix.view(-1))
        matrix += torch.index_select(t_o, 0, states.neither, out=part.view(-1)).view_as(matrix)
        apart = t_o.flip(-1)[rows] - t_o[-1] / 2
        matrix -= apart[:, None]
        matrix -= apart
        size, diagonal, boost = matrix.diagonal().clone(), matrix.diagonal(), LEAST
        diagonal += third[rows]
        self.factor, failed = torch.linalg.cholesky_ex(
            matrix, out=(factor.mT, torch.empty((), dtype=torch.int32, device=factor.device))
        )
        while failed and boost < MOST:
            diagonal += boost * size
            boost *= FASTER
            self.factor, failed = torch.linalg.cholesky_ex(matrix)

    def solve(
        self, right: Float64[Tensor, "1 subsets"], allowance: Float64[Tensor, "1"]
    ) -> tuple[Float64[Tensor, "1 subsets"], Float64[Tensor, "1 3 subsets"]]:
        """y and flows = D·spread(y), with combine(flows) = right up to `allowance`, a sum of absolute errors."""
        y, flows, left = torch.zeros_like(right), torch.zeros_like(self.diagonals), right
        rows = self.states.rows
        sign = self.states.sign[rows]
        for _ in range(REFINEMENTS + 1):
            stop_if_asked()
            step = torch.zeros_like(right)
            half = torch.linalg.solve_triangular(self.factor, (sign * left[0, rows])[:, None], upper=False)
            step[0, rows] = sign * torch.linalg.solve_triangular(self.factor.mT, half, upper=True)[:, 0]
            y, flows = y + step, flows + self.diagonals * self.states.spread(step)
            left = right - self.states.combine(flows)
            if (left.abs().sum(-1) <= allowance).all():
                break
        return y, flows
