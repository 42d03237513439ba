"""Verdicts: shapes that are what they are, thresholds at their edges, intervals that cover, files that come back."""

import numpy as np
import pytest

from lib import claims


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


def test_an_interval_across_no_effect_is_no_evidence():
    assert claims.judge(0.6, (-0.1, 0.9), 0.8, 0.5, nothing=0) == "does not hold"
    assert claims.judge(0.6, (0.1, 0.9), 0.8, 0.5, nothing=0) == "holds weakly"
    assert claims.judge(0.9, (0.1, 1.0), 0.8, 0.5, nothing=0) == "holds weakly"
    assert claims.judge(-0.3, (-0.9, 0.1), -0.8, 0, at_most=True, nothing=0) == "does not hold"
    assert claims.judge(0.2, (0.0, 0.4), 0.1, 0, nothing=0) == "does not hold", "an end at no effect is none"
    assert claims.judge(0.05, (0.01, 0.4), 0.1, 0, nothing=0) == "holds weakly"
    assert claims.judge(0.2, (0.01, 0.4), 0.1, 0, nothing=0) == "holds"


def test_rounding_decides_nothing():
    """ρ = 0.9999999999999999 was judged below 1: two experiments shipped "holds weakly"."""
    assert claims.judge(0.9999999999999999, (0.9999999999999999, 1.0), 1, 0.6) == "holds"
    assert claims.judge(1.2500000000000002, None, 1.25, 1.5, at_most=True) == "holds"
    assert claims.judge(1e-17, (1e-17, 0.5), 0.1, 0, nothing=0) == "does not hold"


def test_a_threshold_that_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="weakly is 0.9"):
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
        claims.judged("similarity", "one", -1.0, (-1.0, -0.9), "a note"),
        claims.judged("noise_growth", "one", None, kind="inputs"),
        claims.judged("emerged", "one", float("nan"), (0.1, 0.2), later="D"),
    ]
    (tmp_path / "one").mkdir()
    claims.write(rows, tmp_path / "one" / "claims.json")
    assert claims.all_claims(tmp_path) == rows
    assert [row.verdict for row in rows] == ["holds", "not measured", "not measured"]
    assert rows[0].figures == "−1 [−1, −0.9]" and rows[1].claim == "it grows with the noise on the inputs"
    assert rows[2].where == "Fig. 2, D" and rows[2].interval is None
    with pytest.raises(ValueError, match="verdict is 'yes'"):
        claims.Claim("theorem", "a", "b", "c", "d", "e", 1.0, None, "yes")


def test_every_rule_can_be_kept_and_broken():
    """A claim that can't fail says nothing."""
    for key, rule in claims.RULES.items():
        far = 100.0 if rule.at_most else -100.0
        words = {"kind": "inputs", "later": "D"}
        assert claims.judged(key, "one", -far, (-far, -far), **words).verdict == "holds", key
        assert claims.judged(key, "one", far, (far, far), **words).verdict == "does not hold", key
        assert "{" not in claims.judged(key, "one", 0.0, **words).claim
