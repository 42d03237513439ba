"""A primal-dual interior-point method for the sparsest AND-OR interactions, on whole batches of tables.

The free unknowns are split into positive and negative parts, which makes six non-negative unknowns a subset
(a⁺, a⁻, o⁺, o⁻, ζ + d, ζ - d). Like Mehrotra's, the start is a least-squares solution moved to where all is positive;
the symmetry of the players makes it cheap.

Algorithm: S. Mehrotra, "On the implementation of a primal-dual interior point method", SIAM J. Optim. 2(4),
1992; J. Gondzio, "Multiple centrality corrections in a primal-dual method for linear programming",
Computational Optimization and Applications 6, 1996.
"""

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from . import normal_equations
from .batches import stop_if_asked
from .normal_equations import NormalEquations
from .program import Program, Solution, combine, spread, subset_sums, superset_sums
from .symmetric_equations import SymmetricEquations

STEP = 0.995  # how far to go toward the boundary
STRETCH = 0.5  # how much longer a step a corrector tries for
LEAST, MOST = 0.3, 10.0  # where it wants the products x·z then, relative to their target
SOFT = 0.01  # what the start makes of the noise: the square of its size, relative to that of interactions
INSIDE = 0.9  # how far toward the walls of its box it may start
STALL = 8  # iterations without a better certificate after which a sample is given up


def bytes_per_sample(n: int) -> int:
    """What one sample takes while it is being solved: the factor and the tables."""
    return 8 * (4**n + (4 * 2**normal_equations.LOW + 150) * 2**n)


def solve(program: Program, tolerance: float, max_iterations: int) -> Solution:
    """Solve until objective - bound ≤ tolerance·objective.

    A sample leaves the batch as soon as it has converged, or when it makes no more progress.
    """
    return Iterates(program).run(tolerance, max_iterations)


class Iterates:
    """The iterates of the samples still active.

    x holds (a⁺, a⁻), (o⁺, o⁻) and (ζ + d, ζ - d), shape (samples, 3, 2, subsets); z their dual slacks: w⁺ - q
    and w⁻ + q for the first two, q = spread(p), and two non-negative tables with z₂ - z₁ = q for the third.
    What is not used (the empty set, o of order 1, d where ζ = 0) is 1 in both and never moves.

    Row generation (rows.py) has another equation: `right`, `combine`, `spread`, `factorise`, `certify`.
    """

    combine, spread = staticmethod(combine), staticmethod(spread)
    OF_SAMPLES = ("program", "used", "x", "z", "p", "count", "index", "idle")

    def __init__(self, program: Program):
        g, zeta, order = program.g, program.zeta, program.order
        some, several = (order >= 1).expand(g.shape), (order >= 2).expand(g.shape)
        self.program, self.used = program, torch.stack([some, several, some & (zeta > 0)], 1)
        self.p = torch.zeros_like(g)
        self.index = torch.arange(len(g), device=g.device)
        self.idle = torch.zeros_like(self.index)
        self.best = Solution.none(program)
        self.correctors = 2 if len(order) <= 2**10 else 4  # the larger n, the cheaper beside a factorisation
        self.workspace: Tensor | None = None
        self.count = 2 * self.used.sum((1, 2)).to(g.dtype)
        self.begin()
        self.x, self.z = (torch.where(self.used[:, :, None], table, 1.0) for table in (self.x, self.z))

    def begin(self) -> None:
        """x and z to begin with."""
        zeta = self.program.zeta
        o, d = self.least_squares()
        theta = torch.stack([self.program.c + superset_sums(o) - subset_sums(d), o], 1) * self.used[:, :2]
        level = (theta.abs().sum((1, 2)) / self.used[:, :2].sum((1, 2))).clamp_min(1e-12)[:, None, None]
        root = (theta.square() + 4 * level.square()).sqrt()
        room = torch.where(zeta > 0, zeta, 1.0)[:, None].expand_as(theta[:, :1])
        wall = level / (2 * room)
        box = torch.stack([room + d[:, None], room - d[:, None]], 2)
        self.x = torch.cat([torch.stack([root + theta, root - theta], 2) / 2, box], 1)
        self.z = torch.cat([self.program.costs, torch.stack([wall] * 2, 2)], 1)

    @property
    def right(self) -> Float64[Tensor, "samples subsets"]:
        return self.program.c

    def factorise(self, diagonals: Float64[Tensor, "samples 3 subsets"]) -> NormalEquations:
        if self.workspace is None:  # for all samples that there are at first
            size = diagonals.shape[-1]
            self.workspace = diagonals.new_empty(len(diagonals), size, size)
        return NormalEquations(diagonals, self.workspace)

    def least_squares(self) -> tuple[Float64[Tensor, "samples subsets"], Float64[Tensor, "samples subsets"]]:
        """o and d with the least ‖a‖² + ‖o‖² + ‖d‖²/SOFT, and d then brought well inside the box."""
        g, zeta = self.program.g, self.program.zeta
        equations = SymmetricEquations(g.shape[-1].bit_length() - 1, len(g), g.device)
        one = torch.ones_like(zeta)
        equations.set(torch.arange(len(g), device=g.device), torch.cat([one, one, SOFT * (zeta > 0)], 1))
        _, o, d = (spread(equations.solve(self.program.c)) * self.used).unbind(1)
        return o, torch.clamp(SOFT * d, -INSIDE * zeta, INSIDE * zeta)

    def run(self, tolerance: float, max_iterations: int) -> Solution:
        for iteration in range(max_iterations + 1):
            stop_if_asked()
            going = self.certify(tolerance, iteration)
            keep = going.nonzero().flatten()
            if len(keep) == 0 or iteration == max_iterations:
                break
            if len(keep) < len(going):
                self.keep(keep)
            self.step(0.01 * tolerance * self.best.objective[self.index])
        return self.best

    def keep(self, samples: Tensor) -> None:
        """Of those still active these only."""
        for name in self.OF_SAMPLES:
            setattr(self, name, getattr(self, name)[samples])

    def gap(self) -> Float64[Tensor, " samples"]:
        return self.best.objective[self.index] - self.best.bound[self.index]

    def certify(self, tolerance: float, iteration: int) -> Bool[Tensor, " samples"]:
        """Whether samples have still to go on."""
        before = self.gap()
        _, o, d = self.unknowns().unbind(1)
        gap = self.best.improve(self.program, self.index, o, d, self.p, iteration)
        self.idle = torch.where(gap < 0.9 * before, 0, self.idle + 1)
        return self.unfinished(gap, tolerance)

    def unfinished(self, gap: Float64[Tensor, " samples"], tolerance: float) -> Bool[Tensor, " samples"]:
        """Not there yet, and not given up."""
        finite = torch.isfinite(self.x.sum((1, 2, 3)) + self.z.sum((1, 2, 3)) + self.p.sum(-1))
        return (gap > tolerance * self.best.objective[self.index]) & (self.idle < STALL) & finite

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
        self.system = self.factorise(diagonals)
        self.residual, self.allowance = self.right - self.combine(self.unknowns()), allowance

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
            if not better.any():
                break  # what did not help would only be tried again
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
        dp, flows = self.system.solve(self.residual - self.combine(given), self.allowance)
        dq = self.spread(dp) * self.used
        sign = x.new_tensor([1.0, -1.0])[:, None]
        dd = (flows[:, 2:] + given[:, 2:])[:, :, None] * sign
        dx = torch.cat([over_z + sign * self.share * flows[:, :2, None], dd], 1)
        dz = torch.cat([-sign * dq[:, :2, None], over_x - z[:, 2:] * dd / x[:, 2:]], 1)
        return dx, dz, dp

    def mean(self, product: Tensor) -> Tensor:
        return (product.sum((1, 2, 3)) / self.count)[:, None, None, None]

    def reach(self, x: Tensor, dx: Tensor) -> Tensor:
        """The longest step that keeps x ≥ 0, at most a little over 1."""
        return 1.0 / (-(dx / x).amin((1, 2, 3), keepdim=True)).clamp(min=STEP)
