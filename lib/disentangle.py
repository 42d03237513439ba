"""Fitting the theory to measured strengths: decay plus spindle, with the split's uncertainty.

β and γ enter the fit linearly and have a closed form, so only α and δ are searched: on a grid over their
whole range, then around the best point of it, ever finer. The search is global up to the grid's resolution
and deterministic.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float64
from torch import Tensor

from .checks import require
from .theory import decay, spindle

ALPHAS = 97  # grid points over the range of α
DELTAS_PER_DECADE = 16
ROUNDS = 8  # of refinement, each four times finer than the one before
HALVINGS = 14  # of the squares by which `resplit` refines


@dataclass(frozen=True, eq=False)
class Splits:
    """Eq. 9 solved for several A: A = decay + spindle + residual."""

    alpha: Float64[Tensor, "*rows"]
    beta: Float64[Tensor, "*rows"]
    delta: Float64[Tensor, "*rows"]
    gamma: Float64[Tensor, "*rows"]
    decay: Float64[Tensor, "*rows 2 n"]
    spindle: Float64[Tensor, "*rows 2 n"]
    decay_strength: Float64[Tensor, "*rows"]  # Σ over m and signs
    spindle_strength: Float64[Tensor, "*rows"]
    strength: Float64[Tensor, "*rows"]  # ΣA
    relative_residual: Float64[Tensor, "*rows"]  # ‖residual‖₂ / ‖A‖₂

    @property
    def spindle_share(self) -> Float64[Tensor, "*rows"]:
        """Of ΣA, the spindle's part."""
        return self.spindle_strength / self.strength

    def interval(self, name: str, level: float = 0.9) -> tuple[Tensor, Tensor]:
        """(low, high): the central `level` of the field `name`, or of the share, over the first axis.

        Raises ValueError for an unknown name and for a level not between 0 and 1.
        """
        names = [*(field.name for field in fields(self)), "spindle_share"]
        require(name in names, "name", repr(name), ", ".join(names))
        require(0 < level < 1, "level", level, "between 0 and 1")
        values, tail = getattr(self, name), (1 - level) / 2
        return values.quantile(tail, dim=0), values.quantile(1 - tail, dim=0)


@dataclass(frozen=True, eq=False)
class Diagnostics:
    """How firmly the split is determined. Residuals here are ‖residual‖₂ / ‖A‖₂."""

    deltas: Float64[Tensor, " deltas"]
    profile_residual: Float64[Tensor, " deltas"]  # at each δ, minimised over α, β, γ
    profile_spindle_strength: Float64[Tensor, " deltas"]  # of the spindle in that fit
    alphas: Float64[Tensor, " alphas"]
    surface: Float64[Tensor, "alphas deltas"]  # the residual at each α and δ, minimised over β, γ
    on_bound: tuple[str, ...]  # which of alpha, beta, delta, gamma: at an end of the range, or ~0
    bootstrap: Splits | None  # one row a resample


@dataclass(frozen=True, eq=False)
class Disentangled:
    """A = decay + spindle + residual (Eq. 9). α, δ, γ are dimensionless, the rest is in the units of A.

    Where `diagnostics.on_bound` names beta there is no spindle and α means nothing; where it names gamma
    there is no decay and δ means nothing.
    """

    alpha: float
    beta: float
    delta: float
    gamma: float
    decay: Float64[Tensor, "2 n"]
    spindle: Float64[Tensor, "2 n"]
    residual: Float64[Tensor, "2 n"]  # signed; its magnitude is the paper's A_residual
    relative_residual: float  # ‖residual‖₂ / ‖A‖₂, what Eq. 9 minimises
    relative_residual_l1: float  # Σ |residual| / Σ A, the share of the strength that is left over
    decay_strength: float  # Σ over m and signs
    spindle_strength: float
    diagnostics: Diagnostics

    @property
    def spindle_share(self) -> float:
        """Of ΣA, the spindle's part."""
        return self.spindle_strength / float((self.decay + self.spindle + self.residual).sum())


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
    """The least-squares split A = decay(δ, γ) + spindle(α, β) + residual with β, γ ≥ 0 (Eq. 9).

    `strength` holds A(m)± of each sample, A is its mean. `i_and`, `i_or` are the I* of the same samples, in
    the same units (divided by the same Z): those of the network that A was measured on, before thresholding,
    or those of its fully converged successor.

    Choice: δ ≥ 1e-3. With I* and A of one network, δ → 0 lets the decay alone reproduce A, so that the split
    is identified by the lower bound on δ; the paper prints δ ≤ 1e-3 where its argument needs δ large enough.
    Choice: δ ≤ 10, towards which M(δ) tends to JᵀJ / 2ⁿδ and only γ/δ is determined. Choice: unless told
    otherwise α lies in [3/n, 2 − 1/n], where the spindle rises to a mode among the orders 1…n and falls again (n ≥ 3).

    `bootstrap` is the number of resamples of the samples (strengths and I* together, Z as it is), drawn from
    the seed alone; their decays are interpolated between the δ of the grid.

    Raises ValueError for strengths that are negative, not finite or all 0, for shapes that do not fit, and
    for bad ranges and counts.
    """
    _check_disentangle(strength, i_and, i_or, delta_range, bootstrap)
    alpha_range = _check_alpha_range(alpha_range, strength.shape[-1])
    grid = _grid(delta_range, strength.device)
    decays = _decays_at(i_and, i_or, grid)
    target, mean_decays = strength.mean(0, keepdim=True), decays.mean(0, keepdim=True)
    split = _split(
        target, mean_decays, grid, lambda x: _decays_at(i_and, i_or, x[0]).mean(0, keepdim=True), alpha_range
    )
    resamples = None
    if bootstrap:
        weights = resampling_weights(bootstrap, strength.shape[0], seed).to(strength.device)
        resamples = _weighted(strength, decays, grid, weights, alpha_range)

    a_decay, a_spindle = split.decay[0], split.spindle[0]
    residual = target[0] - a_decay - a_spindle
    return Disentangled(
        alpha=split.alpha.item(),
        beta=split.beta.item(),
        delta=split.delta.item(),
        gamma=split.gamma.item(),
        decay=a_decay,
        spindle=a_spindle,
        residual=residual,
        relative_residual=(residual.norm() / target.norm()).item(),
        relative_residual_l1=(residual.abs().sum() / target.sum()).item(),
        decay_strength=split.decay_strength.item(),
        spindle_strength=split.spindle_strength.item(),
        diagnostics=_diagnose(split, target, mean_decays, grid, alpha_range, resamples),
    )


def decay_curves(
    i_and: Float64[Tensor, "samples subsets"],
    i_or: Float64[Tensor, "samples subsets"],
    delta_range: tuple[float, float] = (1e-3, 10.0),
    per_decade: int = DELTAS_PER_DECADE,
) -> tuple[Float64[Tensor, " deltas"], Float64[Tensor, "samples deltas 2 n"]]:
    """log δ, evenly over its range, and the decay of each sample's I* at each of them, at γ = 1, in the units of I*.

    Raises ValueError for a bad range or number of points a decade, and as `decay` does.
    """
    require(0 < delta_range[0] < delta_range[1] < math.inf, "delta_range", delta_range, "0 < low < high, finite")
    require(per_decade >= 1, "per_decade", per_decade, "at least 1")
    grid = _grid(delta_range, i_and.device, per_decade)
    return grid, _decays_at(i_and, i_or, grid)


def resplit(
    strength: Float64[Tensor, "tables samples 2 n"],
    curves: tuple[Float64[Tensor, " deltas"], Float64[Tensor, "*tables samples deltas 2 n"]],
    weights: Float64[Tensor, "rows samples"],
    ranges: Sequence[tuple[tuple[float, float], tuple[float, float]]],
) -> Splits:
    """Eq. 9 for weighted means over the samples within each (range of δ, range of α): rows are (ranges, tables, rows).

    curves: what `decay_curves` gives for I*, the decays for all tables or for each its own; between the δ they are
    interpolated. Their grid of δ and one of α are searched once for all ranges; from the best point of the part within
    a range both parameters go on together, ever finer. A range of δ may be a part of that of the curves. Raises
    ValueError for strengths that are negative or not finite, for other than one set of decays for all tables or one for
    each, unless each row of weights is at least 0 and sums to 1, for a bad range of α, and for a range of δ that has no
    point of the grid.
    """
    (grid, decays), n = curves, strength.shape[-1]
    _check_strength(strength)
    right = bool((weights >= 0).all()) and torch.allclose(weights.sum(1), torch.ones_like(weights[:, 0]))
    require(right, "weights", "rows that are negative or sum to other than 1", "weights at least 0 that sum to 1")
    own = decays.ndim == 5  # decays of its own for each table
    require(
        not own or len(decays) == len(strength), "tables of decays", len(decays), f"{len(strength)}, as of strengths"
    )
    limits = [(tuple(map(math.log, deltas)), _check_alpha_range(alphas, n)) for deltas, alphas in ranges]
    alphas = _all_alphas([alpha_range for _, alpha_range in limits]).to(strength.device)
    found = []
    few = max(1, 1_000_000 // (len(strength) * len(grid) * len(alphas)))  # rows at once, for the caches
    for part in weights.split(few):
        a, d = torch.einsum("bs,tsmk->tbmk", part, strength), torch.einsum("bs,...sgmk->...bgmk", part, decays)
        shape = a.shape[:2]
        if own:  # tables are rows then, for a row has its own decays
            a, d = a.flatten(0, 1)[None], d.flatten(0, 1)
        start = _best_on_grid(a, d, grid, alphas, limits)
        fields = _finer(a, d, grid, alphas, limits, *start)
        found.append([field.unflatten(2, shape).flatten(1, 2) if own else field for field in fields])
    return Splits(*(torch.cat(field, 2) for field in zip(*found, strict=True)))


def _all_alphas(ranges: list[tuple[float, float]]) -> Float64[Tensor, " alphas"]:
    """A grid from the least to the greatest α of all ranges, with the ends of each on it."""
    ends = torch.tensor(sorted({end for limits in ranges for end in limits}), dtype=torch.float64)
    points = torch.cat([torch.linspace(float(ends[0]), float(ends[-1]), ALPHAS, dtype=torch.float64), ends]).sort()[0]
    return points[torch.cat([points.new_ones(1).bool(), points.diff() > 1e-9])]


def _best_on_grid(a: Tensor, d: Tensor, grid: Tensor, alphas: Tensor, limits: list) -> tuple[Tensor, Tensor]:
    """(log δ, α) of the best point of the grid within each range, (ranges, tables, rows) each."""
    s = spindle(alphas, 1.0, a.shape[-1])
    ss, dd, sd = 2 * (s * s).sum(-1), _dot(d, d)[..., None], d.sum(-2) @ s.mT
    sa, da = (a.sum(-2) @ s.mT)[:, :, None], torch.einsum("tbmk,bgmk->tbg", a, d)[..., None]
    determinant = ss * dd - sd * sd
    determinant = determinant.where(determinant > 1e-13 * ss * dd, torch.inf)
    beta, gamma = (dd / determinant) * sa - (sd / determinant) * da, (ss / determinant) * da - (sd / determinant) * sa
    alone = torch.maximum(sa * sa / ss, da * _ratio(da, dd.expand_as(da)))
    explained = torch.where((beta > 0) & (gamma > 0), beta * sa + gamma * da, alone)  # (tables, rows, deltas, alphas)
    starts, best_of = [], {}
    for (low, high), alpha_range in limits:
        if alpha_range not in best_of:
            within = ((alphas > alpha_range[0] - 1e-9) & (alphas < alpha_range[1] + 1e-9)).nonzero()[:, 0]
            best, place = explained[..., within[0] : within[-1] + 1].max(-1)
            best_of[alpha_range] = best, alphas[within[0] + place]
        best, alpha = best_of[alpha_range]
        within = ((grid > low - 1e-9) & (grid < high + 1e-9)).nonzero()[:, 0]
        require(len(within) > 0, "delta_range", (math.exp(low), math.exp(high)), "with a point of the curves' grid")
        place = within[0] + best[..., within[0] : within[-1] + 1].argmax(-1)
        starts.append((grid[place], alpha.gather(-1, place[..., None])[..., 0]))
    return tuple(torch.stack(of) for of in zip(*starts, strict=True))


def _finer(
    a: Tensor, d: Tensor, grid: Tensor, alphas: Tensor, limits: list, log_delta: Tensor, alpha: Tensor
) -> tuple[Tensor, ...]:
    """The fields of `Splits`: from each start a square of 3×3 candidates, half as large in each round."""
    low, high, least, greatest = (
        grid.new_tensor([limit[i][j] for limit in limits])[:, None, None, None] for i in (0, 1) for j in (0, 1)
    )
    offsets = torch.linspace(-1, 1, 3, dtype=grid.dtype, device=grid.device)
    per_log, rows = (len(grid) - 1) / float(grid[-1] - grid[0]), torch.arange(len(d), device=grid.device)
    steps = [float(grid[1] - grid[0]), float(alphas.diff().max())]

    def decays_at(x: Tensor) -> Tensor:
        """(ranges, tables, rows, points) log δ → (…, 2, n)."""
        by_row = x.permute(2, 0, 1, 3).reshape(len(rows), -1)
        curves = _interpolate(d, (by_row - grid[0]) * per_log)
        shape = len(rows), *x.shape[:2], x.shape[3], *d.shape[-2:]
        return curves.reshape(shape).permute(1, 2, 0, 3, 4, 5)

    def pairs(x: Tensor, z: Tensor) -> tuple[tuple[Tensor, ...], Tensor, Tensor]:
        """β, γ, explained at all pairs of candidates (…, δ, α), with the decays and the spindles."""
        unit, s = decays_at(x), spindle(z, 1.0, a.shape[-1])
        dd, da = _dot(unit, unit)[..., None], _dot(unit, a[:, :, None])[..., None]
        ss, sd = 2 * (s * s).sum(-1)[..., None, :], unit.sum(-2) @ s.mT
        sa = (s @ a.sum(-2)[..., None]).mT
        return nonnegative_pair(ss, dd, sd, sa, da), unit, s

    for _ in range(HALVINGS):
        x = (log_delta[..., None] + steps[0] * offsets).clamp(low, high)
        z = (alpha[..., None] + steps[1] * offsets).clamp(least, greatest)
        best = pairs(x, z)[0][2].flatten(-2).argmax(-1, keepdim=True)
        log_delta, alpha = x.gather(-1, best // 3)[..., 0], z.gather(-1, best % 3)[..., 0]
        steps = [step / 2 for step in steps]
    (beta, gamma, _), unit, s = pairs(log_delta[..., None], alpha[..., None])
    a_decay, a_spindle = gamma * unit[..., 0, :, :], (beta * s).expand_as(unit[..., 0, :, :])
    target = a.expand_as(a_decay)
    residual = target - a_decay - a_spindle
    relative = _ratio(_dot(residual, residual), _dot(target, target)).sqrt()
    sums = (part.sum((-2, -1)) for part in (a_decay, a_spindle, target))
    return alpha, beta[..., 0, 0], log_delta.exp(), gamma[..., 0, 0], a_decay, a_spindle, *sums, relative


def _grid(
    delta_range: tuple[float, float], device: torch.device, per_decade: int = DELTAS_PER_DECADE
) -> Float64[Tensor, " deltas"]:
    """Of log δ."""
    low, high = math.log(delta_range[0]), math.log(delta_range[1])
    steps = max(4, math.ceil((high - low) / math.log(10) * per_decade))
    return torch.linspace(low, high, steps + 1, dtype=torch.float64, device=device)


def _decays_at(i_and: Tensor, i_or: Tensor, log_deltas: Tensor) -> Float64[Tensor, "samples deltas 2 n"]:
    few = log_deltas.exp().split(8)  # bounds the memory the shrunk tables take
    return torch.cat([decay(i_and[:, None], i_or[:, None], deltas, 1.0) for deltas in few], dim=1)


def _weighted(strength: Tensor, decays: Tensor, grid: Tensor, weights: Tensor, alpha_range: tuple) -> Splits:
    """Eq. 9 for weighted means of strengths and decays."""
    a, d = torch.einsum("bs,smk->bmk", weights, strength), torch.einsum("bs,sgmk->bgmk", weights, decays)
    per_log = (len(grid) - 1) / float(grid[-1] - grid[0])
    return _split(a, d, grid, lambda x: _interpolate(d, (x - grid[0]) * per_log), alpha_range)


def nonnegative_pair(
    ss: Float64[Tensor, "*#shape"],
    dd: Float64[Tensor, "*#shape"],
    sd: Float64[Tensor, "*#shape"],
    sa: Float64[Tensor, "*#shape"],
    da: Float64[Tensor, "*#shape"],
) -> tuple[Float64[Tensor, "*shape"], Float64[Tensor, "*shape"], Float64[Tensor, "*shape"]]:
    """(β, γ, explained) minimising ‖a − βs − γd‖² over β, γ ≥ 0, from the inner products of s, d and a.

    The four cases in closed form: both free, one of them 0, both 0. `explained` = ‖a‖² less the minimum.
    Where s and d are parallel to rounding, one of them does all.
    """
    determinant = ss * dd - sd * sd
    both = determinant > 1e-13 * ss * dd
    beta = (dd * sa - sd * da) / determinant.where(both, 1.0)
    gamma = (ss * da - sd * sa) / determinant.where(both, 1.0)
    both = both & (beta > 0) & (gamma > 0)
    beta_alone, gamma_alone = _ratio(sa.clamp(min=0.0), ss), _ratio(da.clamp(min=0.0), dd)
    spindle_first = beta_alone * sa >= gamma_alone * da
    beta = torch.where(both, beta, beta_alone * spindle_first)
    gamma = torch.where(both, gamma, gamma_alone * ~spindle_first)
    return beta, gamma, beta * sa + gamma * da


def _pairs(strength: Tensor, decays: Tensor, alphas: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """`nonnegative_pair` at every α: (…, 2, n) strengths and decays, (…, alphas) α → (…, alphas) each."""
    s = spindle(alphas, 1.0, strength.shape[-1])

    def times_s(x: Tensor) -> Tensor:
        return (x.sum(-2, keepdim=True) @ s.mT)[..., 0, :]  # both signs share the curve

    dd, da = _dot(decays, decays)[..., None], _dot(decays, strength)[..., None]
    return nonnegative_pair(2 * (s * s).sum(-1), dd, times_s(decays), times_s(strength), da)


def _fit_alpha(
    strength: Tensor, decays: Tensor, alpha_range: tuple[float, float]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(α, β, γ, explained), each of the common batch shape, for (…, 2, n) strengths and decays."""
    alphas = torch.linspace(*alpha_range, ALPHAS, dtype=torch.float64, device=strength.device)
    start = alphas[_pairs(strength, decays, alphas)[2].argmax(-1)]
    alpha = _climb(lambda x: _pairs(strength, decays, x)[2], start, alphas)
    return alpha, *(x[..., 0] for x in _pairs(strength, decays, alpha[..., None]))


def _climb(height: Callable[[Tensor], Tensor], start: Tensor, grid: Tensor) -> Tensor:
    """The highest point within a grid step of each start; `height` takes and gives (…, candidates)."""
    step = (grid[1] - grid[0]) * torch.linspace(-1, 1, 9, dtype=grid.dtype, device=grid.device)
    best = start
    for _ in range(ROUNDS):
        candidates = (best[..., None] + step).clamp(grid[0], grid[-1])
        best = candidates.gather(-1, height(candidates).argmax(-1, keepdim=True))[..., 0]
        step = step / 4
    return best


def _split(
    strength: Float64[Tensor, "rows 2 n"],
    decays: Float64[Tensor, "rows deltas 2 n"],
    grid: Float64[Tensor, " deltas"],
    decays_at: Callable[[Tensor], Tensor],
    alpha_range: tuple[float, float],
) -> Splits:
    """Eq. 9 for every row. `decays` are those on the grid of log δ; `decays_at` takes any (rows, k) of it."""
    each = strength[:, None]
    start = grid[_fit_alpha(each, decays, alpha_range)[3].argmax(-1)]
    log_delta = _climb(lambda x: _fit_alpha(each, decays_at(x), alpha_range)[3], start, grid)
    unit_decay = decays_at(log_delta[:, None])[:, 0]
    alpha, beta, gamma, _ = _fit_alpha(strength, unit_decay, alpha_range)
    a_decay = gamma[:, None, None] * unit_decay
    a_spindle = spindle(alpha, beta, strength.shape[-1])[:, None].expand(strength.shape)
    sums = (part.sum((-2, -1)) for part in (a_decay, a_spindle, strength))
    residual = strength - a_decay - a_spindle
    relative = _ratio(_dot(residual, residual), _dot(strength, strength)).sqrt()
    return Splits(alpha, beta, log_delta.exp(), gamma, a_decay, a_spindle, *sums, relative)


def _diagnose(
    split: Splits,
    target: Float64[Tensor, "1 2 n"],
    decays: Float64[Tensor, "1 deltas 2 n"],
    grid: Float64[Tensor, " deltas"],
    alpha_range: tuple[float, float],
    bootstrap: Splits | None,
) -> Diagnostics:
    def residual(explained: Tensor) -> Tensor:
        return (1 - explained / _dot(target, target)).clamp(min=0.0).sqrt()

    alpha, beta, _, explained = _fit_alpha(target, decays[0], alpha_range)
    alphas = torch.linspace(*alpha_range, ALPHAS, dtype=torch.float64, device=target.device)
    nothing = 1e-6 * target.sum()
    at_bound = {
        "alpha": _at_end(split.alpha, *alpha_range),
        "beta": split.spindle_strength <= nothing,
        "delta": _at_end(split.delta.log(), grid[0], grid[-1]),
        "gamma": split.decay_strength <= nothing,
    }
    return Diagnostics(
        deltas=grid.exp(),
        profile_residual=residual(explained),
        profile_spindle_strength=2 * spindle(alpha, beta, target.shape[-1]).sum(-1),
        alphas=alphas,
        surface=residual(_pairs(target, decays[0], alphas)[2]).mT,
        on_bound=tuple(name for name, flag in at_bound.items() if flag),
        bootstrap=bootstrap,
    )


def _interpolate(
    table: Float64[Tensor, "rows deltas 2 n"], position: Float64[Tensor, "rows points"]
) -> Float64[Tensor, "rows points 2 n"]:
    """The table at fractional grid positions: the cubic through the four grid points around each."""
    first = (position.floor() - 1).clamp(0, table.shape[1] - 4)
    x = position - first
    outer = -(x - 1) * (x - 2) * (x - 3) / 6, x * (x - 1) * (x - 2) / 6
    inner = x * (x - 2) * (x - 3) / 2, -x * (x - 1) * (x - 3) / 2
    weights = torch.stack([outer[0], *inner, outer[1]], dim=-1)
    nodes = first.long()[..., None] + torch.arange(4, device=table.device)
    rows = torch.arange(table.shape[0], device=table.device)[:, None, None]
    return torch.einsum("bpw,bpwmk->bpmk", weights, table[rows, nodes])


def resampling_weights(resamples: int, samples: int, seed: int) -> Float64[Tensor, "resamples samples"]:
    """Drawing with replacement as weights that sum to 1; on the CPU, so equal seeds agree on every device."""
    drawn = torch.randint(samples, (resamples, samples), generator=torch.Generator().manual_seed(seed))
    share = torch.full(drawn.shape, 1 / samples, dtype=torch.float64)
    return torch.zeros_like(share).scatter_add(1, drawn, share)


def _dot(x: Tensor, y: Tensor) -> Tensor:
    return (x * y).sum((-2, -1))


def _ratio(x: Tensor, y: Tensor) -> Tensor:
    return torch.where(x == 0, 0.0, x / y)  # 0/0 is 0: nothing of nothing is left


def _at_end(x: Tensor, low: float | Tensor, high: float | Tensor) -> Tensor:
    return torch.minimum(x - low, high - x) <= 1e-6 * (high - low)


def _check_strength(strength: Tensor) -> None:
    shape = tuple(strength.shape)
    require(len(shape) >= 2 and shape[-2] == 2, "shape of strength", shape, "(…, 2, n)")
    allowed = torch.isfinite(strength) & (strength >= 0)
    require(bool(allowed.all()), "strength", f"{strength[~allowed][:1].tolist()}", "finite and at least 0")


def _check_alpha_range(alpha_range: tuple[float, float] | None, n: int) -> tuple[float, float]:
    low, high = alpha_range or (3 / n, 2 - 1 / n)
    require(0 < low < high < math.inf, "alpha_range", (low, high), "0 < low < high, finite")
    return low, high


def _check_disentangle(
    strength: Tensor, i_and: Tensor, i_or: Tensor, delta_range: tuple[float, float], bootstrap: int
) -> None:
    _check_strength(strength)
    shape, (low, high) = tuple(strength.shape), delta_range
    require(len(shape) == 3 and shape[0] > 0, "shape of strength", shape, "(samples, 2, n), samples ≥ 1")
    require(bool(strength.any()), "strength", "0 everywhere", "above 0 somewhere")
    for name, table in (("i_and", i_and), ("i_or", i_or)):
        expected = (shape[0], 2 ** shape[-1])
        require(tuple(table.shape) == expected, f"shape of {name}", tuple(table.shape), f"{expected}")
    require(0 < low < high < math.inf, "delta_range", (low, high), "0 < low < high, finite")
    require(bootstrap >= 0, "bootstrap", bootstrap, "at least 0 resamples")
