"""The upset plot: a column for each interaction, a row for each player, signed bars above."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .picture import Picture

DARK, LIGHT = "#4D4D4D", "#B8B8B8"  # signs by lightness: blue and orange mean decay and spindle here


def draw(frame: pd.DataFrame, names: Sequence[str]) -> Figure:
    """A figure of `frame`, with the columns of `Explanation.frame`; filled dots for AND, rings for OR.

    Players that take part in none of its interactions have no row. The figure is matplotlib's, without pyplot, so that
    it is shown once in a notebook and never piles up in memory.
    """
    taking_part = {name for players in frame.players for name in players}
    rows = [name for name in names if name in taking_part] or list(names)
    columns = len(frame)
    width, height = 1.5 + 0.32 * max(columns, 6), 1.8 + 0.26 * len(rows)
    figure = Picture((width, height), layout="constrained")
    bars, dots = figure.subplots(2, 1, sharex=True, height_ratios=[1.6, 0.26 * len(rows)])
    values = frame.value.to_numpy(dtype=float)
    bars.bar(np.arange(columns), values, color=np.where(values > 0, DARK, LIGHT).tolist(), width=0.7)
    bars.axhline(0, color="black", linewidth=0.6)
    bars.set_ylabel("I (units of v)")
    bars.set_title("no interaction is above τ" if not columns else "filled: AND, all present · rings: OR, any present",
                   fontsize="small")  # fmt: skip
    for column, row in enumerate(frame.itertuples()):
        heights = [rows.index(name) for name in row.players]
        colour = DARK if row.value > 0 else LIGHT
        dots.plot([column, column], [min(heights), max(heights)], color=colour, linewidth=1.2, zorder=1)
        face = colour if row.kind == "AND" else "white"
        dots.scatter(
            [column] * len(heights), heights, s=36, facecolors=face, edgecolors=colour, linewidths=1.4, zorder=2
        )
    dots.set_yticks(range(len(rows)), rows)
    dots.set_ylim(len(rows) - 0.5, -0.5)
    dots.set_xticks([])
    dots.set_xlim(-0.6, max(columns, 1) - 0.4)
    for axes in (bars, dots):
        for side in ("top", "right", *(("left", "bottom") if axes is dots else ("bottom",))):
            axes.spines[side].set_visible(False)
        axes.tick_params(length=0)
    return figure
