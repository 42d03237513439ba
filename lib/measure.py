"""Many samples: a folder of explanations, one file a sample, and what they say together of overfitting."""

import inspect
import json
import os
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

from .disentangle import disentangle
from .explain import Explanation, SampledExplanation, explain, load
from .resampling import central, interval
from .strengths import merge_singletons

FORBIDDEN = '/\\:*?"<>|\0'  # in names of samples, which become names of files on any system
LEAST = 3  # samples for an interval that is worth its name


@dataclass(frozen=True)
class Measured:
    """What `measure` did: the samples done now, those that were there, and those skipped with the reason."""

    folder: Path
    done: tuple[str, ...]
    there: tuple[str, ...]
    skipped: dict[str, str]

    def __repr__(self) -> str:
        lines = [f"{self.folder}: {len(self.done)} measured, {len(self.there)} were there, {len(self.skipped)} skipped"]
        return "\n".join([*lines, *(f"  {name}: {reason}" for name, reason in self.skipped.items())])


def measure(
    games: Mapping[str, Callable] | Iterable[tuple[str, Callable]],
    folder: Path | str,
    zeta: float = 0.02,
    *,
    progress: bool = True,
    **options: object,
) -> Measured:
    """Explains many games, each into a file of its own, folder/<name>.nc.

    games: a mapping or pairs (name, game). In place of a game there may be a function without parameters that makes
    one, which is called only where the file is not there yet. Games may differ in their number of players.
    zeta and options: as of `explain`, shares of each sample's own |v(N) − v(∅)|.

    After the first sample it says how long the others take. A file is whole or absent, so that after an interruption
    the same call goes on, and several processes may share a folder: each leaves out what is there when it comes to it,
    so that they best go through the samples in different orders. Samples whose v is NaN or
    infinite are skipped and named; any other error stops.

    Raises ValueError for names that are no file names or are there twice, and for a folder with other settings.
    """
    pairs = list(games.items()) if isinstance(games, Mapping) else [(name, game) for name, game in games]
    names = [str(name) for name, _ in pairs]
    _check_names(names)
    folder = Path(folder)
    _check_settings(folder, names, zeta, options)
    left = [(name, game) for name, (_, game) in zip(names, pairs, strict=True) if not (folder / f"{name}.nc").exists()]
    there = [name for name in names if name not in {name for name, _ in left}]
    done, skipped = [], {}
    bar = tqdm(left, desc="explained", unit="sample", disable=not progress or not left)
    start = time.perf_counter()
    for name, game in bar:
        if (folder / f"{name}.nc").exists():  # by another process, meanwhile
            there.append(name)
            continue
        try:
            partial = folder / f"{name}.{os.getpid()}.part"  # another process may be at the same sample
            explain(_made(game), zeta=zeta, progress=False, **options).save(partial)
            os.replace(partial, folder / f"{name}.nc")
            done.append(name)
        except ValueError as error:
            if "NaN or infinite" not in str(error):
                raise ValueError(f"sample {name}: {error}") from error
            skipped[name] = str(error)
            bar.write(f"{name} is skipped: {error}")
        if len(done) + len(skipped) == 1 and len(left) > 1 and progress:
            bar.write(estimate(time.perf_counter() - start, len(left) - 1))
    return Measured(folder, tuple(done), tuple(there), skipped)


def estimate(seconds: float, samples: int) -> str:
    """How long `samples` take if each takes so many seconds, in words."""
    total = seconds * samples
    told = f"{total:.0f} s" if total < 120 else f"{total / 60:.0f} min" if total < 7200 else f"{total / 3600:.1f} h"
    return f"the first sample took {seconds:.2g} s; the other {samples} take about {told} if they are like it"


def explanations(folder: Path | str) -> dict[str, Explanation | SampledExplanation]:
    """All explanations of a folder by the samples' names, in the order of the names. Raises ValueError for none."""
    found = {path.stem: load(path) for path in sorted(Path(folder).glob("*.nc"))}
    if not found:
        raise ValueError(f"{folder} has no explanations: allowed is a folder that measure wrote into")
    return found


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


def _made(game: Callable) -> Callable:
    """The game itself, or what a function without parameters makes."""
    if getattr(game, "n_players", None) is None and inspect.isfunction(getattr(game, "func", game)):
        try:
            inspect.signature(game).bind()
        except TypeError:
            return game
        return game()
    return game


def _check_names(names: list[str]) -> None:
    for name in names:
        if not name or set(name) & set(FORBIDDEN) or name.startswith(".") or name != name.strip() or os.sep in name:
            raise ValueError(
                f"sample {name!r}: allowed are names that files may have, no dot in front and none of {FORBIDDEN[:-1]}"
            )
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"sample {twice!r} is there twice: allowed are different names")


def _check_settings(folder: Path, names: list[str], zeta: float, options: dict) -> None:
    """Raises ValueError where a file of these samples was made with other settings."""
    asked = {name: parameter.default for name, parameter in inspect.signature(explain).parameters.items()}
    asked |= {"zeta": zeta} | options
    for name in names:
        if (folder / f"{name}.nc").exists():
            own = load(folder / f"{name}.nc").settings
            for field, value in own.items():
                if value != asked[field]:
                    raise ValueError(f"{field} = {asked[field]}: {name} in {folder} was explained with {value}; "
                                     "allowed is the same, or another folder")  # fmt: skip
