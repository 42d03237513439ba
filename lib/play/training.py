"""A training to drag along: the strengths of every checkpoint with their split, from what the pipeline measured."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from ..checks import require

NUMBERS = ("epoch", "train_loss", "test_loss", "loss_gap", "spindle_low", "spindle_high", "mean_order", "alpha", "beta")
DIGITS = 6  # of the numbers beside the curves: the page shows four


def training_fields(folder: Path, samples: int, precision: type = np.float64) -> dict | None:
    """What the view of a training needs: overfitting.csv and timepoints.json of a folder of results.

    `samples` is how many each checkpoint was measured on. Strengths and decays are in units of the swing of their own
    checkpoint; the spindle is that of α and β. The view starts at the last checkpoint. None where there are no
    checkpoints to show. Raises ValueError for a table without the curves.
    """
    path = folder / "overfitting.csv"
    rows = pd.read_csv(path) if path.exists() else pd.DataFrame()
    if rows.empty:
        return None
    n = sum(name.startswith("plus_") for name in rows.columns)
    names = {part: [f"{part}{sign}_{m + 1}" for sign in ("plus", "minus") for m in range(n)] for part in ("", "decay_")}
    lacking = [name for name in (*NUMBERS, *names["decay_"]) if name not in rows.columns]
    told = f"{path.parent.name}/{path.name}"
    require(n and not lacking, f"{told}, columns of it that lack,", lacking or ["plus_1"], "none; the stage writes all")
    timepoints = json.loads((folder / "timepoints.json").read_text(encoding="utf-8"))
    epochs = rows.epoch.tolist()
    return {
        "n": n,
        "samples": samples,
        "checkpoints": [
            {name: float(f"{value:.{DIGITS}g}") for name, value in row.items()}
            for row in rows[[*NUMBERS]].to_dict("records")
        ],
        "timepoints": {name: epochs.index(epoch) for name, epoch in timepoints.items() if epoch in epochs},
        "checkpoint": len(rows) - 1,
        "strength": _packed(rows[names[""]], precision),
        "decays": _packed(rows[names["decay_"]], precision),
    }


def _packed(columns: pd.DataFrame, precision: type) -> bytes:
    """(checkpoint, sign, order) as little-endian numbers."""
    return columns.to_numpy().astype(np.dtype(precision).newbyteorder("<")).tobytes()
