"""The linear systems of the interior-point method: symmetric, positive definite, two look-ups an entry.

With Z the sums over subsets and three positive diagonals,

    K = diag(D_a) + Zᵀ diag(D_o) Z + Z diag(D_d) Zᵀ        K[S,T] = D_a(S)·[S=T] + t_o(S∪T) + t_d(S∩T)

where t_o = ZᵀD_o and t_d = Z D_d. Rows and columns are the non-empty subsets; the empty set keeps its place
in all tables and has a row of the identity. The factor is computed by columns of blocks, left to right, so
that a block is filled in just before it is used and nearly all of the work is matrix products.
"""

import functools

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

LOW = 6  # players inside a block: 64 columns are eliminated at a time


def subset_sums(x: Float64[Tensor, "*batch subsets"]) -> Float64[Tensor, "*batch subsets"]:
    """Z x, the sums over the subsets of each subset, as products with two small zero-one matrices."""
    return _sums(x, superset=False)


def superset_sums(x: Float64[Tensor, "*batch subsets"]) -> Float64[Tensor, "*batch subsets"]:
    """Zᵀ x, the sums over the supersets of each subset."""
    return _sums(x, superset=True)


def _sums(x: Tensor, superset: bool) -> Tensor:
    n = x.shape[-1].bit_length() - 1
    low, high = (_zeta_matrix(k, superset, x.device) for k in (n // 2, n - n // 2))
    blocks = x.reshape(*x.shape[:-1], high.shape[0], low.shape[0])
    return (high @ (blocks @ low.mT)).reshape(x.shape)


@functools.lru_cache(maxsize=64)
def _zeta_matrix(n: int, superset: bool, device: torch.device) -> Tensor:
    s = torch.arange(2**n, device=device)
    inside = (s[:, None] & s) == (s[:, None] if superset else s)
    return inside.to(torch.float64)


@functools.lru_cache(maxsize=16)
def _union_and_intersection(n: int, device: torch.device) -> tuple[Tensor, Tensor]:
    s = torch.arange(2**n, device=device)
    return s[:, None] | s, s[:, None] & s


class NormalEquations:
    """Solves with K for a batch of samples; one factorisation serves any number of right sides.

    `workspace`, (at least as many samples, subsets, subsets), is overwritten by the factors.
    """

    def __init__(
        self,
        d_a: Float64[Tensor, "samples subsets"],
        d_o: Float64[Tensor, "samples subsets"],
        d_d: Float64[Tensor, "samples subsets"],
        workspace: Float64[Tensor, "some subsets subsets"],
    ):
        self.diagonals = d_a, d_o, d_d
        self.factor = workspace[: len(d_a)]
        failed = _factorise(*self.diagonals, self.factor)
        boost = 1e-14
        while failed.any():
            rows = failed.nonzero().flatten()
            a, o, d = (diagonal[rows] for diagonal in self.diagonals)
            raised = a + boost * (a + superset_sums(o) + subset_sums(d)).nan_to_num(1.0, 1.0, 1.0)
            again = torch.empty_like(self.factor[rows])
            failed[rows] = _factorise(raised, o * (boost < 1.0), d * (boost < 1.0), again)
            self.factor[rows] = again
            boost *= 100.0

    def solve(self, right: Float64[Tensor, "samples subsets"]) -> Float64[Tensor, "samples subsets"]:
        x = self._substitute(right)
        return x + self._substitute(right - self.apply(x))

    def apply(self, x: Float64[Tensor, "samples subsets"]) -> Float64[Tensor, "samples subsets"]:
        """K x without the matrix; the entry of the empty set is 0."""
        d_a, d_o, d_d = self.diagonals
        out = d_a * x + superset_sums(d_o * subset_sums(x)) + subset_sums(d_d * superset_sums(x))
        out[:, 0] = 0.0
        return out

    def _substitute(self, right: Tensor) -> Tensor:
        half = torch.linalg.solve_triangular(self.factor, right[..., None], upper=False)
        return torch.linalg.solve_triangular(self.factor.mT, half, upper=True)[..., 0]


def _factorise(d_a: Tensor, d_o: Tensor, d_d: Tensor, out: Tensor) -> Bool[Tensor, " samples"]:
    """Writes the lower Cholesky factors of K into the lower triangles of `out`; says which pivots failed."""
    size = d_a.shape[-1]
    block = min(2**LOW, size)
    union, intersection = _union_and_intersection(block.bit_length() - 1, d_a.device)
    high_union, high_intersection = _union_and_intersection((size // block).bit_length() - 1, d_a.device)
    # All blocks there are: by the union, or the intersection, of their rows' and columns' high players.
    blocks_o = superset_sums(d_o).view(-1, size // block, block)[..., union]
    blocks_d = subset_sums(d_d).view(-1, size // block, block)[..., intersection]
    identity = torch.eye(block, dtype=out.dtype, device=out.device)
    failed = torch.zeros(len(out), dtype=torch.bool, device=out.device)
    for column in range(size // block):
        start, end = column * block, (column + 1) * block
        panel = blocks_o[:, high_union[column, column:]]
        panel += blocks_d[:, high_intersection[column, column:]]
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
            torch.matmul(panel[:, block:], inverse.mT, out=out[:, end:, start:end])
    return failed
