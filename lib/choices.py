"""What the verdicts depend on: claims under every combination of the choices that the paper leaves open.

The paper does not say, or not clearly, how much noise ζ may be removed, which of equally sparse interactions count,
whose interactions I* is, and more. Each such choice is a `Choice` with its levels. `solve` decomposes the value tables
once for each extraction; all else is arithmetic on the interactions: `sweep` judges each claim by lib/claims under
every combination of the levels that can touch it, `summary` says in which share of the combinations it holds and which
choice moves it most. (A multiverse analysis, S. Steegen et al., Perspectives on Psychological Science 2016; its picture
is the specification curve, U. Simonsohn et al., Nature Human Behaviour 2020.) A share of combinations is no
probability: it counts what could have been done, each way alike.
"""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
import xarray as xr
from jaxtyping import Float64
from scipy.stats import rankdata
from torch import Tensor

from . import claims
from .checks import require
from .disentangle import decay_curves, resampling_weights, resplit_within
from .experiments import Experiment
from .fits import merged, spindle_test
from .randomness import derived_seed
from .resampling import central
from .sparsest import sparsest
from .strengths import by_order

TIMEPOINTS = "ABCD"
KINDS = ("parameters", "inputs")  # of noise
DELTAS = (1e-6, 10.0)  # the decays are known for these δ
LETTER = (1e-12, 1e-3)  # δ as the paper prints it, δ ≤ 1e-3; below 1e-12 M(δ) is the identity
FITTED = ("removed", "returns", "decay_grows", "residual", "noise_fitted", "noise_decay")
LETTER_LEVEL = "≤ 0.001"  # of the choice delta_min
OF_NOISE = ("noise_spindle", "noise_fitted", "noise_decay")
CLAIMS = ("decays", "untrained", "emerged", *FITTED[:4], *OF_NOISE)
ALPHAS = ("0.5 to 1.5", "3/n to 2 − 1/n")  # ranges of α
RATIOS = ("noise_decay",)  # averaged on the logarithm


@dataclass(frozen=True)
class Choice:
    """One thing that the paper leaves open: its levels, ours, and the claims that it can touch."""

    name: str
    meaning: str
    levels: tuple  # numbers or words
    default: float | str  # one of them
    claims: tuple[str, ...]  # keys of claims.RULES
    other: Mapping[str, tuple] = dataclasses.field(default_factory=dict)  # key → levels that only this claim has
    defaults: Mapping[str, float | str] = dataclasses.field(default_factory=dict)  # key → default where it differs

    def __post_init__(self) -> None:
        unknown = sorted(set(self.claims) - set(claims.RULES))
        require(not unknown, f"claims of {self.name}", unknown, "keys of claims.RULES")
        for key in self.claims:
            default, levels = self.default_of(key), self.levels_of(key)
            require(default in levels, f"default of {self.name}", repr(default), ", ".join(map(str, levels)))

    def levels_of(self, key: str) -> tuple:
        """The levels that can touch the claim; none if it is out of reach."""
        return self.other.get(key, self.levels) if key in self.claims else ()

    def default_of(self, key: str) -> float | str:
        return self.defaults.get(key, self.default)


def registry(
    zeta: float = 0.02,
    ties: str = "low",
    tau: float = 0.02,
    reference: str = "self",
    delta_min: float = 1e-3,
    alpha: str = "0.5 to 1.5",
) -> tuple[Choice, ...]:
    """All choices; the arguments are the defaults, those of params.yaml.

    A default that is none of the levels joins them. Under noise all strengths share one unit, and every statistic is
    free of it unless each level has its own.
    """
    all_but_noise = tuple(key for key in CLAIMS if key != "noise_spindle")
    noise = {key: ("self", "converged", "undisturbed") for key in OF_NOISE}
    return (
        Choice("zeta", "ζ, noise that may be removed from v, share of the swing", _with(zeta, 0.0, 0.01, 0.02),
               zeta, CLAIMS),
        Choice("ties", "of equally sparse interactions, those of low or of high orders", ("low", "high"), ties, CLAIMS),
        Choice("limits", "the swing of which ζ and τ are shares", ("mean", "each sample's"), "mean", CLAIMS),
        Choice("tau", "τ, salient interactions are stronger, share of the swing", _with(tau, 0.0, 0.01, 0.02, 0.05),
               tau, all_but_noise),
        Choice("reference", "I* of the decay, whose it is", ("self", "converged"), reference, FITTED, other=noise),
        Choice("delta_min", "least δ of the decay", _with(delta_min, 1e-6, 1e-4, 1e-3, 1e-2),
               delta_min, FITTED),
        Choice("alpha", "range of α of the spindle", tuple(dict.fromkeys([*ALPHAS, alpha])), alpha, FITTED),
        Choice("unit", "unit of strengths that are compared along training", ("order 1", "orders 1+2", "swing"),
               "order 1", ("emerged", "decay_grows"), defaults={"decay_grows": "swing"}),
        Choice("noise_unit", "unit of strengths under noise: Z of B, or of each level", ("of B", "its own"), "of B",
               ("noise_fitted", "noise_decay")),
    )  # fmt: skip


def registry_of(setting: Experiment) -> tuple[Choice, ...]:
    """The choices with the defaults of an experiment."""
    own = tuple(setting.alpha_range)
    known = {alpha_range(level, setting.players): level for level in ALPHAS}
    alpha = known.get(own, f"{own[0]!r} to {own[1]!r}")
    return registry(setting.zeta, setting.ties, setting.tau, setting.reference, setting.delta_min, alpha)


def _with(default: float, *levels: float) -> tuple[float, ...]:
    return tuple(sorted({default, *levels}))


def keep(choices: Sequence[Choice], **levels: tuple) -> tuple[Choice, ...]:
    """The choices with fewer levels of those named; a choice with one level left is made. Raises as `Choice` does."""
    return tuple(dataclasses.replace(one, levels=levels.get(one.name, one.levels)) for one in choices)


def alpha_range(level: str, n: int) -> tuple[float, float]:
    """The range of α that a level of the choice `alpha` names."""
    return (3 / n, 2 - 1 / n) if level == ALPHAS[1] else tuple(map(float, level.split(" to ")))


@dataclass(frozen=True, eq=False)
class Extracted:
    """The interactions of one extraction under all conditions: A to D, then the levels of noise, weakest first."""

    conditions: tuple[str, ...]
    i_and: Float64[Tensor, "conditions samples subsets"]  # in log-odds
    i_or: Float64[Tensor, "conditions samples subsets"]
    swing: Float64[Tensor, "conditions samples"]  # |v(x) − v(x_∅)|, in log-odds

    def __post_init__(self) -> None:
        expected = (len(self.conditions), *self.i_and.shape[1:])
        for name, shape in (("i_and", expected), ("i_or", expected), ("swing", expected[:2])):
            found = tuple(getattr(self, name).shape)
            require(found == shape, f"shape of {name}", found, f"{shape}")
        right = set(TIMEPOINTS) <= set(self.conditions)
        require(right, "conditions", ", ".join(self.conditions), "A to D, and levels of noise")

    def of(self, condition: str) -> tuple[Tensor, Tensor]:
        """I_AND and I_OR of a condition, (samples, subsets) each."""
        k = self.conditions.index(condition)
        return self.i_and[k], self.i_or[k]

    def levels(self, kind: str) -> list[str]:
        """The conditions under noise of a kind."""
        return [name for name in self.conditions if name.startswith(kind)]


Extraction = tuple[float, str, str]  # ζ, ties, limits


def solve(
    values: Sequence[xr.DataArray],
    choices: Sequence[Choice],
    tolerance: float = 1e-7,
    device: torch.device | str = "cpu",
) -> dict[Extraction, Extracted]:
    """The sparsest interactions for each combination of ζ, ties and limits, each solved once.

    values: value tables with dims (condition, sample, subset), of A to D and of the levels of noise. At ζ = 0 the
    limits do not matter to the program, so that both have the same interactions. Raises as `sparsest` does.
    """
    names = tuple(str(name) for table in values for name in table[table.dims[0]].values)
    tables = torch.cat([torch.from_numpy(table.values) for table in values if table.shape[0]]).to(device)
    swing = (tables[..., -1] - tables[..., 0]).abs()
    zetas, ties, limits = (_choice(choices, name).levels for name in ("zeta", "ties", "limits"))
    solved = {}
    for zeta, tie, limit in itertools.product(zetas, ties, limits):
        known = solved.get((zeta, tie, limits[0])) if zeta == 0 else None
        if known is None:
            bound = zeta * (swing if limit == "each sample's" else swing.mean(1, keepdim=True)).expand_as(swing)
            found = sparsest(tables, bound.contiguous(), tolerance, ties=tie)
            known = Extracted(names, found.i_and.cpu(), found.i_or.cpu(), swing.cpu())
        solved[zeta, tie, limit] = known
    return solved


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
    needed = [*itertools.product(*(_choice(choices, name).levels for name in ("zeta", "ties", "limits")))]
    missing = [one for one in needed if one not in solved]
    require(not missing, "an extraction that was not solved", missing[:1], ", ".join(map(str, solved)))
    rows = []
    for interactions in {id(solved[one]): solved[one] for one in needed}.values():
        mine = [one for one in needed if solved[one] is interactions]
        rows += _Measured(interactions, mine, choices, resamples, seed, keys).rows()
    names = [choice.name for choice in choices]
    frame = pd.DataFrame(rows)
    order = {claim: k for k, claim in enumerate(_labels(next(iter(solved.values())), keys))}
    by = [frame["claim"].map(order), *(frame[name].map(_place(choices, name)) for name in names)]
    frame = frame.iloc[np.lexsort([column.to_numpy() for column in reversed(by)])].reset_index(drop=True)
    return frame[["claim", "key", *names, "default", "letter", "statistic", "low", "high", "verdict"]]


def summary(frame: pd.DataFrame, choices: Sequence[Choice]) -> pd.DataFrame:
    """For each claim: in which share of the combinations it holds, and what moves it.

    Columns: claim, key, combinations, measured (how many), share (of those measured, "holds"), weakly ("holds" or
    "holds weakly"), word (`in_words`), low, middle and high (least, median and largest statistic), choice and move (the
    choice whose levels differ most in the mean statistic, and the largest less the smallest of these means; of ratios
    the means are geometric and the move is their quotient), choice_of_share and move_of_share (the same of the share),
    default and letter (the statistics there), verdict and letter_verdict.

    A choice that has one level for a claim or cannot touch it does not count.
    """
    rows = []
    for claim, all_of in frame.groupby("claim", sort=False):
        key, of, measured = all_of["key"].iloc[0], _without_letter(all_of), counted(frame, claim)
        holds = measured["verdict"] == claims.VERDICTS[0]
        statistic = np.log(measured["statistic"]) if key in RATIOS else measured["statistic"]
        moves = {"move": {}, "move_of_share": {}}
        for choice in choices:
            if choice.name in measured and measured[choice.name].nunique() > 1:
                for name, column in (("move", statistic), ("move_of_share", holds)):
                    moves[name][choice.name] = float(np.ptp(column.groupby(measured[choice.name]).mean()))
        most = {name: max(found, key=found.get) if any(found.values()) else None for name, found in moves.items()}
        move = moves["move"].get(most["move"], 0.0)
        row = {"claim": claim, "key": key, "combinations": len(of), "measured": len(measured)}
        row |= {"share": float(holds.mean()) if len(measured) else math.nan}
        row |= {"weakly": float(measured["verdict"].isin(claims.VERDICTS[:2]).mean()) if len(measured) else math.nan}
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
        measured = counted(frame, claim)
        for choice in choices:
            for level in choice.levels_of(of["key"].iloc[0]):
                at = measured[measured[choice.name] == level]
                statistic = np.log(at["statistic"]) if of["key"].iloc[0] in RATIOS else at["statistic"]
                mean = float(statistic.mean()) if len(at) else math.nan
                rows.append(
                    {
                        "claim": claim,
                        "choice": choice.name,
                        "level": level,
                        "combinations": len(at),
                        "statistic": math.exp(mean) if of["key"].iloc[0] in RATIOS else mean,
                        "share": float((at["verdict"] == claims.VERDICTS[0]).mean()) if len(at) else math.nan,
                    }
                )
    return pd.DataFrame(rows)


def counted(frame: pd.DataFrame, claim: str) -> pd.DataFrame:
    """The rows of a claim that were measured, without the combination of the paper's letter."""
    return _without_letter(frame[(frame["claim"] == claim) & (frame["verdict"] != claims.VERDICTS[3])])


def _without_letter(of: pd.DataFrame) -> pd.DataFrame:
    return of[of["delta_min"] != LETTER_LEVEL]


def shades(of: pd.DataFrame, choices: Sequence[Choice]) -> dict[str, Float64[np.ndarray, " combinations"]]:
    """For one claim's rows, of each choice that has several levels there: their places, from 0 (first) to 1 (last)."""
    found = {}
    for choice in choices:
        levels = choice.levels_of(of["key"].iloc[0])
        if len(levels) > 1:
            found[choice.name] = of[choice.name].map({level: k for k, level in enumerate(levels)}).to_numpy(dtype=float)
            found[choice.name] /= len(levels) - 1
    return found


def in_words(share: float) -> str:
    """What a share of combinations is called: robustly from 0.9 on, not up to 0.1, else under some choices."""
    if math.isnan(share):
        return claims.VERDICTS[3]
    return "robustly" if share >= 0.9 else "not" if share <= 0.1 else "under some choices"


class _Measured:
    """The rows of one set of interactions: of each extraction that has these, with every τ and every fit."""

    def __init__(self, interactions, extractions, choices, resamples, seed, keys):
        self.found, self.extractions, self.choices, self.keys = interactions, extractions, choices, keys
        samples, self.n = interactions.i_and.shape[1], interactions.i_and.shape[2].bit_length() - 1
        taus = _choice(choices, "tau").levels
        self.tables = [(extraction, tau) for extraction in extractions for tau in taus]  # what A is measured with
        self.resampled = resamples if samples > 1 else 0
        draw = np.random.default_rng(derived_seed(seed, "bootstrap"))  # as lib/resampling.py draws
        drawn = [draw.integers(samples, size=samples) for _ in range(self.resampled)]
        self.drawn = np.array([np.arange(samples), *drawn])
        self.weights = _weights(samples, self.resampled, seed)  # as lib/disentangle.py draws
        self.a = torch.stack([self._strengths(*table) for table in self.tables])  # (tables, conditions, samples, 2, n)
        self.curves, self.splits, self.scores = {}, {}, {}

    def _strengths(self, extraction: Extraction, tau: float) -> Tensor:
        swing = self.found.swing
        limit = tau * (swing if extraction[2] == "each sample's" else swing.mean(1, keepdim=True).expand_as(swing))
        return by_order(self.found.i_and, self.found.i_or, limit)

    def rows(self) -> list[dict]:
        rows = []
        for key in self.keys:
            names = [choice.name for choice in self.choices if key in choice.claims]
            levels = [_choice(self.choices, name).levels_of(key) for name in names]
            words = [{"later": later} for later in "CD"] if key == "emerged" else [{}]
            if key in OF_NOISE:
                words = [{"kind": kind} for kind in KINDS if self.found.levels(kind)]
            for word, level in itertools.product(words, itertools.product(*levels)):
                chosen = dict(zip(names, level, strict=True))
                if _extraction(chosen) in self.extractions:
                    rows.append(self._row(key, chosen, word))
            rows += [self._row(key, letter, word) for word in words if (letter := self._letter(key))]
        return rows

    def _letter(self, key: str) -> dict | None:
        """The paper's letter for a claim that has I* and δ, if these interactions are those of its extraction."""
        chosen = {choice.name: choice.default_of(key) for choice in self.choices if key in choice.claims}
        chosen |= {"zeta": 0.02, "tau": 0.02, "reference": "converged", "delta_min": LETTER_LEVEL}
        chosen |= {"unit": "order 1"} if key == "decay_grows" else {}
        known = 0.02 in _choice(self.choices, "tau").levels and _extraction(chosen) in self.extractions
        return chosen if key in FITTED and known else None

    def _row(self, key: str, chosen: dict, word: dict) -> dict:
        # as published where a claim has no I*: the combination at ζ = τ = 2 %, all else at its default
        plain = {choice.name: choice.default_of(key) for choice in self.choices if key in choice.claims}
        letter = plain | {name: 0.02 for name in ("zeta", "tau") if name in plain}
        value, drawn = getattr(self, f"_{key}")(chosen, **word)
        ends = central([*drawn]) if len(drawn) else None
        judged = claims.judged(key, "", None if value is None else float(value), ends, **word)
        low, high = judged.interval or (math.nan, math.nan)
        return {
            "claim": " ".join([key, *word.values()]), "key": key,
            **{choice.name: chosen.get(choice.name) for choice in self.choices},
            "default": chosen == plain,
            "letter": chosen["delta_min"] == LETTER_LEVEL if key in FITTED else chosen == letter,
            "statistic": math.nan if judged.measured is None else judged.measured,
            "low": low, "high": high, "verdict": judged.verdict,
        }  # fmt: skip

    # Figure 2

    def _strength(self, chosen: dict, condition: str) -> np.ndarray:
        """A(m)± of each sample, (samples, 2, n), in log-odds."""
        table = self.tables.index((_extraction(chosen), chosen["tau"]))
        return self.a[table, self.found.conditions.index(condition)].numpy()

    def _means(self, samples: np.ndarray) -> np.ndarray:
        """The mean of all samples, then of each resample."""
        return np.concatenate([samples.mean(0)[None], samples[self.drawn[1:]].mean(1)])

    def _decays(self, chosen: dict) -> tuple[float, np.ndarray]:
        return _first(_trends(merged(self._means(self._strength(chosen, "B"))).sum(1)))

    def _untrained(self, chosen: dict) -> tuple[float, np.ndarray]:
        return _first(spindle_test(self._means(self._strength(chosen, "A"))).score)

    def _emerged(self, chosen: dict, later: str) -> tuple[float | None, np.ndarray]:
        units = [self._unit(chosen, condition) for condition in (later, "B")]
        if not all(units):
            return None, np.empty(0)
        after, before = (self._strength(chosen, name) / unit for name, unit in zip((later, "B"), units, strict=True))
        return _first(spindle_test(abs(self._means(after - before))).score)

    def _unit(self, chosen: dict, condition: str, name: str | None = None) -> float:
        """What strengths of a condition are divided by, in log-odds; 0 where nothing of these orders is salient."""
        name = name or chosen["unit"]
        if name == "swing":
            return float(self.found.swing[self.found.conditions.index(condition)].mean())
        orders = {"order 1": 1, "orders 1+2": 2}[name]
        return float(self._strength(chosen, condition)[..., :orders].sum((1, 2)).mean())

    # Figure 3

    def _noise_spindle(self, chosen: dict, kind: str) -> tuple[float, np.ndarray]:
        if kind not in self.scores:
            at_b, scores = self.found.of("B"), []
            for name in self.found.levels(kind):
                new = by_order(*(b - noisy for b, noisy in zip(at_b, self.found.of(name), strict=True))).numpy()
                scores.append(spindle_test(self._means(new)).score)
            self.scores[kind] = min(scores, key=lambda score: score[0])
        return _first(self.scores[kind])

    # Figures 4 and 5

    def _parts(self, chosen: dict, condition: str) -> dict[str, np.ndarray]:
        """Fields of Eq. 9 solved for a condition, each of all samples and then of each resample."""
        whose = {"self": condition, "converged": "D", "undisturbed": "B"}[chosen["reference"]]
        letter = chosen["delta_min"] == LETTER_LEVEL
        if (condition, whose, letter) not in self.splits:
            if (whose, letter) not in self.curves:
                self.curves[whose, letter] = decay_curves(*self.found.of(whose), LETTER if letter else DELTAS)
            levels = _choice(self.choices, "delta_min").levels
            deltas = {LETTER_LEVEL: LETTER} if letter else {level: (level, DELTAS[1]) for level in levels}
            ranges = {(a, b): (deltas[a], alpha_range(b, self.n))
                      for a in deltas for b in _choice(self.choices, "alpha").levels}  # fmt: skip
            strength = self.a[:, self.found.conditions.index(condition)]
            curves = self.curves[whose, letter]
            found = resplit_within(strength, curves, self.weights, list(ranges.values()))
            self.splits[condition, whose, letter] = list(ranges), dataclasses.asdict(found)
        ranges, fields = self.splits[condition, whose, letter]
        k = ranges.index((chosen["delta_min"], chosen["alpha"]))
        table = self.tables.index((_extraction(chosen), chosen["tau"]))
        return {name: field[k, table].numpy() for name, field in fields.items()}

    def _change(self, chosen: dict, pair: str) -> tuple[float, np.ndarray]:
        before, after = (self._parts(chosen, name) for name in pair)
        return _first(after["spindle_strength"] / after["strength"] - before["spindle_strength"] / before["strength"])

    def _removed(self, chosen: dict) -> tuple[float, np.ndarray]:
        return self._change(chosen, "AB")

    def _returns(self, chosen: dict) -> tuple[float, np.ndarray]:
        return self._change(chosen, "BD")

    def _decay_grows(self, chosen: dict) -> tuple[float | None, np.ndarray]:
        units = [self._unit(chosen, name) for name in TIMEPOINTS]
        if not all(units):
            return None, np.empty(0)
        sizes = [self._parts(chosen, name)["decay_strength"] for name in TIMEPOINTS]
        return _first(_trends(np.stack(sizes, 1) / units))

    def _residual(self, chosen: dict) -> tuple[float, np.ndarray]:
        return _first(np.max([self._parts(chosen, name)["relative_residual"] for name in TIMEPOINTS], 0))

    def _under_noise(self, chosen: dict, kind: str, part: str) -> np.ndarray | None:
        """A part's strength at B and at each level, (rows, levels)."""
        names = ["B", *self.found.levels(kind)]
        own = chosen["noise_unit"] == "its own"
        units = [self._unit(chosen, name if own else "B", "order 1") if own else 1.0 for name in names]
        if not all(units):
            return None
        return np.stack([self._parts(chosen, name)[part] for name in names], 1) / units

    def _noise_fitted(self, chosen: dict, kind: str) -> tuple[float | None, np.ndarray]:
        sizes = self._under_noise(chosen, kind, "spindle_strength")
        return (None, np.empty(0)) if sizes is None else _first(_trends(sizes))

    def _noise_decay(self, chosen: dict, kind: str) -> tuple[float | None, np.ndarray]:
        sizes = self._under_noise(chosen, kind, "decay_strength")
        if sizes is None or not sizes[0].any():
            return None, np.empty(0)
        largest = sizes.max(1)
        ratio = largest / np.maximum(sizes.min(1), 1e-3 * largest).clip(min=np.finfo(float).tiny)
        return _first(np.where(largest > 0, ratio, np.nan))


def _first(rows: np.ndarray) -> tuple[float, np.ndarray]:
    return float(rows[0]), rows[1:]


def _trends(curves: Float64[np.ndarray, "rows k"]) -> Float64[np.ndarray, " rows"]:
    """`resampling.trend` of each row."""
    ranks = rankdata(curves, axis=1)
    ranks = ranks - ranks.mean(1, keepdims=True)
    index = np.arange(curves.shape[1]) - (curves.shape[1] - 1) / 2
    size = np.sqrt((ranks**2).sum(1) * (index**2).sum())
    return np.where(size > 0, ranks @ index / np.where(size > 0, size, 1.0), 0.0)


def _weights(samples: int, resamples: int, seed: int) -> Float64[Tensor, "rows samples"]:
    whole = torch.full((1, samples), 1 / samples, dtype=torch.float64)
    return torch.cat([whole, resampling_weights(resamples, samples, seed)]) if resamples else whole


def _extraction(chosen: dict) -> Extraction:
    return chosen["zeta"], chosen["ties"], chosen["limits"]


def _choice(choices: Sequence[Choice], name: str) -> Choice:
    return next(choice for choice in choices if choice.name == name)


def _place(choices: Sequence[Choice], name: str):
    """The place of a level in its choice's order, for sorting; what is none comes first, the paper's letter last."""
    choice = _choice(choices, name)
    every = dict.fromkeys(itertools.chain(choice.levels, *choice.other.values()))
    place = {level: k for k, level in enumerate(every)}
    return lambda level: place.get(level, len(place) if isinstance(level, str) else -1)


def _labels(interactions: Extracted, keys: Sequence[str]) -> list[str]:
    labels = []
    for key in keys:
        if key == "emerged":
            labels += [f"{key} {later}" for later in "CD"]
        elif key in OF_NOISE:
            labels += [f"{key} {kind}" for kind in KINDS if interactions.levels(kind)]
        else:
            labels.append(key)
    return labels
