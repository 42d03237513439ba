"""Row generation: the interior point on few of the states, to which those that turn out to be needed are added.

Where ζ > 0 the model is wrong by just ζ on some of the states, and only there the noise has multipliers. All other
states ask for nothing: the program without them has the same optimum. On the states R that are kept the equation of
`program.py` reads, with A as in `simplex.py`,

    σ·A(σa, o) + d = g on R

and the multipliers are y. The matrix between them has a row for each state of R; an entry is two look-ups, by the
intersection of two states for AND and by that of their complements for OR (row_equations.py). A factorisation
then costs |R|³ instead of 8ⁿ. The program of R bounds the whole one from below: its y, with zeros elsewhere, is
feasible there. A model that fits all states is so proven by the same certificate.

R is begun with the states on which the first-order method, after a hundred iterations or so, is wrong by nearly ζ; the
iterates begin near what it found. States that they violate join as they are found; where they are many, or steps come
to nothing with them, all begins anew with them, near the best that is known by then.

Rows that are generated are columns of the dual: P. Gilmore and R. Gomory, "A linear programming approach to the
cutting-stock problem", Operations Research 9, 1961.
"""

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from . import first_order, interior_point
from .interior_point import INSIDE, Iterates
from .program import Program, Solution, superset_sums
from .row_equations import RowEquations, States

LARGE = 12  # players from which on a longer first look pays
NEAR = 0.8  # a state is kept where they leave an error of so much of ζ
LOOK = 0.1  # gap of the program of R from which on violated states join, relative to its cost or to LOOK of the table
MANY = 0.25  # of R joining at once: then the iterates start again, for they are too far off to be mended
STUCK = 5  # iterations without a better certificate or fit after which those in which states joined start again
BEGINNINGS = 6  # at most
CLEAR = 1.02  # by how much the multipliers that are known are taken back from their bounds, to begin near them
LEAST, MOST = 1e-3, 0.1  # of ζ: how near to the walls of its box d begins then
OVER = 1e-9  # of ζ: a state violated by less is let be; the certificate takes it as it is
LARGEST = 10_000  # states of R, at most
WHOLE = 12  # players up to which the interior point takes all states where R is no help
LONGER = 20_000  # iterations of the first-order method, with more players


def bytes_per_sample(n: int) -> int:
    """What one sample takes at most while it is being solved: tables, a matrix with room to spare, indices."""
    return max(first_order.bytes_per_sample(n) + 8 * 4 * min(2**n, LARGEST) ** 2, _otherwise_bytes(n))


def looks(n: int) -> tuple[int, ...]:
    """Iterations of the first-order method; more where these found nothing better than no errors."""
    return 150 if n >= LARGE else 100, 300, 1000


def _otherwise_bytes(n: int) -> int:
    return interior_point.bytes_per_sample(n) if n <= WHOLE else first_order.bytes_per_sample(n)


def solve(
    program: Program, tolerance: float, max_iterations: int, kept: Bool[Tensor, "samples subsets"] | None = None
) -> Solution:
    """Solve until objective - bound ≤ tolerance·objective.

    max_iterations: of the interior point, from each beginning. kept: the states to begin with, for programs of the same
    tables with nearly the same costs; those that join are added to it. Where there are none yet, the first-order method
    says which. Where R would have more states than `LARGEST`, or gets stuck, all states are taken: by the interior
    point up to `WHOLE` players, else by the first-order method.
    """
    best = Solution.none(program)
    kept = torch.zeros_like(program.g, dtype=torch.bool) if kept is None else kept
    if not kept.any():
        for look in looks(len(program.order).bit_length() - 1):
            unseen = (~best.done(tolerance) & ~best.d.any(-1)).nonzero().flatten()
            if len(unseen) == 0:
                break
            best.take(first_order.solve(program[unseen], tolerance, look), unseen)
        error = best.d.abs()
        kept |= (error >= NEAR * torch.minimum(error.amax(-1, keepdim=True), program.zeta)) & (program.order >= 1)
    going = ~best.done(tolerance) & (kept.sum(-1) <= LARGEST)
    for _ in range(BEGINNINGS):
        samples = going.nonzero().flatten()
        if len(samples) == 0:
            break
        iterates = _Rows(program[samples], kept[samples], best[samples])
        best.take(iterates.run(tolerance, max_iterations), samples)
        kept[samples] = iterates.wanted
        going[samples] = iterates.anew & (iterates.wanted.sum(-1) <= LARGEST)
        going &= ~best.done(tolerance)
    rest = (~best.done(tolerance)).nonzero().flatten()
    if len(rest) == 0:
        return best
    if len(program.order) <= 2**WHOLE:
        best.take(interior_point.solve(program[rest], tolerance, max_iterations), rest)
    else:
        best.take(first_order.solve(program[rest], tolerance, LONGER), rest)
    return best


class _Rows(Iterates):
    """The iterates, on the states kept; p holds y.

    `anew` says which samples want to begin again, `wanted` with which states. `known`: a solution to begin near, or
    none.
    """

    OF_SAMPLES = (*Iterates.OF_SAMPLES, "joined", "missed")

    def __init__(self, program: Program, kept: Bool[Tensor, "samples subsets"], known: Solution):
        self.states, self.known = States(kept), known
        super().__init__(program)
        self.joined, self.missed = torch.zeros_like(kept[:, 0]), torch.full_like(program.zeta[:, 0], torch.inf)
        self.anew, self.wanted = self.joined.clone(), kept.clone()

    def begin(self) -> None:
        known = self.known.objective.isfinite().all()
        if not known:
            super().begin()
        self.keep_states(self.states)
        if known:
            self.begin_near(self.known)

    def begin_near(self, known: Solution) -> None:
        """x, z and p around what is known, as on the central path where the products x·z are its gap in the mean.

        There x⁺x⁻ = (x⁺ + x⁻)μ/(w⁺ + w⁻), which with x⁺ - x⁻ = θ says what both are; so for z of d, with their
        difference y. z of a and o are the slacks of y, which is scaled to be feasible on R.
        """
        program, zeta, o = self.program, self.program.zeta, known.o
        y = torch.where(self.states.kept, superset_sums(known.p), 0.0)
        q, sign = self.states.spread(y)[:, :2, None], y.new_tensor([1.0, -1.0])[:, None]
        most = (sign * q / program.costs)[..., 1:].amax((1, 2, 3)).clamp(min=1.0)[:, None]
        y, q = y / (CLEAR * most), q / (CLEAR * most[:, :, None, None])
        cost, a = program.objective(o, known.d)
        theta = torch.stack([a, o], 1)[:, :, None]
        mu = (cost - (program.g * y - zeta * y.abs()).sum(-1)).clamp(min=1e-12 * cost) / self.count
        over, mu = mu[:, None, None, None] / program.costs.mean(2, keepdim=True), mu[:, None]
        middle = over + (over.square() + theta.square()).sqrt()
        wall = mu / zeta + ((mu / zeta).square() + y.square()).sqrt()
        away = (mu / y.abs()).clamp(LEAST * zeta, MOST * zeta)
        d = torch.clamp(known.d, away - zeta, zeta - away)[:, None, None]
        self.x = torch.cat([(middle + sign * theta) / 2, zeta[:, None, None] + sign * d], 1)
        self.z = torch.cat([program.costs - sign * q, (wall[:, None, None] - sign * y[:, None, None]) / 2], 1)
        self.p = y

    def keep_states(self, states: States) -> None:
        self.states = states
        self.used[:, 2] = states.kept
        self.count = 2 * self.used.sum((1, 2)).to(self.p.dtype)

    def keep(self, samples: Tensor) -> None:
        super().keep(samples)
        self.states = self.states.of(samples)

    def combine(self, unknowns: Float64[Tensor, "samples 3 subsets"]) -> Float64[Tensor, "samples subsets"]:
        return self.states.combine(unknowns)

    def spread(self, p: Float64[Tensor, "samples subsets"]) -> Float64[Tensor, "samples 3 subsets"]:
        return self.states.spread(p)

    def factorise(self, diagonals: Float64[Tensor, "samples 3 subsets"]) -> RowEquations:
        return RowEquations(self.states, diagonals)

    @property
    def right(self) -> Float64[Tensor, "samples subsets"]:
        return torch.where(self.states.kept, self.program.g, 0.0)

    def certify(self, tolerance: float, iteration: int) -> Bool[Tensor, " samples"]:
        """As for all states; d is what the model leaves on those not kept. Violated ones join."""
        before = self.gap()
        unknowns, kept = self.unknowns(), self.states.kept
        left = self.program.g - self.states.model(unknowns)
        d = torch.where(kept, unknowns[:, 2], left)
        p = self.states.price(self.p)
        gap = self.best.improve(self.program, self.index, unknowns[:, 1], d, p, iteration)
        theta = unknowns[:, :2]
        cost = (self.program.costs * torch.stack([theta, -theta], 2).clamp(min=0.0)).sum((1, 2, 3))
        violated = (left.abs() > (1.0 + OVER) * self.program.zeta) & ~kept & (self.program.order >= 1)
        close = cost - self.best.bound[self.index] <= LOOK * cost.clamp(min=LOOK)
        joining = close & violated.any(-1)
        missed = torch.where(kept, left - unknowns[:, 2], 0.0).abs().sum(-1)
        better = (gap < 0.9 * before) | (missed < 0.9 * self.missed) | joining
        self.idle, self.missed = torch.where(better, 0, self.idle + 1), missed
        wanted = kept | ((left.abs() > NEAR * self.program.zeta) & (self.program.order >= 1))
        many = joining & ((violated.sum(-1) > MANY * kept.sum(-1)) | (wanted.sum(-1) > LARGEST))
        anew = many | (~joining & self.joined & (self.idle >= STUCK))
        going = self.unfinished(gap, tolerance) & ~anew
        self.anew[self.index] = anew
        self.wanted[self.index] = torch.where(many[:, None], wanted, kept)
        if (joining & going).any():
            self.join(wanted & ~kept & (joining & going)[:, None], left)
        return going

    def join(self, states: Bool[Tensor, "samples subsets"], left: Float64[Tensor, "samples subsets"]) -> None:
        """They come in well inside their box, with the multiplier 0 and products x·z like those of the others.

        What is left on them beyond the box is a residual, which the next steps take away.
        """
        mu = self.mean(torch.where(self.used[:, :, None], self.x * self.z, 0.0))
        zeta = self.program.zeta
        d = torch.clamp(left, -INSIDE * zeta, INSIDE * zeta)
        self.x[:, 2] = torch.where(states[:, None], torch.stack([zeta + d, zeta - d], 1), self.x[:, 2])
        self.z[:, 2] = torch.where(states[:, None], mu[:, 0] / zeta[:, None], self.z[:, 2])
        self.keep_states(self.states.changed(self.states.kept | states))
        self.joined |= states.any(-1)
