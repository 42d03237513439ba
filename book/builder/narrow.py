"""What a phone shows of a figure whose panels stand side by side: the same panels two by two, drawn from fits.nc."""

from html import escape
from pathlib import Path

import numpy as np
import xarray as xr

from lib import tables
from lib.play.few import UNITS

from . import panels

TIMEPOINTS = ("A", "B", "C", "D")


def of_figure(figure: str | None, folder: Path) -> str:
    """The panels of a figure as HTML, seen on narrow screens alone; "" for figures that fit and without fits.nc.

    A title has the spindle with its 90 % band, or R² of Eq. 6 for what emerged; below is the height of the longest bar.
    """
    if figure not in ("figure-2", "figure-3", "figure-4a", "figure-4b", "figure-5"):
        return ""
    if not (folder / "fits.nc").exists():
        return ""
    fits = tables.read(folder / "fits.nc")
    noise = {kind: _noise(fits, kind) for kind in UNITS}
    split = {
        "figure-4a": ["B", *noise["parameters"]],
        "figure-4b": ["B", *noise["inputs"]],
        "figure-3": [],
    }.get(figure, TIMEPOINTS)
    emerged = {"figure-2": ["C", "D"], "figure-3": [*noise["parameters"], *noise["inputs"]]}.get(figure, [])
    drawn = [_split(fits, name) for name in split if name in fits.condition]
    drawn += [_emerged(fits, name) for name in emerged if name in fits.emergence]
    shown = "".join(_panel(title, state) for title, state in drawn)
    what = "the strength of interactions; blue: the decay" if split else "the strength of what newly emerged"
    unit = "Z" if figure in ("figure-2", "figure-5") else "Z at B"
    told = f"Bars: {what}; orange: the spindle. Orders 1 to {fits.sizes['order']}, in units of {unit}, positive up, "
    told += "negative down; each panel on its own scale."
    return f'<div class="narrow"><div class="narrow-panels">{shown}</div><p>{told}</p></div>'


def _noise(fits: xr.Dataset, kind: str) -> list[str]:
    """The conditions of one kind of noise, weakest first."""
    return [str(name) for name in fits.condition[fits.kind == kind].sortby("sigma").values]


def _words(name: str) -> str:
    """A condition in words: "inputs 8" is noise."""
    kind, _, level = name.partition(" ")
    return f"σ = {UNITS[kind].format(level)}" if kind in UNITS else name


def _split(fits: xr.Dataset, name: str) -> tuple[str, dict[str, np.ndarray]]:
    """A condition's title and its parts by Eq. 9."""
    own = fits.sel(condition=name)
    band = ""
    if "spindle_strength_interval" in fits:
        low, high = own.spindle_strength_interval.values
        band = f" [{low:.2f}, {high:.2f}]"
    title = f"{_words(name)}: spindle {float(own.spindle_strength):.2f}{band}"
    return title, {part: own[part].values for part in ("strength", "decay", "spindle")}


def _emerged(fits: xr.Dataset, name: str) -> tuple[str, dict[str, np.ndarray]]:
    """What a condition has beyond B (Eq. 5), with Eq. 6 fitted to it."""
    own = fits.sel(emergence=name)
    new = f"{name} − B" if name in TIMEPOINTS else _words(name)
    state = {"strength": own.emerged.values, "spindle": own.emerged_spindle.values}
    return f"{new}: R² {float(own.emerged_r_squared):.2f}", state


def _panel(title: str, state: dict[str, np.ndarray]) -> str:
    title, longest = title.replace("-", "−"), max(float(np.abs(part).max()) for part in state.values())
    drawing = panels.panel({"": state}, {}, panels.scale_of([state], title=0))
    return f"<div><p>{escape(title)}</p>{drawing}<p>highest: {longest:.3g}</p></div>"
