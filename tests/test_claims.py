"""Verdicts: shapes that are what they are, thresholds at their edges, intervals that cover, files that come back."""

import numpy as np
import pytest

from lib import claims, theory


def test_trend_of_known_strengths():
    assert claims.trend_by_order(np.array([[3.0, 1, 0], [0, 1, 1]])) == -1
    assert claims.trend_by_order(np.array([[0.0, 1, 2], [0, 1, 1]])) == 1


def test_a_spindle_is_one_and_a_decay_is_none():
    curve = theory.spindle(1.0, 2.0, 10).numpy()
    assert claims.spindle_r_squared(np.stack([curve, curve])) == pytest.approx(1)
    falling = np.exp(-np.arange(10.0))
    assert claims.spindle_r_squared(np.stack([falling, falling])) < 0.5


@pytest.mark.parametrize(
    ("value", "interval", "at_most", "verdict"),
    [
        (0.8, None, False, "holds"),
        (0.79, None, False, "holds weakly"),
        (0.9, (0.6, 0.95), False, "holds"),
        (0.9, (0.4, 0.95), False, "holds weakly"),
        (0.4, (0.1, 0.9), False, "does not hold"),
        (None, None, False, "not measured"),
        (-0.9, (-1.0, -0.6), True, "holds"),
        (-0.6, (-1.0, 0.0), True, "holds weakly"),
        (-0.4, (-1.0, 0.0), True, "does not hold"),
    ],
)
def test_judge(value, interval, at_most, verdict):
    sign = -1 if at_most else 1
    assert claims.judge(value, interval, holds=sign * 0.8, weakly=sign * 0.5, at_most=at_most) == verdict


def test_an_interval_across_no_effect_is_no_weak_evidence():
    assert claims.judge(0.6, (-0.1, 0.9), 0.8, 0.5, nothing=0) == "does not hold"
    assert claims.judge(0.6, (0.1, 0.9), 0.8, 0.5, nothing=0) == "holds weakly"
    assert claims.judge(0.9, (0.1, 1.0), 0.8, 0.5, nothing=0) == "holds weakly"
    assert claims.judge(-0.3, (-0.9, 0.1), -0.8, 0, at_most=True, nothing=0) == "does not hold"


def test_a_threshold_that_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="weakly = 0.9"):
        claims.judge(1.0, None, holds=0.8, weakly=0.9)


def test_the_interval_of_a_mean_covers_it_nine_times_in_ten():
    draw = np.random.default_rng(0)
    covered = []
    for trial in range(300):
        value, (low, high) = claims.resampled(float, draw.normal(size=40), 200, trial)
        covered.append(low <= 0 <= high)
        assert low <= value <= high
    assert 0.82 < np.mean(covered) < 0.95


def test_equal_seeds_give_equal_intervals_and_one_sample_gives_none():
    samples = np.random.default_rng(1).normal(size=(9, 3))
    assert claims.resampled(np.sum, samples, 50, 3) == claims.resampled(np.sum, samples, 50, 3)
    assert claims.resampled(np.sum, samples[:1], 50, 3)[1] is None
    with pytest.raises(ValueError, match="samples"):
        claims.resampled(np.sum, samples[:0], 50, 3)


def test_claims_come_back_from_their_files(tmp_path):
    rows = [
        claims.Claim("falls", "Fig. 6", "one", "Spearman's τ", "at most −0.8", -1.0, (-1.0, -0.9), "holds"),
        claims.Claim("grows", "Fig. 4", "one", "Spearman's τ", "at least 0.8", None, None, "not measured"),
    ]
    (tmp_path / "one").mkdir()
    claims.write(rows, tmp_path / "one" / "claims.json")
    assert claims.all_claims(tmp_path) == rows
    with pytest.raises(ValueError, match="verdict = 'yes'"):
        claims.Claim("a", "b", "c", "d", "e", 1.0, None, "yes")
