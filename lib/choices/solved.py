"""The interactions of each extraction: ζ, ties and whose swing ζ is a share of need the solver, all else does not."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import xarray as xr
from jaxtyping import Float64
from torch import Tensor

from ..checks import require
from ..descent import descend
from ..sparsest import sparsest
from .registry import KINDS, OF_DIFFERENCE, Choice, one

ADDED = "added by "  # before the name of a level of noise: the model of v − v_noise
OTHER = "another B"  # B of another training
DESCENT, EXACT = "descent", "exact"  # levels of the choice `solver`

Extraction = tuple[float, str, str]  # ζ, ties, limits


@dataclass(frozen=True, eq=False)
class Extracted:
    """The interactions of one extraction under all conditions: timepoints, then the levels of noise, weakest first."""

    conditions: tuple[str, ...]  # B among them; what there is none of, its claims are not judged
    i_and: Float64[Tensor, "conditions samples subsets"]  # in log-odds
    i_or: Float64[Tensor, "conditions samples subsets"]
    swing: Float64[Tensor, "conditions samples"]  # |v(x) − v(x_∅)|, in log-odds

    def __post_init__(self) -> None:
        expected = (len(self.conditions), *self.i_and.shape[1:])
        for name, shape in (("i_and", expected), ("i_or", expected), ("swing", expected[:2])):
            found = tuple(getattr(self, name).shape)
            require(found == shape, f"shape of {name}", found, f"{shape}")
        require("B" in self.conditions, "conditions", ", ".join(self.conditions), "timepoints, B always, and noise")

    def of(self, condition: str) -> tuple[Tensor, Tensor]:
        """I_AND and I_OR of a condition, (samples, subsets) each."""
        k = self.conditions.index(condition)
        return self.i_and[k], self.i_or[k]

    def levels(self, kind: str) -> list[str]:
        """The conditions under noise of a kind."""
        return [name for name in self.conditions if name.startswith(kind)]


def solve(
    values: Sequence[xr.DataArray],
    choices: Sequence[Choice],
    tolerance: float = 1e-7,
    device: torch.device | str = "cpu",
) -> dict[Extraction, Extracted]:
    """The sparsest interactions for each combination of ζ, ties and limits, each solved once.

    values: value tables with dims (condition, sample, subset), of timepoints and of levels of noise, as many samples in
    each. Where the choice `added` has a level for it, v − v_noise of each level of noise is solved as well, with the ζ
    of v at B. At ζ = 0 the limits do not matter to the program, so that both have the same interactions. Raises as
    `sparsest` does.
    """
    names, tables, swing = _tables(values, choices, device)
    zetas, ties, limits = (one(choices, name).levels for name in ("zeta", "ties", "limits"))
    solved = {}
    for zeta, tie, limit in itertools.product(zetas, ties, limits):
        known = solved.get((zeta, tie, limits[0])) if zeta == 0 else None
        if known is None:
            bound = zeta * (swing if limit == "each sample's" else swing.mean(1, keepdim=True)).expand_as(swing)
            found = sparsest(tables, bound.contiguous(), tolerance, ties=tie)
            known = Extracted(names, found.i_and.cpu(), found.i_or.cpu(), swing.cpu())
        solved[zeta, tie, limit] = known
    return solved


def descended(
    values: Sequence[xr.DataArray], choices: Sequence[Choice], iterations: int = 10_000
) -> dict[Extraction, Extracted]:
    """As `solve`, by gradient descent as published: its own answer at each ζ, whatever the ties. Raises as it does."""
    names, tables, swing = _tables(values, choices, "cpu")
    zetas, ties, limits = (one(choices, name).levels for name in ("zeta", "ties", "limits"))
    found = {}
    for zeta, limit in itertools.product(zetas, limits):
        bound = zeta * (swing if limit == "each sample's" else swing.mean(1, keepdim=True)).expand_as(swing)
        ended = descend(tables, bound.contiguous(), iterations=iterations)
        found[zeta, limit] = Extracted(names, ended.i_and, ended.i_or, swing)
    return {(zeta, tie, limit): found[zeta, limit] for zeta, tie, limit in itertools.product(zetas, ties, limits)}


def _tables(
    values: Sequence[xr.DataArray], choices: Sequence[Choice], device: torch.device | str
) -> tuple[tuple[str, ...], Tensor, Tensor]:
    """Names, tables and |v(x) − v(x_∅)| of all conditions, those of v − v_noise among them."""
    names = tuple(str(name) for table in values for name in table[table.dims[0]].values)
    tables = torch.cat([torch.from_numpy(table.values) for table in values if table.shape[0]]).to(device)
    swing = (tables[..., -1] - tables[..., 0]).abs()
    noise = [k for k, name in enumerate(names) if name.startswith(KINDS)]
    if noise and OF_DIFFERENCE in _levels(choices, "added"):
        at_b = names.index("B")
        tables = torch.cat([tables, tables[at_b] - tables[noise]])
        swing = torch.cat([swing, swing[at_b].expand(len(noise), -1)])
        names = (*names, *(ADDED + names[k] for k in noise))
    return names, tables, swing


def _levels(choices: Sequence[Choice], name: str) -> tuple:
    return next((choice.levels for choice in choices if choice.name == name), ())


def checked(solved: Mapping[Extraction, Extracted], choices: Sequence[Choice]) -> list[Extraction]:
    """All extractions that the choices ask for. Raises ValueError for one that was not solved."""
    needed = [*itertools.product(*(one(choices, name).levels for name in ("zeta", "ties", "limits")))]
    missing = [extraction for extraction in needed if extraction not in solved]
    require(not missing, "an extraction that was not solved", missing[:1], ", ".join(map(str, solved)))
    return needed
