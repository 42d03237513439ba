"""What a sweep says: the share of combinations in which a claim holds, and the choice that moves it most."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float64

from .. import claims
from .registry import LETTER_LEVEL, Choice
from .solved import DESCENT

RATIOS = ("noise_decay",)  # averaged on the logarithm


def summary(frame: pd.DataFrame, choices: Sequence[Choice]) -> pd.DataFrame:
    """For each claim: in which share of the combinations it holds, and what moves it.

    Columns: claim, key, combinations, measured (how many), share (of those measured, "holds"), weakly ("holds" or
    "holds weakly"), with_descent (the share, those of the descent counted too), word (`in_words`), low, middle and high
    (least, median and largest statistic), choice and move (the choice whose levels differ most in the mean statistic,
    and the largest less the smallest of these means; of ratios the means are geometric and the move is their quotient),
    choice_of_share and move_of_share (the same of the share), default and letter (the statistics there), verdict and
    letter_verdict.

    A choice that has one level for a claim or cannot touch it does not count. A choice apart is compared within its
    block, the others within the main one. Descent is counted in `with_descent` alone: it is no choice of the method but
    an answer that is not the optimum.
    """
    rows = []
    for claim, all_of in frame.groupby("claim", sort=False):
        key = all_of["key"].iloc[0]
        all_counted = counted(frame, claim)
        measured = all_counted[~_descended(all_counted)]
        of = _without_letter(all_of)
        of = of[~_paired(of) & ~_descended(of)]
        moves = {"move": {}, "move_of_share": {}}
        for choice in choices:
            compared = _compared(all_of, choice)
            if len(compared) and compared[choice.name].nunique() > 1:
                for name, column in (("move", _averaged(compared, key)), ("move_of_share", _holds(compared))):
                    moves[name][choice.name] = float(np.ptp(column.groupby(compared[choice.name]).mean()))
        most = {name: max(found, key=found.get) if any(found.values()) else None for name, found in moves.items()}
        move = moves["move"].get(most["move"], 0.0)
        row = {"claim": claim, "key": key, "combinations": len(of), "measured": len(measured)}
        row |= {"share": float(_holds(measured).mean()) if len(measured) else math.nan}
        row |= {"weakly": float(measured["verdict"].isin(claims.VERDICTS[:2]).mean()) if len(measured) else math.nan}
        row |= {"with_descent": float(_holds(all_counted).mean()) if len(all_counted) else math.nan}
        row |= {"word": in_words(row["share"])}
        row |= {name: float(f(measured["statistic"])) if len(measured) else math.nan
                for name, f in (("low", np.min), ("middle", np.median), ("high", np.max))}  # fmt: skip
        row |= {"choice": most["move"], "move": math.exp(move) if key in RATIOS else move}
        row |= {"choice_of_share": most["move_of_share"]}
        row |= {"move_of_share": moves["move_of_share"].get(most["move_of_share"], 0.0)}
        for name, verdict in (("default", "verdict"), ("letter", "letter_verdict")):
            one = all_of[all_of[name]]
            row |= {name: float(one["statistic"].iloc[0]) if len(one) else math.nan}
            row |= {verdict: one["verdict"].iloc[0] if len(one) else claims.VERDICTS[3]}
        rows.append(row)
    return pd.DataFrame(rows)


def by_level(frame: pd.DataFrame, choices: Sequence[Choice]) -> pd.DataFrame:
    """What each level of each choice gives, the others averaged out.

    Columns: claim, choice, level, combinations (measured), statistic (its mean; of ratios the geometric one), share (of
    combinations in which the claim holds). The combination of the paper's letter is left out.
    """
    rows = []
    for claim, of in frame.groupby("claim", sort=False):
        key = of["key"].iloc[0]
        for choice in choices:
            compared = _compared(of, choice)
            for level in choice.levels_of(key) if len(compared) else ():
                at = compared[compared[choice.name] == level]
                mean = float(_averaged(at, key).mean()) if len(at) else math.nan
                rows.append(
                    {
                        "claim": claim,
                        "choice": choice.name,
                        "level": level,
                        "combinations": len(at),
                        "statistic": math.exp(mean) if key in RATIOS else mean,
                        "share": float(_holds(at).mean()) if len(at) else math.nan,
                    }
                )
    return pd.DataFrame(rows)


def counted(frame: pd.DataFrame, claim: str) -> pd.DataFrame:
    """The rows of a claim that were measured, without the combination of the paper's letter and what is paired."""
    of = _without_letter(frame[(frame["claim"] == claim) & (frame["verdict"] != claims.VERDICTS[3])])
    return of[~_paired(of)]


def shades(of: pd.DataFrame, choices: Sequence[Choice]) -> dict[str, Float64[np.ndarray, " combinations"]]:
    """For one claim's rows, of each choice that has several levels there: their places, from 0 (first) to 1 (last)."""
    found = {}
    for choice in choices:
        levels = choice.levels_of(of["key"].iloc[0])
        if len(levels) > 1 and of[choice.name].isin(levels).all():
            found[choice.name] = of[choice.name].map({level: k for k, level in enumerate(levels)}).to_numpy(dtype=float)
            found[choice.name] /= len(levels) - 1
    return found


def in_words(share: float) -> str:
    """What a share of combinations is called: robustly from 0.9 on, not up to 0.1, else under some choices."""
    if math.isnan(share):
        return claims.VERDICTS[3]
    return "robustly" if share >= 0.9 else "not" if share <= 0.1 else "under some choices"


def _compared(of: pd.DataFrame, choice: Choice) -> pd.DataFrame:
    """The measured rows of a claim among which the levels of a choice are compared."""
    of = _without_letter(of[of["verdict"] != claims.VERDICTS[3]])
    if "block" not in of:
        return of if choice.name in of else of[:0]
    return of[of["block"] == (choice.name if choice.apart else "")]


def _averaged(of: pd.DataFrame, key: str) -> pd.Series:
    return np.log(of["statistic"]) if key in RATIOS else of["statistic"]


def _holds(of: pd.DataFrame) -> pd.Series:
    return of["verdict"] == claims.VERDICTS[0]


def _without_letter(of: pd.DataFrame) -> pd.DataFrame:
    return of[of["delta_min"] != LETTER_LEVEL]


def _paired(of: pd.DataFrame) -> pd.Series:
    return of["paired"] if "paired" in of else pd.Series(False, of.index)


def _descended(of: pd.DataFrame) -> pd.Series:
    return of["solver"] == DESCENT if "solver" in of else pd.Series(False, of.index)
