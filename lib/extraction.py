"""From value tables to interactions: the labelled form of `sparsest`, with one τ and one ζ a condition."""

import torch
import xarray as xr

from lib.sparsest import sparsest
from lib.strengths import threshold


def interactions(
    values: xr.DataArray,
    tau: float,
    zeta: float,
    tolerance: float,
    device: torch.device | str = "cpu",
    ties: str = "low",
) -> xr.Dataset:
    """The sparsest AND–OR interactions of value tables with dims (condition, sample, subset).

    `tau` and `zeta` are shares of each condition's mean |v(x) − v(x_∅)| over its samples. Returns i_and, i_or,
    gamma, delta (as values), objective, lower_bound, gap, unsettled, iterations (condition, sample), and τ and ζ in
    log-odds (condition), with the coordinates of `values`. Raises as `sparsest` and `threshold` do.
    """
    condition, sample, _ = values.dims
    tables = torch.from_numpy(values.values).to(device)
    limits = {
        name: torch.tensor([float(threshold(table, share)) for table in tables], dtype=torch.float64, device=device)
        for name, share in (("tau", tau), ("zeta", zeta))
    }
    result = sparsest(tables, limits["zeta"][:, None].expand(tables.shape[:2]), tolerance, ties=ties)
    fields = {}
    for name in ("i_and", "i_or", "gamma", "delta"):
        fields[name] = (values.dims, getattr(result, name).cpu().numpy())
    for name in ("objective", "lower_bound", "gap", "unsettled", "iterations"):
        fields[name] = ((condition, sample), getattr(result, name).cpu().numpy())
    for name, limit in limits.items():
        fields[name] = ((condition,), limit.cpu().numpy())
    return xr.Dataset(fields, coords=values.coords)
