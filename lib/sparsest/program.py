"""The linear program of the sparsest AND-OR interactions (Eq. 12), scaled, and its duality.

With σ_S = (-1)**|S|, a = σ·I_AND, o = I_OR, d = σ·δ and Z the sums over subsets, the model fits the table
v exactly up to δ if and only if

    a - Zᵀo + Z d = c        c = Z g        g = σ·(v - v(∅))        (all indices S ≠ ∅)

so the sparsest interactions solve a linear program in this form, and the dual certifies them:

    minimise  Σ w(|a| + |o|)  subject to the equation and |d| ≤ ζ
    maximise  g·y - ζ‖y‖₁, y = Zᵀp,  subject to |p| ≤ w and |Z p| ≤ w

More generally positive and negative parts may cost differently, w⁺ and w⁻; then -w⁻ ≤ p ≤ w⁺, -w⁻ ≤ -Z p ≤ w⁺.
"""

import functools
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from .. import subsets
from ..subsets import superset_zeta as superset_sums
from ..subsets import zeta as subset_sums


@dataclass(frozen=True)
class Program:
    """Linear programs of one size, a batch of them; OR interactions of order 1 are held at 0.

    `costs` are those of a⁺, a⁻, o⁺ and o⁻; all are positive.
    """

    g: Float64[Tensor, "samples subsets"]
    zeta: Float64[Tensor, "samples 1"]
    costs: Float64[Tensor, "samples 2 2 subsets"]

    def __getitem__(self, rows: Tensor) -> "Program":
        return Program(self.g[rows], self.zeta[rows], self.costs[rows])

    @functools.cached_property
    def c(self) -> Float64[Tensor, "samples subsets"]:
        c = subset_sums(self.g)
        c[:, 0] = 0.0
        return c

    @functools.cached_property
    def order(self) -> Int64[Tensor, " subsets"]:
        return subsets.orders(self.g.shape[-1].bit_length() - 1, self.g.device)

    def objective(
        self, o: Float64[Tensor, "samples subsets"], d: Float64[Tensor, "samples subsets"]
    ) -> tuple[Float64[Tensor, " samples"], Float64[Tensor, "samples subsets"]]:
        """What o costs together with the a that fits it and d exactly, and that a."""
        a = self.c + superset_sums(o) - subset_sums(d)
        a[:, 0] = 0.0
        theta = torch.stack([a, o], 1)
        return (self.costs * torch.stack([theta, -theta], 2).clamp(min=0.0)).sum((1, 2, 3)), a

    def bound(
        self, p: Float64[Tensor, "samples subsets"]
    ) -> tuple[Float64[Tensor, " samples"], Float64[Tensor, "samples subsets"]]:
        """The dual's objective at p scaled to be feasible, less all that rounding may add; and that p.

        A product with a matrix of k rows is wrong by at most k units in the last place of the sum of the absolute
        values, and the transforms are some such products, one after the other. Two more are for the division by what
        p exceeds its bounds by.
        """
        n, eps = p.shape[-1].bit_length() - 1, torch.finfo(p.dtype).eps
        rounding = eps * (2 + sum(2**players for players in subsets.blocks(n)))
        both = torch.stack([p, p.abs()])
        (below, below_abs), (above, above_abs) = subset_sums(both), superset_sums(both)
        q = torch.stack([p, -below], 1)
        slack = torch.stack([torch.zeros_like(p), rounding * below_abs], 1)
        reach = (torch.stack([q, -q], 2) + slack[:, :, None]) / self.costs
        reach[..., 0] = 0.0
        excess = reach.amax((1, 2, 3)).clamp(min=1.0)[:, None] * (1.0 + 4 * eps)
        p, y, error = p / excess, above / excess, rounding * above_abs / excess
        y[:, 0] = 0.0
        terms = self.g * y
        lost = (error * (self.g.abs() + self.zeta)).sum(-1) + rounding * terms.abs().sum(-1)
        return terms.sum(-1) - (self.zeta * y.abs()).sum(-1) - lost, p


@dataclass(frozen=True)
class Solution:
    """The best feasible point and the best bound found for each sample, and after how many iterations."""

    o: Float64[Tensor, "samples subsets"]
    d: Float64[Tensor, "samples subsets"]
    p: Float64[Tensor, "samples subsets"]
    objective: Float64[Tensor, " samples"]
    bound: Float64[Tensor, " samples"]
    iterations: Int64[Tensor, " samples"]

    @staticmethod
    def none(program: Program) -> "Solution":
        """Nothing found yet: no point, and the bound 0."""
        nothing, zero = torch.zeros_like(program.g), torch.zeros_like(program.zeta[:, 0])
        count = zero.to(torch.int64)
        return Solution(nothing, nothing.clone(), nothing.clone(), zero + torch.inf, zero, count)

    def __getitem__(self, rows: Tensor) -> "Solution":
        return Solution(*(field[rows] for field in vars(self).values()))

    def improve(self, program: Program, k: Tensor, o: Tensor, d: Tensor, p: Tensor, iteration: int) -> Tensor:
        """Make o, d and p of the samples k feasible, keep what is better in place; the gap in the objective."""
        d = torch.clamp(d, -program.zeta, program.zeta)
        objective, _ = program.objective(o, d)
        bound, p = program.bound(p)
        better_x, better_p = objective < self.objective[k], bound > self.bound[k]
        self.o[k] = torch.where(better_x[:, None], o, self.o[k])
        self.d[k] = torch.where(better_x[:, None], d, self.d[k])
        self.p[k] = torch.where(better_p[:, None], p, self.p[k])
        self.objective[k] = torch.where(better_x, objective, self.objective[k])
        self.bound[k] = torch.where(better_p, bound, self.bound[k])
        self.iterations[k] = iteration
        return self.objective[k] - self.bound[k]

    def done(self, tolerance: float) -> Bool[Tensor, " samples"]:
        return self.objective.isfinite() & (self.objective - self.bound <= tolerance * self.objective)

    def take(self, other: "Solution", k: Tensor) -> None:
        """What is better in `other`, which has the samples k, in place; its iterations are added."""
        better_x, better_p = other.objective < self.objective[k], other.bound > self.bound[k]
        for name, better in (("o", better_x), ("d", better_x), ("p", better_p)):
            mine = getattr(self, name)
            mine[k] = torch.where(better[:, None], getattr(other, name), mine[k])
        self.objective[k] = torch.where(better_x, other.objective, self.objective[k])
        self.bound[k] = torch.where(better_p, other.bound, self.bound[k])
        self.iterations[k] += other.iterations


def combine(unknowns: Float64[Tensor, "samples 3 subsets"]) -> Float64[Tensor, "samples subsets"]:
    """a - Zᵀo + Z d; the entry of the empty set is 0."""
    a, o, d = unknowns.unbind(1)
    out = a - superset_sums(o) + subset_sums(d)
    out[:, 0] = 0.0
    return out


def spread(p: Float64[Tensor, "samples subsets"]) -> Float64[Tensor, "samples 3 subsets"]:
    """The adjoint of `combine`: p, -Z p and Zᵀp."""
    return torch.stack([p, -subset_sums(p), superset_sums(p)], 1)
