"""The choices that have value tables of their own: which tables each level has, ours on the same samples first."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from .registry import AS_MEASURED, Choice, apart
from .solved import DESCENT, EXACT

World = tuple[Choice, dict[str, list[xr.DataArray]]]  # the choice, and the tables of its levels
GAP = 0.1  # of the final loss gap: up to there a network is said not to overfit yet


def times(
    values: xr.DataArray, along: xr.DataArray, timepoints: Mapping[str, int], gap: pd.Series, most: int
) -> World | None:
    """B at the checkpoints beside it, and at the last one whose loss gap is under a tenth of the final one.

    values: (timepoint, sample, subset); along: (epoch, sample, subset), of some of the samples; gap: test loss less
    training loss by epoch, smoothed; most: samples at most. A checkpoint that is A's, C's, D's or another level's is
    no level. None if there is none.
    """
    shared = _shared(values, along, most)
    epochs = [int(epoch) for epoch in along.epoch.values]
    b, d = timepoints["B"], timepoints["D"]
    if not len(shared) or b not in epochs:
        return None
    at = epochs.index(b)
    small = [epoch for epoch in epochs if epoch < d and gap[epoch] < GAP * gap[d]]
    wished = {
        "one checkpoint earlier": epochs[at - 1] if at else None,
        "one checkpoint later": epochs[at + 1] if at + 1 < len(epochs) else None,
        "by the loss gap": max(small, default=None),
    }
    levels, taken = {"least test loss": b}, {b, timepoints["A"], timepoints["C"], d, None}
    for name, epoch in wished.items():
        if epoch not in taken:
            levels[name] = epoch
            taken.add(epoch)
    if len(levels) < 2:
        return None
    usual = values.sel(sample=shared)
    worlds = {}
    for name, epoch in levels.items():
        tables = usual.copy(data=usual.values.copy())
        if epoch != b:
            tables.loc[{"timepoint": "B"}] = along.sel(epoch=epoch, sample=shared).values
        worlds[name] = [tables]
    return apart("time", tuple(levels)), worlds


def measured(values: xr.DataArray, alternative: xr.Dataset, most: int) -> World | None:
    """Another feature map, the pixels, the plain logit: whatever `alternatives` measured at all timepoints."""
    shared = _shared(values, alternative["values"], most)
    usual = values.sel(sample=shared)
    worlds = {AS_MEASURED: [usual]}
    for name in dict.fromkeys(alternative.alternative.values[alternative.timepoint.values != "B"]):
        own = alternative.sel(condition=alternative.alternative == name, sample=shared)
        order = [list(own.timepoint.values).index(timepoint) for timepoint in usual.timepoint.values]
        level = str(own["level"].values[0])
        worlds[level] = [usual.copy(data=own["values"].values[order])]
    return _world("measured", worlds)


def draws(values: xr.DataArray, injected: xr.Dataset, alternative: xr.Dataset, most: int) -> World | None:
    """Other draws of the noise on the parameters."""
    return _noise("draw", "draws", "parameters", "draw 0", values, injected, alternative, most)


def signs(values: xr.DataArray, injected: xr.Dataset, alternative: xr.Dataset, most: int, sign: str) -> World | None:
    """The other sign of the step on the inputs; `sign` is ours."""
    return _noise("sign", "sign", "inputs", sign, values, injected, alternative, most)


def solvers(values: xr.DataArray, most: int) -> World:
    """The exact solver and gradient descent as published, on the same tables of A, B and D."""
    some = values.sel(timepoint=["A", "B", "D"]).isel(sample=slice(most))
    return apart("solver", (EXACT, DESCENT)), {EXACT: [some], DESCENT: [some]}


def _noise(
    name: str,
    alternatives: str,
    kind: str,
    ours: str,
    values: xr.DataArray,
    injected: xr.Dataset,
    alternative: xr.Dataset,
    most: int,
) -> World | None:
    shared = _shared(values, alternative["values"], most)
    usual = injected["values"].sel(noise=injected.kind == kind, sample=shared)
    other = alternative.sel(condition=alternative.alternative == alternatives, sample=shared)
    trained = values.sel(sample=shared)
    worlds = {ours: [trained, usual]}
    for level in dict.fromkeys(other["level"].values):
        own = other.sel(condition=other["level"] == level)
        place = [list(own.sigma.values).index(sigma) for sigma in usual.sigma.values]
        worlds[str(level)] = [trained, usual.copy(data=own["values"].values[place])]
    return _world(name, worlds)


def _world(name: str, worlds: dict[str, list[xr.DataArray]]) -> World | None:
    tables = next(iter(worlds.values()))
    return (apart(name, tuple(worlds)), worlds) if len(worlds) > 1 and tables[0].sizes["sample"] else None


def _shared(values: xr.DataArray, other: xr.DataArray, most: int) -> list[int]:
    """The samples of both, ascending, `most` at most: any will do, for both were drawn at random."""
    return np.intersect1d(values.sample.values, other.sample.values)[:most].tolist()
