"""The sparsest interactions of a game of which masks were measured, not all states, and how far they can be trusted."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import xarray as xr
from jaxtyping import Bool, Float64
from torch import Tensor

from .. import tables
from ..sparsest import Sampled
from . import told
from .shown import Shown, listed

AGREE = 0.05  # how far the shapes of A(m) under two caps may be apart
TIE_BREAK = 1e-4  # w = 1 + TIE_BREAK·|S|, as for all states: ties go to low orders
ARRAYS = ("members", "is_or", "strengths")


@dataclass(frozen=True, eq=False, repr=False)
class SampledExplanation(Shown):
    """The sparsest interactions of the measured masks, over all subsets. All numbers are in the units of v.

    Interactions are sets of players, `found.members`; nothing here has 2ⁿ entries. The first mask has no player, the
    second has all.
    """

    names: tuple[str, ...]
    masks: Bool[Tensor, "masks players"]  # each once
    values: Float64[Tensor, " masks"]  # v
    found: Sampled  # of `sparsest_sampled`: the interactions, what is proven of them, R² on held-out masks
    zeta: float
    tau: float  # interactions up to it are not counted
    rounding: float  # how far v may be off
    apart: float | None  # half the L1 distance to the shape of A(m) under the next cap; None without a cap
    settings: dict[str, object]  # zeta and tau as shares of |v(N) − v(∅)|, masks, max_order, seed, as asked for

    @property
    def swing(self) -> float:
        """|v(N) − v(∅)|."""
        return float((self.values[1] - self.values[0]).abs())

    @property
    def constant(self) -> bool:
        """Whether the range of v is no more than rounding leaves, so that nothing can be said about it."""
        return float(self.values.max() - self.values.min()) <= 2 * self.rounding

    @property
    def certified(self) -> bool:
        """Whether no sparser model of these masks is proven to exist, up to a gap of 1e-6."""
        return self.found.certified

    @property
    def distrust(self) -> str:
        """Why A(m) is not to be trusted, in words; empty where it may be."""
        capped = self.settings["max_order"] is not None
        if capped and self.found.certified and not (self.apart is not None and self.apart <= AGREE):
            return f"a cap dictates the shape, and the next one changes it by {told.plain(self.apart)} of its strength"
        return self.found.doubt

    @property
    def least_strength(self) -> float:
        """Every model within ζ of these masks has at least this Σ|I|: a proven lower bound on all strength."""
        return self.found.lower_bound / (1.0 + TIE_BREAK * self.n)

    @property
    def strength(self) -> Float64[Tensor, "2 n"]:
        """A(m) of the positive and of the negative interactions above τ, m = 1…n; see `distrust` before reading it."""
        kept = self.found.strengths.abs() > self.tau
        order, value = self.found.members.sum(1)[kept], self.found.strengths[kept]
        a = torch.zeros(2, self.n + 1, dtype=torch.float64)
        for k, sign in enumerate((1.0, -1.0)):
            a[k].index_add_(0, order, (sign * value).clamp(min=0.0))
        return a[:, 1:]

    def predict(self, present: np.ndarray | Tensor) -> Float64[Tensor, " states"]:
        """The logical model h on any states (states, players)."""
        return self.found.predict(torch.as_tensor(present))

    def _above(self, threshold: float) -> pd.DataFrame:
        kept = (self.found.strengths.abs() > threshold).nonzero()[:, 0].tolist()
        members = [tuple(name for name, there in zip(self.names, row, strict=True) if there)
                   for row in self.found.members[kept].tolist()]  # fmt: skip
        kinds = self.found.kinds
        return listed([kinds[k] for k in kept], members, self.found.strengths[kept])

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader has to know before believing the numbers, a sentence each."""
        return told.notes_of_masks(self)

    @property
    def summary(self) -> list[str]:
        """What was asked, how far it is proven, and how far the strengths by order can be trusted."""
        return told.summary_of_masks(self)

    def save(self, path: Path | str) -> None:
        """Writes a netCDF file with the masks, the values, the interactions and the settings, whole or not at all."""
        numbers = {name: value for name, value in asdict(self.found).items() if name not in ARRAYS}
        numbers |= {"own": {name: getattr(self, name) for name in ("zeta", "tau", "rounding", "apart")}}
        fields = {
            "masks": (("mask", "player"), self.masks.numpy().astype(np.int8)),
            "values": ("mask", self.values.numpy()),
        }
        if len(self.found.strengths):  # netCDF's compressed arrays have one entry at least
            fields["members"] = (("interaction", "player"), self.found.members.numpy().astype(np.int8))
            fields["is_or"] = ("interaction", self.found.is_or.numpy().astype(np.int8))
            fields["strengths"] = ("interaction", self.found.strengths.numpy())
        attributes = {"settings": json.dumps(self.settings, sort_keys=True), "found": json.dumps(numbers)}
        names = np.array(self.names, dtype=object)
        tables.write(xr.Dataset(fields, coords={"player": names}, attrs=attributes), Path(path))

    @classmethod
    def of(cls, table: xr.Dataset) -> "SampledExplanation":
        """What `save` wrote, from the file as it was read. Raises KeyError where something is missing."""
        numbers, settings = json.loads(table.attrs["found"]), json.loads(table.attrs["settings"])
        own, n = numbers.pop("own"), table.sizes["player"]
        if "strengths" in table:
            arrays = {name: torch.from_numpy(table[name].values) for name in ARRAYS}
        else:
            arrays = {"members": torch.zeros(0, n), "is_or": torch.zeros(0), "strengths": torch.zeros(0).double()}
        arrays |= {name: arrays[name].bool() for name in ("members", "is_or")}
        names = tuple(table["player"].values.tolist())
        masks, values = torch.from_numpy(table["masks"].values).bool(), torch.from_numpy(table["values"].values)
        return cls(names, masks, values, Sampled(**arrays, **numbers), **own, settings=settings)
