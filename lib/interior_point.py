"""A primal-dual interior-point method for the sparsest AND-OR interactions of whole batches of tables.

With σ_S = (-1)**|S|, a = σ·I_AND, o = I_OR, d = σ·δ and Z the sums over subsets, the model fits the table
v exactly up to δ if and only if

    a - Zᵀo + Z d = c        c = Z g        g = σ·(v - v(∅))        (all indices S ≠ ∅)

so the sparsest interactions (Eq. 12) solve a linear program in this form, and the dual certifies them:

    minimise  Σ w(|a| + |o|)  subject to the equation and |d| ≤ ζ
    maximise  g·y - ζ‖y‖₁, y = Zᵀp,  subject to |p| ≤ w and |Z p| ≤ w

The free unknowns are split into positive and negative parts, which makes six non-negative unknowns a subset
(a⁺, a⁻, o⁺, o⁻, ζ + d, ζ - d).

Algorithm: S. Mehrotra, "On the implementation of a primal-dual interior point method", SIAM J. Optim. 2(4),
1992; J. Gondzio, "Multiple centrality corrections in a primal-dual method for linear programming",
Computational Optimization and Applications 6, 1996.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from lib import normal_equations, subsets
from lib.normal_equations import NormalEquations, combine, spread, subset_sums, superset_sums

STEP = 0.995  # how far to go toward the boundary
STRETCH = 0.5  # how much longer a step a corrector tries for
LEAST, MOST = 0.3, 10.0  # where it wants the products x·z then, relative to their target
STALL = 8  # iterations without a better certificate after which a sample is given up


@dataclass
class Solution:
    """The best feasible point and the best bound found for each sample, in units of the scaled problem."""

    o: Float64[Tensor, "samples subsets"]
    d: Float64[Tensor, "samples subsets"]
    p: Float64[Tensor, "samples subsets"]
    objective: Float64[Tensor, " samples"]
    bound: Float64[Tensor, " samples"]
    iterations: Int64[Tensor, " samples"]


def bytes_per_sample(n: int) -> int:
    """What one sample takes while it is being solved: the factor and the tables."""
    return 8 * (4**n + (4 * 2**normal_equations.LOW + 150) * 2**n)


def solve(
    g: Float64[Tensor, "samples subsets"],
    zeta: Float64[Tensor, " samples"],
    weights: Float64[Tensor, " subsets"],
    o: Float64[Tensor, "samples subsets"],
    tolerance: float,
    max_iterations: int,
) -> Solution:
    """Minimise Σ w(|a| + |o|) from the start (o, d = 0) until objective - bound ≤ tolerance·objective.

    A sample leaves the batch as soon as it has converged, or when it makes no more progress.
    """
    return _Batch(g, zeta, weights, o).run(tolerance, max_iterations)


class _Batch:
    """The iterates of the samples still active.

    x holds (a⁺, a⁻), (o⁺, o⁻) and (ζ + d, ζ - d), shape (samples, 3, 2, subsets); z their dual slacks: w - q
    and w + q for the first two, q = spread(p), and two non-negative tables with z₂ - z₁ = q for the third.
    What is not used (the empty set, o of order 1, d where ζ = 0) is 1 in both and never moves.
    """

    def __init__(self, g: Tensor, zeta: Tensor, weights: Tensor, o: Tensor):
        order = subsets.orders(weights.shape[-1].bit_length() - 1, g.device)
        some, several = (order >= 1).expand(g.shape), (order >= 2).expand(g.shape)
        self.g, self.c, self.zeta, self.w = g, subset_sums(g) * some, zeta[:, None], weights
        self.used = torch.stack([some, several, some & (self.zeta > 0)], 1)  # OR{i} is no more than AND{i}
        theta = torch.stack([self.c + superset_sums(o * several), o], 1) * self.used[:, :2]
        level = (theta.abs().sum((1, 2)) / self.used[:, :2].sum((1, 2))).clamp_min(1e-12)[:, None, None]
        root = (theta.square() + 4 * level.square()).sqrt()
        room = torch.where(self.zeta > 0, self.zeta, 1.0)[:, None].expand_as(theta[:, :1])
        wall = level / (2 * room)
        self.x = torch.cat([torch.stack([root + theta, root - theta], 2) / 2, torch.stack([room] * 2, 2)], 1)
        self.z = torch.cat([weights.expand_as(self.x[:, :2]), torch.stack([wall] * 2, 2)], 1)
        self.x = torch.where(self.used[:, :, None], self.x, 1.0)
        self.z = torch.where(self.used[:, :, None], self.z, 1.0)
        self.p = torch.zeros_like(g)
        self.count = 2 * self.used.sum((1, 2)).to(g.dtype)
        self.index = torch.arange(len(g), device=g.device)
        self.idle = torch.zeros_like(self.index)
        none, nothing = torch.full_like(zeta, torch.inf), torch.zeros_like(g)
        self.best = Solution(nothing, nothing.clone(), nothing.clone(), none, 0.0 * zeta, self.index.clone())
        self.correctors = (
            2 if len(weights) <= 2**10 else 4
        )  # the larger n, the cheaper beside a factorisation
        self.workspace = g.new_empty(*g.shape, g.shape[-1])

    def run(self, tolerance: float, max_iterations: int) -> Solution:
        for iteration in range(max_iterations + 1):
            going = self.certify(tolerance, iteration)
            keep = going.nonzero().flatten()
            if len(keep) == 0 or iteration == max_iterations:
                break
            if len(keep) < len(going):
                for name in ("g", "c", "zeta", "used", "x", "z", "p", "count", "index", "idle"):
                    setattr(self, name, getattr(self, name)[keep])
            self.step(0.01 * tolerance * self.best.objective[self.index])
        return self.best

    def certify(self, tolerance: float, iteration: int) -> Bool[Tensor, " samples"]:
        """Turn the iterate into a feasible point and a feasible dual, and keep the best of each."""
        _, o, d = self.unknowns().unbind(1)
        d = torch.clamp(d, -self.zeta, self.zeta)
        a = (self.c + superset_sums(o) - subset_sums(d)) * self.used[:, 0]
        objective = ((a.abs() + o.abs()) * self.w).sum(-1)
        bound, p = dual_bound(self.p, self.g, self.zeta, self.w)
        best, k = self.best, self.index
        better_x, better_p = objective < best.objective[k], bound > best.bound[k]
        old_gap = best.objective[k] - best.bound[k]
        best.o[k] = torch.where(better_x[:, None], o, best.o[k])
        best.d[k] = torch.where(better_x[:, None], d, best.d[k])
        best.p[k] = torch.where(better_p[:, None], p, best.p[k])
        best.objective[k] = torch.minimum(objective, best.objective[k])
        best.bound[k] = torch.maximum(bound, best.bound[k])
        best.iterations[k] = iteration
        gap = best.objective[k] - best.bound[k]
        self.idle = torch.where(gap < 0.9 * old_gap, 0, self.idle + 1)
        finite = torch.isfinite(self.x.sum((1, 2, 3)) + self.z.sum((1, 2, 3)) + self.p.sum(-1))
        return (gap > tolerance * best.objective[k]) & (self.idle < STALL) & finite

    def unknowns(self) -> Float64[Tensor, "samples 3 subsets"]:
        """a, o and d."""
        out = (self.x[:, :, 0] - self.x[:, :, 1]) * self.used
        out[:, 2] *= 0.5
        return out

    def step(self, allowance: Float64[Tensor, " samples"]) -> None:
        """One factorisation: Mehrotra's predictor and corrector, then Gondzio's where they help."""
        x, z, used = self.x, self.z, self.used[:, :, None]
        ratio = torch.where(used[:, :2], x[:, :2] / z[:, :2], 0.0)
        inverse = torch.where(used[:, 2:], z[:, 2:] / x[:, 2:], torch.inf)
        diagonals = torch.cat([ratio.sum(2), 1.0 / inverse.sum(2)], 1)
        self.share = ratio / torch.where(self.used[:, :2], diagonals[:, :2], 1.0)[:, :, None]
        self.system = NormalEquations(diagonals, self.workspace)
        self.residual, self.allowance = self.c - combine(self.unknowns()), allowance

        product = torch.where(used, x * z, 0.0)
        mu = self.mean(product)
        dx, dz, dp = self.direction(-product)
        mu_after = self.mean((x + self.reach(x, dx) * dx) * (z + self.reach(z, dz) * dz) * used)
        target = mu * (mu_after / mu).clamp(0.0, 1.0) ** 4
        aim = target - product - dx * dz
        dx, dz, dp = self.direction(aim)
        alpha_x, alpha_z = self.reach(x, dx), self.reach(z, dz)
        for _ in range(self.correctors):
            trial_x, trial_z = ((alpha + STRETCH).clamp(max=1.0) for alpha in (alpha_x, alpha_z))
            trial = (x + trial_x * dx) * (z + trial_z * dz)
            push = (trial.clamp(LEAST * target, MOST * target) - trial).clamp(min=-MOST * target)
            new_dx, new_dz, new_dp = self.direction(aim + push)
            new_x, new_z = self.reach(x, new_dx), self.reach(z, new_dz)
            better = new_x + new_z > alpha_x + alpha_z
            aim = torch.where(better, aim + push, aim)
            dx, dz = torch.where(better, new_dx, dx), torch.where(better, new_dz, dz)
            dp = torch.where(better[:, 0, 0], new_dp, dp)
            alpha_x, alpha_z = torch.where(better, new_x, alpha_x), torch.where(better, new_z, alpha_z)

        self.x = x + (STEP * alpha_x).clamp(max=1.0) * dx
        self.z = z + (STEP * alpha_z).clamp(max=1.0) * dz
        self.p = self.p + (STEP * alpha_z[:, 0, 0]).clamp(max=1.0) * dp

    def direction(self, aim: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The Newton step toward the products x·z + aim and no residual, in x, z and p."""
        x, z, d_d = self.x, self.z, self.system.diagonals[:, 2:]
        aim = torch.where(self.used[:, :, None], aim, 0.0)
        over_z, over_x = aim[:, :2] / z[:, :2], aim[:, 2:] / x[:, 2:]
        given = torch.cat([over_z[:, :, 0] - over_z[:, :, 1], d_d * (over_x[:, :, 0] - over_x[:, :, 1])], 1)
        dp, flows = self.system.solve(self.residual - combine(given), self.allowance)
        dq = spread(dp) * self.used
        sign = x.new_tensor([1.0, -1.0])[:, None]
        dd = (flows[:, 2:] + given[:, 2:])[:, :, None] * sign
        dx = torch.cat([over_z + sign * self.share * flows[:, :2, None], dd], 1)
        dz = torch.cat([-sign * dq[:, :2, None], over_x - z[:, 2:] * dd / x[:, 2:]], 1)
        return dx, dz, dp

    def mean(self, product: Tensor) -> Tensor:
        return (product.sum((1, 2, 3)) / self.count)[:, None, None, None]

    def reach(self, x: Tensor, dx: Tensor) -> Tensor:
        """The longest step that keeps x ≥ 0, at most a little over 1."""
        longest = torch.where(dx < 0, -x / dx, torch.inf).amin((1, 2, 3))
        return longest.clamp(max=1.0 / STEP)[:, None, None, None]


def dual_bound(
    p: Float64[Tensor, "samples subsets"],
    g: Float64[Tensor, "samples subsets"],
    zeta: Float64[Tensor, "samples 1"],
    weights: Float64[Tensor, " subsets"],
) -> tuple[Float64[Tensor, " samples"], Float64[Tensor, "samples subsets"]]:
    """Scale p into the dual's feasible set; the bound is its objective there, less all that rounding may add.

    A sum in two matrix products of 2**(n/2) terms is wrong by at most as many units in the last place of the
    sum of the absolute values.
    """
    n = p.shape[-1].bit_length() - 1
    rounding = 2.0 ** (n - n // 2) * torch.finfo(p.dtype).eps
    q = torch.stack([p, subset_sums(p).abs() + rounding * subset_sums(p.abs())], 1)
    q[:, :, 0] = 0.0
    excess = (q.abs() / weights).amax((1, 2)).clamp(min=1.0)[:, None] * (1.0 + 4 * torch.finfo(p.dtype).eps)
    p = p / excess
    y, error = superset_sums(p), rounding * superset_sums(p.abs())
    y[:, 0] = 0.0
    terms = g * y
    lost = (error * (g.abs() + zeta)).sum(-1) + rounding * terms.abs().sum(-1)
    return terms.sum(-1) - (zeta * y.abs()).sum(-1) - lost, p
