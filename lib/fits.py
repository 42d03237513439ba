"""Each shape fitted alone: Eq. 6 as a spindle, M(δ)I* as a decay; and whether a strength is one or the other.

Of what the verdicts use, orders 1 and 2 count as one: x₁ + x₂ = (x₁ ∧ x₂) + (x₁ ∨ x₂), so that Eq. 12 does not tell
them apart.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64
from scipy.optimize import isotonic_regression, minimize_scalar
from torch import Tensor

from .checks import require
from .resampling import interval, trend
from .theory import decay, spindle

MIDDLE = (0.5, 1.5)  # α of a spindle in the words of the hypothesis, "of medium orders": it peaks at αn/2
ALPHAS = 201  # values of α tried in there
LEAST_PEAK = 3  # the order that a spindle peaks at, at least
GRID = 97  # points over the range of log δ, before the best is refined between its neighbours


def merged(strength: Float64[np.ndarray, "*batch 2 n"]) -> Float64[np.ndarray, "*batch 2 m"]:
    """Strengths by order with orders 1 and 2 as one, m = n − 1."""
    return np.concatenate([strength[..., :2].sum(-1, keepdims=True), strength[..., 2:]], -1)


def decay_trend(strength: Float64[np.ndarray, "2 n"]) -> float:
    """Spearman's ρ of A(m),+ + A(m),− with the order m; −1 is a fall at every step."""
    return trend(merged(strength).sum(0))


def non_increasing(strength: Float64[np.ndarray, "2 n"]) -> Float64[np.ndarray, "2 m"]:
    """The nearest strengths, orders 1 and 2 as one, that do not grow with the order; each sign on its own.

    Of orders 1 and 2 the sum counts, which may be twice the strength of order 3 or more: half of it has to be at least
    that, and a miss of the sum is twice a miss of the half.
    """
    sums = merged(strength)
    halves = np.concatenate([sums[:, :1] / 2, sums[:, 1:]], 1)
    weights = np.concatenate([[4.0], np.ones(sums.shape[1] - 1)])
    nearest = np.stack([isotonic_regression(row, weights=weights, increasing=False).x for row in halves])
    return np.concatenate([2 * nearest[:, :1], nearest[:, 1:]], 1)


@dataclass(frozen=True)
class SpindleTest:
    """Eq. 6 fitted to strengths, the same curve for both signs, and whether what fits is a spindle."""

    alpha: Float64[np.ndarray, "*batch"]
    beta: Float64[np.ndarray, "*batch"]  # in the strengths' units
    curve: Float64[np.ndarray, "*batch n"]  # of each sign
    peak: Float64[np.ndarray, "*batch"]  # the order with the largest strength on the curve
    r_squared: Float64[np.ndarray, "*batch"]  # 1 − Σ residual² / Σ (strength − its mean)²
    inside: Bool[np.ndarray, "*batch"]  # α is off both ends of its range, so that the data decided it
    nearer: Bool[np.ndarray, "*batch"]  # it misses less than the best non-increasing curve does

    @property
    def passed(self) -> Bool[np.ndarray, "*batch"]:
        """Whether the curve is a spindle: α inside its range, the peak at order 3 or above, nearer than any decay."""
        return np.asarray(self.inside & (self.peak >= LEAST_PEAK) & self.nearer)

    @property
    def score(self) -> Float64[np.ndarray, "*batch"]:
        """R² where the curve is a spindle, else 0."""
        return np.where(self.passed, self.r_squared, 0.0)

    def words(self) -> str:
        """Of a single test, R² and what speaks against a spindle."""
        against = [
            *(["α at an end of its range"] if not self.inside else []),
            *([f"peak at order {int(self.peak)}"] if self.peak < LEAST_PEAK else []),
            *(["a curve that only falls is nearer"] if not self.nearer else []),
        ]
        return f"R² {float(self.r_squared):.2f}" + (f", but {', '.join(against)}" if against else "")


def spindle_test(strength: Float64[np.ndarray, "*batch 2 n"]) -> SpindleTest:
    """Least squares of Eq. 6 over α from 0.5 to 1.5 and β ≥ 0, and the checks of `SpindleTest`.

    Strengths that are all 0 are no spindle. Raises ValueError for fewer than 4 orders and strengths not finite or
    negative.
    """
    n = strength.shape[-1]
    require(n >= 4 and strength.shape[-2] == 2, "shape of strength", strength.shape, "(…, 2, n), n ≥ 4")
    bad = strength[~(np.isfinite(strength) & (strength >= 0))]
    require(not len(bad), "strength", bad[:1].tolist(), "finite and at least 0")
    alphas = np.linspace(*MIDDLE, ALPHAS)
    shapes = spindle(torch.from_numpy(alphas), 1.0, n).numpy()  # (alphas, n)
    curves = merged(np.stack([shapes, shapes], 1))[:, 0]
    rows = merged(strength.reshape(-1, 2, n))
    product = rows.sum(1) @ curves.T  # (rows, alphas)
    square = 2 * (curves * curves).sum(1)
    explained = product**2 / square
    best = explained.argmax(1)
    beta = (product / square)[np.arange(len(rows)), best]
    total = (rows**2).sum((1, 2))
    error = total - explained.max(1)
    spread = ((rows - rows.mean((1, 2), keepdims=True)) ** 2).sum((1, 2))
    falling = np.array(
        [((non_increasing(s) - r) ** 2).sum() for s, r in zip(strength.reshape(-1, 2, n), rows, strict=True)]
    )
    shape = strength.shape[:-2]
    return SpindleTest(
        alpha=alphas[best].reshape(shape),
        beta=beta.reshape(shape),
        curve=(beta[:, None] * shapes[best]).reshape(*shape, n),
        peak=(1.0 + shapes.argmax(1)[best]).reshape(shape),
        r_squared=np.where(spread > 0, 1 - error / np.where(spread > 0, spread, 1.0), 0.0).reshape(shape),
        inside=((best > 0) & (best < ALPHAS - 1)).reshape(shape),
        nearer=((error < falling) & (total > 0)).reshape(shape),
    )


@dataclass(frozen=True, eq=False)
class DecayFit:
    """γ · A_decay(δ) fitted to strengths; δ and γ are dimensionless, the curve is in the strengths' units."""

    delta: float
    gamma: float
    curve: Float64[Tensor, "2 n"]
    r_squared: float  # 1 − Σ residual² / Σ (strength − its mean over m and signs)²
    relative_error: float  # ‖residual‖₂ / ‖strength‖₂
    on_edge: bool  # δ at an end of its range, which then decided it, not the data


def resampled_r_squared(
    strength: Float64[Tensor, "samples 2 n"],
    i_and: Float64[Tensor, "samples subsets"],
    i_or: Float64[Tensor, "samples subsets"],
    resamples: int,
    seed: int,
    delta_range: tuple[float, float] = (1e-6, 10.0),
) -> tuple[float, float] | None:
    """The central 90 % of R² of `fit_decay` over resampled samples, strengths and I* together; δ on the grid alone.

    None for fewer than two samples or no resamples.
    """
    grid = torch.linspace(*map(math.log, delta_range), GRID, dtype=torch.float64).exp()
    curves = torch.stack([decay(i_and, i_or, float(delta), 1.0) for delta in grid])  # (deltas, samples, 2, n)

    def r_squared(drawn: np.ndarray) -> float:
        a, d = strength[drawn].mean(0), curves[:, drawn].mean(1)
        gamma = (d * a).sum((1, 2)) / (d * d).sum((1, 2)).clamp(min=torch.finfo(torch.float64).tiny)
        error = (a - gamma[:, None, None] * d).square().sum((1, 2)).min()
        return float(1 - error / (a - a.mean()).square().sum())

    ends = interval(r_squared, len(strength), resamples, seed)
    return None if ends is None else tuple(ends.tolist())


def fit_decay(
    strength: Float64[Tensor, "2 n"],
    i_and: Float64[Tensor, "samples subsets"],
    i_or: Float64[Tensor, "samples subsets"],
    delta_range: tuple[float, float] = (1e-6, 10.0),
) -> DecayFit:
    """Least squares over δ in its range and γ ≥ 0 of strengths by decays of I* = (i_and, i_or), averaged over samples.

    γ has a closed form, so δ alone is searched: on a grid, then between the neighbours of its best point.
    Raises ValueError for strengths that are not finite, negative or all 0, and for a bad range.
    """
    low, high = delta_range
    require(0 < low < high < math.inf, "delta_range", delta_range, "0 < low < high, finite")
    right = (torch.isfinite(strength) & (strength >= 0)).all() and strength.any()
    require(right, "strength", f"{strength.min()} to {strength.max()}", "finite, at least 0, not all 0")

    def fit(log_delta: float) -> tuple[float, float, Tensor]:
        curve = decay(i_and, i_or, math.exp(log_delta), 1.0).mean(0)
        gamma = float((curve * strength).sum() / (curve * curve).sum().clamp(min=torch.finfo(torch.float64).tiny))
        return float((strength - gamma * curve).square().sum()), gamma, gamma * curve

    grid = torch.linspace(math.log(low), math.log(high), GRID, dtype=torch.float64).tolist()
    best = min(range(GRID), key=lambda k: fit(grid[k])[0])
    bounds = grid[max(best - 1, 0)], grid[min(best + 1, GRID - 1)]
    found = minimize_scalar(lambda x: fit(x)[0], bounds=bounds, method="bounded", options={"xatol": 1e-9})
    log_delta = min((grid[best], float(found.x)), key=lambda x: fit(x)[0])
    error, gamma, curve = fit(log_delta)
    spread = float((strength - strength.mean()).square().sum())
    return DecayFit(
        delta=math.exp(log_delta),
        gamma=gamma,
        curve=curve,
        r_squared=1 - error / spread if spread else 1.0 if error == 0 else -math.inf,
        relative_error=math.sqrt(error / float(strength.square().sum())),
        on_edge=min(log_delta - grid[0], grid[-1] - log_delta) < 1e-6,
    )
