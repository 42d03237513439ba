"""One set of interactions, judged: every claim with every τ, I*, least δ, range of α and unit that can touch it."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float64
from scipy.stats import rankdata
from torch import Tensor

from .. import claims
from ..disentangle import decay_curves, resampling_weights, resplit
from ..fits import merged, spindle_test
from ..identified import misfit
from ..randomness import derived_seed
from ..resampling import central
from ..strengths import by_order, merge_singletons
from ..theory import shrink
from .registry import (
    FITTED,
    LETTER_LEVEL,
    OF_DIFFERENCE,
    OTHER_SEED,
    Choice,
    alpha_range,
    one,
    words_of,
)  # fmt: skip
from .solved import ADDED, OTHER, Extracted, Extraction

DELTAS = (1e-6, 10.0)  # the decays are known for these δ
LETTER = (1e-12, 1e-3)  # δ as the paper prints it, δ ≤ 1e-3; below 1e-12 M(δ) is the identity
TIMEPOINTS = "ABCD"
FIELDS = ("spindle_strength", "decay_strength", "strength", "relative_residual")  # of the splits, that claims are about


class Judged:
    """The rows of one set of interactions: of each extraction that has these, with every τ and every fit."""

    def __init__(
        self,
        interactions: Extracted,
        extractions: Sequence[Extraction],
        choices: Sequence[Choice],
        resamples: int,
        seed: int,
        keys: Sequence[str],
    ):
        self.found, self.extractions, self.choices, self.keys = interactions, extractions, choices, keys
        samples, self.n = interactions.i_and.shape[1], interactions.i_and.shape[2].bit_length() - 1
        taus = one(choices, "tau").levels
        self.tables = [(extraction, tau) for extraction in extractions for tau in taus]  # what A is measured with
        self.resampled = resamples if samples > 1 else 0
        draw = np.random.default_rng(derived_seed(seed, "bootstrap"))  # as lib/resampling.py draws
        drawn = [draw.integers(samples, size=samples) for _ in range(self.resampled)]
        self.drawn = np.array([np.arange(samples), *drawn])
        self.weights = _weights(samples, self.resampled, seed)  # as lib/disentangle.py draws
        self.limits = torch.stack([self._limits(*table) for table in self.tables])  # (tables, conditions, samples)
        # A(m)±: (tables, conditions, samples, 2, n)
        self.a = torch.stack([by_order(interactions.i_and, interactions.i_or, limit) for limit in self.limits])
        self.curves, self.splits, self.scores = {}, {}, {}

    def _limits(self, extraction: Extraction, tau: float) -> Tensor:
        swing = self.found.swing
        return tau * (swing if extraction[2] == "each sample's" else swing.mean(1, keepdim=True).expand_as(swing))

    def rows(self) -> list[dict]:
        rows = []
        for key in self.keys:
            names = [choice.name for choice in self.choices if key in choice.claims]
            levels = [one(self.choices, name).levels_of(key) for name in names]
            words = list(words_of(key, self.found.conditions))
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
        known = 0.02 in one(self.choices, "tau").levels and _extraction(chosen) in self.extractions
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
        change = self._means(after - before)
        return _first(spindle_test(abs(change) if chosen["change"] == "either way" else change.clip(min=0)).score)

    def _unit(self, chosen: dict, condition: str, name: str | None = None) -> float:
        """What strengths of a condition are divided by, in log-odds; 0 where nothing of these orders is salient."""
        name = name or chosen["unit"]
        if name == "log-odds":
            return 1.0
        if name == "swing":
            return float(self.found.swing[self.found.conditions.index(condition)].mean())
        orders = {"order 1": 1, "orders 1+2": 2}[name]
        return float(self._strength(chosen, condition)[..., :orders].sum((1, 2)).mean())

    def _needs_spindle(self, chosen: dict) -> tuple[float | None, np.ndarray]:
        return self._grown_misfit(chosen, "D")

    def _noise_needs(self, chosen: dict, kind: str) -> tuple[float | None, np.ndarray]:
        return self._grown_misfit(chosen, self.found.levels(kind)[-1])

    def _grown_misfit(self, chosen: dict, condition: str) -> tuple[float | None, np.ndarray]:
        before, after = (misfit(self._means(self._strength(chosen, name))) for name in ("B", condition))
        return _first(after - before)

    # Figure 3

    def _noise_spindle(self, chosen: dict, kind: str) -> tuple[float, np.ndarray]:
        how = chosen.get("added")
        if (kind, how) not in self.scores:
            at_b, scores = self.found.of("B"), []
            for name in self.found.levels(kind):
                if how == OF_DIFFERENCE:
                    new = self.found.of(ADDED + name)
                else:
                    new = [b - noisy for b, noisy in zip(at_b, self.found.of(name), strict=True)]
                scores.append(spindle_test(self._means(by_order(*new).numpy())).score)
            self.scores[kind, how] = min(scores, key=lambda score: score[0])
        return _first(self.scores[kind, how])

    # Figures 4 and 5

    def _part(self, chosen: dict, condition: str, name: str) -> np.ndarray:
        """A field of Eq. 9 solved for a condition (FIELDS), of all samples and then of each resample."""
        known = {"self": condition, "converged": "D", "undisturbed": "B", OTHER_SEED: OTHER}
        whose, letter = known[chosen["reference"]], chosen["delta_min"] == LETTER_LEVEL
        fit = condition, whose, letter, chosen["side"]
        if fit not in self.splits:
            self.splits[fit] = self._split(*fit)
        ranges, fields = self.splits[fit]
        k = ranges.index((chosen["delta_min"], chosen["alpha"]))
        table = self.tables.index((_extraction(chosen), chosen["tau"]))
        return fields[name][k, table]

    def _split(self, condition: str, whose: str, letter: bool, side: str) -> tuple[list, dict[str, np.ndarray]]:
        """The ranges of (δ, α), by the names of their levels, and fields of `Splits`, (ranges, tables, rows)."""
        levels = one(self.choices, "delta_min").levels
        deltas = {LETTER_LEVEL: LETTER} if letter else {level: (level, DELTAS[1]) for level in levels}
        ranges = {(a, b): (deltas[a], alpha_range(b, self.n))
                  for a in deltas for b in one(self.choices, "alpha").levels}  # fmt: skip
        strength = self.a[:, self.found.conditions.index(condition)]
        curves = self._curves(whose, letter) if side == "measured" else self._salient_curves(whose, letter)
        found = resplit(strength, curves, self.weights, list(ranges.values()))
        return list(ranges), {name: getattr(found, name).numpy() for name in FIELDS}

    def _curves(self, whose: str, letter: bool) -> tuple[Tensor, Tensor]:
        if (whose, letter) not in self.curves:
            self.curves[whose, letter] = decay_curves(*self.found.of(whose), LETTER if letter else DELTAS)
        return self.curves[whose, letter]

    def _salient_curves(self, whose: str, letter: bool) -> tuple[Tensor, Tensor]:
        """log δ, and the decays of what is above a table's τ at each δ, (tables, samples, deltas, 2, n)."""
        if (whose, letter, "both") not in self.curves:
            grid, whole = self._curves(whose, letter)
            pair = [table[:, None] for table in merge_singletons(*self.found.of(whose))]
            limits = self.limits[:, self.found.conditions.index(whose)]
            parts = [[] for _ in limits]
            for deltas in grid.exp().split(8):  # bounds the memory the shrunk tables take
                shrunk = [shrink(table, deltas) for table in pair]
                for part, limit in zip(parts, limits, strict=True):
                    if limit.any():
                        part.append(by_order(*shrunk, limit[:, None]))
            found = [torch.cat(part, 1) if part else whole for part in parts]
            self.curves[whose, letter, "both"] = grid, torch.stack(found)
        return self.curves[whose, letter, "both"]

    def _change(self, chosen: dict, pair: str) -> tuple[float, np.ndarray]:
        before, after = (
            self._part(chosen, name, "spindle_strength") / self._part(chosen, name, "strength") for name in pair
        )
        return _first(after - before)

    def _removed(self, chosen: dict) -> tuple[float, np.ndarray]:
        return self._change(chosen, "AB")

    def _returns(self, chosen: dict) -> tuple[float, np.ndarray]:
        return self._change(chosen, "BD")

    def _decay_grows(self, chosen: dict) -> tuple[float | None, np.ndarray]:
        units = [self._unit(chosen, name) for name in TIMEPOINTS]
        if not all(units):
            return None, np.empty(0)
        sizes = [self._part(chosen, name, "decay_strength") for name in TIMEPOINTS]
        return _first(_trends(np.stack(sizes, 1) / units))

    def _residual(self, chosen: dict) -> tuple[float, np.ndarray]:
        return _first(np.max([self._part(chosen, name, "relative_residual") for name in TIMEPOINTS], 0))

    def _under_noise(self, chosen: dict, kind: str, part: str) -> np.ndarray | None:
        """A part's strength at B and at each level, (rows, levels)."""
        names = ["B", *self.found.levels(kind)]
        own = chosen["noise_unit"] == "its own"
        units = [self._unit(chosen, name if own else "B", "order 1") if own else 1.0 for name in names]
        if not all(units):
            return None
        return np.stack([self._part(chosen, name, part) for name in names], 1) / units

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
