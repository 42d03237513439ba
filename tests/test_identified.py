"""Identified sets: the ends against a general solver, planted mixtures, bands, and what is refused."""

import math

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError
from scipy.optimize import linprog

from lib import identified as sets
from lib.fits import merged
from lib.identified import (
    identified,
    identified_by_theory,
    identified_within_noise,
    misfit,
    noise_of_shape,
    planted,
    power,
)
from lib.strengths import by_order
from lib.subsets import orders
from lib.theory import decay, spindle

REFUSED = (ValueError, TypeCheckError)  # shapes are refused earlier when annotations are checked at run time


def ends_of(cost, a, s, generators, allowance):
    """min cost·(β, misfit) by HiGHS: a = β s + Σ λ_k g_k + miss⁺ − miss⁻, all unknowns ≥ 0; None if there is none."""
    size, count = len(a), len(generators)
    columns = np.concatenate([s[:, None], np.array(generators).T.reshape(size, count), np.eye(size), -np.eye(size)], 1)
    misses = np.concatenate([np.zeros(1 + count), np.ones(2 * size)])
    objective = np.concatenate([[cost[0]], np.zeros(count), np.full(2 * size, cost[1])])
    bound = {} if allowance is None else {"A_ub": misses[None], "b_ub": [allowance]}
    found = linprog(objective, A_eq=columns, b_eq=a, method="highs", **bound)
    return found.fun if found.status == 0 else None


def falling_generators(size, signs):
    """Of decays whose first entry is two orders: (1, 0, …), (1, ½, 0, …), …, for each sign."""
    one = np.tril(np.ones((size, size))) * np.r_[1.0, np.full(size - 1, 0.5)]
    return [
        np.concatenate([row if k == sign else np.zeros(size) for k in range(signs)])
        for sign in range(signs)
        for row in one
    ]


def reference(strength, allowance, sign, alphas, decays=None):
    """(low, high, without, least) by a general solver, one program after the other."""
    rows = list(sets.SIGNS[sign])
    a = merged(strength.mean(0))[rows].reshape(-1)
    a = a / a.sum()
    low, high, without, least = [], [], [], []
    for alpha in alphas:
        curve = spindle(float(alpha), 1.0, strength.shape[-1]).numpy()
        s = merged(np.stack([curve, curve]))[rows].reshape(-1)
        s = s / s.sum()
        kinds = [falling_generators(strength.shape[-1] - 1, len(rows))] if decays is None else [[d] for d in decays]
        for generators in kinds:
            low.append(ends_of((1, 0), a, s, generators, allowance))
            high.append(ends_of((-1, 0), a, s, generators, allowance))
            without.append(ends_of((0, 1), a, 0 * s, generators, None))
            least.append(ends_of((0, 1), a, s, generators, None))
    low, high = ([x for x in ends if x is not None] for ends in (low, high))
    return min(low, default=math.nan), -min(high, default=math.nan), min(without), min(least)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("sign", sets.SIGNS)
def test_the_ends_are_those_of_linear_programs(seed, sign):
    draw = np.random.default_rng(seed)
    n = int(draw.integers(4, 9))
    strength = draw.random((3, 2, n)) ** 3
    if seed % 3 == 0:
        strength[:, :, draw.integers(n)] = 0.0  # an order without any strength
    if seed % 4 == 0:
        strength = np.sort(strength, -1)[..., ::-1].copy()  # it falls, on every sample
    allowance = float(draw.choice([0.0, 0.02, 0.2, 0.6]))
    found = identified(strength, [allowance], sign=sign, alphas=3)
    expected = reference(strength, allowance, sign, np.linspace(0.5, 1.5, 3))
    got = (found.low[0], found.high[0], found.without, found.least)
    np.testing.assert_allclose(got, expected, atol=1e-8)


def sparse(n, samples, seed):
    draw = torch.Generator().manual_seed(seed)
    tables = torch.randn(2, samples, 2**n, generator=draw, dtype=torch.float64) * torch.exp(-0.5 * orders(n))
    tables *= torch.rand(tables.shape, generator=draw) < 0.4
    tables[..., 0] = 0.0
    return tables[0], tables[1]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("sign", sets.SIGNS)
def test_the_ends_by_theory_are_those_of_linear_programs(seed, sign):
    pair = sparse(6, 4, seed)
    share = [0.0, 0.3, 0.6, 0.9][seed % 4]
    fall = by_order(*pair).numpy()
    bell = spindle(1.0, 1.0, 6).numpy() * np.ones((4, 2, 1))
    strength = (1 - share) * fall / fall.mean(0).sum() + share * bell / bell[0].sum()
    if seed >= 4:
        pair = sparse(6, 4, seed + 100)  # I* of another network
    limits = (1e-3, 1e-2)
    grid = np.exp(np.linspace(*np.log(limits), 9))
    curves = [
        merged(decay(*pair, float(delta), 1.0).mean(0).numpy())[list(sets.SIGNS[sign])].reshape(-1) for delta in grid
    ]
    allowance = [0.0, 0.05, 0.3][seed % 3]
    found = identified_by_theory(strength, *pair, [allowance], sign=sign, delta_range=limits, alphas=3)
    expected = reference(strength, allowance, sign, np.linspace(0.5, 1.5, 3), curves)
    np.testing.assert_allclose((found.low[0], found.high[0], found.without, found.least), expected, atol=1e-8)


def test_one_alpha_by_brute_force():
    """With three merged orders and one sign, all decays on a fine grid."""
    strength = np.array([[[0.1, 0.2, 0.4, 0.3], [0.0, 0.0, 0.0, 0.0]]])
    found = identified(strength, [0.2], sign="+", alpha_range=(1.5, 1.5), alphas=1)
    a, s = np.array([0.3, 0.4, 0.3]), np.array([21, 20, 15]) / 56  # C(6, m), orders 1 and 2 as one
    steps = np.linspace(0, 1, 41)
    first, second, third = (x.reshape(-1) for x in np.meshgrid(steps, steps, steps, indexing="ij"))
    falls = (first / 2 >= second) & (second >= third)
    decays = np.stack([first, second, third], 1)[falls]
    within = [b for b in np.linspace(0, 1.2, 241) if abs(a - b * s - decays).sum(1).min() <= 0.2 + 1e-9]
    assert within[0] > 0.1
    assert found.low[0] <= within[0] + 1e-9 and found.high[0] >= within[-1] - 1e-9
    assert found.low[0] == pytest.approx(within[0], abs=0.05) and found.high[0] == pytest.approx(within[-1], abs=0.05)


def test_known_cases():
    fall, bell = 0.5 ** np.arange(10) * np.ones((1, 2, 1)), spindle(1.0, 1.0, 10).numpy() * np.ones((1, 2, 1))
    nothing = identified(fall, [0.0])
    assert nothing.low[0] == 0 and nothing.without == pytest.approx(0, abs=1e-12) and 0 < nothing.high[0] < 1
    grid = (0.5, 1.5)
    pure = identified(bell, [1e-9], alpha_range=(0.5, 1.5), alphas=21)
    assert pure.low[0] > 0.5 and pure.high[0] == pytest.approx(1, abs=1e-6) and pure.without > 0.2
    spike = np.zeros((1, 2, 10))
    spike[..., 8] = 1.0
    neither = identified(spike, [0.05], alpha_range=grid)
    assert math.isnan(neither.low[0]) and neither.least > 0.5 and neither.words().startswith("empty (least misfit")
    assert neither.least <= neither.without
    wider = identified(np.concatenate([bell, fall]), [0.0, 0.05, 0.2])
    assert (np.diff(wider.low[1:]) <= 0).all() and (np.diff(wider.high[1:]) >= 0).all()
    scaled = identified(1e6 * np.concatenate([bell, fall]), [0.0, 0.05, 0.2])
    np.testing.assert_allclose(scaled.high, wider.high)
    np.testing.assert_allclose(identified(bell, [0.1], sign="+").low, identified(bell, [0.1], sign="−").low)


@pytest.mark.parametrize(
    "planted",
    [
        {"shares": (0.0, 0.5, 0.75), "draws": 20, "resamples": 60},
        pytest.param({"draws": 60, "resamples": 200}, marks=pytest.mark.slow),
    ],
)
def test_the_truth_is_inside_and_no_spindle_raises_no_alarm(planted):
    rows = power(**planted)
    assert {row.share for row in rows} >= {0.0, 0.5, 0.75}
    assert np.mean([row.inside for row in rows]) >= 0.95
    assert all(row.inside >= 0.95 for row in rows if row.share <= 0.5)
    assert all(row.insists <= 0.05 for row in rows if row.share == 0)
    assert all(row.insists >= 0.7 for row in rows if row.share == 0.75), "it has no power at all"
    assert all(row.low <= row.high for row in rows)


def test_power_depends_on_its_seed_alone():
    some = dict(shares=[0.5], shapes=["geometric"], samples=[6], draws=3, resamples=20)
    assert power(**some) == power(**some)
    assert power(**some) != power(**some, seed=1)


def test_bands_and_the_allowance_of_sampling():
    strength, _ = planted(0.75, "geometric", 20, np.random.default_rng(0))
    epsilon = noise_of_shape(strength, 200, 3)
    assert 0 < epsilon == noise_of_shape(strength, 200, 3)
    assert noise_of_shape(7 * strength, 200, 3) == pytest.approx(epsilon)
    assert noise_of_shape(np.repeat(strength, 16, 0), 200, 3) < epsilon / 2.5
    assert math.isnan(noise_of_shape(strength[:1], 200, 3)) and math.isnan(noise_of_shape(strength, 0, 3))
    found, by_hand = (
        identified_within_noise(strength, 20, 3),
        identified(strength, [1.5 * epsilon], resamples=20, seed=3),
    )
    assert found.allowances == by_hand.allowances and found.low_band.tolist() == by_hand.low_band.tolist()
    assert identified_within_noise(strength[:1]).allowances == [0.0]
    plain, found = identified(strength, [epsilon, 0.1]), identified(strength, [epsilon, 0.1], resamples=50, seed=3)
    assert plain.low_band is plain.empty is plain.insists is None
    np.testing.assert_array_equal(plain.low, found.low)
    assert found.low_band.shape == found.high_band.shape == (2, 2) and found.without_band.shape == (2,)
    assert (found.low_band[0] <= found.low_band[1]).all() and ((found.insists >= 0) & (found.insists <= 1)).all()
    again = identified(strength, [epsilon, 0.1], resamples=50, seed=3)
    assert all(
        np.array_equal(getattr(found, name), getattr(again, name)) for name in ("low_band", "high_band", "empty")
    )
    pair = sparse(10, 20, 0)
    theory = identified_by_theory(strength, *pair, [0.1], resamples=3)
    assert theory.low_band is not None and theory.empty.shape == (1,)


def test_bad_input_is_named():
    good = np.ones((2, 2, 5))
    for strength, words in ((good - 2, "below 0"), (good * np.nan, "not finite"), (0 * good, "0 everywhere")):
        with pytest.raises(ValueError, match=words):
            identified(strength)
    with pytest.raises(REFUSED):
        identified(np.ones((2, 5)))
    bad = {"allowances": [-0.1], "sign": "?", "alpha_range": (0.0, 1.0), "alphas": 0, "resamples": -1}
    for field, value in bad.items():
        with pytest.raises(ValueError, match=rf"{field} (is|are) .*; allowed"):
            identified(good, **{field: value})
    with pytest.raises(ValueError, match="share is 1"):
        planted(1.0, "geometric", 3, np.random.default_rng(0))
    with pytest.raises(ValueError, match="shape is 'flat'"):
        planted(0.1, "flat", 3, np.random.default_rng(0))


def test_the_misfit_of_many_strengths_is_that_of_each():
    draw = np.random.default_rng(5)
    many = draw.random((2, 3, 2, 8)) * np.exp(-0.3 * np.arange(8))
    many[0, 0, 1] = 0.0
    each = [[identified(one[None], [0.1], alphas=3).without for one in row] for row in many]
    np.testing.assert_allclose(misfit(many), each, atol=1e-12)
    assert misfit(np.zeros((2, 8))) == 0 and misfit(np.stack([np.arange(8, 0, -1.0)] * 2)) == pytest.approx(
        0, abs=1e-12
    )
    with pytest.raises(REFUSED, match="strength"):
        misfit(-many)
