"""Two signs of overfitting over the explanations of a folder."""

import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..disentangle import disentangle
from ..explain import SampledExplanation
from ..resampling import central, interval
from ..strengths import merge_singletons
from .folder import explanations

LEAST = 3  # samples for an interval that is worth its name


@dataclass(frozen=True)
class Overfitting:
    """Two signs of overfitting over samples, each with the central 90 % over resampled samples.

    The mean order needs no fit. The spindle's share is that of Eq. 9's split of the mean strengths.
    """

    samples: int
    players: int
    mean_order: float
    mean_order_interval: tuple[float, float] | None
    spindle_share: float  # of ΣA, as everywhere
    spindle_interval: tuple[float, float] | None
    residual: float  # ‖residual‖ / ‖A‖ of the split
    on_bound: tuple[str, ...]  # which of alpha, beta, delta, gamma are at an end of their range

    def __repr__(self) -> str:
        def ends(pair: tuple[float, float] | None, percent: bool = False) -> str:
            form = (lambda x: f"{x:.0%}") if percent else (lambda x: f"{x:.2f}")
            return f" [{form(pair[0])}, {form(pair[1])}]" if pair else " (too few samples for an interval)"

        lines = [
            f"{self.samples} samples of {self.players} players, 90 % intervals over samples",
            f"mean order {self.mean_order:.2f}{ends(self.mean_order_interval)}",
            f"spindle {self.spindle_share:.0%}{ends(self.spindle_interval, True)} of the strength, "
            f"residual {self.residual:.0%}",
        ]
        return "\n".join([*lines, *(["at a bound: " + ", ".join(self.on_bound)] if self.on_bound else [])])


def overfitting(folder: Path | str, resamples: int = 200, seed: int = 0, **options: object) -> Overfitting:
    """The mean order and the spindle's share of the explanations in a folder, with intervals.

    Each sample counts by its strengths over its own |v(N) − v(∅)|; samples whose v is only rounding are left out. High
    values go with overfitting where networks of one kind are compared; networks of different kinds cannot be compared
    by either. `options` are those of `disentangle`. Warns where a parameter of the split is at an end of its range, so
    that the range decided it.

    Raises ValueError for a folder without explanations, with explanations of drawn masks, or with different numbers of
    players or settings, and where no sample has an interaction.
    """
    found = {name: one for name, one in explanations(folder).items() if not one.constant and one.swing > 0}
    drawn = [name for name, one in found.items() if isinstance(one, SampledExplanation)]
    if drawn:
        raise ValueError(f"{folder} has {drawn[0]}, of masks that were drawn: allowed are explanations of all states")
    sizes = sorted({one.n for one in found.values()})
    told = {json.dumps(one.settings, sort_keys=True) for one in found.values()}
    if len(sizes) > 1 or len(told) > 1:
        what = f"{', '.join(map(str, sizes))} players" if len(sizes) > 1 else f"settings {' and '.join(sorted(told))}"
        raise ValueError(f"{folder} has samples of {what}: allowed is one number of players and one setting")
    parts = [(one.strength, *merge_singletons(one.i_and, one.i_or), one.swing) for one in found.values()]
    if not parts or not any(bool(strength.any()) for strength, *_ in parts):
        raise ValueError(f"{folder} has {len(parts)} samples with a range of v, none with an interaction above τ: "
                         "allowed is one at least")  # fmt: skip
    strength, i_and, i_or = (torch.stack([part[k] / part[3] for part in parts]) for k in range(3))
    few = len(parts) < LEAST
    split = disentangle(strength, i_and, i_or, bootstrap=0 if few else resamples, seed=seed, **options)
    by_order = strength.sum(1).numpy()
    orders = np.arange(1, by_order.shape[1] + 1)

    def mean_order(drawn: np.ndarray) -> float:
        total = by_order[drawn].sum(0)
        return float(total @ orders / total.sum()) if total.sum() else float("nan")

    ends = None if few else interval(mean_order, len(parts), resamples, seed)
    spindle_ends = None
    if (drawn := split.diagnostics.bootstrap) is not None:
        spindle_ends = tuple(central([*drawn.spindle_share.numpy()]).tolist())
    if split.diagnostics.on_bound:
        told_bounds = ", ".join(split.diagnostics.on_bound)
        warnings.warn(
            f"{told_bounds} at an end of its range: the range decided the split, not the data",
            stacklevel=2,
        )
    return Overfitting(
        samples=len(parts),
        players=sizes[0],
        mean_order=mean_order(np.arange(len(parts))),
        mean_order_interval=None if ends is None else tuple(ends.tolist()),
        spindle_share=split.spindle_share,
        spindle_interval=spindle_ends,
        residual=split.relative_residual,
        on_bound=split.diagnostics.on_bound,
    )
