"""Is a strength by order a spindle, or does it decay?

Orders 1 and 2 count as one everywhere here: x₁ + x₂ = (x₁ ∧ x₂) + (x₁ ∨ x₂), so that Eq. 12 does not tell them apart.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64
from scipy.optimize import isotonic_regression

from .resampling import trend
from .theory import spindle

MIDDLE = (0.5, 1.5)  # α of a spindle in the words of the hypothesis, "of medium orders": it peaks at αn/2
ALPHAS = 201  # values of α tried in there
LEAST_PEAK = 3  # the order that a spindle peaks at, at least


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
    if n < 4 or strength.shape[-2] != 2:
        raise ValueError(f"strength has shape {strength.shape}: allowed is (…, 2, n), n ≥ 4")
    if not (np.isfinite(strength) & (strength >= 0)).all():
        raise ValueError("strength has entries below 0 or not finite: allowed are finite ones from 0 on")
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
