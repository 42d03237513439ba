"""Fitting the theory to measured strengths: the spindle alone, and decay plus spindle with its uncertainty.

β and γ enter both fits linearly, so they have a closed form and only the shapes are searched: α on a grid,
log δ on a grid, each then refined around its best point. The search is global up to the grids' resolution
and deterministic.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from lib.theory import decay, spindle

ALPHAS = 97  # grid points over the range of α
DELTAS_PER_DECADE = 16
ROUNDS = 10  # of refinement; each narrows the search four times


@dataclass(frozen=True, eq=False)
class SpindleFit:
    """Eq. 6 fitted to strengths; α is dimensionless, β, curve and residual have the units of the strengths."""

    alpha: Float64[Tensor, "*batch"]
    beta: Float64[Tensor, "*batch"]
    curve: Float64[Tensor, "*batch 2 n"]
    residual: Float64[Tensor, "*batch 2 n"]  # strength − curve
    r_squared: Float64[Tensor, "*batch"]  # 1 − Σ residual² / Σ (strength − its mean)²
    relative_error: Float64[Tensor, "*batch"]  # ‖residual‖₂ / ‖strength‖₂
    on_edge: Bool[Tensor, "*batch"]  # α at an end of its range: the range, not the data, decided it


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """The fit repeated on B resamples of the samples; one entry a resample."""

    alpha: Float64[Tensor, " resamples"]
    beta: Float64[Tensor, " resamples"]
    delta: Float64[Tensor, " resamples"]
    gamma: Float64[Tensor, " resamples"]
    decay: Float64[Tensor, "resamples 2 n"]
    spindle: Float64[Tensor, "resamples 2 n"]
    decay_strength: Float64[Tensor, " resamples"]
    spindle_strength: Float64[Tensor, " resamples"]

    def interval(self, name: str, level: float = 0.9) -> tuple[Tensor, Tensor]:
        """(low, high) percentile bounds of the field `name`, each with that field's shape less the resamples.

        Raises ValueError for an unknown name and a level outside 0…1.
        """
        if name not in self.__dataclass_fields__:
            raise ValueError(f"name is {name!r}; allowed: {', '.join(self.__dataclass_fields__)}")
        if not 0 < level < 1:
            raise ValueError(f"level is {level}; allowed: between 0 and 1")
        values = getattr(self, name)
        tail = (1 - level) / 2
        return values.quantile(tail, dim=0), values.quantile(1 - tail, dim=0)


@dataclass(frozen=True, eq=False)
class Diagnostics:
    """How firmly the split is determined. Residuals are ‖residual‖₂ / ‖A‖₂."""

    deltas: Float64[Tensor, " deltas"]
    profile_residual: Float64[Tensor, " deltas"]  # at each δ, minimised over α, β, γ
    profile_spindle_strength: Float64[Tensor, " deltas"]  # of the spindle in that fit
    alphas: Float64[Tensor, " alphas"]
    surface: Float64[Tensor, "alphas deltas"]  # relative residual, minimised over β, γ
    on_bound: tuple[str, ...]  # the parameters at an end of their range, or at 0
    bootstrap: Bootstrap | None


@dataclass(frozen=True, eq=False)
class Disentangled:
    """A = decay + spindle + residual (Eq. 9). α, δ, γ are dimensionless; the rest is in the units of A.

    α means nothing where `on_bound` names beta, nor δ where it names gamma.
    """

    alpha: float
    beta: float
    delta: float
    gamma: float
    decay: Float64[Tensor, "2 n"]
    spindle: Float64[Tensor, "2 n"]
    residual: Float64[Tensor, "2 n"]  # signed; its magnitude is the paper's A_residual
    relative_residual: float  # ‖residual‖₂ / ‖A‖₂, what Eq. 9 minimises
    relative_residual_l1: float  # Σ |residual| / Σ A, the share of the strength left unexplained
    decay_strength: float  # Σ over m and signs
    spindle_strength: float
    diagnostics: Diagnostics


def fit_spindle(
    strength: Float64[Tensor, "*batch 2 n"], alpha_range: tuple[float, float] | None = None
) -> SpindleFit:
    """Least squares of Eq. 6 over α and β ≥ 0, one curve for both signs, each batch entry on its own.

    Choice: α is searched in (3/n, 2 − 1/n) unless told otherwise, where the curve rises to a mode among the
    orders 1…n and falls again. Strengths of 0 are fitted by β = 0 with residual 0 and R² = 1; equal strengths
    that are not fitted exactly have R² = 0.

    Raises ValueError for strengths that are negative, not finite or not (…, 2, n), and for a bad range.
    """
    _check_strength(strength)
    n = strength.shape[-1]
    low, high = _alpha_range(alpha_range, n)
    alpha, beta, _, _ = _fit_alpha(strength, torch.zeros_like(strength), low, high)
    curve = spindle(alpha, beta, n)[..., None, :].expand(strength.shape)
    residual = strength - curve
    spread = strength - strength.mean((-2, -1), keepdim=True)
    return SpindleFit(
        alpha=alpha,
        beta=beta,
        curve=curve,
        residual=residual,
        r_squared=1 - _ratio(_square(residual), _square(spread)).clamp(max=torch.inf),
        relative_error=_ratio(_square(residual), _square(strength)).sqrt(),
        on_edge=_at_end(alpha, low, high),
    )


def disentangle(
    strength: Float64[Tensor, "samples 2 n"],
    i_and: Float64[Tensor, "samples subsets"],
    i_or: Float64[Tensor, "samples subsets"],
    *,
    delta_range: tuple[float, float] = (1e-3, 10.0),
    alpha_range: tuple[float, float] | None = None,
    bootstrap: int = 0,
    seed: int = 0,
) -> Disentangled:
    """The least-squares split A = decay(δ, γ) + spindle(α, β) + residual, β, γ ≥ 0 (Eq. 9).

    `strength` holds A(m)± of each sample, A is their mean; `i_and`, `i_or` are the I* of the same samples in
    the same units (divided by the same Z). They may be those of the network that A was measured on, before
    thresholding, or those of the fully converged one.

    Choice: δ ≥ 1e-3. With I* and A of one network, δ → 0 lets the decay alone reproduce A, so the split is
    identified by the lower bound on δ; the paper prints "δ ≤ 1e-3" where its argument needs δ large enough.
    Choice: δ ≤ 10, beyond which only the product of γ and 1/δ matters. Choice: α as in `fit_spindle`.

    `bootstrap` resamples of the samples (A and I* together, Z as it is) are fitted on decays interpolated
    between the δ of the grid; they depend on the seed alone.

    Raises ValueError for strengths that are negative, not finite, all 0 or of another shape, for tables that
    do not fit them, for bad ranges and for a negative number of resamples.
    """
    _check_disentangle(strength, i_and, i_or, delta_range, bootstrap)
    n = strength.shape[-1]
    alpha_low, alpha_high = _alpha_range(alpha_range, n)
    low, high = math.log(delta_range[0]), math.log(delta_range[1])
    count = max(5, math.ceil((high - low) / math.log(10) * DELTAS_PER_DECADE) + 1)
    log_deltas = torch.linspace(low, high, count, dtype=torch.float64, device=strength.device)

    def decays_at(log_delta: Float64[Tensor, " deltas"]) -> Float64[Tensor, "samples deltas 2 n"]:
        few = log_delta.clamp(low, high).exp().split(8)  # keeps the shrunk tables small
        return torch.cat([decay(i_and[:, None], i_or[:, None], deltas, 1.0) for deltas in few], dim=1)

    def fit(target: Tensor, mean_decays: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return _fit_alpha(target[:, None].expand(mean_decays.shape), mean_decays, alpha_low, alpha_high)

    on_grid = decays_at(log_deltas)  # (samples, deltas, 2, n)
    target = strength.mean(0, keepdim=True)
    log_delta = _fit_log_delta(fit, target, on_grid.mean(0, keepdim=True), log_deltas, lambda x: decays_at(x[0]).mean(0, keepdim=True))
