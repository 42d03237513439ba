"""Rows of a table: any function of rows, scikit-learn's models as they are, with the columns as players."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from .coalitions import named
from .game import Game
from .outputs import Output

ROWS = 2**16  # at most, that the function is given at a time


def rows(
    function: Callable,
    row: np.ndarray | pd.Series | pd.DataFrame | Sequence,
    background: np.ndarray | pd.Series | pd.DataFrame | Sequence,
    output: Output | Callable | None = None,
    columns: Sequence | None = None,
) -> Game:
    """The game of one row of a table, whose players are its columns.

    function: of rows (rows, columns), as numpy or, where `row` or `background` is of pandas, a data frame; it returns a
    number a row, or what `output` makes one of: `label(y, probabilities=True)` with `predict_proba`.
    background: a row, or several, whose entries stand in for absent columns; of several, v is the mean over them.
    columns: the players, by number or by name; the other columns stay as they are. All unless given.
    Raises ValueError where row and background differ in their columns, for unknown columns, and for a function that
    returns another shape.
    """
    one = row.iloc[0] if isinstance(row, pd.DataFrame) and len(row) == 1 else row
    behind = background.to_frame().T.infer_objects() if isinstance(background, pd.Series) else background
    frame = isinstance(one, pd.Series) or isinstance(behind, pd.DataFrame)
    if not frame:
        one, behind = np.asarray(one), np.atleast_2d(np.asarray(behind))
        if one.ndim == 2 and len(one) == 1:
            one = one[0]
    labels = list(one.index if isinstance(one, pd.Series) else behind.columns if frame else range(one.size))
    values = np.asarray(one, dtype=object if frame else None)
    if values.ndim != 1 or not len(behind) or np.shape(behind)[1:] != values.shape:
        raise ValueError(f"background has shape {np.shape(behind)}, the row {values.shape}: "
                         "allowed are (columns,) or (rows, columns), one row at least")  # fmt: skip
    if frame:
        behind = pd.DataFrame(behind).set_axis(labels, axis=1) if not isinstance(behind, pd.DataFrame) else behind
        if set(behind.columns) != set(labels):
            raise ValueError(
                f"background has columns {list(behind.columns)[:5]}…: allowed are those of the row, {labels[:5]}…"
            )
        behind = behind[labels]
    chosen = labels if columns is None else list(columns)
    unknown = [column for column in chosen if column not in labels]
    if unknown or len(set(chosen)) < len(chosen):
        raise ValueError(
            f"columns has {unknown[0] if unknown else 'one twice'}: allowed are different ones of {labels[:10]}"
        )
    place = [labels.index(column) for column in chosen]
    size, kind = len(behind), None if frame else np.result_type(values, behind)

    def masked(present: np.ndarray) -> np.ndarray | pd.DataFrame:
        shown = np.ones((len(present), len(labels)), dtype=bool)
        shown[:, place] = present
        shown = np.repeat(shown, size, 0)
        if not frame:
            return np.where(shown, values.astype(kind), np.tile(behind.astype(kind), (len(present), 1)))
        data = {}
        for k, name in enumerate(labels):
            absent = np.tile(behind[name].to_numpy(), len(present))
            own = np.full(len(absent), values[k], dtype=np.result_type(type(values[k]), absent.dtype)
                          if absent.dtype.kind in "fiub" else object)  # fmt: skip
            data[name] = np.where(shown[:, k], own, absent)
        return pd.DataFrame(data, columns=labels)

    def play(present: Tensor) -> Tensor:
        found = []
        for part in present.cpu().split(max(1, ROWS // size)):
            returned = function(masked(part.numpy()))
            returned = returned.detach().cpu() if isinstance(returned, Tensor) else torch.from_numpy(np.array(returned))
            if output is not None:
                returned = output(returned)
            if tuple(returned.shape) == (len(part) * size, 1):
                returned = returned[:, 0]
            if tuple(returned.shape) != (len(part) * size,):
                raise ValueError(
                    f"the function returned shape {tuple(returned.shape)} for {len(part) * size} rows: allowed is one "
                    "number a row, or output=games.label(y, probabilities=True)"
                )
            found.append(returned.double().view(len(part), size).mean(1))
        return torch.cat(found) if found else torch.empty(0, dtype=torch.float64)

    return Game(play, named(chosen, len(chosen)))
