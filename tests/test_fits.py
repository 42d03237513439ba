"""Spindles and decays that are what they are, and those that only look like it."""

import numpy as np
import pytest
from scipy.optimize import least_squares, minimize

from lib import fits, theory


def both(curve):
    return np.stack([curve, curve])


@pytest.mark.parametrize("alpha", [0.6, 0.8, 1.0, 1.2, 1.4])
def test_a_spindle_is_one(alpha):
    test = fits.spindle_test(both(theory.spindle(alpha, 3.0, 10).numpy()))
    assert test.alpha == pytest.approx(alpha, abs=0.005) and test.r_squared == pytest.approx(1, abs=1e-6)
    assert test.passed and test.score == test.r_squared and test.words() == "R² 1.00"


@pytest.mark.parametrize(
    ("curve", "words"),
    [
        (np.exp(-0.7 * np.arange(10.0)), "a curve that only falls is nearer"),
        (theory.spindle(0.5, 1.0, 10).numpy(), "α at an end of its range"),
        (theory.spindle(0.45, 1.0, 10).numpy(), "peak at order 2"),
        (theory.spindle(1.9, 1.0, 10).numpy(), "α at an end of its range"),
    ],
)
def test_what_only_looks_like_a_spindle_is_none(curve, words):
    """Curves that fall, or whose α is at the bound: they shipped as spindles with an R² of 0.8 to 0.99."""
    test = fits.spindle_test(both(curve))
    assert not test.passed and test.score == 0 and words in test.words()


def test_nothing_is_no_spindle_and_batches_are_taken_apart():
    curves = np.stack([both(theory.spindle(1.0, 1.0, 10).numpy()), np.zeros((2, 10))])
    assert fits.spindle_test(curves).score.tolist() == [pytest.approx(1), 0]
    with pytest.raises(ValueError, match="strength is .*allowed: finite and at least 0"):
        fits.spindle_test(-curves)
    with pytest.raises(ValueError, match="n ≥ 4"):
        fits.spindle_test(np.ones((2, 3)))


def test_moving_strength_between_orders_1_and_2_changes_no_verdict():
    """x₁ + x₂ = (x₁ ∧ x₂) + (x₁ ∨ x₂): Eq. 12 does not tell the two apart."""
    curve = both(theory.spindle(0.9, 1.0, 10).numpy()) + np.random.default_rng(0).uniform(0, 5, (2, 10))
    moved = curve.copy()
    moved[:, 0] += moved[:, 1]
    moved[:, 1] = 0
    one, other = fits.spindle_test(curve), fits.spindle_test(moved)
    assert one.r_squared == other.r_squared and one.passed == other.passed
    assert fits.decay_trend(curve) == fits.decay_trend(moved)


def test_trend_of_known_strengths():
    assert fits.decay_trend(np.array([[3.0, 1, 1, 0, 0], [1, 1, 1, 1, 0]])) == -1
    assert fits.decay_trend(np.array([[0.0, 0, 1, 2, 3], [0, 0, 1, 1, 1]])) == 1


def test_the_nearest_curve_that_does_not_grow_is_the_nearest():
    """Against a general solver, in the orders 1 to n, of which the first two are seen as a sum."""
    draw = np.random.default_rng(1)
    for _ in range(20):
        strength = draw.exponential(size=(2, 6))
        found = fits.non_increasing(strength)
        for own, row in zip(found, strength, strict=True):

            def error(d, row=row):
                return (d[0] + d[1] - row[0] - row[1]) ** 2 + ((d[2:] - row[2:]) ** 2).sum()

            falls = [{"type": "ineq", "fun": lambda d, k=k: d[k] - d[k + 1]} for k in range(5)]
            best = minimize(error, np.full(6, row.mean()), constraints=falls, method="SLSQP", options={"ftol": 1e-12})
            ours = (own[0] - row[0] - row[1]) ** 2 + ((own[1:] - row[2:]) ** 2).sum()
            assert ours == pytest.approx(best.fun, abs=1e-6)
            assert own[0] / 2 >= own[1] - 1e-12 and (np.diff(own[1:]) <= 1e-12).all()


def test_the_spindle_is_the_least_squares_fit_of_noisy_strengths():
    """Against a general solver, orders 1 and 2 as one."""
    draw = np.random.default_rng(2)
    strengths = np.abs(both(theory.spindle(1.2, 0.05, 10).numpy()) + draw.normal(size=(4, 2, 10)))
    found = fits.spindle_test(strengths)
    for k, strength in enumerate(strengths):
        target = fits.merged(strength)

        def residual(x, target=target):
            return (fits.merged(both(theory.spindle(x[0], x[1], 10).numpy())) - target).ravel()

        bounds = ([fits.MIDDLE[0], 0.0], [fits.MIDDLE[1], np.inf])
        best = min(least_squares(residual, [x, 0.05], bounds=bounds).cost for x in (0.6, 0.9, 1.3))
        expected = 1 - 2 * best / ((target - target.mean()) ** 2).sum()
        assert found.r_squared[k] == pytest.approx(expected, abs=1e-4)  # α is on a grid
        left = fits.merged(both(found.curve[k])) - target
        assert 1 - (left**2).sum() / ((target - target.mean()) ** 2).sum() == pytest.approx(found.r_squared[k])
        np.testing.assert_allclose(found.curve[k], theory.spindle(found.alpha[k], found.beta[k], 10).numpy())
