"""How far a number may be off: percentile bootstrap; rank correlation, and the trend of a curve."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import rankdata

from .checks import require
from .randomness import derived_seed


def interval(
    statistic: Callable[[np.ndarray], float | np.ndarray],
    units: int,
    resamples: int,
    seed: int,
    share: float = 0.9,
) -> np.ndarray | None:
    """The percentile bootstrap interval of a statistic, (2, …): its lower and upper end.

    `statistic` takes the indices of the units drawn (samples, categories), with replacement and as many as there are.
    Resamples in which it is NaN are left out, entry by entry; an entry without any other is NaN. None if there are
    fewer than two units or no resamples asked for.

    Raises ValueError for a share that is not strictly between 0 and 1.
    """
    require(0 < share < 1, "share", share, "above 0 and below 1")
    if units < 2 or resamples < 1:
        return None
    draw = np.random.default_rng(derived_seed(seed, "bootstrap"))
    return central([statistic(draw.integers(units, size=units)) for _ in range(resamples)], share)


def central(drawn: Sequence[float | np.ndarray], share: float = 0.9) -> np.ndarray:
    """The ends (2, …) of the central share of what was drawn, entry by entry.

    NaNs are left out; an entry without any other is NaN.
    """
    drawn = np.asarray(drawn, dtype=float)
    ends = np.full((2, *drawn.shape[1:]), np.nan)
    known = ~np.isnan(drawn).all(0)
    ends[:, known] = np.nanquantile(drawn[:, known], [(1 - share) / 2, (1 + share) / 2], axis=0)
    return ends


def rank_correlation(x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray) -> float:
    """Spearman's ρ of finite numbers; NaN for fewer than three, and where all x or all y are equal."""
    ranks = rankdata(x), rankdata(y)
    if len(ranks[0]) < 3 or 0 in (np.ptp(ranks[0]), np.ptp(ranks[1])):
        return float("nan")
    return float(np.corrcoef(*ranks)[0, 1])


def trend(curve: Sequence[float] | np.ndarray) -> float:
    """Spearman's rank correlation of a curve with its index, over its finite entries.

    −1 is a fall at every step. NaN for fewer than three entries, 0 where all are equal.
    """
    curve = np.asarray(curve, dtype=float)
    known = np.flatnonzero(np.isfinite(curve))
    if len(known) < 3:
        return float("nan")
    return 0.0 if np.ptp(curve[known]) == 0 else rank_correlation(known, curve[known])
