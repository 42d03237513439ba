"""The sweep over choices: planted tables on which a choice decides, the defaults as lib/claims judges, equal rows."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
import torch
from jaxtyping import TypeCheckError

from lib import choices, claims, experiments, shipped, strengths, tables
from lib.disentangle import disentangle
from lib.fits import decay_trend, spindle_test
from lib.resampling import central, trend
from lib.subsets import orders

REFUSED = (ValueError, TypeCheckError)  # shapes are refused earlier when annotations are checked at run time
N, SAMPLES = 6, 4
CONDITIONS = (*"ABCD", "parameters 3", "parameters 10", "inputs 2")


def planted(of_order, samples=SAMPLES, seed=0, conditions=CONDITIONS, swing=10.0):
    """Interactions whose A(m) is of_order(condition)[m − 1], shared alike by all subsets of an order, both signs."""
    order = orders(N)
    count = torch.tensor([math.comb(N, m) for m in range(N + 1)], dtype=torch.float64)
    draw = torch.Generator().manual_seed(seed)
    sign = 1.0 - 2.0 * (torch.rand(samples, 2**N, generator=draw, dtype=torch.float64) < 0.5)
    sizes = torch.stack([torch.tensor([0.0, *of_order(name)], dtype=torch.float64) for name in conditions])
    i_and = (sizes / count)[:, order][:, None] * sign
    spread = torch.exp(0.1 * torch.randn(samples, 1, generator=draw, dtype=torch.float64))
    i_and = i_and * spread
    return choices.Extracted(
        tuple(conditions), i_and, torch.zeros_like(i_and), swing * spread[:, 0].expand(len(conditions), samples).clone()
    )


def everywhere(found, some=None):
    """The same interactions for every extraction, but for those that `some` has."""
    names = ("zeta", "ties", "limits")
    levels = [next(one.levels for one in choices.registry() if one.name == name) for name in names]
    return {key: (some or {}).get(key, found) for key in itertools.product(*levels)}


FALLING = [8.0, 4.0, 2.0, 1.0, 0.5, 0.25]
BELL = [6.0, 15.0, 20.0, 15.0, 6.0, 1.0]


def test_the_threshold_decides_a_claim_that_it_is_planted_for():
    """At B strong low orders, and many high ones, each below 5 % of the swing, that together are stronger."""
    at_b = [8.0, 12.0, 6.0, 7.0, 2.5, 0.4]  # each of order 3: 0.3, of 4: 0.47; 5 % of the swing: 0.5
    found = planted(lambda name: at_b if name == "B" else FALLING)
    frame = choices.sweep(everywhere(found), choices.registry(), keys=["decays"])
    assert len(frame) == 3 * 2 * 2 * 4
    by_tau = frame.groupby("tau")["statistic"].agg(["min", "max"])
    assert (by_tau["min"] == by_tau["max"]).all(), "nothing but τ moves it"
    (row,) = choices.summary(frame, choices.registry()).to_dict("records")
    assert row["choice"] == "tau" and row["move"] == pytest.approx(np.ptp(by_tau["min"])) and row["move"] > 0
    assert row["combinations"] == row["measured"] == 48


def test_zeta_decides_a_claim_that_it_is_planted_for():
    """With ζ = 0 the interactions at A are a spindle, with any other ζ they fall."""
    bell, fall = planted(lambda name: BELL), planted(lambda name: FALLING)
    solved = everywhere(
        fall, {(0.0, tie, limit): bell for tie in ("low", "high") for limit in ("mean", "each sample's")}
    )
    registry = choices.registry()
    frame = choices.sweep(solved, registry, keys=["untrained"])
    untrained = frame[frame["claim"] == "untrained"]
    holds = untrained.groupby("zeta")["verdict"].agg(lambda of: (of == "holds").mean())
    assert holds[0.0] >= 0.75 and (holds[[0.01, 0.02]] == 0).all()
    row = choices.summary(frame, registry).set_index("claim").loc["untrained"]
    assert row["choice"] == row["choice_of_share"] == "zeta" and row["move_of_share"] == pytest.approx(holds[0.0])
    assert row["share"] == pytest.approx(holds.mean()) and row["word"] == "under some choices"


def test_the_unit_decides_whether_the_decay_grows():
    """Decays that double from A to D, in a swing that doubles with them: they grow in log-odds, not in swings."""
    size = dict(zip("ABCD", (1.0, 2.0, 4.0, 8.0), strict=True))
    found = planted(lambda name: [size.get(name, 2.0) * x for x in FALLING])
    growing = torch.tensor([size.get(name, 2.0) ** 1.5 for name in CONDITIONS], dtype=torch.float64)[:, None]
    found = choices.Extracted(found.conditions, found.i_and, found.i_or, 0.1 * found.swing * growing)
    registry = choices.keep(choices.registry(), tau=(0.0, 0.02), delta_min=(1e-3,))
    frame = choices.sweep(everywhere(found), registry, keys=["decay_grows"])
    in_swings = frame[(frame["unit"] == "swing") & (frame["tau"] == 0)]
    assert (in_swings["verdict"] == "does not hold").all() and (in_swings["statistic"] == -1).all()
    assert choices.summary(frame, registry).iloc[0]["choice"] == "unit"


def test_a_choice_that_cannot_touch_a_claim_does_not_count_for_it():
    registry = choices.keep(choices.registry(), zeta=(0.0, 0.02), tau=(0.0, 0.02), delta_min=(1e-6, 1e-3))
    frame = choices.sweep(everywhere(planted(lambda name: BELL if name != "B" else FALLING)), registry)
    assert set(frame["key"]) == set(choices.CLAIMS)
    for claim, of in frame[~frame["letter"]].groupby("claim"):
        key = of["key"].iloc[0]
        combinations = 1
        for choice in registry:
            levels = choice.levels_of(key)
            combinations *= len(levels) or 1
            assert set(of[choice.name].dropna()) <= set(levels), (claim, choice.name)
            assert (key in choice.claims) == of[choice.name].notna().all() and (levels or of[choice.name].isna().all())
        assert len(of) in (combinations, combinations - 1), "one may be the letter"
    assert not frame.duplicated(["claim", *(choice.name for choice in registry)]).any()
    assert (frame.groupby("claim")["default"].sum() == 1).all() and (frame.groupby("claim")["letter"].sum() == 1).all()
    letter = frame[frame["letter"] & frame["key"].isin(choices.FITTED)]
    assert (letter["delta_min"] == "≤ 0.001").all() and (letter["reference"] == "converged").all()
    counted = choices.summary(frame, registry).set_index("claim")["combinations"]
    assert counted["decays"] == 16 and counted["returns"] == 16 * 2 * 2 * 2 and counted["noise_spindle inputs"] == 8
    assert counted["noise_fitted inputs"] == 16 * 3 * 2 * 2 * 2 and counted["emerged C"] == 16 * 3
    levels = choices.by_level(frame, registry)
    assert set(levels[levels["claim"] == "noise_spindle inputs"]["choice"]) == {"zeta", "ties", "limits"}
    per_level = levels[(levels["claim"] == "returns") & (levels["choice"] == "reference")]
    assert per_level["combinations"].tolist() == [64, 64] and per_level["level"].tolist() == ["self", "converged"]
    strip = choices.shades(choices.counted(frame, "returns"), registry)
    assert list(strip) == ["zeta", "ties", "limits", "tau", "reference", "delta_min", "alpha"]
    assert all(len(row) == 128 and row.mean() == 0.5 for row in strip.values())
    few = choices.keep(registry, limits=("mean",))
    fewer = choices.sweep(everywhere(planted(lambda name: BELL)), few, keys=["decays"])
    assert len(fewer) == 8 and choices.summary(fewer, few)["choice"].iloc[0] != "limits"


def test_equal_rows_on_a_second_run():
    solved = everywhere(planted(lambda name: BELL if name == "D" else FALLING))
    fewer = {"zeta": (0.0, 0.02), "limits": ("mean",), "tau": (0.0, 0.02), "delta_min": (1e-4, 1e-3), "ties": ("low",)}
    keys = ["decays", "emerged", "returns", "noise_spindle", "noise_decay"]
    registry = choices.keep(choices.registry(), **fewer)
    first, again, other = (choices.sweep(solved, registry, 4, seed, keys=keys) for seed in (3, 3, 4))
    assert first.to_csv().encode() == again.to_csv().encode()
    assert first.to_csv() != other.to_csv()
    pd.testing.assert_series_equal(first["statistic"], other["statistic"])
    summaries = [choices.summary(one, registry).to_csv() for one in (first, again)]
    assert summaries[0] == summaries[1]


def test_what_cannot_be_measured_is_not_measured():
    """No salient interaction of order 1 at C: in units of order 1 there is no answer, in the others there is."""
    found = planted(lambda name: [0.0, *FALLING[1:]] if name == "C" else FALLING, conditions=tuple("ABCD"))
    registry = choices.keep(choices.registry(), tau=(0.0, 0.02))  # at 5 %, order 2 is not salient either
    frame = choices.sweep(everywhere(found), registry, keys=["emerged", "noise_fitted"])
    at_c = frame[frame["claim"] == "emerged C"]
    assert set(frame["claim"]) == {"emerged C", "emerged D"}, "there is no noise"
    assert ((at_c["verdict"] == "not measured") == (at_c["unit"] == "order 1")).all()
    row = choices.summary(frame, registry).iloc[0]
    assert row["measured"] == row["combinations"] * 2 // 3 and row["verdict"] == "not measured"
    assert choices.in_words(math.nan) == "not measured"


def test_shares_in_words():
    assert [choices.in_words(x) for x in (0.0, 0.1, 0.11, 0.89, 0.9, 1.0)] == [
        "not", "not", "under some choices", "under some choices", "robustly", "robustly"
    ]  # fmt: skip


@pytest.fixture(scope="module")
def digits():
    """Three samples of digits-vgg by the extraction that is the default, and its registry."""
    shipped.bring()
    folder = experiments.results("digits-vgg")
    values = [tables.read(folder / f"{name}.nc")["values"] for name in ("values", "injected-values")]
    few = {"zeta": (0.02,), "ties": ("low",), "limits": ("mean",), "tau": (0.02,), "delta_min": (1e-3,)}
    registry = choices.keep(choices.registry(), **few)
    some = [table.isel(sample=[3, 24, 40]) for table in values]
    return choices.solve([some[0], some[1].isel(noise=[0, 3, 5, 6, 11])], registry), registry


def test_the_defaults_are_what_the_claims_are_judged_by(digits):
    """As the notebook 5_disentangle computes them, by `disentangle` and lib/claims, at the defaults."""
    solved, registry = digits
    (found,) = solved.values()
    resamples, seed, names = 8, 0, found.conditions
    swing = {name: float(found.swing[k].mean()) for k, name in enumerate(names)}
    tau = {name: 0.02 * swing[name] for name in names}
    z = {name: float(strengths.normaliser(*found.of(name), tau[name])) for name in "ABCD"}
    z |= {name: z["B"] for name in names[4:]}
    pair = {name: [x / z[name] for x in found.of(name)] for name in names}
    a = {name: strengths.by_order(*pair[name], tau[name] / z[name]) for name in names}
    fit = {"alpha_range": (0.5, 1.5), "delta_range": (1e-3, 10.0), "bootstrap": resamples, "seed": seed}
    split = {name: disentangle(a[name], *pair[name], **fit) for name in names}

    def score(new):
        return float(spindle_test(np.abs(new)).score)

    def of_samples(statistic, samples):
        return claims.resampled(statistic, np.asarray(samples), resamples, seed)

    def of_all(statistic, some, *fields):
        one = statistic(*(np.array([getattr(split[name], field) for name in some]) for field in fields))
        drawn = [np.stack([getattr(split[name].diagnostics.bootstrap, field) for name in some], 1) for field in fields]
        return float(one), central([statistic(*row) for row in zip(*drawn, strict=True)])

    def change(spindle, whole):
        share = spindle / whole
        return share[1] - share[0]

    for name in names:  # ΣA as a field, so that shares can be taken
        object.__setattr__(split[name], "strength", float(a[name].mean(0).sum()))
    expected = {
        "decays": of_samples(decay_trend, a["B"]),
        "untrained": of_samples(score, a["A"]),
        **{
            f"emerged {later}": of_samples(lambda p: score(p[0] - p[1]), np.stack([a[later], a["B"]], 1))
            for later in "CD"
        },
        "removed": of_all(change, "AB", "spindle_strength", "strength"),
        "returns": of_all(change, "BD", "spindle_strength", "strength"),
        "decay_grows": of_all(lambda x: trend(x * [z[k] / swing[k] for k in "ABCD"]), "ABCD", "decay_strength"),
        "residual": of_all(np.max, "ABCD", "relative_residual"),
    }
    for kind in ("parameters", "inputs"):
        levels = found.levels(kind)
        new = [strengths.by_order(*(b - c for b, c in zip(pair["B"], pair[name], strict=True))) for name in levels]
        expected[f"noise_spindle {kind}"] = min((of_samples(score, one) for one in new), key=lambda row: row[0])
        every = ["B", *levels]
        expected[f"noise_fitted {kind}"] = of_all(trend, every, "spindle_strength")
        expected[f"noise_decay {kind}"] = of_all(
            lambda x: x.max() / max(x.min(), 1e-3 * x.max()), every, "decay_strength"
        )
    frame = choices.sweep(solved, registry, resamples, seed)
    ours = frame[frame["default"]].set_index("claim")
    assert set(ours.index) == set(expected)
    for claim, (value, ends) in expected.items():
        key, _, word = claim.partition(" ")
        words = {"later": word} if key == "emerged" else {"kind": word}
        judged = claims.judged(key, "digits-vgg", value, ends, **words)
        row = ours.loc[claim]
        assert row["verdict"] == judged.verdict, claim
        assert row["statistic"] == pytest.approx(judged.measured, abs=5e-3, rel=5e-3), claim
        assert (row["low"], row["high"]) == pytest.approx(judged.interval, abs=2e-2, rel=2e-2), claim


def test_each_extraction_is_solved_once_and_zeta_0_has_no_limits(digits):
    solved, _ = digits
    (found,) = solved.values()
    folder = experiments.results("digits-vgg")
    few = [tables.read(folder / "values.nc")["values"].isel(sample=[3, 24])]
    registry = choices.keep(choices.registry(), zeta=(0.0, 0.02), ties=("low",))
    both = choices.solve(few, registry, tolerance=1e-7)
    assert both[0.0, "low", "mean"] is both[0.0, "low", "each sample's"]
    assert both[0.02, "low", "mean"] is not both[0.02, "low", "each sample's"]
    h = [x.abs().sum() for x in (both[0.0, "low", "mean"].i_and, both[0.02, "low", "mean"].i_and)]
    assert h[1] < h[0] and both[0.02, "low", "mean"].conditions == tuple("ABCD")


def test_a_default_of_ones_own_joins_the_levels():
    """So that a reader who changes ζ, τ, least δ or the range of α in params.yaml still gets the sweep."""
    own = experiments.load("digits-vgg", {"zeta": 0.05, "tau": 0.03, "delta_min": 2e-3, "alpha_range": [0.4, 1.6]})
    known = {choice.name: choice for choice in choices.registry_of(own)}
    assert known["zeta"].levels == (0.0, 0.01, 0.02, 0.05) and known["zeta"].default == 0.05
    assert known["tau"].levels == (0.0, 0.01, 0.02, 0.03, 0.05)
    assert known["delta_min"].levels == (1e-6, 1e-4, 1e-3, 2e-3, 1e-2)
    assert choices.alpha_range(known["alpha"].default, 10) == (0.4, 1.6) and len(known["alpha"].levels) == 3


def test_bad_input_is_named(digits):
    solved, registry = digits
    with pytest.raises(ValueError, match="keys is .'theorem',.; allowed: decays"):
        choices.sweep(solved, registry, keys=["theorem"])
    with pytest.raises(ValueError, match="an extraction that was not solved is"):
        choices.sweep(solved, choices.registry())
    with pytest.raises(ValueError, match="default of tau is 0.02; allowed: 0.0, 0.05"):
        choices.keep(registry, tau=(0.0, 0.05))
    with pytest.raises(ValueError, match="claims of x is .'y'."):
        choices.Choice("x", "", (0,), 0, ("y",))
    found = planted(lambda name: FALLING)
    with pytest.raises(ValueError, match="conditions is A, B, C, x; allowed: A to D"):
        choices.Extracted((*"ABC", "x"), found.i_and[:4], found.i_or[:4], found.swing[:4])
    with pytest.raises(REFUSED, match="swing"):
        choices.Extracted(found.conditions, found.i_and, found.i_or, found.swing[:2])
