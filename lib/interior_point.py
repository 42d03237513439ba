"""A primal-dual interior-point method for the sparsest AND-OR interactions of whole batches of tables.

With σ_S = (-1)**|S|, a = σ·I_AND, o = I_OR, d = σ·δ and Z the sums over subsets, the model fits the table
v exactly up to δ if and only if

    a - Zᵀo + Z d = c        c = Z(σ·(v - v(∅)))        (all indices S ≠ ∅)

so the sparsest interactions (Eq. 12) solve a linear program in this form, and the dual certifies them:

    minimise  Σ w(|a| + |o|)  subject to the equation and |d| ≤ ζ
    maximise  c·p - ζ‖Zᵀp‖₁   subject to |p| ≤ w and |Z p| ≤ w

The free unknowns are split into positive and negative parts, which makes six non-negative unknowns a subset
(a⁺, a⁻, o⁺, o⁻, ζ + d, ζ - d). Each iteration solves two or more systems with one normal matrix,

    K = diag(D_a) + Zᵀ diag(D_o) Z + Z diag(D_d) Zᵀ,      K[S,T] = D_a(S)·[S=T] + t_o(S∪T) + t_d(S∩T)

where t_o = ZᵀD_o and t_d = Z D_d: two look-ups an entry, no sparse algebra.

Algorithm: S. Mehrotra, "On the implementation of a primal-dual interior point method", SIAM J. Optim. 2(4),
1992.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from lib import normal_equations, subsets
from lib.normal_equations import NormalEquations, subset_sums, superset_sums

STEP = 0.995  # how far to go toward the boundary
STALL = 12  # iterations without a better certificate after which a sample is given up


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
    c: Float64[Tensor, "samples subsets"],
    zeta: Float64[Tensor, " samples"],
    weights: Float64[Tensor, " subsets"],
    o: Float64[Tensor, "samples subsets"],
    tolerance: float,
    max_iterations: int,
) -> Solution:
    """Minimise Σ w(|a| + |o|) from the start (o, d = 0) until objective - bound ≤ tolerance·objective.

    A sample leaves the batch as soon as it has converged, or when it makes no more progress.
    """
    return _Batch(c, zeta, weights, o).run(tolerance, max_iterations)


class _Batch:
    """The iterates of the samples still active; x and z have the axis of the six unknowns second."""

    def __init__(self, c: Tensor, zeta: Tensor, weights: Tensor, o: Tensor):
        order = subsets.orders(weights.shape[-1].bit_length() - 1, c.device)
        use_a, use_o = order >= 1, order >= 2  # OR{i} and AND{i} are the same function
        self.w = weights
        self.c, self.zeta = c, zeta[:, None]
        boxed = (order >= 1) & (self.zeta > 0)
        self.used = torch.stack(
            [
                use_a.expand(c.shape),
                use_a.expand(c.shape),
                use_o.expand(c.shape),
                use_o.expand(c.shape),
                boxed,
                boxed,
            ],
            1,
        )
        o = o * use_o
        a = (c + superset_sums(o)) * use_a
        level = ((a.abs() + o.abs()).sum(-1) / (use_a.sum() + use_o.sum())).clamp_min(1e-12)[:, None]
        positive = [(t + (t.square() + 4 * level.square()).sqrt()) / 2 for t in (a, -a, o, -o)]
        room = torch.where(self.zeta > 0, self.zeta, 1.0).expand(c.shape)
        self.x = torch.stack([*positive, room, room], 1)
        wall = (level / 2 / self.zeta).clamp(max=1e8)
        wall = torch.where(self.zeta > 0, wall, 1.0).expand(c.shape)
        w = weights.expand(c.shape)
        self.z = torch.stack([w, w, w, w, wall, wall], 1)
        self.x = torch.where(self.used, self.x, 1.0)
        self.z = torch.where(self.used, self.z, 1.0)
        self.p = torch.zeros_like(c)
        self.count = self.used.sum((1, 2)).to(c.dtype)
        self.index = torch.arange(len(c), device=c.device)
        best = torch.full((len(c),), torch.inf, dtype=c.dtype, device=c.device)
        self.best = Solution(
            o.clone(),
            torch.zeros_like(c),
            torch.zeros_like(c),
            best,
            torch.zeros_like(best),
            torch.zeros_like(self.index),
        )
        self.idle = torch.zeros_like(self.index)
        self.workspace = c.new_empty(*c.shape, c.shape[-1])

    def run(self, tolerance: float, max_iterations: int) -> Solution:
        for iteration in range(max_iterations + 1):
            going = self.certify(tolerance, iteration)
            keep = going.nonzero().flatten()
            if len(keep) == 0 or iteration == max_iterations:
                break
            if len(keep) < len(going):
                for name in ("c", "zeta", "used", "x", "z", "p", "count", "index", "idle"):
                    setattr(self, name, getattr(self, name)[keep])
            self.step()
        return self.best

    def certify(self, tolerance: float, iteration: int) -> Bool[Tensor, " samples"]:
        """Turn the iterate into a feasible point and a feasible dual, keep the best of each."""
        o = self.x[:, 2] - self.x[:, 3]
        d = (self.x[:, 4] - self.x[:, 5]) / 2 * self.used[:, 4]
        d = torch.clamp(d, -self.zeta, self.zeta)
        a = (self.c + superset_sums(o) - subset_sums(d)) * self.used[:, 0]
        objective = ((a.abs() + o.abs()) * self.w).sum(-1)
        bound, p = dual_bound(self.p, self.c, self.zeta, self.w, self.used[:, 2])
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
        finite = torch.isfinite(self.x.sum((1, 2)) + self.z.sum((1, 2)) + self.p.sum(-1))
        return (gap > tolerance * best.objective[k]) & (self.idle < STALL) & finite

    def step(self) -> None:
        x, z = self.x, self.z
        ratio = torch.where(self.used, x / z, 0.0)
        d_a, d_o = ratio[:, 0] + ratio[:, 1], ratio[:, 2] + ratio[:, 3]
        d_d = torch.where(self.used[:, 4], 1.0 / (z[:, 4] / x[:, 4] + z[:, 5] / x[:, 5]), 0.0)
        self.d_d, self.system = d_d, NormalEquations(d_a, d_o, d_d, self.workspace)
        a, o = x[:, 0] - x[:, 1], x[:, 2] - x[:, 3]
        d = (x[:, 4] - x[:, 5]) / 2 * self.used[:, 4]
        a, o = a * self.used[:, 0], o * self.used[:, 2]
        self.residual = (self.c - a + superset_sums(o) - subset_sums(d)) * self.used[:, 0]
        product = torch.where(self.used, x * z, 0.0)
        mu = (product.sum((1, 2)) / self.count)[:, None, None]

        dx, dz, dp = self.direction(-product)
        alpha_x, alpha_z = self.reach(x, dx), self.reach(z, dz)
        after = torch.where(self.used, (x + alpha_x * dx) * (z + alpha_z * dz), 0.0)
        mu_after = (after.sum((1, 2)) / self.count)[:, None, None]
        target = mu * (mu_after / mu).clamp(0.0, 1.0) ** 3
        dx, dz, dp = self.direction(target - product - dx * dz)
        alpha_x, alpha_z = (
            (STEP * self.reach(x, dx)).clamp(max=1.0),
            (STEP * self.reach(z, dz)).clamp(max=1.0),
        )
        self.x = x + alpha_x * dx
        self.z = z + alpha_z * dz
        self.p = self.p + alpha_z[:, 0] * dp

    def direction(self, aim: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The Newton step that takes each product x·z to its present value plus `aim`, in first order."""
        used, x, z = self.used, self.x, self.z
        d_d = self.d_d
        aim = torch.where(used, aim, 0.0)
        over_z = aim[:, :4] / z[:, :4]
        g_a, g_o = over_z[:, 0] - over_z[:, 1], over_z[:, 2] - over_z[:, 3]
        g_d = d_d * (aim[:, 4] / x[:, 4] - aim[:, 5] / x[:, 5])
        right = (self.residual - g_a + superset_sums(g_o) - subset_sums(g_d)) * used[:, 0]
        dp = self.system.solve(right)
        dr, dy = -subset_sums(dp), superset_sums(dp)
        dd = d_d * dy + g_d
        dz = torch.stack(
            [-dp, dp, -dr, dr, (aim[:, 4] - z[:, 4] * dd) / x[:, 4], (aim[:, 5] + z[:, 5] * dd) / x[:, 5]], 1
        )
        dz = torch.where(used, dz, 0.0)
        dx = torch.cat([over_z - x[:, :4] * dz[:, :4] / z[:, :4], dd[:, None], -dd[:, None]], 1)
        return torch.where(used, dx, 0.0), dz, dp

    def reach(self, x: Tensor, dx: Tensor) -> Tensor:
        """The longest step, at most 1/STEP, that keeps x ≥ 0."""
        return torch.where(dx < 0, -x / dx, torch.inf).amin((1, 2)).clamp(max=1.0 / STEP)[:, None, None]


def dual_bound(
    p: Float64[Tensor, "samples subsets"],
    c: Float64[Tensor, "samples subsets"],
    zeta: Float64[Tensor, "samples 1"],
    weights: Float64[Tensor, " subsets"],
    use_o: Bool[Tensor, "samples subsets"],
) -> tuple[Float64[Tensor, " samples"], Float64[Tensor, "samples subsets"]]:
    """Scale p into the dual's feasible set and evaluate it there, less what float64's rounding may be."""
    r, y = subset_sums(p), superset_sums(p)
    y[:, 0] = 0.0
    rounding = p.shape[-1].bit_length() * torch.finfo(p.dtype).eps
    slack = rounding * p.abs().sum(-1)
    excess = ((p.abs() / weights).amax(-1)).maximum(((r.abs() + slack[:, None]) / weights * use_o).amax(-1))
    p = p / excess.clamp(min=1.0)[:, None]
    y = y / excess.clamp(min=1.0)[:, None]
    terms = c * p
    bound = terms.sum(-1) - zeta[:, 0] * y.abs().sum(-1)
    return bound - rounding * terms.abs().sum(-1), p
