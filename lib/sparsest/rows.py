"""Row generation: the interior point on few of the states, to which those that turn out to be needed are added.

Where ζ > 0 the model is wrong by just ζ on some of the states, and only there the noise has multipliers. All other
states ask for nothing: the program without them has the same optimum. On the states R that are kept the equation of
`program.py` reads, with A as in `simplex.py`,

    σ·A(σa, o) + d = g on R

and the multipliers are y. The matrix between them has a row for each state of R; an entry is two look-ups, by the
intersection of two states for AND and by that of their complements for OR (row_equations.py). A factorisation
then costs |R|³ instead of 8ⁿ. The program of R bounds the whole one from below: its y, with zeros elsewhere, is
feasible there. A model that fits all states is so proven by the same certificate.

R is begun with the states on which the first-order method, after some hundreds of iterations, is wrong by nearly ζ.
States that the iterates violate join as they are found, without starting again where few do and steps get on.

Rows that are generated are columns of the dual: P. Gilmore and R. Gomory, "A linear programming approach to the
cutting-stock problem", Operations Research 9, 1961.
"""

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from . import first_order, interior_point
from .interior_point import INSIDE, STALL, Iterates
from .program import Program, Solution
from .row_equations import States

GLANCE = 300  # iterations of the first-order method that say which states to begin with
NEAR = 0.85  # a state is kept where they leave an error of so much of ζ
LOOK = 0.1  # gap of the program of R from which on violated states join, relative to its cost or to LOOK of the table
MANY = 0.25  # of R joining at once: then the iterates start again, for they are too far off to be mended
STUCK = 3  # iterations without a better certificate after which those in which states joined start again
GRACE = 12  # and after how many more they may be where they were
OVER = 1e-9  # of ζ: a state violated by less is let be; the certificate takes it as it is
LARGEST = 10_000  # states of R, at most
WHOLE = 12  # players up to which the interior point takes all states where R is no help
LONGER = 20_000  # iterations of the first-order method, above


def bytes_per_sample(n: int) -> int:
    """What one sample takes at most while it is being solved: tables, the matrix and its factor, indices."""
    return max(first_order.bytes_per_sample(n) + 8 * 5 * min(2**n, LARGEST) ** 2, _otherwise_bytes(n))


def _otherwise_bytes(n: int) -> int:
    return interior_point.bytes_per_sample(n) if n <= WHOLE else first_order.bytes_per_sample(n)


def solve(program: Program, tolerance: float, max_iterations: int) -> Solution:
    """Solve until objective - bound ≤ tolerance·objective, one sample after the other.

    max_iterations: of the interior point. Where R would have more states than `LARGEST`, or gets stuck, all states are
    taken: by the interior point up to `WHOLE` players, else by the first-order method.
    """
    best = first_order.solve(program, tolerance, GLANCE)
    size = program.g.shape[-1]
    for sample in range(len(program.g)):
        row = torch.tensor([sample], device=program.g.device)
        part = program[row]
        if done(best, row, tolerance):
            continue
        error = best.d[row].abs()
        kept = (error >= NEAR * torch.minimum(error.amax(-1, keepdim=True), part.zeta)) & (program.order >= 1)
        if kept.sum() <= LARGEST:
            best.take(_Rows(part, kept).run(tolerance, max_iterations), row)
        if done(best, row, tolerance):
            continue
        if size <= 2**WHOLE:
            best.take(interior_point.solve(part, tolerance, max_iterations), row)
        else:
            best.take(first_order.solve(part, tolerance, LONGER), row)
    return best


def done(found: Solution, row: Tensor, tolerance: float) -> bool:
    return bool((found.objective[row] - found.bound[row] <= tolerance * found.objective[row]).all())


class _Rows(Iterates):
    """The iterates of one sample; p holds y."""

    def __init__(self, program: Program, kept: Bool[Tensor, "1 subsets"]):
        super().__init__(program)
        self.begin(kept)

    def begin(self, kept: Bool[Tensor, "1 subsets"]) -> None:
        self.keep_states(kept)
        self.x, self.z = (torch.where(self.used[:, :, None], table, 1.0) for table in (self.x, self.z))
        self.joined = False

    def begin_anew(self, kept: Bool[Tensor, "1 subsets"]) -> None:
        """From the start, on other states; what is best so far stays."""
        best = self.best
        super().__init__(self.program)
        self.best = best
        self.idle -= GRACE
        self.begin(kept)

    def keep_states(self, kept: Bool[Tensor, "1 subsets"]) -> None:
        self.states = States(kept)
        self.combine, self.spread, self.factorise = self.states.combine, self.states.spread, self.states.factorise
        self.used[:, 2] = kept
        self.count = 2 * self.used.sum((1, 2)).to(self.x.dtype)

    @property
    def right(self) -> Float64[Tensor, "1 subsets"]:
        return torch.where(self.states.kept, self.program.g, 0.0)

    def certify(self, tolerance: float, iteration: int) -> Bool[Tensor, " samples"]:
        """As for all states; d is what the model leaves on those not kept. Violated ones join."""
        before = self.best.objective - self.best.bound
        unknowns, kept = self.unknowns(), self.states.kept
        left = self.program.g - self.states.model(unknowns)
        d = torch.where(kept, unknowns[:, 2], left)
        p = self.spread(self.p)[:, 0]
        gap = self.best.improve(self.program, self.index, unknowns[:, 1], d, p, iteration)
        theta = unknowns[:, :2]
        cost = (self.program.costs * torch.stack([theta, -theta], 2).clamp(min=0.0)).sum((1, 2, 3))
        violated = (left.abs() > (1.0 + OVER) * self.program.zeta) & ~kept & (self.program.order >= 1)
        joining = bool((cost - self.best.bound <= LOOK * cost.clamp(min=LOOK)) & violated.any())
        self.idle = torch.where(gap < 0.9 * before, 0, self.idle.clamp(max=0) if joining else self.idle + 1)
        if joining:
            self.join(violated, left)
        elif self.joined and self.idle >= STUCK:
            self.begin_anew(kept)
        finite = torch.isfinite(self.x.sum((1, 2, 3)) + self.z.sum((1, 2, 3)) + self.p.sum(-1))
        return (gap > tolerance * self.best.objective) & (self.idle < STALL) & finite

    def join(self, states: Bool[Tensor, "1 subsets"], left: Float64[Tensor, "1 subsets"]) -> None:
        """They come in well inside their box, with the multiplier 0 and products x·z like those of the others.

        What is left on them beyond the box is a residual, which the next steps take away. Where many join, or steps
        toward them come to nothing, all begins anew with them.
        """
        if states.sum() > MANY * self.states.kept.sum():
            return self.begin_anew(self.states.kept | states)
        mu = self.mean(torch.where(self.used[:, :, None], self.x * self.z, 0.0))
        zeta = self.program.zeta
        d = torch.clamp(left, -INSIDE * zeta, INSIDE * zeta)
        self.x[:, 2] = torch.where(states[:, None], torch.stack([zeta + d, zeta - d], 1), self.x[:, 2])
        self.z[:, 2] = torch.where(states[:, None], mu[:, 0] / zeta[:, None], self.z[:, 2])
        self.keep_states(self.states.kept | states)
        self.joined = True
