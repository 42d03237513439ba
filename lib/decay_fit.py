"""The decay alone, fitted to measured strengths (Theorem 2.3, Fig. 7)."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64
from scipy.optimize import minimize_scalar
from torch import Tensor

from .resampling import interval
from .theory import decay

GRID = 97  # points over the range of log δ, before the best is refined between its neighbours


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
    if not 0 < low < high < math.inf:
        raise ValueError(f"delta_range is {delta_range}; allowed: 0 < low < high, finite")
    if not (torch.isfinite(strength) & (strength >= 0)).all() or not strength.any():
        raise ValueError(f"strength spans {strength.min()} to {strength.max()}; allowed: finite, at least 0, not all 0")

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
