"""Plots: axes in, artists out. One palette and one style for every figure."""

import os
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

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


def style() -> None:
    """The style of every figure; call it once, before the first."""
    sns.set_theme(context="paper", style="ticks", rc={"axes.spines.top": False, "axes.spines.right": False})
    mpl.rcParams.update(
        {
            "figure.dpi": 110,
            "savefig.dpi": 200,
            "font.size": 9,
            "axes.titlesize": 9,
            "axes.labelsize": 9,
            "xtick.labelsize": 8,
            "ytick.labelsize": 8,
            "legend.fontsize": 8,
            "legend.frameon": False,
            "figure.constrained_layout.use": True,
            "svg.hashsalt": "interactions",  # else every drawing has other identifiers
            "svg.fonttype": "none",
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


def same_height(axes: list[Axes]) -> None:
    """One vertical range, symmetric about 0, for panels that are compared."""
    reach = max(max(np.abs(panel.get_ylim())) for panel in axes)
    for panel in axes:
        panel.set_ylim(-reach, reach)


def loss_curves(axes: Axes, curves: pd.DataFrame, timepoints: dict[str, int]) -> None:
    """Training and test loss over epochs, on a logarithmic axis that starts at the untrained network."""
    for part, dodge in (("train", "top"), ("test", "bottom")):
        loss = curves[f"{part}_loss"]
        axes.plot(curves["epoch"], loss, color=PALETTE[part], linewidth=1.2)
        axes.annotate(part, (curves["epoch"].iloc[-1], loss.iloc[-1]), (2, 0), textcoords="offset points",
                      color=PALETTE[part], va=dodge, ha="left", annotation_clip=False)  # fmt: skip
    axes.set_xscale("symlog", linthresh=1, linscale=0.5)
    axes.set_xlim(0, curves["epoch"].iloc[-1])
    axes.set_xticks([0, *(10**k for k in range(6) if 10**k <= curves["epoch"].iloc[-1])])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_locator(mpl.ticker.NullLocator())
    axes.set_ylim(bottom=0)
    for name, epoch in timepoints.items():
        axes.axvline(epoch, color="black", linewidth=0.6, linestyle=":")
        axes.annotate(name, (epoch, 1), (0, 1), xycoords=("data", "axes fraction"), textcoords="offset points",
                      ha="center", va="bottom")  # fmt: skip
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss (nats)")


def save(figure: Figure, stem: Path) -> None:
    """Writes stem.png and stem.svg; each is whole or absent, and equal figures make equal bytes."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for panel in figure.axes:  # the layout solver's last digits vary from run to run, and identifiers are made of them
        panel.set_position(np.round(panel.get_position().bounds, 6))
    for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None})):
        partial = stem.with_name(f"{stem.name}.partial")
        figure.savefig(partial, format=kind, metadata=metadata)
        os.replace(partial, stem.with_suffix(f".{kind}"))
