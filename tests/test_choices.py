"""The sweep over choices: planted tables on which a choice decides, the defaults as lib/claims judges, equal rows."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from jaxtyping import TypeCheckError

from lib import choices, claims, experiments, shipped, strengths, tables
from lib.choices.judged import Judged
from lib.disentangle import disentangle
from lib.fits import decay_trend, spindle_test
from lib.identified import identified, misfit
from lib.resampling import central, trend
from lib.subsets import logical_model, orders
from lib.theory import shrink, spindle

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
RISING = [1.0, 2.0, 6.0, 10.0, 8.0, 4.0]
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
    fewer = {"zeta": (0.0, 0.02), "tau": (0.0, 0.02), "delta_min": (1e-6, 1e-3)}
    registry = choices.keep(choices.registry(), **fewer)
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
    assert counted["decays"] == 16 and counted["returns"] == 16 * 2**4 and counted["noise_spindle inputs"] == 8
    assert counted["noise_fitted inputs"] == 16 * 3 * 2**4 and counted["emerged C"] == 16 * 4 * 2
    levels = choices.by_level(frame, registry)
    assert set(levels[levels["claim"] == "noise_spindle inputs"]["choice"]) == {"zeta", "ties", "limits"}
    per_level = levels[(levels["claim"] == "returns") & (levels["choice"] == "reference")]
    assert per_level["combinations"].tolist() == [128, 128] and per_level["level"].tolist() == ["self", "converged"]
    strip = choices.shades(choices.counted(frame, "returns"), registry)
    assert list(strip) == ["zeta", "ties", "limits", "tau", "side", "reference", "delta_min", "alpha"]
    assert all(len(row) == 256 and row.mean() == 0.5 for row in strip.values())
    few = choices.keep(registry, limits=("mean",))
    fewer = choices.sweep(everywhere(planted(lambda name: BELL)), few, keys=["decays"])
    assert len(fewer) == 8 and choices.summary(fewer, few)["choice"].iloc[0] != "limits"


def test_what_emerged_may_be_judged_by_growth_alone_and_in_log_odds():
    """Low orders fall and the growth of the others is a spindle: what grows is one, the change either way is none."""
    new = spindle(1.4, 0.1, N).tolist()
    at = {"B": [9.0, *[0.5] * 5], "D": [0.0, 0.5 + new[0] + new[1], *(0.5 + x for x in new[2:])]}
    found = planted(lambda name: at.get(name, FALLING), samples=40, conditions=tuple("ABCD"))
    registry = choices.keep(choices.registry(), tau=(0.0, 0.02))
    frame = choices.sweep(everywhere(found), registry, keys=["emerged"])
    at_d = frame[(frame["claim"] == "emerged D") & (frame["tau"] == 0.0) & (frame["unit"] == "log-odds")]
    score = at_d.groupby("change")["statistic"].agg(["min", "max"])
    assert score.loc["growth", "min"] > 0.7 and score.loc["either way", "max"] < 0.5


def test_tau_on_both_sides_is_the_decay_of_what_is_salient():
    """Of what M(δ) leaves of I*, all counts on the measured side alone, and on both sides what is above τ."""
    found = planted(lambda name: FALLING, conditions=tuple("ABCD"))
    registry = choices.keep(choices.registry(), zeta=(0.02,), reference=("self",), alpha=("0.5 to 1.5",))
    frame = choices.sweep(everywhere(found), registry, keys=["residual"])
    own = frame[frame["delta_min"] == 1e-6].groupby(["tau", "side"])["statistic"].max().unstack()
    assert own.loc[0.0, "both"] == own.loc[0.0, "measured"]
    assert own.loc[0.05, "both"] < 1e-3 < 0.02 < own.loc[0.05, "measured"], "the decay has what is below τ"
    extractions = [(0.02, "low", "mean"), (0.02, "low", "each sample's")]
    judged = Judged(found, extractions, registry, 0, 0, ["residual"])
    grid, curves = judged._salient_curves("B", False)
    pair = strengths.merge_singletons(*found.of("B"))
    for (extraction, tau), curve in zip(judged.tables, curves, strict=True):
        swing = found.swing[1] if extraction[2] == "each sample's" else found.swing[1].mean().expand(SAMPLES)
        for g in (0, len(grid) - 1):
            by_hand = strengths.by_order(*(shrink(table, float(grid[g].exp())) for table in pair), tau * swing)
            torch.testing.assert_close(curve[:, g], by_hand, rtol=1e-12, atol=1e-12)


def test_growth_that_no_decay_explains_needs_a_spindle_and_has_no_fit_to_choose():
    """B falls, D rises up to order 4: what the best falling decay of D misses, by the programs of `identified`."""
    found = planted(lambda name: RISING if name in ("D", "inputs 2") else FALLING)
    registry = choices.keep(choices.registry(tau=0.0), zeta=(0.02,), tau=(0.0,), limits=("mean",))
    frame = choices.sweep(everywhere(found), registry, keys=["needs_spindle", "noise_needs"]).set_index("claim")
    a = [strengths.by_order(*found.of(name)).mean(0).numpy() for name in "BD"]
    expected = np.subtract(*(identified(x[None], [0.05], alphas=3).without for x in reversed(a)))
    assert frame.loc["needs_spindle", "statistic"].tolist() == pytest.approx([expected] * 2) and expected > 0.05
    assert frame.loc["noise_needs inputs", "statistic"].tolist() == pytest.approx([expected] * 2)
    assert (frame.loc["noise_needs parameters", "statistic"] == 0).all()
    assert set(frame["ties"]) == {"low", "high"} and frame["reference"].isna().all() and frame["alpha"].isna().all()


def test_another_seed_is_the_control_of_an_undisturbed_reference():
    """Noise takes B's strength threefold: so does γ of B's own decay; the I* of another seed has another shape."""
    conditions = (*CONDITIONS, choices.OTHER)
    size = {"parameters 3": 2.0, "parameters 10": 3.0}
    found = planted(
        lambda name: (
            [1.0, 1.0, 1.0, 9.0, 9.0, 9.0] if name == choices.OTHER else [size.get(name, 1) * x for x in FALLING]
        ),
        conditions=conditions,
    )
    registry = choices.keep(
        choices.registry(other_seed=True), tau=(0.0, 0.02), delta_min=(1e-3,), alpha=("0.5 to 1.5",)
    )
    frame = choices.sweep(everywhere(found), registry, keys=["noise_decay"])
    some = frame[(frame["tau"] == 0) & (frame["noise_unit"] == "of B") & (frame["claim"] == "noise_decay parameters")]
    ratio = some.groupby("reference")["statistic"].agg(["min", "max"])
    assert set(ratio.index) == {"self", "converged", "undisturbed", choices.OTHER_SEED}
    assert ratio.loc["undisturbed"].tolist() == pytest.approx([3.0, 3.0], rel=1e-3)
    assert not frame.loc[frame["default"], "reference"].isin([choices.OTHER_SEED]).any()


def test_what_noise_adds_may_be_the_model_of_the_difference():
    found = planted(lambda name: BELL if name.startswith("added") else FALLING,
                    conditions=(*CONDITIONS, *(f"added by {name}" for name in CONDITIONS[4:])))  # fmt: skip
    frame = choices.sweep(everywhere(found), choices.registry(difference=True), keys=["noise_spindle"])
    score = frame.groupby(["claim", "added"])["statistic"].agg(["min", "max"])
    assert (score.xs("v − v_noise", level="added")["min"] > 0.8).all()
    assert (score.xs("two optima", level="added")["max"] < 0.5).all()
    assert set(frame["claim"]) == {"noise_spindle parameters", "noise_spindle inputs"}


def test_the_difference_is_solved_with_the_zeta_of_v(digits):
    """v − v_noise as a table of its own: h misses it by the ζ of v at B, which is a share of the swing of v."""
    folder = experiments.results("digits-vgg")
    values, injected = (tables.read(folder / f"{name}.nc")["values"] for name in ("values", "injected-values"))
    few = [values.isel(sample=[3, 24]), injected.isel(sample=[3, 24], noise=[2])]
    registry = choices.keep(choices.registry(difference=True), zeta=(0.02,), ties=("low",), limits=("mean",))
    (found,) = choices.solve(few, registry).values()
    at_b, noisy = (torch.from_numpy(table.values) for table in (few[0].sel(timepoint="B"), few[1][0]))
    new = found.of(f"added by {injected.noise.values[2]}")
    h = logical_model(*new, (at_b - noisy)[:, 0])
    zeta = 0.02 * float(strengths.swing(at_b))
    assert float((h - (at_b - noisy)).abs().max()) <= zeta * (1 + 1e-9)
    assert sum(x.abs().sum() for x in new) <= sum((x - y).abs().sum() for x, y in zip(found.of("B"), found.of(
        str(injected.noise.values[2])), strict=True)) * 1.05  # fmt: skip


def worlds_of(shapes):
    """Worlds whose tables are their names, and a solver that plants what `shapes` says for each."""
    conditions = tuple("ABCD")

    def solver(tables, registry):
        return everywhere(planted(shapes[tables[0].name], conditions=conditions))

    return {name: [xr.DataArray(np.zeros((1, 1, 2**N)), name=name)] for name in shapes}, solver


def test_a_choice_apart_is_compared_in_its_block_and_counted_once():
    """One checkpoint later B grows to order 4: `decays` fails in the half of the combinations, and time decides."""
    registry = choices.keep(
        choices.registry(tau=0.0), zeta=(0.0, 0.02), tau=(0.0,), limits=("mean",), delta_min=(1e-3,)
    )
    main = choices.sweep(everywhere(planted(lambda name: FALLING)), registry, keys=["decays", "untrained"])
    worlds, solver = worlds_of({"ours": lambda name: FALLING, "later": lambda name: RISING})
    time = choices.apart("time", tuple(worlds))
    own = choices.block(time, worlds, registry, solver)
    assert set(own["key"]) == set(time.claims) and "untrained" not in set(own["key"])
    frame = choices.together(main, {"time": own[own["key"] == "decays"]}, [time])
    found = choices.summary(frame, [*registry, time]).set_index("claim")
    assert found.loc["decays", ["combinations", "share", "choice_of_share", "move_of_share"]].tolist() == [
        8, 0.5, "time", 1.0,
    ]  # fmt: skip
    assert found.loc["untrained", "combinations"] == 4 and found.loc["untrained", "choice_of_share"] != "time"
    assert found.loc["decays", "default"] == main.loc[main["default"] & (main["key"] == "decays"), "statistic"].iloc[0]
    levels = choices.by_level(frame, [*registry, time])
    of_time = levels[levels["choice"] == "time"].set_index("level")
    assert of_time["share"].to_dict() == {"ours": 1.0, "later": 0.0} and (of_time["combinations"] == 4).all()
    assert "time" in choices.shades(choices.counted(frame, "decays"), [*registry, time])
    with pytest.raises(ValueError, match="levels of time is .'later', 'ours'.; allowed: ours, later"):
        choices.block(time, dict(reversed(worlds.items())), registry, solver)


def test_descent_is_counted_only_where_it_is_said():
    registry = choices.keep(choices.registry(tau=0.0), zeta=(0.02,), tau=(0.0,), limits=("mean",), delta_min=(1e-3,))
    main = choices.sweep(everywhere(planted(lambda name: FALLING)), registry, keys=["decays"])
    worlds, solver = worlds_of({choices.EXACT: lambda name: FALLING, choices.DESCENT: lambda name: RISING})
    how = choices.apart("solver", tuple(worlds))
    own = choices.block(how, worlds, registry, {choices.EXACT: solver, choices.DESCENT: solver})
    frame = choices.together(main, {"solver": own[own["key"] == "decays"]}, [how])
    (row,) = choices.summary(frame, [*registry, how]).to_dict("records")
    assert (row["combinations"], row["share"], row["with_descent"]) == (2, 1.0, 0.5)
    assert row["choice_of_share"] == "solver", "what it moves is told all the same"


def test_descent_gives_its_own_answer_at_each_zeta_and_none_of_the_ties():
    table = tables.read(experiments.results("digits-vgg") / "values.nc")["values"].isel(sample=[3])
    some = [table.sel(timepoint=["A", "B", "D"])]
    registry = choices.keep(choices.registry(), zeta=(0.0, 0.02), limits=("mean",))
    found = choices.descended(some, registry, iterations=20)
    assert found[0.0, "low", "mean"] is found[0.0, "high", "mean"]
    assert not torch.equal(found[0.0, "low", "mean"].i_and, found[0.02, "low", "mean"].i_and)
    assert found[0.02, "low", "mean"].conditions == ("A", "B", "D")
    frame = choices.sweep(found, registry, keys=["emerged", "returns"])
    assert set(frame["claim"]) == {"emerged D", "returns"}


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
    assert row["measured"] == row["combinations"] * 3 // 4 and row["verdict"] == "not measured"
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
        "needs_spindle": of_samples(lambda p: misfit(p[1]) - misfit(p[0]), np.stack([a["B"], a["D"]], 1)),
    }
    for kind in ("parameters", "inputs"):
        levels = found.levels(kind)
        new = [strengths.by_order(*(b - c for b, c in zip(pair["B"], pair[name], strict=True))) for name in levels]
        expected[f"noise_spindle {kind}"] = min((of_samples(score, one) for one in new), key=lambda row: row[0])
        every = ["B", *levels]
        expected[f"noise_needs {kind}"] = of_samples(
            lambda p: misfit(p[1]) - misfit(p[0]), np.stack([a["B"], a[levels[-1]]], 1)
        )
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
    with pytest.raises(ValueError, match="conditions is A, C, D, x; allowed: timepoints, B always"):
        choices.Extracted((*"ACD", "x"), found.i_and[:4], found.i_or[:4], found.swing[:4])
    with pytest.raises(REFUSED, match="swing"):
        choices.Extracted(found.conditions, found.i_and, found.i_or, found.swing[:2])
