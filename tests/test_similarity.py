"""Similarity by order and its controls, on interactions whose answer is known."""

import numpy as np
import pytest
import torch

from lib.resampling import interval, trend
from lib.similarity import between, relabelled, similarity, with_controls
from lib.strengths import by_order, jaccard_by_order
from lib.subsets import logical_model


def tables(samples, n=4, seed=0):
    found = torch.randn(2, samples, 2**n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    found[..., 0] = 0.0
    return tuple(found)


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


def test_an_order_without_interactions_is_nan_and_the_others_are_jaccards():
    train, test = tables(3), tables(4, seed=1)
    torch.testing.assert_close(similarity(train, test), jaccard_by_order(train, test))
    for pair in (train, test):
        for table in pair:
            table[:, 15] = 1e-9
    assert similarity(train, test, least=1e-6).isnan().tolist() == [False, False, False, True]


def test_renaming_players_keeps_strengths_and_moves_values_with_their_players():
    pair = tables(5)
    moved = relabelled(pair, draw())
    torch.testing.assert_close(by_order(*moved), by_order(*pair))
    assert not torch.equal(moved[0], pair[0])
    whole = [logical_model(*x, torch.zeros(5, dtype=torch.float64))[:, -1] for x in (pair, moved)]
    torch.testing.assert_close(*whole)


def test_equal_samples_are_equal_in_every_group_and_chance_is_less():
    one = tables(1, n=5)
    many = tuple(table.expand(6, -1) for table in one)
    found = with_controls(many, many, 3, 4, draw())
    for name in ("train and test", "train and train", "test and test"):
        torch.testing.assert_close(found[name], torch.ones(5, dtype=torch.float64))
    assert (found["chance"][1:4] < 0.9).all() and found["chance"][4].item() == pytest.approx(1.0)


def test_from_one_distribution_the_controls_agree():
    found = with_controls(tables(40), tables(40, seed=1), 10, 50, draw())
    torch.testing.assert_close(found["train and test"], found["test and test"], atol=0.1, rtol=0)


def test_more_samples_are_more_similar():
    train, test = tables(64), tables(64, seed=1)
    few, many = (between(train, test, size, 5, draw()) for size in (2, 64))
    assert (many > few).all()
    torch.testing.assert_close(many, similarity(train, test))


def test_too_few_samples_are_refused():
    with pytest.raises(ValueError, match="size is 2; allowed: 1 to 1"):
        with_controls(tables(3), tables(8), 2, 1, draw())


def test_the_interval_of_a_mean_covers_it_and_shrinks():
    x = np.random.default_rng(0).normal(size=400)
    low, high = interval(lambda drawn: x[drawn].mean(), 400, 500, 0, share=0.95)
    assert low < x.mean() < high and 0.15 < high - low < 0.25  # 2 · 1.96 / 20
    assert (interval(lambda drawn: x[drawn].mean(), 400, 500, 0, share=0.95) == [low, high]).all()


def test_intervals_leave_out_what_is_not_a_number():
    ends = interval(lambda drawn: np.array([np.nan, drawn[0] or np.nan]), 5, 100, 0)
    assert np.isnan(ends[:, 0]).all() and (ends[:, 1] >= 1).all()
    assert interval(np.mean, 1, 100, 0) is None and interval(np.mean, 5, 0, 0) is None
    with pytest.raises(ValueError, match="share is 1"):
        interval(np.mean, 5, 5, 0, share=1)


def test_the_trend_of_a_curve():
    assert trend([3, 2, 1]) == pytest.approx(-1) and trend([1, np.nan, 2, 9]) == pytest.approx(1)
    assert trend([1, 1, 1]) == 0 and np.isnan(trend([1, np.nan, 2]))
