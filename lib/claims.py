"""Claims of the paper: what each predicts, when it holds, and the verdicts that notebooks reach.

A notebook that measures a claim judges it, once (`judged`), and writes its rows; all others only gather them.
"""

import dataclasses
import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .checks import require
from .experiments import ROOT
from .files import whole
from .resampling import interval

VERDICTS = ("holds", "holds weakly", "does not hold", "not measured")
MARKS = dict(zip(VERDICTS, "●◐○·", strict=True))


@dataclass(frozen=True)
class Rule:
    """What a claim says, which statistic measures it, and what the statistic has to be."""

    claim: str
    where: str  # in the paper
    statistic: str
    holds: float
    weakly: float
    at_most: bool = False  # small values keep to the claim, not large ones
    nothing: float | None = None  # the value of no effect: an interval that reaches it is no weak evidence

    @property
    def predicted(self) -> str:
        return with_minus(f"at {'most' if self.at_most else 'least'} {self.holds:.6g}")


DECAY = {"holds": -0.8, "weakly": 0, "at_most": True, "nothing": 0}
SPINDLE = {"holds": 0.8, "weakly": 0.5}
RESIDUAL = {"holds": 0.1, "weakly": 0.25, "at_most": True}
SCORE = "R² of Eq. 6 if that is a spindle, else 0"
SHARE = "change of the spindle's share of ΣA"
MISFIT = "misfit of the best non-increasing decay at D, less at B, share of ΣA"
RULES = {
    "theorem": Rule("the logical model matches the network on all masked states", "Theorem 2.1", "max |h − v| / ζ",
                    1 + 1e-6, 1 + 1e-6, at_most=True),
    "few": Rule("a well-trained network encodes few salient interactions", "Section 2.1",
                "salient interactions at B / n²", 1, 2, at_most=True),
    "suffice": Rule("few salient interactions approximate the output on all masked states", "Section 2.1",
                    "mean |h − v| of the n² strongest at B / swing", 0.05, 0.1, at_most=True),
    "growth": Rule("the number of salient interactions is O(nᵖ), p from 1.5 to 2", "Section 2.1", "exponent p over n",
                   2, 2, at_most=True),
    "condition_1": Rule("condition 1 of sparsity: no interactions of the highest orders", "Appendix B",
                        "share of samples in which it fails, at B", 0.1, 0.5, at_most=True),
    "condition_2": Rule("condition 2 of sparsity: the output rises with the players present", "Appendix B",
                        "share of samples in which it fails, at B", 0.1, 0.5, at_most=True),
    "condition_3": Rule("condition 3 of sparsity: and not too steeply", "Appendix B",
                        "share of samples in which it fails, at B", 0.1, 0.5, at_most=True),
    "similarity": Rule("low orders generalise better than high ones", "Claim 1, Fig. 6",
                       "Spearman's ρ of the similarity with the order", **DECAY),
    "similarity_ratio": Rule("… and beyond what two groups of one set show", "Claim 1, Fig. 6",
                             "the same, over the similarity within one set", **DECAY),
    "decays": Rule("after normal learning, interactions decay with their order", "Fig. 2, B",
                   "Spearman's ρ of A(m) with m", **DECAY),
    "untrained": Rule("an untrained network's interactions form a spindle", "Fig. 2, A", SCORE, **SPINDLE),
    "untrained_alpha": Rule("… that of Gaussian effects, α = 1", "Section 2.3.1", "|α − 1| of Eq. 6 at A", 0.1, 0.25,
                            at_most=True),
    "pretrained": Rule("a pre-trained encoder starts with low orders", "Appendix F",
                       "Spearman's ρ of A(m) with m, at A", **DECAY),
    "emerged": Rule("what overfitting adds is a spindle, |A_{later} − A_B|", "Fig. 2, {later}", SCORE, **SPINDLE),
    "removed": Rule("normal learning removes the spindle", "Fig. 5, A to B", SHARE, -0.1, 0, at_most=True, nothing=0),
    "returns": Rule("overfitting brings it back", "Fig. 5, B to D", SHARE, 0.1, 0, nothing=0),
    "decay_grows": Rule("the decay grows from A to B and on", "Fig. 5, A to D",
                        "Spearman's ρ of the decay (swing) with A to D", 1, 0.6, nothing=0),
    "needs_spindle": Rule("overfitting adds orders that no decay explains", "Fig. 5, B to D", MISFIT, 0.05, 0,
                          nothing=0),
    "residual": Rule("decay and spindle leave little over", "Fig. 5", "worst ‖residual‖ / ‖A‖ of A to D", **RESIDUAL),
    "noise_spindle": Rule("what noise on the {kind} adds is a spindle", "Fig. 3", SCORE + "; least of all levels",
                          **SPINDLE),
    "noise_growth": Rule("it grows with the noise on the {kind}", "Fig. 3", "Spearman's ρ of Σ ΔA with σ", 1, 0.6),
    "noise_fitted": Rule("noise on the {kind} makes the spindle of Eq. 9 grow", "Figs. 4, 8",
                         "Spearman's ρ of its strength with σ", 1, 0.6),
    "noise_decay": Rule("noise on the {kind} hardly moves the decay", "Figs. 4, 8", "largest / smallest decay", 1.25,
                        1.5, at_most=True),
    "noise_needs": Rule("noise on the {kind} adds orders that no decay explains", "Figs. 4, 8",
                        MISFIT.replace("at D", "at the strongest level"), 0.05, 0, nothing=0),
    "noise_residual": Rule("decay and spindle leave little over, noise on the {kind}", "Figs. 4, 8",
                           "worst ‖residual‖ / ‖A‖", **RESIDUAL),
    "uncertainty": Rule("M(δ) of the overfitted network matches it earlier", "Fig. 7",
                        "least R² of earlier checkpoints", 0.8, 0.5),
    "spindle_tells": Rule("the spindle grows with the loss gap", "Section 2.2.1",
                          "Spearman's ρ over checkpoints from B on", 0.8, 0.5, nothing=0),
    "mean_order_tells": Rule("the mean order grows with the loss gap", "Section 2.2.1",
                             "Spearman's ρ over checkpoints from B on", 0.8, 0.5, nothing=0),
    "wrong_labels": Rule("wrong labels are learned by interactions of higher order", "Appendix I.1",
                         "mean order at D of samples with a wrong label, less those with the right one", 0.25, 0,
                         nothing=0),
}  # fmt: skip


@dataclass(frozen=True)
class Claim:
    """One statement of the paper, measured on one experiment."""

    key: str  # of RULES
    claim: str
    where: str
    experiment: str
    statistic: str
    predicted: str
    measured: float | None
    interval: tuple[float, float] | None  # the central 90 % over resampled samples
    verdict: str
    note: str = ""  # what else has to be known

    def __post_init__(self) -> None:
        require(self.verdict in VERDICTS, "verdict", repr(self.verdict), ", ".join(VERDICTS))

    @property
    def figures(self) -> str:
        """The measured value and its interval in words, "" if there is none."""
        ends = f" [{self.interval[0]:.3g}, {self.interval[1]:.3g}]" if self.interval else ""
        return "" if self.measured is None else with_minus(f"{self.measured:.3g}{ends}")


def with_minus(text: str) -> str:
    """Numbers below 0 with a true minus; hyphens stay."""
    return re.sub(r"(?<![\w])-(?=[\d.])", "−", text)


def judged(
    key: str,
    experiment: str,
    value: float | None,
    ends: Sequence[float] | np.ndarray | None = None,
    note: str = "",
    **words: str,
) -> Claim:
    """The row of a claim: its verdict by its rule. `words` fill in {kind} and {later}; None or NaN: not measured.

    Raises KeyError for a claim that is not in RULES.
    """
    rule = RULES[key]
    if value is None or math.isnan(value):
        value = ends = None
    ends = None if ends is None or not np.isfinite(ends).all() else tuple(map(float, ends))
    verdict = judge(value, ends, rule.holds, rule.weakly, rule.at_most, rule.nothing)
    told = [text.format(**words) for text in (rule.claim, rule.where, rule.statistic)]
    value = None if value is None else float(value)
    return Claim(key, told[0], told[1], experiment, told[2], rule.predicted, value, ends, verdict, with_minus(note))


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
    to `weakly`. Where `nothing` is given, the value of no effect, either asks that value and interval lie beyond it.
    What differs by rounding alone (1e-9) is equal. Raises ValueError if `weakly` is stricter than `holds`.
    """
    if value is None or math.isnan(value):
        return VERDICTS[3]
    sign = -1.0 if at_most else 1.0
    require(sign * weakly <= sign * holds, "weakly", weakly, f"what is no stricter than holds, {holds}")

    def keeps_to(number: float, limit: float) -> bool:
        return round(sign * (number - limit), 9) >= 0

    def keep_to(limit: float) -> bool:
        return all(keeps_to(end, limit) for end in ends or ())

    beyond = nothing is None or (all(round(sign * (end - nothing), 9) > 0 for end in (value, *(ends or ()))))
    if keeps_to(value, holds) and keep_to(weakly) and beyond:
        return VERDICTS[0]
    if keeps_to(value, weakly) and beyond:
        return VERDICTS[1]
    return VERDICTS[2]


def resampled(
    statistic: Callable[[np.ndarray], float], samples: np.ndarray, resamples: int, seed: int
) -> tuple[float, tuple[float, float] | None]:
    """`statistic` of the mean over samples (the first axis), and its central 90 % over resampled samples.

    The interval is None with fewer than two samples or no resamples. Raises ValueError for no sample at all.
    """
    require(len(samples), "the number of samples", 0, "one or more")
    ends = interval(lambda drawn: statistic(samples[drawn].mean(0)), len(samples), resamples, seed)
    return float(statistic(samples.mean(0))), None if ends is None else tuple(ends.tolist())


def write(claims: Iterable[Claim], path: Path) -> None:
    """The claims as JSON, one object each, with the fields of `Claim`."""
    text = json.dumps([dataclasses.asdict(claim) for claim in claims], indent=2, ensure_ascii=False, allow_nan=False)
    with whole(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def read(path: Path) -> list[Claim]:
    """What `write` wrote."""
    rows = json.loads(path.read_text(encoding="utf-8"))
    return [Claim(**{**row, "interval": row.get("interval") and tuple(row["interval"])}) for row in rows]


def all_claims(folder: Path = ROOT / "results") -> list[Claim]:
    """The claims of every experiment that has them, in the order of the names."""
    return [row for path in sorted(folder.glob("*/claims.json")) for row in read(path)]


def main() -> None:
    """Prints the claims of all experiments, one a line."""
    rows = [
        [row.claim, row.where, row.experiment, row.statistic, row.predicted, row.figures, row.verdict, row.note]
        for row in all_claims()
    ]
    header = ["the paper says", "where", "experiment", "statistic", "predicted", "measured", "verdict", "note"]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


if __name__ == "__main__":
    main()
