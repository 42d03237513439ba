"""What was measured, checked, and in the form that the linear program takes."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64, Shaped
from numpy import ndarray as Array
from torch import Tensor

from ...checks import require
from ..table import check_number


@dataclass(frozen=True)
class Measured:
    """Masks, each once and none empty, the middle g of where h - h(∅) may be, and ζ, how far from it at most."""

    masks: Bool[Array, "masks players"]
    g: Float64[Array, " masks"]
    zeta: Float64[Array, " masks"]

    def __getitem__(self, rows: Array) -> "Measured":
        return Measured(self.masks[rows], self.g[rows], self.zeta[rows])

    def __truediv__(self, unit: float) -> "Measured":
        return Measured(self.masks, self.g / unit, self.zeta / unit)

    def r_squared(self, h: Float64[Array, " masks"]) -> float:
        """1 - Σ (g - h)² / Σ (g - mean)²; NaN where the masks are fewer than two, or g the same on all."""
        if len(self.g) < 2 or np.ptp(self.g) == 0.0:
            return math.nan
        return 1.0 - float(((self.g - h) ** 2).sum() / ((self.g - self.g.mean()) ** 2).sum())

    def bound(self, y: Float64[Array, " masks"], largest: float) -> float:
        """The dual's objective at y over the largest price, less what rounding may add."""
        terms = self.g * y
        rounding = np.finfo(np.float64).eps * len(y) * (np.abs(terms).sum() + self.zeta @ np.abs(y))
        return float(terms.sum() - self.zeta @ np.abs(y) - rounding) / max(1.0, largest)


def check(
    masks: Shaped[Tensor, "..."], values: Shaped[Tensor, "..."], zeta: float, bias: float
) -> tuple[Measured, Float64[Array, " rows"]]:
    """Masks that were measured more than once as one, which must agree with all; and the values as they came.

    Raises ValueError, one line, for what no model can be made of.
    """
    require(masks.ndim == 2 and masks.shape[1] > 0, "shape of masks", tuple(masks.shape), "(masks, players)")
    count, n = masks.shape
    require(values.shape == (count,), "shape of values", tuple(values.shape), f"({count},), one a mask")
    require(values.dtype == torch.float64, "dtype of values", values.dtype, "torch.float64")
    check_number("zeta", zeta, 0.0)
    require(np.isfinite(bias), "bias", bias, "finite")
    v = values.detach().cpu().numpy()
    bad = (~np.isfinite(v)).nonzero()[0].tolist()
    require(not bad, "values", f"NaN or infinite in {len(bad)} entries, the first at {bad[:1]}", "finite")
    require(bool(np.isfinite(v - bias).all()), "a difference of values and bias", "beyond float64", "finite ones")
    entries = masks.detach().cpu().numpy()
    bad = np.argwhere((entries != 0) & (entries != 1)).tolist()
    what = f"neither 0 nor 1 in {len(bad)} entries, the first at {bad[:1]}"
    require(not bad, "masks", what, "booleans, or 0 and 1: True where a player is present")
    present = entries.astype(bool)
    constant = (present.all(0) | ~present.any(0)).nonzero()[0].tolist()
    what = f"the same in every mask for players {constant}"
    require(not constant, "masks", what, "each player present in some masks and absent in others")

    distinct, group = np.unique(present, axis=0, return_inverse=True)
    group = group.reshape(-1)
    require(len(distinct) >= 2 * n, "masks", f"{len(distinct)} different rows", f"at least {2 * n}, two a player")
    high, low = np.full(len(distinct), -np.inf), np.full(len(distinct), np.inf)
    np.maximum.at(high, group, v)
    np.minimum.at(low, group, v)
    spread = high - low
    worst = int(spread.argmax())
    if spread[worst] > 2.0 * zeta:
        pair = sorted(int((group == worst).nonzero()[0][pick(v[group == worst])]) for pick in (np.argmin, np.argmax))
        what = f"{v[pair[0]]:g} and {v[pair[1]]:g} at rows {pair[0]} and {pair[1]}, whose masks are the same"
        require(False, "values", what, f"a difference of at most 2 zeta = {2.0 * zeta:g} there")
    empty = ~distinct.any(1)
    if empty.any():
        off = max(float(np.abs(high[empty] - bias).max()), float(np.abs(low[empty] - bias).max()))
        row = int((~present.any(1)).nonzero()[0][0])
        what = f"{off:g} away from the bias {bias:g} at row {row}, whose mask is empty"
        require(off <= zeta, "values", what, f"at most zeta = {zeta:g} away: the bias is v of the empty mask")
    keep = ~empty
    middle = (high[keep] + low[keep]) / 2.0 - bias
    return Measured(distinct[keep], middle, np.maximum(zeta - spread[keep] / 2.0, 0.0)), v
