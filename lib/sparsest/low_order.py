"""What "auto" tries first: tables that interactions of few players explain go to the simplex.

The simplex's pivots are few where interactions of low order explain a table to within ζ, and that can be told at
once. A model of interactions of up to k players is a table whose Fourier (Walsh) coefficients are 0 on all sets of more
than k players, so that two transforms give the one nearest to a table in least squares. Where that one is off by ζ at
most, the simplex tries its way. So are planted tables, and some of those of networks (book/source/speed.md).

Nothing here depends on a clock: a table gets the same answer on each run.

Fourier analysis of functions of bits: R. O'Donnell, "Analysis of Boolean Functions", Cambridge 2014, chapter 1.
"""

import math
from types import ModuleType

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from .. import subsets
from . import simplex
from .program import Program, Solution

ORDER = 3  # players of an interaction of low order, at most
PIVOTS = 10  # for each set of so many players, before another method takes over
FEWEST = 9  # players: with fewer the interior point takes hardly longer than the simplex
IN_PIVOTS = 1.2e8  # states times players of a second
WALSH = ((1.0, 1.0), (1.0, -1.0))


def may_be(n: int, device: torch.device) -> bool:
    """Whether to try at all: the simplex walks on the CPU."""
    return n >= FEWEST and device.type == "cpu"


def explained(
    values: Float64[Tensor, "samples subsets"], zeta: Float64[Tensor, " samples"]
) -> Bool[Tensor, " samples"]:
    """Whether interactions of low order explain a table: their least-squares fit is off by ζ > 0 at most."""
    size = values.shape[-1]
    order = subsets.orders(size.bit_length() - 1, values.device)
    spectrum = subsets.kronecker_power(values, WALSH)
    left = subsets.kronecker_power(torch.where(order > ORDER, spectrum, 0.0), WALSH).abs().amax(-1) / size
    return (left <= zeta) & (zeta > 0)


def solve(program: Program, tolerance: float, max_iterations: int, method: ModuleType) -> Solution:
    """By the simplex what it gets to, all else by `method`; the iterations of both are added."""
    n, sign = program.g.shape[-1].bit_length() - 1, 1.0 - 2.0 * (program.order % 2)
    low = explained(sign * program.g, program.zeta[:, 0])
    best = Solution.none(program)
    tried = low.nonzero().flatten()
    if len(tried):
        best.take(simplex.solve(program[tried], tolerance, pivots(n)), tried)
    rest = (~best.done(tolerance)).nonzero().flatten()
    if len(rest):
        best.take(method.solve(program[rest], tolerance, max_iterations), rest)
    return best


def pivots(n: int) -> int:
    """How many there may be."""
    return PIVOTS * sum(math.comb(n, k) for k in range(1, ORDER + 1))


def seconds(n: int, samples: int) -> tuple[float, float]:
    """From about how long to how long the pivots of so many tables take."""
    most = samples * pivots(n) * n * 2**n / IN_PIVOTS
    return most / PIVOTS, most
