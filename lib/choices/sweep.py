"""Every claim under every combination of choices; a choice with tables of its own is a block of its own."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from ..checks import require
from .judged import Judged
from .registry import CLAIMS, LETTER_LEVEL, Choice, one, words_of
from .solved import Extracted, Extraction, checked

COLUMNS = ["default", "letter", "statistic", "low", "high", "verdict"]


def sweep(
    solved: Mapping[Extraction, Extracted],
    choices: Sequence[Choice],
    resamples: int = 0,
    seed: int = 0,
    keys: Iterable[str] = CLAIMS,
) -> pd.DataFrame:
    """Every claim under every combination of the choices that can touch it, a row each, judged as lib/claims judges.

    Columns: claim (its key, with the kind of noise or the later timepoint), key, one for each choice (None where it
    cannot touch the claim), default and letter (bool), statistic, low and high (the central 90 % over resamples, NaN
    without), verdict. The combination of the paper's letter (ζ and τ 2 %, I* converged, δ ≤ 1e-3) is a row of its own
    where it is not among the others: its delta_min is the text "≤ 0.001", and `summary` leaves it out.

    A statistic that cannot be computed, such as one in units of a Z that is 0, is not measured. Equal seeds give equal
    rows. Raises ValueError for claims that the sweep does not know, and for extractions that were not solved.
    """
    keys = tuple(keys)
    require(set(keys) <= set(CLAIMS), "keys", keys, ", ".join(CLAIMS))
    needed = checked(solved, choices)
    rows = []
    for interactions in {id(solved[extraction]): solved[extraction] for extraction in needed}.values():
        mine = [extraction for extraction in needed if solved[extraction] is interactions]
        rows += Judged(interactions, mine, choices, resamples, seed, keys).rows()
    names = [choice.name for choice in choices]
    frame = pd.DataFrame(rows)
    order = {claim: k for k, claim in enumerate(_labels(next(iter(solved.values())), keys))}
    by = [frame["claim"].map(order), *(frame[name].map(_place(choices, name)) for name in names)]
    frame = frame.iloc[np.lexsort([column.to_numpy() for column in reversed(by)])].reset_index(drop=True)
    return frame[["claim", "key", *names, *COLUMNS]]


def block(
    choice: Choice,
    worlds: Mapping[str, Sequence[xr.DataArray]],
    choices: Sequence[Choice],
    solvers: Callable | Mapping[str, Callable],
    resamples: int = 0,
    seed: int = 0,
) -> pd.DataFrame:
    """`sweep` for each level of a choice that has tables of its own: level → value tables, ours first.

    The same columns, with one for the choice. solvers: what makes the interactions of the tables, `solve` or one for
    each level. Raises ValueError for tables of other levels than the choice's, and as `sweep` does.
    """
    require(tuple(worlds) == choice.levels, f"levels of {choice.name}", tuple(worlds), ", ".join(choice.levels))
    frames = []
    for level, tables in worlds.items():
        solver = solvers[level] if isinstance(solvers, Mapping) else solvers
        solved = solver(tables, choices)
        known = next(iter(solved.values())).conditions
        judged = sweep(solved, choices, resamples, seed, [key for key in choice.claims if _possible(key, known)])
        judged = judged[judged.get("delta_min") != LETTER_LEVEL]
        frames.append(judged.assign(**{choice.name: level}, default=False, letter=False))
    return pd.concat(frames, ignore_index=True)


def together(main: pd.DataFrame, blocks: Mapping[str, pd.DataFrame], choices: Sequence[Choice]) -> pd.DataFrame:
    """All combinations in one frame, with two more columns: block ("" of the main one) and paired.

    choices: those of the blocks. In a block the rows of our level are *paired*: they are there to be compared with the
    other levels on the same samples, and are not counted, for the main block has that combination.
    """
    frames = [main.assign(block="", paired=False)]
    for choice in choices:
        own = blocks[choice.name]
        frames.append(own.assign(block=choice.name, paired=own[choice.name] == choice.default))
    frame = pd.concat(frames, ignore_index=True)
    for choice in choices:
        touched = frame["key"].isin(choice.claims)
        frame[choice.name] = frame.get(choice.name).where(frame[choice.name].notna() | ~touched, choice.default)
    names = [name for name in main if name not in COLUMNS] + [choice.name for choice in choices]
    return frame[[*names, "block", "paired", *COLUMNS]]


def _possible(key: str, conditions: Sequence[str]) -> bool:
    """Whether a claim can be judged from these conditions."""
    pairs = {"untrained": "AB", "removed": "AB", "returns": "BD", "needs_spindle": "BD"}
    needed = pairs | dict.fromkeys(("decay_grows", "residual"), "ABCD")
    return set(needed.get(key, "")) <= set(conditions) and len(list(words_of(key, conditions))) > 0


def _labels(interactions: Extracted, keys: Sequence[str]) -> list[str]:
    return [" ".join([key, *words.values()]) for key in keys for words in words_of(key, interactions.conditions)]


def _place(choices: Sequence[Choice], name: str) -> Callable:
    """The place of a level in its choice's order, for sorting; what is none comes first, the paper's letter last."""
    choice = one(choices, name)
    every = dict.fromkeys(itertools.chain(choice.levels, *choice.other.values()))
    place = {level: k for k, level in enumerate(every)}
    return lambda level: place.get(level, len(place) if isinstance(level, str) else -1)
