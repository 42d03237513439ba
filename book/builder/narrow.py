"""What a phone shows of a figure whose panels stand side by side: the same panels two by two, drawn from fits.nc."""

from html import escape
from pathlib import Path

import numpy as np
import xarray as xr

from lib import tables

from . import panels

TIMEPOINTS = ("A", "B", "C", "D")
UNITS = {"parameters": "{:g} %", "inputs": "{:g}/256"}  # of σ
BARS = {
    "training": "Bars: the strength of interactions",
    "emerged": "Bars: the strength of what newly emerged",
}


def of_figure(figure: str | None, folder: Path) -> str:
    """The panels of a figure as HTML, seen on narrow screens alone; "" for figures that fit and without fits.nc.

    Each panel has its spindle with the 90 % band in its title, and the height of its longest bar below.
    """
    if (
        figure not in ("figure-2", "figure-3", "figure-4a", "figure-4b", "figure-5")
        or not (folder / "fits.nc").exists()
    ):
        return ""
    fits = tables.read(folder / "fits.nc")
    if figure == "figure-3":
        drawn = [_emerged(fits, name) for kind in UNITS for name in _noise(fits, kind)]
    else:
        kinds = {"figure-4a": "parameters", "figure-4b": "inputs"}
        noise = _noise(fits, kinds[figure]) if figure in kinds else []
        names = ["B", *noise] if noise else [name for name in TIMEPOINTS if name in fits.condition]
        drawn = [_split(fits, name) for name in names if noise or figure not in kinds]
        drawn += [_emerged(fits, name) for name in ("C", "D") if figure == "figure-2" and name in fits.emergence]
    if not drawn:
        return ""
    bars = BARS["emerged" if figure == "figure-3" else "training"]
    shown = "".join(_panel(title, state) for title, state in drawn)
    orders, decay = fits.sizes["order"], "" if figure == "figure-3" else " blue: the decay;"
    return (
        f'<div class="narrow"><div class="narrow-panels">{shown}</div><p>{bars} by order, 1 to {orders}, in units of '
        f"Z, positive up, negative down;{decay} orange: the spindle; each panel on its own scale.</p></div>"
    )


def _noise(fits: xr.Dataset, kind: str) -> list[str]:
    """The conditions of one kind of noise, weakest first."""
    return [str(name) for name in fits.condition[fits.kind == kind].sortby("sigma").values]


def _words(fits: xr.Dataset, name: str) -> str:
    kind = str(fits.kind.sel(condition=name).values)
    return f"{kind}, σ = {UNITS[kind].format(float(fits.sigma.sel(condition=name)))}" if kind in UNITS else name


def _split(fits: xr.Dataset, name: str) -> tuple[str, dict[str, np.ndarray]]:
    """A condition's title and its parts by Eq. 9."""
    own = fits.sel(condition=name)
    band = ""
    if "spindle_strength_interval" in fits:
        low, high = own.spindle_strength_interval.values
        band = f" [{low:.2f}, {high:.2f}]"
    title = f"{_words(fits, name)}: spindle {float(own.spindle_strength):.2f}{band}"
    return title, {part: own[part].values for part in ("strength", "decay", "spindle")}


def _emerged(fits: xr.Dataset, name: str) -> tuple[str, dict[str, np.ndarray]]:
    """What a condition has beyond B (Eq. 5), with Eq. 6 fitted to it."""
    own = fits.sel(emergence=name)
    new = f"{name} − B" if name in TIMEPOINTS else _words(fits, name)
    state = {"strength": own.emerged.values, "spindle": own.emerged_spindle.values}
    return f"{new}: R² {float(own.emerged_r_squared):.2f}", state


def _panel(title: str, state: dict[str, np.ndarray]) -> str:
    title, longest = title.replace("-", "−"), max(float(np.abs(part).max()) for part in state.values())
    drawing = panels.panel({"": state}, {}, panels.scale_of([state], title=0))
    return f"<div><p>{escape(title)}</p>{drawing}<p>highest: {longest:.3g}</p></div>"
