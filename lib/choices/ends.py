"""What the figures and Play show of the other extractions: A(m)± and decays for each ζ and both ends of the ties.

The sweep of choices solves a few samples without ζ and with, and lets equally sparse interactions be those of low or of
high orders. Here is what remains to be drawn from its interactions, small enough to be kept for each experiment.
"""

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float64
from scipy.interpolate import CubicSpline
from torch import Tensor

from ..checks import require
from ..disentangle import decay_curves, resplit
from ..strengths import by_order
from ..theory import spindle

DELTAS = (1e-6, 10.0)  # the decays are known for these δ
PER_DECADE = 3  # of the grid of δ, between which readers interpolate
BITS = 11  # of a number that is drawn only: 1 in 4,000
SIGNS, TIES, TIMEPOINTS = ("+", "-"), ("low", "high"), "ABCD"
REFERENCES = ("self", "converged", "undisturbed")  # whose interactions I* are
LIMITS = "mean"  # ζ and τ are shares of the mean swing, as everywhere but in the sweep


def ends(solved: Mapping, tau: float, samples: Sequence[int] | np.ndarray, total: int, seed: int) -> xr.Dataset:
    """A table of all extractions with ζ and τ as shares of the mean swing.

    solved: what `choices.solve` gives; tau: τ as a share of the swing; samples: the labels of those of values.nc's
    `total` samples that were solved, drawn from `seed`. The variables, in log-odds, float32, rounded to 1 in 4,000:

    - strength (zeta, ties, condition, sample, sign, order): A(m)± of the salient interactions of each sample;
    - decay (zeta, ties, condition, delta, sign, order): the decay of the condition's own interactions at γ = 1, the
      mean over the samples; δ evenly on the logarithm, from 1e-6 to 10;
    - swing (condition, sample): |v(x) − v(x_∅)|.

    Raises ValueError for a negative τ, for another number of samples than were solved, and where an end is missing.
    """
    known = {(zeta, ties): found for (zeta, ties, limits), found in solved.items() if limits == LIMITS}
    zetas = sorted({zeta for zeta, _ in known})
    missing = [(zeta, ties) for zeta in zetas for ties in TIES if (zeta, ties) not in known]
    require(zetas and not missing, "solved lacks", missing or "all", "low and high ties for each ζ")
    require(tau >= 0, "tau", tau, "at least 0")
    first = known[zetas[0], TIES[0]]
    count = first.swing.shape[1]
    require(len(samples) == count, "number of samples", len(samples), f"{count}, as many as were solved")
    limit = tau * first.swing.mean(1, keepdim=True).expand_as(first.swing)
    strength, decay = [], []
    for zeta in zetas:
        for ties in TIES:
            found = known[zeta, ties]
            strength.append(by_order(found.i_and, found.i_or, limit))
            curves = [decay_curves(*found.of(name), DELTAS, PER_DECADE) for name in found.conditions]
            decay.append(torch.stack([of_samples.mean(0) for _, of_samples in curves]))
    shape, n = (len(zetas), len(TIES)), strength[0].shape[-1]
    return xr.Dataset(
        {
            "strength": (("zeta", "ties", "condition", "sample", "sign", "order"), _rounded(strength, shape)),
            "decay": (("zeta", "ties", "condition", "delta", "sign", "order"), _rounded(decay, shape)),
            "swing": (("condition", "sample"), _rounded([first.swing], ())),
        },
        coords={
            "zeta": zetas, "ties": list(TIES), "condition": list(first.conditions), "sample": np.asarray(samples),
            "delta": curves[0][0].exp().numpy(), "sign": list(SIGNS), "order": np.arange(1, n + 1),
        },
        attrs={"tau": tau, "of": total, "seed": seed},
    )  # fmt: skip


def splits(
    table: xr.Dataset, reference: str = "self", delta_min: float = 1e-3, alpha_range: tuple[float, float] = (0.5, 1.5)
) -> xr.Dataset:
    """Eq. 9 for each ζ, end of the ties and condition of a table of `ends`, on the means over its samples.

    reference: whose interactions I* are, the condition's own ("self"), those at D ("converged"), or under noise those
    at B ("undisturbed", else as self). δ goes from delta_min to 10. Strengths are shares of the mean swing, which the
    ties do not move: of the condition's own, under noise of B's. The variables: alpha, delta, decay_strength,
    spindle_strength, total (ΣA), share (the spindle's, of ΣA) and relative_residual, (zeta, ties, condition);
    strength, decay, spindle and residual, (zeta, ties, condition, sign, order). Raises ValueError for an unknown
    reference, and as `resplit` does.
    """
    require(reference in REFERENCES, "reference", repr(reference), ", ".join(REFERENCES))
    dims = ("zeta", "ties", "condition")
    deltas, found = np.log(table.delta.values), []
    for zeta, ties, name in itertools.product(*(table[dim].values for dim in dims)):
        noise = name not in TIMEPOINTS
        whose = {"self": name, "converged": "D", "undisturbed": "B" if noise else name}[reference]
        unit = float(table.swing.sel(condition="B" if noise else name).mean())
        of = table.sel(zeta=zeta, ties=ties)
        strength = of.strength.sel(condition=name).mean("sample").values.astype(float) / unit
        curves = of.decay.sel(condition=whose).values.astype(float) / unit
        found.append(_split(strength, curves, deltas, math.log(delta_min), alpha_range))
    shape, own = table.strength.shape[:3], {2: ("sign", "order"), 0: ()}
    arrays = {field: np.stack([one[field] for one in found]) for field in found[0]}
    return xr.Dataset(
        {field: ((*dims, *own[a.ndim - 1]), a.reshape(*shape, *a.shape[1:])) for field, a in arrays.items()},
        coords={dim: table[dim] for dim in (*dims, "sign", "order")},
        attrs=table.attrs | {"samples": table.sizes["sample"]},
    )


def _split(
    strength: Float64[np.ndarray, "2 n"],
    curves: Float64[np.ndarray, "deltas 2 n"],
    deltas: Float64[np.ndarray, " deltas"],
    least: float,
    alpha_range: tuple[float, float],
) -> dict[str, np.ndarray]:
    """The fields of `splits` for one A and the decays of one I*; deltas and least are log δ."""
    grid, one = torch.from_numpy(deltas), torch.ones(1, 1, dtype=torch.float64)
    ranges = [((math.exp(least), math.exp(deltas[-1])), alpha_range)]
    found = resplit(torch.from_numpy(strength)[None, None], (grid, torch.from_numpy(curves)[None]), one, ranges)
    alpha, delta, a_decay, a_spindle, total, residual = (
        float(getattr(found, name))
        for name in ("alpha", "delta", "decay_strength", "spindle_strength", "strength", "relative_residual")
    )
    unit, shape = CubicSpline(deltas, curves)(math.log(delta)), spindle(alpha, 1.0, strength.shape[1]).numpy()
    decay_part = unit * (a_decay / unit.sum() if a_decay else 0.0)
    spindle_part = np.stack([shape, shape]) * a_spindle / (2 * shape.sum())
    return {
        "strength": strength, "decay": decay_part, "spindle": spindle_part,
        "residual": strength - decay_part - spindle_part,
        **{name: np.asarray(value) for name, value in {
            "alpha": alpha, "delta": delta, "decay_strength": a_decay, "spindle_strength": a_spindle, "total": total,
            "share": a_spindle / total if total else 0.0, "relative_residual": residual,
        }.items()},
    }  # fmt: skip


def _rounded(parts: list[Tensor], shape: tuple[int, ...]) -> np.ndarray:
    """float32 with `BITS` bits after the leading one, so that zlib packs it to half."""
    whole = torch.stack(parts).reshape(*shape, *parts[0].shape).numpy().astype(np.float32)
    fraction, exponent = np.frexp(whole)
    return np.ldexp(np.round(fraction * 2 ** (BITS + 1)), exponent - (BITS + 1)).astype(np.float32)
