"""From value tables to interactions: the labelled form of `sparsest`, with one τ and one ζ a condition."""

from collections.abc import Sequence

import numpy as np
import torch
import xarray as xr

from .sparsest import sparsest
from .strengths import threshold


def interactions(
    values: xr.DataArray,
    tau: float,
    zeta: float,
    tolerance: float,
    device: torch.device | str = "cpu",
    ties: str = "low",
    swing: Sequence[float] | np.ndarray | None = None,
) -> xr.Dataset:
    """The sparsest AND–OR interactions of value tables with dims (condition, sample, subset).

    `tau` and `zeta` are shares of each condition's mean |v(x) − v(x_∅)| over its samples, or of its `swing`, where that
    is known from more samples than these. Returns i_and, i_or,
    gamma, delta (as values), objective, lower_bound, gap, unsettled, iterations (condition, sample), and τ and ζ in
    log-odds (condition), with the coordinates of `values`. Raises as `sparsest` and `threshold` do.
    """
    condition, sample, _ = values.dims
    tables = torch.from_numpy(values.values).to(device)
    if swing is None:
        swing = [float(threshold(table, 1.0)) for table in tables]
    swing = torch.as_tensor(np.asarray(swing, dtype=float), device=device)
    limits = {"tau": tau * swing, "zeta": zeta * swing}
    result = sparsest(tables, limits["zeta"][:, None].expand(tables.shape[:2]), tolerance, ties=ties)
    fields = {}
    for name in ("i_and", "i_or", "gamma", "delta"):
        fields[name] = (values.dims, getattr(result, name).cpu().numpy())
    for name in ("objective", "lower_bound", "gap", "unsettled", "iterations"):
        fields[name] = ((condition, sample), getattr(result, name).cpu().numpy())
    for name, limit in limits.items():
        fields[name] = ((condition,), limit.cpu().numpy())
    return xr.Dataset(fields, coords=values.coords)
