"""From value tables to interactions: the pair of tables as one object, and the labelled form of `sparsest`."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float64
from torch import Tensor

from . import strengths
from .sparsest import TakesLong, sparsest


@dataclass(frozen=True, eq=False)
class Interactions:
    """I_AND and I_OR of some samples, in the units of the output. It unpacks: `strengths.by_order(*found, tau)`."""

    i_and: Float64[Tensor, "*batch subsets"]
    i_or: Float64[Tensor, "*batch subsets"]

    @classmethod
    def from_dataset(cls, solved: xr.Dataset, **labels: object) -> "Interactions":
        """Of what `interactions` returned, all of it or at labels such as timepoint="B"."""
        at = solved.sel(labels)
        return cls(*(torch.from_numpy(at[name].values) for name in ("i_and", "i_or")))

    def __iter__(self) -> Iterator[Tensor]:
        return iter((self.i_and, self.i_or))

    def __getitem__(self, rows: object) -> "Interactions":
        return Interactions(self.i_and[rows], self.i_or[rows])

    def __truediv__(self, unit: float | Tensor) -> "Interactions":
        return Interactions(self.i_and / unit, self.i_or / unit)

    def __sub__(self, other: "Interactions") -> "Interactions":
        return Interactions(self.i_and - other.i_and, self.i_or - other.i_or)

    @property
    def merged(self) -> "Interactions":
        """With those of single players in I_AND alone (`strengths.merge_singletons`)."""
        return Interactions(*strengths.merge_singletons(*self))

    def salient(self, threshold: float | Float64[Tensor, "*#batch"]) -> "Interactions":
        """The merged ones that are stronger than the threshold, one number or one a table; the others are 0."""
        masks = strengths.salient(*self, threshold)
        return Interactions(*(table * mask for table, mask in zip(self.merged, masks, strict=True)))

    def count(self, threshold: float | Float64[Tensor, "*#batch"]) -> Float64[Tensor, "*batch"]:
        """How many are stronger than the threshold."""
        return sum(mask.sum(-1) for mask in strengths.salient(*self, threshold)).double()


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
    log-odds (condition), with the coordinates of `values`. Raises as `sparsest` and `strengths.swing` do.
    """
    condition, sample, _ = values.dims
    tables = torch.from_numpy(values.values).to(device)
    if swing is None:
        swing = [float(strengths.swing(table)) for table in tables]
    swing = torch.as_tensor(np.asarray(swing, dtype=float), device=device)
    limits = {"tau": tau * swing, "zeta": zeta * swing}
    bound = limits["zeta"][:, None].expand(tables.shape[:2])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TakesLong)  # a notebook says itself how long it takes
        result = sparsest(tables, bound, tolerance, ties=ties)
    fields = {}
    for name in ("i_and", "i_or", "gamma", "delta"):
        fields[name] = (values.dims, getattr(result, name).cpu().numpy())
    for name in ("objective", "lower_bound", "gap", "unsettled", "iterations"):
        fields[name] = ((condition, sample), getattr(result, name).cpu().numpy())
    for name, limit in limits.items():
        fields[name] = ((condition,), limit.cpu().numpy())
    return xr.Dataset(fields, coords=values.coords)
