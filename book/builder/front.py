"""The front page: what was asked, in a moving picture, what was found, as numbers, and where to go from there."""

import json
from html import escape
from pathlib import Path

import numpy as np
import xarray as xr

from lib import tables
from lib.claims import MARKS, Claim

from . import panels
from .found import beside_others, percent

FOUND = ("decays", "emerged", "returns")  # the paper's story in three claims
PICTURED = "cifar10-vgg11"  # the paper's own network on which the story is clearest to see
STAGES = {"A": "untrained", "B": "trained", "D": "overfitted"}


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
    scale = panels.scale_of(shares.values())
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["timepoints"]
    words = {name: f"{name}: {state}, spindle {percent(metrics[name], ' %')}" for name, state in STAGES.items()}
    label = escape("; ".join(words.values()), quote=True)
    moving = panels.panel(shares, words, scale)
    still = "".join(panels.panel({name: own}, {name: words[name]}, scale) for name, own in shares.items())
    return (
        f'<figure class="front" role="img" aria-label="{label}">'
        f'<div class="front-moving">{moving}</div><div class="front-still">{still}</div>'
        f"<figcaption>{escape(told)}: the strength of its interactions by their order, as a share of all; positive up, "
        "negative down. Blue: the decay, orange: the spindle.</figcaption></figure>"
    )


def _shares(fits: xr.Dataset, name: str) -> dict[str, np.ndarray]:
    """Strength, decay and spindle (2, n) at a timepoint, as shares of ΣA."""
    own = fits.sel(condition=name)
    total = float(own.strength.sum()) or 1.0
    return {part: own[part].values / total for part in ("strength", "decay", "spindle")}
