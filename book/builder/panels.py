"""Panels of bars by order with lines over them, as SVG in a page: black is what text is, so that both themes fit."""

from collections.abc import Collection, Mapping
from html import escape

import numpy as np

from lib.plots import PALETTE

HEIGHT, TITLE, BAR, GAP = 200, 22, 20, 6  # of one panel, in units of its drawing
SECONDS = 12  # of one round of a moving one

State = Mapping[str, np.ndarray]  # "strength" (2, n), the bars, and other parts (2, n), the lines


def panel(states: Mapping[str, State], words: Mapping[str, str], scale: tuple[float, float]) -> str:
    """The states one after the other, with their titles; a single one stands still.

    Row 0 of each part is drawn upwards, row 1 downwards. `scale` is that of `scale_of`.
    """
    first = next(iter(states.values()))
    lines = "".join(_line(states, part, scale) for part in first if part != "strength")
    return _drawing(_bars(states, scale) + lines + _titles(words), scale[0], first["strength"].shape[1])


def scale_of(states: Collection[State], title: int = TITLE) -> tuple[float, float]:
    """(y of the axis, height of a strength of 1), so that all that is drawn fits below the title, `title` high."""
    up, down = (max(float(abs(part[sign]).max()) for own in states for part in own.values()) for sign in (0, 1))
    unit = (HEIGHT - title) / ((up + down) or 1.0)
    return title + up * unit, unit


def _drawing(content: str, middle: float, n: int) -> str:
    width = GAP + n * (BAR + GAP)
    axis = f'<line x1="0" x2="{width}" y1="{middle:.2f}" y2="{middle:.2f}" stroke="currentColor" stroke-width="0.8"/>'
    return f'<svg viewBox="0 0 {width} {HEIGHT}" aria-hidden="true" focusable="false">{content}{axis}</svg>'


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


def _bars(states: Mapping[str, State], scale: tuple[float, float]) -> str:
    drawn = []
    for sign, up in ((0, True), (1, False)):
        for order in range(next(iter(states.values()))["strength"].shape[1]):
            places = [_y(own["strength"][sign, order], scale, up) for own in states.values()]
            moving = _animate("y", [y for y, _ in places]) + _animate("height", [height for _, height in places])
            drawn.append(
                f'<rect x="{_x(order)}" width="{BAR}" y="{places[0][0]}" height="{places[0][1]}" '
                f'fill="currentColor" opacity="{0.45 if up else 0.3}">{moving}</rect>'
            )
    return "".join(drawn)


def _line(states: Mapping[str, State], part: str, scale: tuple[float, float]) -> str:
    """A part as a line over the bars, up and down."""
    drawn = []
    for sign, up in ((0, True), (1, False)):
        paths = []
        for own in states.values():
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


def _titles(words: Mapping[str, str]) -> str:
    """The title of each state, seen while its state is."""
    drawn = []
    for k, text in enumerate(words.values()):
        seen = [int(k == other) for other in range(len(words))]
        drawn.append(
            f'<text x="{GAP}" y="13" font-size="13" fill="currentColor" opacity="{seen[0]}">'
            f"{escape(text)}{_animate('opacity', seen)}</text>"
        )
    return "".join(drawn)
