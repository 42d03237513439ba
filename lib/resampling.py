"""How far a number may be off: percentile bootstrap, and the trend of a curve."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import rankdata

from lib.randomness import derived_seed


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
    if not 0 < share < 1:
        raise ValueError(f"share is {share}; allowed: above 0 and below 1")
    if units < 2 or resamples < 1:
        return None
    draw = np.random.default_rng(derived_seed(seed, "bootstrap"))
    drawn = np.stack([np.asarray(statistic(draw.integers(units, size=units)), dtype=float) for _ in range(resamples)])
    ends = np.full((2, *drawn.shape[1:]), np.nan)
    known = ~np.isnan(drawn).all(0)
    ends[:, known] = np.nanquantile(drawn[:, known], [(1 - share) / 2, (1 + share) / 2], axis=0)
    return ends


def trend(curve: Sequence[float] | np.ndarray) -> float:
    """Spearman's rank correlation of a curve with its index, over its finite entries.

    −1 is a fall at every step. NaN for fewer than three entries, 0 where all are equal.
    """
    curve = np.asarray(curve, dtype=float)
    known = np.flatnonzero(np.isfinite(curve))
    if len(known) < 3:
        return float("nan")
    ranks = rankdata(curve[known])
    return 0.0 if np.ptp(ranks) == 0 else float(np.corrcoef(known.argsort(), ranks)[0, 1])
