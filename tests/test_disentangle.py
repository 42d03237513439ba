"""The fits recover what was planted, are as good as scipy's, and say how firmly they know it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError
from scipy.optimize import least_squares, nnls

from lib.disentangle import _weighted, decay_curves, disentangle, nonnegative_pair, resplit
from lib.strengths import by_order
from lib.subsets import orders
from lib.theory import decay, spindle

REFUSED = (ValueError, TypeCheckError)  # shapes are refused earlier when annotations are checked at run time
PARAMETERS = ("alpha", "beta", "delta", "gamma")
STRENGTHS = ("decay_strength", "spindle_strength")


def sparse_interactions(n: int, samples: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Three in ten subsets interact, of both signs, falling with the order down to a floor of noise."""
    generator = torch.Generator().manual_seed(seed)
    scale = torch.exp(-0.5 * (orders(n) - 1)) + 0.02
    tables = torch.randn(2, samples, 2**n, generator=generator, dtype=torch.float64) * scale
    tables *= torch.rand(tables.shape, generator=generator) < 0.3
    tables[..., 0] = 0.0
    return tables[0], tables[1]


def noisy(strength: torch.Tensor, size: float, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(strength.shape, generator=generator, dtype=torch.float64)
    return strength * torch.exp(size * noise - size**2 / 2)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["any", "nonnegative", "parallel", "opposite", "zero column"]))
def test_nonnegative_pair_is_nonnegative_least_squares(seed, kind):
    generator = np.random.default_rng(seed)
    columns, a = generator.normal(size=(20, 2)), generator.normal(size=20)
    if kind == "nonnegative":
        columns, a = abs(columns), abs(a)
    elif kind in ("parallel", "opposite"):
        columns[:, 1] = columns[:, 0] * (2 if kind == "parallel" else -2)
    elif kind == "zero column":
        columns[:, 1] = 0.0
    s, d = columns.T
    products = [torch.tensor(x, dtype=torch.float64) for x in (s @ s, d @ d, s @ d, s @ a, d @ a)]
    beta, gamma, explained = (x.item() for x in nonnegative_pair(*products))
    weights, norm = nnls(columns, a)
    assert beta >= 0 and gamma >= 0
    fitted = columns @ [beta, gamma]
    assert np.sum((a - fitted) ** 2) == pytest.approx(norm**2, rel=1e-9)
    assert explained == pytest.approx(a @ a - norm**2, rel=1e-9, abs=1e-9)
    np.testing.assert_allclose(fitted, columns @ weights, atol=1e-7)


PLANTED = [(1.2, 0.02, 0.01, 1.3), (0.9, 0.05, 0.1, 2.0), (1.4, 1e-4, 0.003, 0.8), (0.7, 0.1, 2.0, 4.0)]


@pytest.mark.parametrize(
    ("n", "planted"),
    [
        *((8, planted) for planted in PLANTED),
        *((9 + k % 2, planted) for k, planted in enumerate(PLANTED[:2])),
        *(pytest.param(10 - k % 2, planted, marks=pytest.mark.slow) for k, planted in enumerate(PLANTED)),
    ],
)
def test_disentangle_recovers_the_planted_split(n, planted):
    i_and, i_or = sparse_interactions(n, 20, seed=n)
    alpha, beta, delta, gamma = planted
    strength = decay(i_and, i_or, delta, gamma) + spindle(alpha, beta, n)
    fit = disentangle(strength, i_and, i_or)
    assert [fit.alpha, fit.beta, fit.delta, fit.gamma] == pytest.approx(planted, rel=1e-3)
    assert fit.relative_residual < 1e-5 and fit.relative_residual_l1 < 1e-5
    assert fit.diagnostics.on_bound == ()
    assert fit.spindle_strength == pytest.approx(2 * spindle(alpha, beta, n).sum().item(), rel=1e-3)
    torch.testing.assert_close(fit.decay, decay(i_and, i_or, delta, gamma).mean(0), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(fit.decay + fit.spindle + fit.residual, strength.mean(0))


def test_disentangle_finds_the_optimum_of_a_noisy_problem():
    i_and, i_or = sparse_interactions(8, 10, seed=3)
    strength = noisy(decay(i_and, i_or, 0.01, 1.0) + spindle(1.1, 0.03, 8), 0.8, seed=3)
    target = strength.mean(0)

    def residual(x):
        theory = decay(i_and, i_or, 10 ** x[2], x[3]).mean(0) + spindle(x[0], x[1], 8)
        return (theory - target).flatten().numpy()

    bounds = ([3 / 8, 0.0, -3.0, 0.0], [2 - 1 / 8, np.inf, 1.0, np.inf])
    starts = [[alpha, 0.03, log_delta, 1.0] for alpha in (0.6, 1.1, 1.6) for log_delta in (-2.5, -1.0, 0.5)]
    best = min(least_squares(residual, start, bounds=bounds, x_scale=[1, 0.1, 1, 1]).cost for start in starts)
    fit = disentangle(strength, i_and, i_or)
    assert fit.residual.square().sum().item() <= 2 * best * (1 + 1e-6)
    assert fit.relative_residual == pytest.approx((fit.residual.norm() / target.norm()).item())
    assert fit.relative_residual_l1 == pytest.approx((fit.residual.abs().sum() / target.sum()).item())


def test_profile_and_surface_are_what_nonnegative_least_squares_gives():
    i_and, i_or = sparse_interactions(8, 10, seed=4)
    strength = noisy(decay(i_and, i_or, 0.02, 1.0) + spindle(1.1, 0.03, 8), 0.5, seed=4)
    fit, target = disentangle(strength, i_and, i_or), strength.mean(0)
    shown = fit.diagnostics
    assert shown.surface.shape == (len(shown.alphas), len(shown.deltas)) and shown.bootstrap is None
    for a, d in [(0, 0), (40, 10), (96, 64), (20, 50)]:
        curve = spindle(shown.alphas[a], 1.0, 8).expand(2, 8)
        columns = torch.stack([curve, decay(i_and, i_or, shown.deltas[d], 1.0).mean(0)], -1).reshape(16, 2)
        norm = nnls(columns.numpy(), target.flatten().numpy())[1]
        assert shown.surface[a, d].item() == pytest.approx(norm / target.norm().item(), rel=1e-8)
    assert (shown.profile_residual <= shown.surface.amin(0) + 1e-12).all()
    assert fit.relative_residual <= shown.profile_residual.min().item() + 1e-12
    nearest = (shown.deltas.log() - np.log(fit.delta)).abs().argmin()
    assert shown.profile_spindle_strength[nearest].item() == pytest.approx(fit.spindle_strength, rel=0.05)


def test_decay_alone_explains_a_network_by_itself_as_delta_falls():
    i_and, i_or = sparse_interactions(8, 20, seed=5)
    strength = by_order(i_and, i_or)
    fit = disentangle(strength, i_and, i_or, delta_range=(1e-12, 1.0))
    assert fit.relative_residual < 1e-4 and fit.gamma == pytest.approx(1.0, rel=1e-3)
    bounded = disentangle(strength, i_and, i_or)
    assert "delta" in bounded.diagnostics.on_bound and bounded.delta == pytest.approx(1e-3)
    assert bounded.relative_residual > fit.relative_residual


def test_what_is_absent_is_named():
    i_and, i_or = sparse_interactions(8, 10, seed=6)
    only_decay = disentangle(decay(i_and, i_or, 0.03, 1.0), i_and, i_or)
    assert only_decay.diagnostics.on_bound == ("beta",)
    assert only_decay.spindle_strength < 1e-5 * only_decay.decay_strength
    curves = spindle(1.1, 0.02, 8).expand(10, 2, 8)
    only_spindle = disentangle(curves, torch.zeros_like(i_and), torch.zeros_like(i_or))
    assert only_spindle.gamma == 0 and "gamma" in only_spindle.diagnostics.on_bound
    assert only_spindle.alpha == pytest.approx(1.1, rel=1e-5)


def test_bootstrap_intervals_cover_what_was_planted():
    planted, repeats, covered = (1.2, 0.02, 0.01, 1.3), 20, dict.fromkeys(PARAMETERS + STRENGTHS, 0)
    for seed in range(repeats):
        i_and, i_or = sparse_interactions(8, 40, seed=seed)
        a_decay, a_spindle = decay(i_and, i_or, 0.01, 1.3), spindle(1.2, 0.02, 8)
        fit = disentangle(noisy(a_decay + a_spindle, 0.3, seed), i_and, i_or, bootstrap=60, seed=seed)
        sums = a_decay.mean(0).sum().item(), 2 * a_spindle.sum().item()
        for name, truth in zip(covered, (*planted, *sums), strict=True):
            low, high = fit.diagnostics.bootstrap.interval(name, level=0.9)
            covered[name] += low.item() <= truth <= high.item()
    # at a true coverage of 0.9, fewer than 14 of 20 happens 2 times in 1000
    assert min(covered.values()) >= 14, covered


def test_bootstrap_depends_on_its_seed_alone_and_has_the_shapes_it_says():
    i_and, i_or = sparse_interactions(8, 12, seed=7)
    strength = noisy(decay(i_and, i_or, 0.01, 1.0) + spindle(1.1, 0.03, 8), 0.5, seed=7)

    def resampled(seed: int):
        torch.seed()  # whatever state the global generator is in
        return disentangle(strength, i_and, i_or, bootstrap=7, seed=seed).diagnostics.bootstrap

    first, again, other = resampled(1), resampled(1), resampled(2)
    for name in PARAMETERS + STRENGTHS:
        assert getattr(first, name).shape == (7,)
        assert torch.equal(getattr(first, name), getattr(again, name))
    assert not torch.equal(first.gamma, other.gamma)
    assert first.decay.shape == first.spindle.shape == (7, 2, 8)
    low, high = first.interval("spindle", level=0.5)
    assert low.shape == (2, 8) and (low <= high).all()
    for bad in ({"name": "zeta"}, {"name": "alpha", "level": 1.0}):
        with pytest.raises(ValueError, match="allowed"):
            first.interval(**bad)


def test_strengths_and_interactions_are_resampled_together():
    i_and, i_or = sparse_interactions(8, 10, seed=8)
    strength = decay(i_and, i_or, 0.05, 1.5) + spindle(1.1, 0.03, 8)
    rows = disentangle(strength, i_and, i_or, bootstrap=20).diagnostics.bootstrap
    for name, planted in zip(PARAMETERS, (1.1, 0.03, 0.05, 1.5), strict=True):
        assert getattr(rows, name).tolist() == pytest.approx([planted] * 20, rel=0.01)
    assert rows.decay_strength.std() > 0.01 * rows.decay_strength.mean()  # the resamples do differ


def test_resamples_of_one_sample_repeat_the_fit():
    i_and, i_or = sparse_interactions(8, 1, seed=8)
    strength = noisy(decay(i_and, i_or, 0.05, 1.0) + spindle(1.1, 0.03, 8), 0.1, seed=8)
    fit = disentangle(strength, i_and, i_or, bootstrap=3)
    for name in PARAMETERS + STRENGTHS:  # but for the interpolation between the δ of the grid
        repeated = getattr(fit.diagnostics.bootstrap, name).tolist()
        assert repeated == pytest.approx([getattr(fit, name)] * 3, rel=0.02)


def test_bad_input_is_named():
    i_and, i_or = sparse_interactions(4, 3, seed=9)
    strength = by_order(i_and, i_or)
    for bad, value in ((strength - 1.0, r"\[-"), (strength / 0.0, r"\[(nan|inf)")):
        with pytest.raises(ValueError, match=rf"strength is {value}.*; allowed: finite and at least 0"):
            disentangle(bad, i_and, i_or)
    with pytest.raises(ValueError, match="strength is 0 everywhere"):
        disentangle(torch.zeros_like(strength), i_and, i_or)
    with pytest.raises(ValueError, match="i_or, .* is .nan.; allowed: finite"):
        disentangle(strength, i_and, i_or * float("nan"))
    with pytest.raises(ValueError, match=r"shape of i_and is \(3, 8\); allowed: \(3, 16\)"):
        disentangle(strength, i_and[:, :8], i_or[:, :8])
    for delta_range in ((0.0, 1.0), (1.0, 0.1), (1e-3, float("inf")), (float("nan"), 1.0)):
        with pytest.raises(ValueError, match="delta_range is .*; allowed: 0 < low < high"):
            disentangle(strength, i_and, i_or, delta_range=delta_range)
    for alpha_range in ((0.0, 1.0), (1.0, 1.0)):
        with pytest.raises(ValueError, match="alpha_range is .*; allowed: 0 < low < high"):
            disentangle(strength, i_and, i_or, alpha_range=alpha_range)
    with pytest.raises(ValueError, match="bootstrap is -1"):
        disentangle(strength, i_and, i_or, bootstrap=-1)
    with pytest.raises(REFUSED):
        disentangle(strength[:2], i_and, i_or)
    with pytest.raises(REFUSED):
        disentangle(strength[0], i_and, i_or)


def of_weighted_means(strength, i_and, i_or, weights, delta_range=(1e-3, 10.0), alpha_range=None):
    """As `disentangle` splits its resamples."""
    grid, decays = decay_curves(i_and, i_or, delta_range)
    n = strength.shape[-1]
    return _weighted(strength, decays, grid, weights, alpha_range or (3 / n, 2 - 1 / n))


def test_splits_of_weighted_means_are_those_of_the_means():
    i_and, i_or = sparse_interactions(8, 12, seed=7)
    strength = by_order(i_and, i_or)
    one = disentangle(strength, i_and, i_or)
    rows = torch.full((1, len(strength)), 1 / len(strength), dtype=torch.float64)
    half = torch.zeros(1, len(strength), dtype=torch.float64)
    half[0, : len(strength) // 2] = 1 / (len(strength) // 2)
    found = of_weighted_means(strength, i_and, i_or, torch.cat([rows, half]))
    few = slice(len(strength) // 2)
    other = disentangle(strength[few], i_and[few], i_or[few])
    for k, split in enumerate((one, other)):
        assert found.spindle_strength[k].item() == pytest.approx(split.spindle_strength, rel=1e-3, abs=1e-3)
        assert found.decay_strength[k].item() == pytest.approx(split.decay_strength, rel=1e-3, abs=1e-3)
        assert found.relative_residual[k].item() == pytest.approx(split.relative_residual, rel=1e-3, abs=1e-4)


def test_splits_within_ranges_are_those_of_each_range():
    i_and, i_or = sparse_interactions(8, 12, seed=11)
    total = noisy(by_order(i_and, i_or) + spindle(1.1, 0.03, 8), 0.5, seed=11)
    tables = torch.stack([total, by_order(i_and, i_or, 0.3)])
    weights = torch.full((3, 12), 1 / 12, dtype=torch.float64)
    weights[1], weights[2] = torch.eye(12, dtype=torch.float64)[3], 0.0
    weights[2, :6] = 1 / 6
    ranges = [((low, 10.0), alphas) for low in (1e-4, 1e-3, 1e-2) for alphas in ((0.5, 1.5), (3 / 8, 2 - 1 / 8))]
    found = resplit(tables, decay_curves(i_and, i_or, (1e-4, 10.0)), weights, ranges)
    assert found.alpha.shape == found.relative_residual.shape == (6, 2, 3)
    for k, (delta_range, alpha_range) in enumerate(ranges):
        for table, strength in enumerate(tables):
            one = of_weighted_means(strength, i_and, i_or, weights, delta_range, alpha_range)
            limits = ((found.alpha, alpha_range), (found.delta, delta_range))
            for value, (low, high) in limits:
                assert (value[k, table] >= low * (1 - 1e-9)).all() and (value[k, table] <= high * (1 + 1e-9)).all()
            torch.testing.assert_close(found.relative_residual[k, table], one.relative_residual, rtol=0, atol=1e-5)
            torch.testing.assert_close(found.strength[k, table], one.strength)
            for part in STRENGTHS:
                share = getattr(found, part)[k, table] / one.strength
                torch.testing.assert_close(share, getattr(one, part) / one.strength, rtol=0, atol=5e-3)
    assert found.decay.shape == found.spindle.shape == (6, 2, 3, 2, 8)
    torch.testing.assert_close(found.spindle[..., 0, :], spindle(found.alpha, found.beta, 8))
    for part in ("decay", "spindle"):
        torch.testing.assert_close(getattr(found, part).sum((-2, -1)), getattr(found, f"{part}_strength"))
    own = decay(i_and, i_or, found.delta[0, 0, 0], found.gamma[0, 0, 0]).mean(0)
    torch.testing.assert_close(found.decay[0, 0, 0], own, rtol=1e-4, atol=1e-6)


def test_each_table_may_have_decays_of_its_own():
    """Those of one I* for all tables, or for each the same again; and of two I* what each gives alone."""
    pairs = [sparse_interactions(6, 8, seed) for seed in (3, 4)]
    tables = torch.stack([by_order(*pair) + spindle(1.0, 0.05, 6) for pair in pairs])
    weights = torch.eye(8, dtype=torch.float64)[:3]
    ranges = [((1e-3, 10.0), (0.5, 1.5)), ((1e-2, 10.0), (0.5, 1.5))]
    (grid, first), (_, second) = (decay_curves(*pair) for pair in pairs)
    own = resplit(tables, (grid, torch.stack([first, second])), weights, ranges)
    assert own.alpha.shape == (2, 2, 3) and own.decay.shape == (2, 2, 3, 2, 6)
    for k, curves in enumerate((first, second)):
        alone = resplit(tables[k : k + 1], (grid, curves), weights, ranges)
        for name in vars(own):
            torch.testing.assert_close(getattr(own, name)[:, k : k + 1], getattr(alone, name), rtol=1e-9, atol=1e-12)
    with pytest.raises(ValueError, match="tables of decays is 1; allowed: 2, as of strengths"):
        resplit(tables, (grid, first[None]), weights, ranges)


def test_splits_within_ranges_name_what_is_wrong():
    i_and, i_or = sparse_interactions(8, 12, seed=11)
    tables, weights = by_order(i_and, i_or)[None], torch.full((1, 12), 1 / 12, dtype=torch.float64)
    ranges = [((1e-2, 10.0), (0.5, 1.5))]
    with pytest.raises(ValueError, match="delta_range is .*; allowed: with a point of the curves' grid"):
        resplit(tables, decay_curves(i_and, i_or, (1e-4, 10.0)), weights, [((20.0, 30.0), (0.5, 1.5))])
    with pytest.raises(ValueError, match="weights"):
        resplit(tables, decay_curves(i_and, i_or), 2 * weights, ranges)
    with pytest.raises(ValueError, match="per_decade is 0"):
        decay_curves(i_and, i_or, per_decade=0)
