"""Verdicts on claims: standard statistics of strengths by order, with intervals, against stated thresholds."""

import dataclasses
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from lib.disentangle import fit_spindle
from lib.experiments import ROOT
from lib.resampling import interval, trend

MIDDLE = (0.5, 1.5)  # α of a spindle in the words of the hypothesis, "of medium orders"
VERDICTS = ("holds", "holds weakly", "does not hold", "not measured")


@dataclass(frozen=True)
class Claim:
    """One statement of the paper, measured on one experiment."""

    claim: str
    where: str  # in the paper
    experiment: str
    statistic: str
    predicted: str  # what the claim says of the statistic: the threshold for `holds`
    measured: float | None
    interval: tuple[float, float] | None  # the central 90 % over resampled samples
    verdict: str

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError(f"verdict = {self.verdict!r}: allowed are {', '.join(VERDICTS)}")


def judge(
    value: float | None,
    ends: tuple[float, float] | None,
    holds: float,
    weakly: float,
    at_most: bool = False,
    nothing: float | None = None,
) -> str:
    """The verdict on a value that a claim wants to be at least (`at_most`: at most) `holds`; None or NaN: not measured.

    It holds if the value keeps to `holds` and both ends of its interval to `weakly`; it holds weakly if the value keeps
    to `weakly` and both ends keep to `nothing`, the value of no effect, where that is given. Raises ValueError if
    `weakly` is stricter than `holds`.
    """
    if value is None or math.isnan(value):
        return VERDICTS[3]
    sign = -1.0 if at_most else 1.0
    if sign * weakly > sign * holds:
        raise ValueError(f"weakly = {weakly}: allowed is what is no stricter than holds = {holds}")

    def keep_to(limit: float) -> bool:
        return all(sign * end >= sign * limit for end in ends or ())

    if sign * value >= sign * holds and keep_to(weakly):
        return VERDICTS[0]
    if sign * value >= sign * weakly and (nothing is None or keep_to(nothing)):
        return VERDICTS[1]
    return VERDICTS[2]


def resampled(
    statistic: Callable[[np.ndarray], float], samples: np.ndarray, resamples: int, seed: int
) -> tuple[float, tuple[float, float] | None]:
    """`statistic` of the mean over samples (the first axis), and its central 90 % over resampled samples.

    The interval is None with fewer than two samples or no resamples. Raises ValueError for no sample at all.
    """
    if not len(samples):
        raise ValueError("samples has none; allowed: one or more")
    ends = interval(lambda drawn: statistic(samples[drawn].mean(0)), len(samples), resamples, seed)
    return float(statistic(samples.mean(0))), None if ends is None else tuple(ends.tolist())


def trend_by_order(strength: np.ndarray) -> float:
    """Rank correlation of A(m),+ + A(m),− with m, for a (2, n) strength."""
    return trend(strength.sum(0))


def spindle_r_squared(strength: np.ndarray) -> float:
    """R² of Eq. 6 fitted to a (2, n) strength, α from 0.5 to 1.5: its peak αn/2 is in the middle half of the orders.

    Without that range the curve of a small α, which falls from order 1 on, would fit a plain decay with R² near 0.8.
    """
    return float(fit_spindle(torch.from_numpy(np.ascontiguousarray(strength)), MIDDLE).r_squared)


def all_claims(folder: Path = ROOT / "results") -> list[Claim]:
    """The claims of every experiment that has them, in the order of the names."""
    rows = []
    for path in sorted(folder.glob("*/claims.json")):
        for row in json.loads(path.read_text()):
            interval = row.pop("interval")
            rows.append(Claim(**row, interval=tuple(interval) if interval else None))
    return rows


def write(claims: list[Claim], path: Path) -> None:
    """The claims as JSON, one object each, with the fields of `Claim`."""
    path.write_text(json.dumps([dataclasses.asdict(claim) for claim in claims], indent=2, allow_nan=False) + "\n")


def main() -> None:
    """Prints the claims of all experiments, one a line."""
    rows = []
    for claim in all_claims():
        interval = f" [{claim.interval[0]:.2f}, {claim.interval[1]:.2f}]" if claim.interval else ""
        measured = "" if claim.measured is None else f"{claim.measured:.3g}{interval}"
        rows.append(
            [claim.claim, claim.where, claim.experiment, claim.statistic, claim.predicted, measured, claim.verdict]
        )
    header = ["the paper says", "where", "experiment", "statistic", "predicted", "measured", "verdict"]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


if __name__ == "__main__":
    main()
