"""Plots: axes in, artists out. One palette and one style for every figure."""

import io
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator, NullLocator

from .files import whole
from .pictures import smaller

# Okabe and Ito's colours, told apart by colour-blind readers; lightness differs, so that grey prints work too.
PALETTE = {
    "strength": "#4D4D4D",
    "decay": "#0072B2",
    "spindle": "#E69F00",
    "residual": "#B8B8B8",
    "emerged": "#CC79A7",
    "train": "#009E73",
    "test": "#D55E00",
}
SHADES = {"A": "#440154", "B": "#3B528B", "C": "#21918C", "D": "#5EC962"}  # timepoints, lighter with time
PARTS = {"strength": "", "decay": "=", "spindle": "+", "residual": "+"}  # of Eq. 9, each with the sign before it
WIDTH = 9.0  # inches of every figure: one width, so that letters are equally large wherever figures stand together


def style() -> None:
    """The style of every figure; call it once, before the first."""
    sns.set_theme(context="paper", style="ticks", rc={"axes.spines.top": False, "axes.spines.right": False})
    mpl.rcParams.update(
        {
            "figure.dpi": 110,
            "savefig.dpi": 200,
            "font.size": 10.5,  # WIDTH on a page of the book: 12 pixels, and not below 10
            "axes.titlesize": 10.5,
            "axes.labelsize": 10.5,
            "xtick.labelsize": 9.5,
            "ytick.labelsize": 9.5,
            "legend.fontsize": 10,
            "legend.frameon": False,
            "figure.constrained_layout.use": True,
        }
    )


def lobes(axes: Axes, strength: np.ndarray, kind: str = "strength", title: str = "") -> None:
    """Bars of a (2, n) strength by order: row 0, of positive interactions, upwards, row 1 downwards."""
    strength = np.asarray(strength)
    order = np.arange(1, strength.shape[1] + 1)
    axes.bar(order, strength[0], color=PALETTE[kind], width=0.8, linewidth=0)
    axes.bar(order, -strength[1], color=PALETTE[kind], width=0.8, linewidth=0, alpha=0.65)
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set_xlim(0.3, order[-1] + 0.7)
    axes.set_xticks(order if len(order) <= 6 else [1, *range(4, len(order), 3), len(order)])
    axes.yaxis.set_major_locator(MaxNLocator(5, symmetric=True))
    axes.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")  # both signs are strengths ≥ 0
    axes.set_title(title)


def outline(axes: Axes, curve: np.ndarray, kind: str, label: str | None = None) -> None:
    """A (2, n) theoretical distribution over bars, as a line up and a line down."""
    curve = np.asarray(curve)
    order = np.arange(1, curve.shape[1] + 1)
    axes.plot(order, curve[0], color=PALETTE[kind], marker="o", markersize=2.5, linewidth=1.4, label=label)
    axes.plot(order, -curve[1], color=PALETTE[kind], marker="o", markersize=2.5, linewidth=1.4)


def band(axes: Axes, low: np.ndarray, high: np.ndarray) -> None:
    """An interval around the bars of `lobes`: (2, n) lower and upper ends, as thin vertical lines."""
    low, high = np.asarray(low), np.asarray(high)
    order = np.arange(1, low.shape[1] + 1)
    axes.vlines(order, low[0], high[0], color="black", linewidth=0.8)
    axes.vlines(order, -high[1], -low[1], color="black", linewidth=0.8)


def reach(axes: Axes, low: np.ndarray, high: np.ndarray) -> None:
    """How far each bar of `lobes` moves with the ties: a thin line from its (2, n) low end to the high end, capped.

    Where there is neither, or too little to be seen, nothing is drawn.
    """
    low, high = np.asarray(low), np.asarray(high)
    order, least = np.arange(1, low.shape[1] + 1), 0.01 * max(low.max(), high.max())
    halo = [withStroke(linewidth=1.6, foreground="white")]  # the line stands before dark bars, too
    for sign, first, last in zip((1, -1), low, high, strict=True):
        seen = np.maximum(first, last) > least
        at, first, last = order[seen], sign * first[seen], sign * last[seen]
        axes.vlines(at, first, last, color="black", linewidth=0.8, path_effects=halo)
        axes.hlines(last, at - 0.25, at + 0.25, color="black", linewidth=0.8, path_effects=halo)


def split(
    panels: Collection[Axes],
    parts: Mapping[str, np.ndarray],
    sizes: Mapping[str, str],
    bands: Mapping[str, Sequence[np.ndarray]] | None = None,
    high: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Strength = decay + spindle + |residual| in four panels, (2, n) each, with the size of each in words.

    bands: of some parts, their low and high ends over resamples; high: the parts with ties to high orders.
    """
    for panel, (part, sign) in zip(panels, PARTS.items(), strict=True):
        lobes(panel, np.abs(parts[part]), part)  # a residual is a difference: what is left of A⁺ above, of A⁻ below
        if bands and part in bands:
            band(panel, *bands[part])
        if high:
            reach(panel, np.abs(parts[part]), np.abs(high[part]))
        panel.text(0.98, 0.98, sizes[part], transform=panel.transAxes, ha="right", va="top")
        panel.text(-0.2, 0.5, sign, transform=panel.transAxes, ha="center", va="center", fontsize=12)
        panel.yaxis.set_tick_params(labelleft=part == "strength")


def same_height(axes: Collection[Axes], room: float = 1.0) -> None:
    """One vertical range, symmetric about 0, for panels that are compared; with room for words, a factor."""
    highest = room * max(max(np.abs(panel.get_ylim())) for panel in axes)
    for panel in axes:
        panel.set_ylim(-highest, highest)


def names(axes: Axes, colours: dict[str, str], x: float = 0.98, y: float = 0.98) -> None:
    """A key without a box: names in their colours, one below the other, from a corner at (x, y) of the panel."""
    step = 1.25 * mpl.rcParams["font.size"]  # points
    lowest = len(colours) - 1 if y < 0.5 else 0
    for row, (name, colour) in enumerate(colours.items()):
        axes.annotate(name, (x, y), (0, step * (lowest - row)), xycoords="axes fraction", textcoords="offset points",
                      color=colour, ha="right" if x > 0.5 else "left", va="bottom" if y < 0.5 else "top")  # fmt: skip


def name_ends(axes: Axes, ends: dict[str, tuple[float, float, str]]) -> None:
    """Names of lines at their ends, (x, y, colour) each, moved apart where they would overlap.

    Call it when the limits of the axes are set.
    """
    axes.figure.draw_without_rendering()
    step = 1.1 * mpl.rcParams["font.size"]  # points
    reached = axes.bbox.y0 * 72 / axes.figure.dpi - 0.5 * step  # the lowest name stays clear of the axis
    for name, (x, y, colour) in sorted(ends.items(), key=lambda end: end[1][1]):
        place = float(axes.transData.transform((x, y))[1]) * 72 / axes.figure.dpi
        reached = max(place, reached + step)
        axes.annotate(name, (x, y), (4, reached - place), textcoords="offset points", color=colour, va="center",
                      annotation_clip=False)  # fmt: skip


def loss_curves(axes: Axes, curves: pd.DataFrame, timepoints: dict[str, int]) -> None:
    """Training and test loss over epochs, on a logarithmic axis that starts at the untrained network."""
    for part, dodge in (("train", "top"), ("test", "bottom")):
        loss = curves[f"{part}_loss"]
        axes.plot(curves["epoch"], loss, color=PALETTE[part], linewidth=1.2)
        axes.annotate(part, (curves["epoch"].iloc[-1], loss.iloc[-1]), (2, 0), textcoords="offset points",
                      color=PALETTE[part], va=dodge, ha="left", annotation_clip=False)  # fmt: skip
    epoch_axis(axes, timepoints)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("loss (nats)")


def epoch_axis(axes: Axes, timepoints: dict[str, int]) -> None:
    """A logarithmic axis of epochs from the untrained network, 0, to the last timepoint, with the letters of all."""
    last = max(timepoints.values())
    axes.set_xscale("symlog", linthresh=1, linscale=0.5)
    axes.set_xlim(0, last)
    axes.set_xticks([0, *(10**k for k in range(6) if 10**k <= last)])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    for name, epoch in timepoints.items():
        axes.axvline(epoch, color="black", linewidth=0.6, linestyle=":")
        axes.annotate(name, (epoch, 1), (0, 1), xycoords=("data", "axes fraction"), textcoords="offset points",
                      ha="center", va="bottom")  # fmt: skip
    axes.set_xlabel("epoch")


def specification(
    above: Axes,
    below: Axes,
    statistic: np.ndarray,
    holds: np.ndarray,
    levels: dict[str, np.ndarray],
    kind: str = "strength",
    marked: dict[str, float] | None = None,
) -> None:
    """A specification curve: combinations by their statistic, and a strip that tells their levels.

    statistic, holds: of each combination; where it holds the dot has the colour of `kind`, else it is grey. levels: by
    choice, the place of each combination's level from 0 (white) to 1 (black); the strip has their means over some
    hundred neighbours. marked: names of two combinations and their statistics, drawn as lines across, solid and dotted.
    """
    order = np.argsort(statistic, kind="stable")
    sorted_, held, place = statistic[order], holds[order], np.arange(len(order))
    above.scatter(place[~held], sorted_[~held], s=3, color=PALETTE["residual"], linewidths=0, rasterized=True)
    above.scatter(place[held], sorted_[held], s=5, color=PALETTE[kind], linewidths=0, rasterized=True)
    lines = {name: value for name, value in (marked or {}).items() if np.isfinite(value)}
    highest = max(lines, key=lines.get, default=None)
    for style, (name, value) in zip(("-", ":"), lines.items(), strict=False):
        above.axhline(value, color="black", linewidth=0.7, linestyle=style)
        above.annotate(name, (1, value), (3, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
                       va="bottom" if name == highest else "top", fontsize=8, annotation_clip=False)  # fmt: skip
    edges = np.unique(np.linspace(0, len(order), min(len(order), 120) + 1).astype(int))
    shades = [np.add.reduceat(row[order], edges[:-1]) / np.diff(edges) for row in levels.values()]
    extent = (0, len(order), len(shades), 0)
    below.imshow(shades, cmap="Greys", vmin=0, vmax=1, aspect="auto", interpolation="nearest", extent=extent)
    below.set_yticks(np.arange(len(shades)) + 0.5, list(levels), fontsize=8)
    for panel in (above, below):
        panel.set_xlim(0, max(1, len(order)))
        panel.set_xticks([])
    for row in range(1, len(shades)):
        below.axhline(row, color="white", linewidth=1.5)
    above.yaxis.set_major_locator(MaxNLocator(3))
    below.set_xlabel(f"{len(order)} combinations")


def save(figure: Figure, stem: Path) -> None:
    """Writes stem.png, whole or absent; equal figures make equal bytes."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for panel in figure.axes:  # the layout solver's last digits vary from run to run
        panel.set_position(np.round(panel.get_position().bounds, 6))
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", metadata={"Software": None})
    with whole(stem.with_suffix(".png")) as partial:
        partial.write_bytes(smaller(drawn.getvalue()))
