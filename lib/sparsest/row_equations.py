"""The linear systems of row generation: symmetric, positive definite, a row for each state that is kept.

With σ and D as in `normal_equations.py`, R the states kept and A[S, T] = [T ⊆ S] for AND, [T ∩ S ≠ ∅] for OR,
combine(D·spread(y)) = K y on R:

    K[S,T] = σ_S σ_T (t_a(S∩T) + t_o(N) - t_o(N∖S) - t_o(N∖T) + t_o(N∖(S∪T))) + D_d(S)·[S=T]

where t_a = Z D_a and t_o = Z D_o are sums over subsets. Factors are those of the matrix without σ, which turns right
sides and solutions instead. Each sample has an R of its own, so that matrices differ in size: they are factored one
after the other, and all else is done for the batch at once.

Entries are differences of sums, and near the end they lose digits. Conjugate gradients then find what the factor alone
does not: as few of the directions are wrong, they need few steps.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from .. import subsets
from .batches import THREADED, all_threads, stop_if_asked
from .program import subset_sums, superset_sums

SPARE = 16  # one more for every so many states may join before their matrix needs new memory
STEPS = 20  # of each solution, at most: they cost little beside a factor, also where that had to be raised
LEAST, FASTER, MOST = 1e-14, 100.0, 1e4  # what a diagonal is raised by where pivots fail: at first, by steps, at most


class Kept:
    """The states kept of one sample, where their matrix looks up its entries, and room for its factor.

    `before` is what the same sample had with fewer states. Where its memory is enough it is taken over, and `before`
    is of no use any more: the first touch of new memory would cost as much as a factorisation.
    """

    def __init__(self, states: Bool[Tensor, " subsets"], before: "Kept | None" = None):
        self.rows = states.nonzero().flatten()
        count, rows = len(self.rows), self.rows.int()
        if before is not None and len(before.room[0]) >= count**2:
            self.room = before.room
        else:
            most = min(len(states), count + count // SPARE) ** 2
            self.room = *rows.new_empty(2, most), torch.empty(most, dtype=torch.float64, device=states.device)
        self.both, self.either, factor = (flat[: count**2] for flat in self.room)
        self.factor = factor.view(count, count)
        with all_threads(count > THREADED):
            torch.bitwise_and(rows[:, None], rows, out=self.both.view(count, count))
            torch.bitwise_or(rows[:, None], rows, out=self.either.view(count, count))


class States:
    """The states kept of each sample, and the equation on them."""

    def __init__(
        self,
        kept: Bool[Tensor, "samples subsets"],
        known: Sequence[Kept] | None = None,
        workspace: Float64[Tensor, " entries"] | None = None,
    ):
        """known: what there is of each sample already. workspace: for a part of a matrix, if there is one already."""
        self.kept = kept
        self.of_sample = [Kept(states) for states in kept] if known is None else list(known)
        self.sign = 1.0 - 2.0 * (subsets.orders(kept.shape[-1].bit_length() - 1, kept.device) % 2).double()
        largest = max((len(states.room[0]) for states in self.of_sample), default=0)
        if workspace is None or len(workspace) < largest:
            workspace = self.sign.new_empty(largest)
        self.workspace = workspace

    def of(self, samples: Tensor) -> "States":
        return States(self.kept[samples], [self.of_sample[k] for k in samples.tolist()], self.workspace)

    def changed(self, kept: Bool[Tensor, "samples subsets"]) -> "States":
        same = (kept == self.kept).all(-1).tolist()
        known = [
            old if as_before else Kept(states, old)
            for old, as_before, states in zip(self.of_sample, same, kept, strict=True)
        ]
        return States(kept, known, self.workspace)

    def model(self, unknowns: Float64[Tensor, "samples 3 subsets"]) -> Float64[Tensor, "samples subsets"]:
        """σ·A(σa, o) on all states."""
        inside = subset_sums(unknowns[:, 1])
        return self.sign * (subset_sums(self.sign * unknowns[:, 0]) + inside[:, -1:] - inside.flip(-1))

    def combine(self, unknowns: Float64[Tensor, "samples 3 subsets"]) -> Float64[Tensor, "samples subsets"]:
        """The equation's left side: the model with the noise on the states kept, and 0 elsewhere."""
        return torch.where(self.kept, self.model(unknowns) + unknowns[:, 2], 0.0)

    def spread(self, y: Float64[Tensor, "samples subsets"]) -> Float64[Tensor, "samples 3 subsets"]:
        """The adjoint of `combine` for a y that is 0 where no state is kept: p, -Z p and y."""
        inside = subset_sums(self.sign * y)
        return torch.stack([self.price(y), inside[:, -1:] - inside.flip(-1), y], 1)

    def price(self, y: Float64[Tensor, "samples subsets"]) -> Float64[Tensor, "samples subsets"]:
        """p, what a unit of each AND interaction may cost."""
        p = self.sign * superset_sums(self.sign * y)
        p[:, 0] = 0.0
        return p


class RowEquations:
    """Solves with K; one factorisation serves any number of right sides."""

    def __init__(self, states: States, diagonals: Float64[Tensor, "samples 3 subsets"]):
        self.states, self.diagonals = states, diagonals
        first, second, third = diagonals.clone().unbind(1)
        first[:, 0] = second[:, 0] = 0.0  # the empty set is in no interaction
        t_a, t_o = subset_sums(first), subset_sums(second)
        self.factors = [self._factorise(*tables) for tables in zip(states.of_sample, t_a, t_o, third, strict=True)]

    def _factorise(self, kept: Kept, t_a: Tensor, t_o: Tensor, d_d: Tensor) -> Float64[Tensor, "rows rows"]:
        """The lower factor of a sample."""
        stop_if_asked()
        info = torch.empty((), dtype=torch.int32, device=d_d.device)
        with all_threads(len(kept.rows) > THREADED):
            size, boost = self._fill(kept, t_a, t_o, d_d), 0.0  # what follows overwrites the matrix with its factor
            factor, failed = torch.linalg.cholesky_ex(kept.factor.mT, out=(kept.factor.mT, info))
            while failed and boost < MOST:
                boost = FASTER * boost + LEAST
                self._fill(kept, t_a, t_o, d_d + boost * size)
                factor, failed = torch.linalg.cholesky_ex(kept.factor.mT, out=(kept.factor.mT, info))
        return factor

    def _fill(self, kept: Kept, t_a: Tensor, t_o: Tensor, d_d: Tensor) -> Float64[Tensor, " subsets"]:
        """Writes the matrix where its factor will be; its diagonal."""
        rows, t_o = kept.rows, t_o.flip(-1)  # from here on by what is outside
        matrix, apart = kept.factor, t_o[rows] - t_o[0] / 2
        flat, part = matrix.view(-1), self.states.workspace[: matrix.numel()]
        torch.index_select(t_a, 0, kept.both, out=flat)
        flat += torch.index_select(t_o, 0, kept.either, out=part)
        matrix -= apart[:, None]
        matrix -= apart
        matrix.diagonal().add_(d_d[rows])
        return torch.zeros_like(d_d).index_copy(0, rows, matrix.diagonal())

    def solve(
        self, right: Float64[Tensor, "samples subsets"], allowance: Float64[Tensor, " samples"]
    ) -> tuple[Float64[Tensor, "samples subsets"], Float64[Tensor, "samples 3 subsets"]]:
        """y and flows = D·spread(y), with combine(flows) = right up to `allowance`, a sum of absolute errors.

        What the factor says, and then conjugate gradients with the factor as their preconditioner. Where D is large,
        D·spread(y) loses to cancellation what y has still right; so what is mended is the sum of the flows.
        """
        y, flows, left = torch.zeros_like(right), torch.zeros_like(self.diagonals), right
        along, before, last = torch.zeros_like(right), left, torch.ones_like(right[:, :1])
        for k in range(STEPS):
            stop_if_asked()
            missed = (left.abs().sum(-1) > allowance).nonzero().flatten() if k else torch.arange(len(right))
            if len(missed) == 0:
                break
            step = torch.zeros_like(right)
            for sample in missed.tolist():
                step[sample] = self._substitute(sample, left[sample])
            product = (left * step).sum(-1, keepdim=True)
            length = torch.ones_like(product)
            if k > 1:  # the first step is to where they begin
                turn = ((left - before) * step).sum(-1, keepdim=True) / last
                step = step + turn.clamp(min=0.0).nan_to_num(0.0, 0.0, 0.0) * along
            flow = self.diagonals * self.states.spread(step)
            if k > 0:
                length = product / (step * self.states.combine(flow)).sum(-1, keepdim=True)
                length = length.nan_to_num(0.0, 0.0, 0.0)  # of a sample that is done: 0/0
            y, flows = y + length * step, flows + length[:, :, None] * flow
            along, before, last = step, left, product
            left = right - self.states.combine(flows)
        return y, flows

    def _substitute(self, sample: int, right: Float64[Tensor, " subsets"]) -> Float64[Tensor, " subsets"]:
        rows, factor = self.states.of_sample[sample].rows, self.factors[sample]
        sign, out = self.states.sign[rows], torch.zeros_like(right)
        half = torch.linalg.solve_triangular(factor, (sign * right[rows])[:, None], upper=False)
        out[rows] = sign * torch.linalg.solve_triangular(factor.mT, half, upper=True)[:, 0]
        return out
