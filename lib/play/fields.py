"""What a reader can play with: the tables of an experiment, packed for the views in the JavaScript beside this file.

A view is a piece of JavaScript that shows the same in a page of the book and in JupyterLab. Here are the fields
that it needs, as JSON values and bytes: numbers are little-endian float32 in a page, where size counts, and
float64 in JupyterLab. In a page, interactions that float32 could not tell from 0 beside the output are 0.
"""

import base64
import gzip
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float64
from PIL import Image
from torch import Tensor

from .. import strengths, tables
from ..checks import require
from ..disentangle import disentangle
from ..experiments import Experiment
from ..extraction import interactions
from ..subsets import player_count
from ..theory import decay
from .few import few_fields
from .names import named
from .training import training_fields

VIEWS = Path(__file__).parent
SCRIPTS = (
    "theory",
    "dom",
    "chart",
    "sources",
    "disentangle",
    "training",
    "players",
)  # in the order that they need each other
DELTAS = (-6, 1, 71)  # powers of ten of the least and the greatest δ of the grid, and how many there are
SAMPLES = 8  # shown with their players; values.nc has the images of as many


@dataclass(frozen=True)
class Sample:
    """A sample in the view of players: the n players are patches of an image, or words."""

    name: str
    image: str | None = None  # a URL, of a data URL
    patches: Sequence[int] | None = None  # row · grid + column, n of them
    words: Sequence[str] | None = None  # n of them
    truth: str | None = None  # the class that v is about
    guesses: Sequence[str] | None = None  # the class that the network takes it for, at each condition


def script() -> str:
    """The views' JavaScript: functions only, valid as the body of a module and of a plain script."""
    return "\n".join((VIEWS / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)


def style() -> str:
    """The views' CSS."""
    return (VIEWS / "play.css").read_text(encoding="utf-8")


def disentangle_fields(
    conditions: dict[str, tuple[Float64[Tensor, "samples subsets"], Float64[Tensor, "samples subsets"]]],
    tau: dict[str, float],
    *,
    reference: str | None = None,
    alpha_range: tuple[float, float] | None = None,
    delta_min: float = 1e-3,
    before: str | None = None,
    zeta: float | None = None,
    ties: str | None = None,
    few: xr.Dataset | None = None,
    precision: type = np.float64,
) -> dict:
    """Eq. 6 to 9 over the strengths of each condition: I_AND, I_OR of the same samples, and τ, in log-odds.

    `reference` names the condition whose interactions are the I* of the decay (None: each its own). The view has A and
    the decay with γ = 1 on a grid of δ, between which it interpolates: means over all samples, and far smaller than
    their tables. It starts at the last condition and at its least-squares split, which is found here. `before` names
    a condition whose bars are outlined behind those of the others (None: no outlines). `few` is the table of the ends
    of the ties (choices.nc), among them `zeta` and `ties` of these interactions: with it the view can go to others.
    Raises ValueError for an unknown reference or before, and as `normaliser` and `disentangle` do.
    """
    names = list(conditions)
    require(reference is None or reference in names, "reference", repr(reference), f"{', '.join(names)}, or None")
    require(before is None or before in names, "before", repr(before), f"{', '.join(names)}, or None")
    z = {name: float(strengths.normaliser(*pair, tau[name])) for name, pair in conditions.items()}
    deltas = torch.logspace(*DELTAS, dtype=torch.float64)
    rows, strength, decays = [], [], []
    alpha_range = alpha_range or _alpha_range(conditions)
    for name, pair in conditions.items():
        own = reference or name
        of_samples = strengths.by_order(*pair, tau[name]) / z[name]
        shared = [table / z[own] for table in conditions[own]]
        fit = disentangle(of_samples, *shared, alpha_range=alpha_range, delta_range=(delta_min, 10.0))
        best = {field: getattr(fit, field) for field in ("alpha", "beta", "delta", "gamma")}
        rows.append({"name": name, "tau": tau[name], "z": z[name], "fit": best})
        strength.append(of_samples.mean(0))
        unit = [table / z[name] for table in pair]
        decays.append(torch.stack([decay(*unit, float(delta), 1.0).mean(0) for delta in deltas]))
    samples, subsets = conditions[names[0]][0].shape
    whose = "converged" if reference else "self"
    home = {"zeta": zeta, "ties": ties, "reference": whose, "delta_min": delta_min}
    return {
        "n": subsets.bit_length() - 1,
        "samples": samples,
        "conditions": rows,
        "alpha_range": list(alpha_range),
        **home,
        "home": home,
        "converged": names.index(reference or names[-1]),
        **(few_fields(few, z) if few is not None else {"few": None, "few_strength": b"", "few_decays": b""}),
        "before": None if before is None else names.index(before),
        "condition": len(rows) - 1,
        **rows[-1]["fit"],
        "deltas": [float(deltas[0]), float(deltas[-1]), len(deltas)],
        "strength": _pack(strength, precision),
        "decays": _pack(decays, precision),
    }


def players_fields(
    values: dict[str, Float64[Tensor, "samples subsets"]],
    conditions: dict[str, tuple[Float64[Tensor, "samples subsets"], Float64[Tensor, "samples subsets"]]],
    samples: Sequence[Sample],
    *,
    grid: int | None = None,
    precision: type = np.float64,
) -> dict:
    """Samples with their players: v on all masked states, I_AND and I_OR, at each condition.

    `grid` is the number of patches along a side of the image; None where the players are words. The view starts
    at the first sample and the last condition with all players there. Raises ValueError where a sample has another
    number of players than the tables, and where `values` and `conditions` differ in names.
    """
    names, n = list(values), player_count(next(iter(values.values())))
    require(names == list(conditions), "conditions", list(conditions), f"those of values, {', '.join(names)}")
    for sample in samples:
        players = sample.patches if sample.words is None else sample.words
        if players is None or len(players) != n:
            raise ValueError(f"sample {sample.name!r} has {len(players or [])} players; allowed: {n}, as the tables")
    return {
        "n": n,
        "grid": grid,
        "conditions": names,
        "samples": [asdict(sample) for sample in samples],
        "sample": 0,
        "condition": len(names) - 1,
        "present": 2**n - 1,
        "tables": _pack(
            [torch.stack([_seen(x, values[name], precision) for x in pair]) for name, pair in conditions.items()],
            precision,
        ),
        "values": _pack(list(values.values()), precision),
    }


def of_experiment(results: Path, setting: Experiment, precision: type = np.float64) -> dict[str, dict | None]:
    """The fields of all views for an experiment, from values.nc in its folder of results, and interactions.nc.

    Interactions are solved anew from the value tables where interactions.nc is not there; without choices.nc there are
    no others to go to. Strengths are of all samples; a few are shown with their players. Where no checkpoints were
    measured there is no view of the training (None). Raises FileNotFoundError if values.nc is not there, and as
    `training_fields` does.
    """
    measured = tables.read(results / "values.nc")
    names = [str(name) for name in measured.timepoint.values]
    values = {name: torch.from_numpy(measured["values"].sel(timepoint=name).values) for name in names}
    tau = {name: setting.tau * float(strengths.swing(table)) for name, table in values.items()}
    if (results / "interactions.nc").exists():
        found = tables.read(results / "interactions.nc")
    else:
        found = interactions(measured["values"], setting.tau, setting.zeta, setting.gap, ties=setting.ties)
    pairs = {
        name: tuple(torch.from_numpy(found[kind].sel(timepoint=name).values) for kind in ("i_and", "i_or"))
        for name in names
    }
    few = tables.read(results / "choices.nc") if (results / "choices.nc").exists() else None
    shown = [_sample(measured, k, setting.dataset) for k in range(min(SAMPLES, measured.sizes["sample"]))]
    first = slice(len(shown))
    return {
        "disentangle": disentangle_fields(
            pairs,
            tau,
            reference="D" if setting.reference == "converged" else None,
            alpha_range=setting.alpha_range,
            delta_min=setting.delta_min,
            before="B" if "B" in names else None,
            zeta=setting.zeta,
            ties=setting.ties,
            few=few,
            precision=precision,
        ),
        "training": training_fields(results, setting.checkpoint_samples, precision),
        "players": players_fields(
            {name: table[first] for name, table in values.items()},
            {name: (pair[0][first], pair[1][first]) for name, pair in pairs.items()},
            shown,
            grid=setting.grid,
            precision=precision,
        ),
    }


def _alpha_range(conditions: dict[str, tuple[Tensor, Tensor]]) -> tuple[float, float]:
    """That of `disentangle` where none is asked for."""
    n = player_count(next(iter(conditions.values()))[0])
    return 3 / n, 2 - 1 / n


def page_script(name: str, fields: dict[str, dict | None]) -> str:
    """The fields of an experiment as a script that a page loads, from a disk too: JSON, gzipped, in base64.

    Bytes are in base64 within the JSON; `unpage` reads it.
    """
    text = json.dumps(fields, default=lambda data: base64.b64encode(data).decode(), separators=(",", ":"))
    packed = base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()
    return f'companion.packed[{json.dumps(name)}] = "{packed}";\n'


def unpage(script: str) -> dict[str, dict | None]:
    """The fields of `page_script`, bytes as base64."""
    return json.loads(gzip.decompress(base64.b64decode(script.split('"')[3])))


def picture(image: np.ndarray) -> str:
    """A (channels, rows, columns) array of uint8 as the data URL of a PNG; one channel is drawn dark on white."""
    pixels = 255 - image[0] if len(image) == 1 else np.moveaxis(image, 0, -1)
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, format="png", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def _sample(measured: xr.Dataset, k: int, dataset: str) -> Sample:
    at = measured.isel(sample=k)
    told = {"truth": named(dataset, int(at.label))}
    if "guess" in measured:
        told["guesses"] = [named(dataset, int(label)) for label in at["guess"].values]
    name = f"{k + 1}: test sample {int(at.sample)}, {told['truth']}"
    if "word" in measured:
        return Sample(name, words=[str(word) for word in at["word"].values], **told)
    drawn = "image" in measured and k < measured.sizes["image_sample"]
    image = picture(measured["image"].isel(image_sample=k).values) if drawn else None
    return Sample(name, image=image, patches=at["patch"].values.tolist(), **told)


def _seen(interactions: Tensor, values: Tensor, precision: type) -> Tensor:
    """Interactions without those that, beside the largest |v| of their sample, are below the precision."""
    least = np.finfo(precision).eps * values.abs().amax(-1, keepdim=True)
    return interactions.where(interactions.abs() >= least, 0.0)


def _pack(arrays: list[Tensor], precision: type) -> bytes:
    little_endian = np.dtype(precision).newbyteorder("<")
    return torch.stack(arrays).cpu().numpy().astype(little_endian).tobytes()
