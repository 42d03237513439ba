"""What the data determine of the split A = decay + spindle: the smallest and the largest share of the spindle.

Eq. 9 returns one split where many fit as well. Here only what the words of the paper say is assumed: the generalisable
part does not grow with the order, the rest is a spindle, and together they miss A by at most an allowance ε. All shares
of the spindle for which that is possible are the identified set (partial identification: C. F. Manski, Partial
Identification of Probability Distributions, Springer 2003). Its lower end is what the data insist on, its upper end
what they allow; it is empty where neither shape fits within ε.

For a fixed α the least misfit is a convex, piecewise linear function of the spindle's share β, the value of a linear
program. Its dual is solved exactly for many β at once (`_falling` by dynamic programming over whole numbers, `_scaled`
by a weighted median), and a dual solution is a line below the function. So Newton's method reaches the ends of the set
in a few steps, without a general solver.

A is (2, n): strengths by sign and order, in any unit. Everywhere orders 1 and 2 count as one sum, for Eq. 12 does not
tell them apart, and misfits are L1, as a share of ΣA.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from .disentangle import decay_curves
from .fits import MIDDLE, merged
from .randomness import derived_seed
from .resampling import central
from .subsets import orders
from .theory import decay, spindle

ALPHAS = 20  # values of α, of which the sets are united
DELTAS = (1e-3, 10.0)  # range of δ of the decays M(δ)I*
DELTAS_PER_DECADE = 8
ALLOWANCES = (0.02, 0.05, 0.1)  # ε beside that of the sampling noise
NOISES = 1.5  # allowed, in units of `noise_of_shape`, which says why
SIGNS = {"both": (0, 1), "+": (0,), "−": (1,)}  # which rows of A
EXACT = 1e-11  # of ΣA: what differs by less is equal
STEPS = 200  # of Newton's method, at most; it needs some ten
CHUNK = 40_000  # programs solved side by side, for the memory

Dual = Callable[[np.ndarray, np.ndarray], np.ndarray]  # (rows, m) what is left, the rows' indices → (rows, m) the duals


@dataclass(frozen=True, eq=False)
class Identified:
    """The identified sets of one A, one entry an allowance ε; shares are of ΣA, from 0 to 1 + ε."""

    allowances: Float64[np.ndarray, " allowances"]  # ε, share of ΣA
    low: Float64[np.ndarray, " allowances"]  # least share of the spindle; NaN: the set is empty
    high: Float64[np.ndarray, " allowances"]  # greatest share; NaN: the set is empty
    without: float  # misfit of the best decay without any spindle, share of ΣA
    least: float  # misfit of the best decay with the best spindle, share of ΣA
    low_band: Float64[np.ndarray, "2 allowances"] | None  # central 90 % over resamples whose sets are not empty
    high_band: Float64[np.ndarray, "2 allowances"] | None
    without_band: Float64[np.ndarray, " 2"] | None
    empty: Float64[np.ndarray, " allowances"] | None  # share of resamples with an empty set
    insists: Float64[np.ndarray, " allowances"] | None  # share of resamples with low > 0

    def words(self, k: int = 0) -> str:
        """The set at the k-th allowance, in percent: [23, 69], or that it is empty."""
        if math.isnan(self.low[k]):
            return f"empty (least misfit {100 * self.least:.1f} %)"
        return f"[{100 * self.low[k]:.0f}, {100 * self.high[k]:.0f}]"


def noise_of_shape(
    strength: Float64[np.ndarray, "samples 2 n"], resamples: int, seed: int, sign: str = "both"
) -> float:
    """ε from sampling: the 0.95-quantile over resamples b of ½Σ|A_b/ΣA_b − A/ΣA|, orders 1 and 2 as one.

    The half makes it the total variation between two shapes, while misfits are measured without the half. So the
    truth's own misfit may be above ε: in planted mixtures (`power(draws=200)`) the planted share was in the set in 99 %
    of the draws or more up to a share of 50 %, but at 75 % in 84 to 88 % of those with 12 samples and in 93 to 98 % of
    those with 50; with 1.5 times this ε it was in 99 % everywhere. NaN for fewer than two samples or no resamples.
    Raises ValueError as `identified` does.
    """
    _check(strength, sign)
    weights = _weights(len(strength), resamples, seed)
    if len(weights) < 2:
        return math.nan
    shapes = _shares(strength, weights, sign)[0]
    return float(np.quantile(abs(shapes[1:] - shapes[0]).sum(1) / 2, 0.95))


def misfit(strength: Float64[np.ndarray, "*batch 2 n"]) -> Float64[np.ndarray, "*batch"]:
    """What the best decay that does not grow with the order misses of A, share of ΣA; `without` of `identified`.

    strength: A(m)± in any unit; where it is 0 everywhere nothing is missed. Raises ValueError as `identified` does.
    """
    rows = strength.reshape(-1, 1, *strength.shape[-2:])
    shares = np.concatenate([_shares(row, np.ones((1, 1)), "both")[0] for row in rows])
    if not (np.isfinite(strength) & (strength >= 0)).all():
        raise ValueError("strength has entries below 0 or not finite; allowed: finite ones from 0 on")
    missed = (_falling(2)(shares, np.arange(len(shares))) * shares).sum(1)
    return missed.reshape(strength.shape[:-2])


def identified(
    strength: Float64[np.ndarray, "samples 2 n"],
    allowances: Sequence[float] | np.ndarray = ALLOWANCES,
    *,
    sign: str = "both",
    alpha_range: tuple[float, float] = MIDDLE,
    alphas: int = ALPHAS,
    resamples: int = 0,
    seed: int = 0,
) -> Identified:
    """The identified set for decays that do not grow with the order: d(1) ≥ d(2) ≥ … ≥ 0, each sign on its own.

    strength: A(m)± of each sample, in any unit; A is their mean. allowances: ε, shares of ΣA. sign: "both", with one
    spindle for the two, or "+" or "−" alone, of which ΣA is then the sum. The sets of `alphas` values of α, evenly over
    `alpha_range`, are united. resamples: of the samples, for the bands, drawn from the seed; the allowances stay.

    Raises ValueError for strengths that are negative, not finite or all 0, and for bad allowances, ranges and counts.
    """
    allowances, shapes = _check(strength, sign, allowances, alpha_range, alphas)
    shares, _ = _shares(strength, _weights(len(strength), resamples, seed), sign)
    halves = len(SIGNS[sign])
    return _united(shares, _unit_spindles(shapes, halves), None, allowances, lambda: _falling(halves))


def identified_within_noise(
    strength: Float64[np.ndarray, "samples 2 n"], resamples: int = 0, seed: int = 0
) -> Identified:
    """`identified` with ε from sampling alone, as figures and claims have it: 1.5 times `noise_of_shape`.

    Of one sample ε is 0. Equal seeds give equal sets. Raises ValueError as `identified` does.
    """
    noise = noise_of_shape(strength, 200, seed) if len(strength) > 1 else 0.0
    return identified(strength, [NOISES * noise], resamples=resamples, seed=seed)


def identified_by_theory(
    strength: Float64[np.ndarray, "samples 2 n"],
    i_and: Float64[Tensor, "samples subsets"],
    i_or: Float64[Tensor, "samples subsets"],
    allowances: Sequence[float] | np.ndarray = ALLOWANCES,
    *,
    sign: str = "both",
    delta_range: tuple[float, float] = DELTAS,
    alpha_range: tuple[float, float] = MIDDLE,
    alphas: int = ALPHAS,
    resamples: int = 0,
    seed: int = 0,
) -> Identified:
    """The identified set for the decays of Eq. 8, γ times those of M(δ)I*, with I* given: β and γ ≥ 0 are unknown.

    i_and, i_or: I* of the same samples, before thresholding, in any unit. The sets are united over α as in `identified`
    and over δ in `delta_range`, eight values a decade. A decay may grow from order 1 to 2 here. Samples and their I*
    are resampled together. Raises ValueError as `identified` and `disentangle` do.
    """
    allowances, shapes = _check(strength, sign, allowances, alpha_range, alphas)
    rows = SIGNS[sign]
    weights = _weights(len(strength), resamples, seed)
    shares, _ = _shares(strength, weights, sign)
    curves = decay_curves(i_and, i_or, delta_range, DELTAS_PER_DECADE)[1].numpy()  # (samples, deltas, 2, n)
    decays = merged(np.einsum("bs,sgkm->bgkm", weights, curves))[:, :, rows].reshape(len(weights), curves.shape[1], -1)
    size = decays.sum(-1, keepdims=True)
    decays = np.where(size > 0, decays / np.where(size > 0, size, 1.0), 0.0)
    return _united(shares, _unit_spindles(shapes, len(rows)), decays, allowances, None)


def planted(
    share: float,
    shape: str,
    samples: int,
    draw: np.random.Generator,
    n: int = 10,
    spread: float = 0.5,
) -> tuple[Float64[np.ndarray, "samples 2 n"], float]:
    """Strengths of samples whose mean is a decay plus a spindle, and the spindle's share of their expected sum.

    shape: "geometric", d(m) = q^(m−1), q from 0.4 to 0.8, or "theory", A of M(δ)I* for sparse interactions I* of
    falling strength, δ from 1e-3 to 1e-2 on the logarithm. The signs have unequal decays and one spindle, α from 0.6 to
    1.2. Each sample's strengths are the mean's times log-normal factors: one a sample and one an entry, both with
    the standard deviation `spread` of the logarithm and the mean 1. Raises ValueError for another shape and for shares
    not in [0, 1).
    """
    if not 0 <= share < 1:
        raise ValueError(f"share is {share}; allowed: at least 0 and below 1")
    if shape == "geometric":
        fall = draw.uniform(0.4, 0.8, size=(2, 1)) ** np.arange(n)
    elif shape == "theory":
        order = orders(n).numpy()
        tables = draw.normal(size=(2, samples, 2**n)) * np.exp(-0.7 * (order - 1)) / _binomial(n)[order]
        tables *= (draw.random(tables.shape) < 0.3) & (order > 0)
        delta = 10 ** draw.uniform(-3, -2)
        fall = decay(*torch.from_numpy(tables), delta, 1.0).mean(0).numpy()
    else:
        raise ValueError(f"shape is {shape!r}; allowed: 'geometric' or 'theory'")
    positive = draw.uniform(0.3, 0.7)
    fall = fall / fall.sum(1, keepdims=True) * [[positive], [1 - positive]]
    bell = spindle(draw.uniform(0.6, 1.2), 1.0, n).numpy() * np.ones((2, 1))
    mean = (1 - share) * fall / fall.sum() + share * bell / bell.sum()
    factors = [draw.normal(size=size) * spread - spread**2 / 2 for size in ((samples, 1, 1), (samples, 2, n))]
    return mean * np.exp(factors[0] + factors[1]), share


@dataclass(frozen=True)
class Power:
    """How often the set does what it should, over planted mixtures of one kind."""

    shape: str
    samples: int
    share: float  # planted
    draws: int
    inside: float  # of the draws, in how many the planted share is in the set
    insists: float  # in how many low > 0
    empty: float  # in how many the set is empty
    low: float  # its mean where there is a set
    high: float
    allowance: float  # ε, its mean


def power(
    shares: Sequence[float] = (0.0, 0.1, 0.25, 0.5, 0.75),
    shapes: Sequence[str] = ("geometric", "theory"),
    samples: Sequence[int] = (12, 50),
    draws: int = 100,
    resamples: int = 200,
    seed: int = 0,
    n: int = 10,
    times: float = 1.0,
) -> list[Power]:
    """Planted mixtures, each with ε of its own sampling noise: is the truth in the set, and is low > 0?

    times: ε is so many times `noise_of_shape`; at 2 it is the 0.95-quantile of the same L1 distance as the misfit,
    which holds the truth more often and says less. An empty set holds no share. Equal seeds give equal rows.
    """
    rows = []
    for shape in shapes:
        for count in samples:
            for share in shares:
                draw = np.random.default_rng(derived_seed(seed, "power", shape, count, str(share)))
                found = []
                for k in range(draws):
                    strength, truth = planted(share, shape, count, draw, n)
                    epsilon = times * noise_of_shape(strength, resamples, derived_seed(seed, "power", k))
                    one = identified(strength, [epsilon])
                    held = one.low[0] - EXACT <= truth <= one.high[0] + EXACT
                    found.append((held, one.low[0] > EXACT, math.isnan(one.low[0]), one.low[0], one.high[0], epsilon))
                means = np.nanmean(np.array(found, dtype=float), 0)
                rows.append(Power(shape, count, share, draws, *map(float, means)))
    return rows


def _binomial(n: int) -> np.ndarray:
    return np.array([math.comb(n, m) for m in range(n + 1)], dtype=float)


def _check(strength, sign, allowances=ALLOWANCES, alpha_range=MIDDLE, alphas=ALPHAS) -> tuple[np.ndarray, np.ndarray]:
    """The allowances as an array and the spindles (alphas, n). Raises ValueError for what is not allowed."""
    shape = strength.shape
    if len(shape) != 3 or shape[1] != 2 or shape[2] < 4 or not shape[0]:
        raise ValueError(f"strength has shape {shape}; allowed: (samples, 2, n), samples ≥ 1, n ≥ 4")
    if not (np.isfinite(strength) & (strength >= 0)).all():
        raise ValueError("strength has entries below 0 or not finite; allowed: finite ones from 0 on")
    if sign not in SIGNS:
        raise ValueError(f"sign is {sign!r}; allowed: {', '.join(SIGNS)}")
    if not strength[:, SIGNS[sign]].any():
        raise ValueError(f"strength is 0 everywhere (sign: {sign}); allowed: above 0 somewhere")
    allowances = np.asarray(allowances, dtype=float)
    if not (np.isfinite(allowances) & (allowances >= 0)).all():
        raise ValueError(f"allowances are {allowances.tolist()}; allowed: finite and at least 0")
    low, high = alpha_range
    if not 0 < low <= high < math.inf:
        raise ValueError(f"alpha_range is {alpha_range}; allowed: 0 < low ≤ high, finite")
    if alphas < 1:
        raise ValueError(f"alphas is {alphas}; allowed: at least 1")
    return allowances, spindle(torch.linspace(low, high, alphas, dtype=torch.float64), 1.0, shape[2]).numpy()


def _weights(samples: int, resamples: int, seed: int) -> Float64[np.ndarray, "rows samples"]:
    """All samples alike in row 0, then the resamples; row 0 alone for a single sample."""
    if resamples < 0:
        raise ValueError(f"resamples is {resamples}; allowed: at least 0")
    rows = np.full((1, samples), 1 / samples)
    if samples < 2 or not resamples:
        return rows
    drawn = np.random.default_rng(derived_seed(seed, "bootstrap")).integers(samples, size=(resamples, samples))
    return np.concatenate([rows, np.stack([np.bincount(row, minlength=samples) / samples for row in drawn])])


def _shares(strength: np.ndarray, weights: np.ndarray, sign: str) -> tuple[np.ndarray, np.ndarray]:
    """A/ΣA of weighted means, (rows, signs·m), and ΣA (rows,); a resample without any strength is of zeros."""
    means = merged(np.einsum("bs,skm->bkm", weights, strength))
    flat = means[:, SIGNS[sign]].reshape(len(weights), -1)
    total = flat.sum(1)
    return flat / np.where(total > 0, total, 1.0)[:, None], total


def _unit_spindles(shapes: Float64[np.ndarray, "alphas n"], halves: int) -> Float64[np.ndarray, "alphas m"]:
    """Spindles of each α, the same for each sign, orders 1 and 2 as one; each sums to 1, so that β is a share."""
    flat = np.tile(merged(np.stack([shapes, shapes], 1))[:, 0], (1, halves))
    return flat / flat.sum(1, keepdims=True)


def _united(
    shares: Float64[np.ndarray, "rows m"],
    spindles: Float64[np.ndarray, "alphas m"],
    decays: Float64[np.ndarray, "rows deltas m"] | None,
    allowances: Float64[np.ndarray, " allowances"],
    falling: Callable[[], Dual] | None,
) -> Identified:
    """The sets of all rows, united over α (and δ); row 0 is A, the others are resamples."""
    rows, each = len(shares), 1 if decays is None else decays.shape[1]
    low, high = (np.full((rows, len(allowances)), np.nan) for _ in range(2))
    without, least = np.full(rows, np.nan), math.nan
    step = max(1, CHUNK // (len(spindles) * each))
    for start in range(0, rows, step):
        part = slice(start, start + step)
        some = len(shares[part])
        a = np.repeat(shares[part], len(spindles) * each, 0)  # programs: row, then δ, then α
        s = np.tile(spindles, (some * each, 1))
        if decays is None:
            dual = falling()
        else:
            dual = _scaled(np.repeat(decays[part].reshape(some * each, -1), len(spindles), 0))
        program = _Programs(a, s, dual)
        shape = (some, len(spindles) * each)
        without[part] = program.at_zero.reshape(shape).min(1)
        if start == 0:
            least = float(program.least(np.arange(shape[1])).min())
        for k, allowance in enumerate(allowances):
            ends = program.ends(allowance)
            for end, best in ((0, np.fmin), (1, np.fmax)):
                (low, high)[end][part, k] = best.reduce(ends[end].reshape(shape), 1)
    bands = [None] * 5
    if rows > 1:
        bands = [
            *(central([*ends[1:]]) for ends in (low, high, without)),
            np.isnan(low[1:]).mean(0),
            (low[1:] > EXACT).mean(0),
        ]
    return Identified(allowances, low[0], high[0], float(without[0]), least, *bands)


class _Programs:
    """Convex functions f(β) = least misfit of a − βs by decays, one a row, and where they cross an allowance.

    a and s have non-negative entries that sum to 1 (a to 0 where there is nothing).
    """

    def __init__(self, a: np.ndarray, s: np.ndarray, dual: Dual):
        self.a, self.s, self.dual = a, s, dual
        self.at_zero, self.slope = self._line(np.arange(len(a)), np.zeros(len(a)))

    def _line(self, rows: np.ndarray, beta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """f and a slope of f at β, of some rows."""
        left = self.a[rows] - beta[:, None] * self.s[rows]
        y = self.dual(left, rows)
        return (y * left).sum(1), -(y * self.s[rows]).sum(1)

    def least(self, rows: np.ndarray) -> np.ndarray:
        """min f over β ≥ 0: the lines at both ends of a bracket cross at the next β, until f touches them there."""
        best = self.at_zero[rows].copy()
        left = [np.zeros(len(rows)), best.copy(), self.slope[rows].copy()]
        right = [np.full(len(rows), 2.0), *self._line(rows, np.full(len(rows), 2.0))]
        open_ = np.flatnonzero(left[2] < -EXACT)
        for _ in range(STEPS):
            if not len(open_):
                break
            (b0, f0, g0), (b1, f1, g1) = ([x[open_] for x in side] for side in (left, right))
            beta = (f1 - g1 * b1 - f0 + g0 * b0) / (g0 - g1)
            floor = f0 + g0 * (beta - b0)
            value, slope = self._line(rows[open_], beta)
            best[open_] = np.minimum(best[open_], value)
            falls = slope < 0
            for side, which in ((left, falls), (right, ~falls)):
                for kept, new in zip(side, (beta, value, slope), strict=True):
                    kept[open_[which]] = new[which]
            open_ = open_[(value - floor > EXACT) & (slope != 0)]
        return best

    def ends(self, allowance: float) -> tuple[np.ndarray, np.ndarray]:
        """The least and the greatest β with f(β) ≤ allowance, NaN where there is none.

        Newton's steps from outside stay outside, f being convex, and end after finitely many, f being piecewise linear.
        """
        low = self._newton(np.zeros(len(self.a)), allowance, np.arange(len(self.a)), 1, (self.at_zero, self.slope))
        some = np.flatnonzero(~np.isnan(low))
        high = np.full(len(low), np.nan)
        total = self.a[some].sum(1)
        high[some] = self._newton(total + allowance + EXACT, allowance, some, -1, None)
        high[some] = np.fmax(high[some], low[some])  # they may differ by rounding where the set is a point
        return low, high

    def _newton(self, beta: np.ndarray, allowance: float, rows: np.ndarray, way: int, first) -> np.ndarray:
        beta, open_ = beta.copy(), np.arange(len(rows))
        for _ in range(STEPS):
            if not len(open_):
                return beta
            value, slope = self._line(rows[open_], beta[open_]) if first is None else first
            first = None
            beyond = value > allowance + EXACT
            open_, value, slope = open_[beyond], value[beyond], slope[beyond]
            towards = way * slope < -EXACT
            beta[open_[~towards]] = np.nan
            open_ = open_[towards]
            beta[open_] += (allowance - value[towards]) / slope[towards]
        raise RuntimeError(f"{len(open_)} ends of identified sets were not reached in {STEPS} steps")


def _falling(signs: int) -> Dual:
    """The dual of the best non-increasing decay: max Σ y·x with |y| ≤ 1 that pays for no growth.

    With orders 1 and 2 as one sum x(1), of which half has to be at least d(3), the decays are the cone of non-negative
    multiples of first (1), (1, ½), (1, ½, ½), …; so y(1) + ½ Σ_{2..k} y ≤ 0 for every k. In z = (2·y(1), y(2), …) all
    bounds and partial sums are whole, and so are the corners: the best z, whose partial sums are −state, is found
    by dynamic programming over the entries.
    """

    def dual(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
        parts = x.reshape(len(x) * signs, -1)
        size = parts.shape[1]
        states = size + 2
        value = np.full((len(parts), states), -np.inf)
        value[:, 0] = 0.0
        taken = np.zeros((size, len(parts), states), dtype=np.int8)
        for j in range(size):
            reach, scale = (2, 0.5) if j == 0 else (1, 1.0)
            best = np.full_like(value, -np.inf)
            for z in range(-reach, reach + 1):
                moved = np.full_like(value, -np.inf)  # to the state less z
                if z > 0:
                    moved[:, :-z] = value[:, z:]
                elif z < 0:
                    moved[:, -z:] = value[:, :z]
                else:
                    moved[:] = value
                moved += (scale * z) * parts[:, j, None]
                better = moved > best
                best[better] = moved[better]
                taken[j][better] = z
            value = best
        y = np.empty_like(parts)
        state, every = value.argmax(1), np.arange(len(parts))
        for j in range(size - 1, -1, -1):
            z = taken[j, every, state]
            y[:, j] = z * (0.5 if j == 0 else 1.0)
            state = state + z
        return y.reshape(x.shape)

    return dual


def _scaled(decays: Float64[np.ndarray, "programs m"]) -> Dual:
    """The dual of the best γ·d, γ ≥ 0: max Σ y·x with |y| ≤ 1 and Σ y·d ≤ 0; the best γ is a weighted median of x/d."""

    def dual(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
        d = decays[rows]
        ratio = np.where(d > 0, x / np.where(d > 0, d, 1.0), np.inf)
        order = ratio.argsort(1)
        ratio, weight = (np.take_along_axis(table, order, 1) for table in (ratio, d))
        below = weight.cumsum(1)
        middle = (below >= below[:, -1:] / 2).argmax(1)  # the first ratio with half of the weight up to it
        every = np.arange(len(x))
        gamma = ratio[every, middle]
        above = np.arange(x.shape[1]) > middle[:, None]
        y = np.where(above, 1.0, -1.0)
        rest = below[every, middle] - weight[every, middle] - (below[:, -1] - below[every, middle])
        own = weight[every, middle]
        y[every, middle] = np.where(own > 0, rest / np.where(own > 0, own, 1.0), 0.0)
        found = np.empty_like(y)
        np.put_along_axis(found, order, y, 1)
        none = (gamma <= 0) | (below[:, -1] <= 0)  # γ = 0: every entry is missed by all of it
        return np.where(none[:, None] | (d <= 0), np.where(x > 0, 1.0, -1.0), found)

    return dual
