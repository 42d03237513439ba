"""The front page: what was asked, in a moving picture, what was found, as numbers, and where to go from there."""

import json
from collections.abc import Collection
from html import escape
from pathlib import Path

import numpy as np
import xarray as xr

from lib import tables
from lib.claims import MARKS, Claim
from lib.plots import PALETTE

from .found import beside_others, percent

FOUND = ("decays", "emerged", "returns")  # the paper's story in three claims
PICTURED = "cifar10-vgg11"  # the paper's own network on which the story is clearest to see
STAGES = {"A": "untrained", "B": "trained", "D": "overfitted"}
WIDTH, HEIGHT, TITLE, BAR, GAP = 270, 200, 22, 20, 6  # of one panel, in units of its drawing
SECONDS = 12  # of one round


def findings(results: Path, name: str) -> str:
    """A line a claim: on how many experiments it holds, other seeds aside, and how far on the one that is told."""
    lines = [
        f"- {_sentence(one)}: {_count(same)}. On `{name}` {MARKS[one.verdict]} {one.figures} ({one.statistic})."
        for _, one, same in beside_others(results, name, FOUND)
    ]
    return "\n".join(lines) or f"*`{name}` has no claims yet; `make figures` measures them.*"


def _sentence(row: Claim) -> str:
    return f"**{row.claim[0].upper()}{row.claim[1:]}** ({row.where})"


def _count(rows: list[Claim]) -> str:
    held = sum(row.verdict == "holds" for row in rows)
    return f"holds in {held} of {len(rows)} experiments" if len(rows) > 1 else "measured in one experiment"


def picture(folder: Path, told: str) -> str:
    """A, B and D of a network as one moving drawing, and side by side where motion is not wanted; "" without fits.

    `told` says which network, on which data.
    """
    if not (folder / "fits.nc").exists():
        return ""
    fits = tables.read(folder / "fits.nc")
    shares = {name: _shares(fits, name) for name in STAGES if name in fits.condition}
    if len(shares) < len(STAGES):
        return ""
    scale = _scale(shares.values())
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["timepoints"]
    words = {name: f"{name}: {state}, spindle {percent(metrics[name], ' %')}" for name, state in STAGES.items()}
    label = escape("; ".join(words.values()), quote=True)
    moving = _panel(shares, words, scale)
    still = "".join(_panel({name: own}, {name: words[name]}, scale) for name, own in shares.items())
    return (
        f'<figure class="front" role="img" aria-label="{label}">'
        f'<div class="front-moving">{moving}</div><div class="front-still">{still}</div>'
        f"<figcaption>{escape(told)}: the strength of its interactions by their order, as a share of all; positive up, "
        "negative down. Blue: the decay, orange: the spindle.</figcaption></figure>"
    )


def _panel(shares: dict[str, dict[str, np.ndarray]], words: dict[str, str], scale: tuple[float, float]) -> str:
    """The states one after the other; a single one stands still."""
    lines = "".join(_line(shares, part, scale) for part in ("decay", "spindle"))
    return _drawing(_bars(shares, scale) + lines + _titles(words), scale[0])


def _shares(fits: xr.Dataset, name: str) -> dict[str, np.ndarray]:
    """Strength, decay and spindle (2, n) at a timepoint, as shares of ΣA."""
    own = fits.sel(condition=name)
    total = float(own.strength.sum()) or 1.0
    return {part: own[part].values / total for part in ("strength", "decay", "spindle")}


def _scale(shares: Collection[dict[str, np.ndarray]]) -> tuple[float, float]:
    """(y of the axis, height of a share of 1), so that all that is drawn fits below the title."""
    up, down = (max(float(abs(part[sign]).max()) for own in shares for part in own.values()) for sign in (0, 1))
    unit = (HEIGHT - TITLE) / ((up + down) or 1.0)
    return TITLE + up * unit, unit


def _drawing(content: str, middle: float) -> str:
    axis = f'<line x1="0" x2="{WIDTH}" y1="{middle:.2f}" y2="{middle:.2f}" stroke="currentColor" stroke-width="0.8"/>'
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true" focusable="false">{content}{axis}</svg>'


def _y(value: float, scale: tuple[float, float], up: bool) -> tuple[float, float]:
    """(y, height) of a bar from the axis."""
    middle, unit = scale
    height = round(abs(float(value)) * unit, 2)
    return round(middle - height if up else middle, 2), height


def _x(order: int) -> float:
    return GAP + order * (BAR + GAP)


def _animate(attribute: str, values: list) -> str:
    """The values one after the other, each held for two thirds of its time."""
    if len(values) == 1:
        return ""
    held = [value for value in values for _ in range(2)] + values[:1]
    times = [f"{(k + part) / len(values):.3f}" for k in range(len(values)) for part in (0, 2 / 3)] + ["1"]
    joined = ";".join(map(str, held))
    return (
        f'<animate attributeName="{attribute}" values="{joined}" keyTimes="{";".join(times)}" '
        f'dur="{SECONDS}s" repeatCount="indefinite"/>'
    )


def _bars(shares: dict[str, dict[str, np.ndarray]], scale: tuple[float, float]) -> str:
    drawn = []
    for sign, up in ((0, True), (1, False)):
        for order in range(next(iter(shares.values()))["strength"].shape[1]):
            places = [_y(own["strength"][sign, order], scale, up) for own in shares.values()]
            moving = _animate("y", [y for y, _ in places]) + _animate("height", [height for _, height in places])
            drawn.append(
                f'<rect x="{_x(order)}" width="{BAR}" y="{places[0][0]}" height="{places[0][1]}" '
                f'fill="currentColor" opacity="{0.45 if up else 0.3}">{moving}</rect>'
            )
    return "".join(drawn)


def _line(shares: dict[str, dict[str, np.ndarray]], part: str, scale: tuple[float, float]) -> str:
    """A part as a line over the bars, up and down."""
    drawn = []
    for sign, up in ((0, True), (1, False)):
        paths = []
        for own in shares.values():
            ends = []
            for order, value in enumerate(own[part][sign]):
                y, height = _y(value, scale, up)
                ends.append(f"{_x(order) + BAR / 2} {y if up else y + height:.2f}")
            paths.append("M" + " L".join(ends))
        drawn.append(
            f'<path d="{paths[0]}" fill="none" stroke="{PALETTE[part]}" stroke-width="2.5">'
            f"{_animate('d', paths)}</path>"
        )
    return "".join(drawn)


def _titles(words: dict[str, str]) -> str:
    """The title of each state, seen while its state is."""
    drawn = []
    for k, text in enumerate(words.values()):
        seen = [int(k == other) for other in range(len(words))]
        drawn.append(
            f'<text x="{GAP}" y="13" font-size="13" fill="currentColor" opacity="{seen[0]}">'
            f"{escape(text)}{_animate('opacity', seen)}</text>"
        )
    return "".join(drawn)
