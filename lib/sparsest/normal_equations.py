"""The linear systems of the interior-point method: symmetric, positive definite, two look-ups an entry.

With Z the sums over subsets and D three positive diagonals, K p = combine(D·spread(p)):

    K = diag(D_a) + Zᵀ diag(D_o) Z + Z diag(D_d) Zᵀ        K[S,T] = D_a(S)·[S=T] + t_o(S∪T) + t_d(S∩T)

where t_o = ZᵀD_o and t_d = Z D_d. Rows and columns are the non-empty subsets; the empty set keeps its place
in all tables and has a row of the identity. The factor is computed by columns of blocks, left to right, so
that a block is filled in just before it is used and nearly all of the work is matrix products.
"""

import functools

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from .batches import THREADED, all_threads, free_memory, stop_if_asked
from .program import combine, spread, subset_sums, superset_sums

REFINEMENTS = 3  # of each solution, at most
LOW = 6  # players inside a block: 64 columns are eliminated at a time


@functools.lru_cache(maxsize=16)
def _union_and_intersection(n: int, device: torch.device) -> tuple[Tensor, Tensor]:
    s = torch.arange(2**n, device=device)
    return s[:, None] | s, s[:, None] & s


class NormalEquations:
    """Solves with K for a batch of samples; one factorisation serves any number of right sides.

    `workspace`, (at least as many samples, subsets, subsets), is overwritten by the factors. A sample whose
    pivots fail gets its diagonal raised until they do not.
    """

    def __init__(
        self,
        diagonals: Float64[Tensor, "samples 3 subsets"],
        workspace: Float64[Tensor, "some subsets subsets"],
    ):
        self.diagonals = diagonals
        self.factor = workspace[: len(diagonals)]
        self.accurate = torch.zeros(len(diagonals), dtype=torch.bool, device=diagonals.device)
        with all_threads(diagonals.shape[-1] > THREADED):
            failed = _factorise(*diagonals.unbind(1), self.factor)
            boost = 1e-14
            while failed.any():
                rows = failed.nonzero().flatten()
                a, o, d = diagonals[rows].unbind(1)
                raised = a + boost * (a + superset_sums(o) + subset_sums(d)).nan_to_num(1.0, 1.0, 1.0)
                again = torch.empty_like(self.factor[rows])
                failed[rows] = _factorise(raised, o * (boost < 1.0), d * (boost < 1.0), again)
                self.factor[rows] = again
                boost *= 100.0

    def solve(
        self, right: Float64[Tensor, "samples subsets"], allowance: Float64[Tensor, " samples"]
    ) -> tuple[Float64[Tensor, "samples subsets"], Float64[Tensor, "samples 3 subsets"]]:
        """p and flows = D·spread(p), with combine(flows) = right up to `allowance`, a sum of absolute errors.

        Where D is large, D·spread(p) loses to cancellation what p has still right; so what is refined is the
        sum of the flows, not p. Samples that refinement does not help get a better factor, once.
        """
        p, flows, missed = self._refine(right, allowance)
        rows = (missed & ~self.accurate).nonzero().flatten()
        if len(rows):
            with all_threads(self.factor.shape[-1] > THREADED):
                self._refactorise(rows)
            p, flows, _ = self._refine(right, allowance)
        return p, flows

    def _refine(self, right: Tensor, allowance: Tensor) -> tuple[Tensor, Tensor, Bool[Tensor, " samples"]]:
        p, flows, left = 0.0, 0.0, right
        for _ in range(REFINEMENTS + 1):
            stop_if_asked()
            step = self._substitute(left)
            p, flows = p + step, flows + self.diagonals * spread(step)
            left = right - combine(flows)
            missed = ~(left.abs().sum(-1) <= allowance)
            if not missed.any():
                break
        return p, flows, missed

    def _substitute(self, right: Tensor) -> Tensor:
        half = torch.linalg.solve_triangular(self.factor, right[..., None], upper=False)
        return torch.linalg.solve_triangular(self.factor.mT, half, upper=True)[..., 0]

    def _refactorise(self, rows: Tensor) -> None:
        """Factors by QR of D^½·spread, which never forms K and so keeps the small half of its digits.

        For few samples, one at a time; it takes some eight times the memory of a factor, and is not done where
        that is not there.
        """
        size, factor = self.diagonals.shape[-1], self.factor
        self.accurate[rows] = True
        if 8 * factor.element_size() * size**2 > free_memory(factor.device):
            return
        identity = torch.eye(size, dtype=factor.dtype, device=factor.device)
        tables = superset_sums(identity), subset_sums(identity)  # Z and its transpose
        for table in tables:
            table[:, 0] = 0.0
        for row in rows.tolist():
            roots = self.diagonals[row].sqrt()
            roots[0, 0] = 1.0
            upper = torch.diag(roots[0])
            for root, table in zip(roots[1:], tables, strict=True):
                upper = torch.linalg.qr(torch.cat([upper, root[:, None] * table]), mode="r").R
            factor[row] = upper.mT


def _factorise(d_a: Tensor, d_o: Tensor, d_d: Tensor, out: Tensor) -> Bool[Tensor, " samples"]:
    """Writes the lower Cholesky factors of K into the lower triangles of `out`; says which pivots failed."""
    size = d_a.shape[-1]
    block = min(2**LOW, size)
    union, intersection = _union_and_intersection(block.bit_length() - 1, d_a.device)
    high_union, high_intersection = _union_and_intersection((size // block).bit_length() - 1, d_a.device)
    # All blocks there are: by the union, or the intersection, of their rows' and columns' high players.
    blocks_o = _look_up(superset_sums(d_o).view(-1, size // block, block), union)
    blocks_d = _look_up(subset_sums(d_d).view(-1, size // block, block), intersection)
    identity = torch.eye(block, dtype=out.dtype, device=out.device)
    failed = torch.zeros(len(out), dtype=torch.bool, device=out.device)
    for column in range(size // block):
        stop_if_asked()
        start, end = column * block, (column + 1) * block
        panel = blocks_o.index_select(1, high_union[column, column:])
        panel += blocks_d.index_select(1, high_intersection[column, column:])
        panel = panel.view(len(out), -1, block)
        panel.diagonal(dim1=-2, dim2=-1).add_(d_a[:, start:end])
        if column == 0:
            panel[:, :, 0] = 0.0
            panel[:, 0, :] = 0.0
            panel[:, 0, 0] = 1.0
        else:
            panel.baddbmm_(out[:, start:, :start], out[:, start:end, :start].mT, alpha=-1.0)
        corner, info = torch.linalg.cholesky_ex(panel[:, :block])
        failed |= (info != 0) | ~torch.isfinite(corner[:, -1, -1])
        out[:, start:end, start:end] = corner
        if end < size:
            inverse = torch.linalg.solve_triangular(corner, identity, upper=False)
            torch.bmm(panel[:, block:], inverse.mT, out=out[:, end:, start:end])
    return failed


def _look_up(tables: Tensor, index: Tensor) -> Tensor:
    """tables[..., index], with an index that is the same for all."""
    flat = index.flatten().expand(*tables.shape[:-1], -1)
    return tables.gather(-1, flat).view(*tables.shape[:-1], *index.shape)
