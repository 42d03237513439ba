"""Strengths by order against loops over subsets, and the identities of the Jaccard similarity."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError

from lib.strengths import by_order, jaccard_by_order, merge_singletons, normaliser, salient, swing
from lib.subsets import logical_model

REFUSED = (ValueError, TypeCheckError)  # shapes are refused earlier when annotations are checked at run time
seeds, player_counts = st.integers(0, 10**6), st.integers(1, 5)


def random_tables(n: int, *batch: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    i_and, i_or = torch.randn(2, *batch, 2**n, generator=generator, dtype=torch.float64)
    i_and[..., 0] = i_or[..., 0] = 0.0
    return i_and, i_or


def by_order_in_loops(i_and: list[float], i_or: list[float], n: int, limit: float) -> list[list[float]]:
    positive, negative = [0.0] * n, [0.0] * n
    for subset in range(1, 2**n):
        m = bin(subset).count("1")
        effects = [i_and[subset] + i_or[subset]] if m == 1 else [i_and[subset], i_or[subset]]
        for effect in effects:
            if abs(effect) > limit:
                (positive if effect > 0 else negative)[m - 1] += abs(effect)
    return [positive, negative]


@settings(max_examples=40, deadline=None)
@given(seeds, player_counts, st.sampled_from([0.0, 0.3, 1.5]))
def test_by_order_is_the_sum_over_subsets(seed, n, limit):
    i_and, i_or = random_tables(n, 2, 3, seed=seed)
    expected = [
        [by_order_in_loops(a.tolist(), o.tolist(), n, limit) for a, o in zip(*rows, strict=True)]
        for rows in zip(i_and, i_or, strict=True)
    ]
    actual = by_order(i_and, i_or, limit)
    assert actual.shape == (2, 3, 2, n)
    torch.testing.assert_close(actual, torch.tensor(expected, dtype=torch.float64))


def test_by_order_takes_one_threshold_a_table():
    i_and, i_or = random_tables(4, 3)
    limits = torch.tensor([0.0, 0.7, 2.0], dtype=torch.float64)
    one_by_one = [by_order(a, o, t) for a, o, t in zip(i_and, i_or, limits.tolist(), strict=True)]
    torch.testing.assert_close(by_order(i_and, i_or, limits), torch.stack(one_by_one))


def test_by_order_ignores_the_empty_set():
    i_and, i_or = random_tables(3, 2)
    expected = by_order(i_and, i_or)
    i_and[:, 0], i_or[:, 0] = 5.0, -7.0
    assert torch.equal(by_order(i_and, i_or), expected)


def test_an_effect_equal_to_the_threshold_is_not_salient():
    i_and = torch.tensor([9.0, 0.5, -0.5, 2.0], dtype=torch.float64)
    i_or = torch.tensor([9.0, 0.0, -0.1, 0.5], dtype=torch.float64)
    mask_and, mask_or = salient(i_and, i_or, 0.5)
    assert mask_and.tolist() == [False, False, True, True]  # -0.5 and -0.1 are one function
    assert mask_or.tolist() == [False, False, False, False]
    assert by_order(i_and, i_or, 0.5).tolist() == [[0.0, 2.0], [0.6, 0.0]]


@settings(max_examples=20, deadline=None)
@given(seeds, player_counts)
def test_by_order_sums_what_is_salient(seed, n):
    i_and, i_or = random_tables(n, 3, seed=seed)
    masks, tables = salient(i_and, i_or, 0.4), merge_singletons(i_and, i_or)
    total = sum((table.abs() * mask).sum(-1) for table, mask in zip(tables, masks, strict=True))
    torch.testing.assert_close(by_order(i_and, i_or, 0.4).sum((-2, -1)), total)


def test_merging_singletons_leaves_the_logical_model_as_it_is():
    i_and, i_or = random_tables(5, 4)
    merged = merge_singletons(i_and, i_or)
    assert not merged[1][:, [1, 2, 4, 8, 16]].any()
    torch.testing.assert_close(logical_model(*merged, 0.0), logical_model(i_and, i_or, 0.0))


def test_threshold_is_a_share_of_the_mean_magnitude_of_the_output():
    values = torch.tensor([[1.0, 8.0, 8.0, 4.0], [2.0, 8.0, 8.0, -3.0]], dtype=torch.float64)
    assert swing(values).item() == pytest.approx((3 + 5) / 2)
    assert by_order(values, values, 0.02 * swing(values)).shape == (2, 2, 2)  # a 0-d tensor is a threshold


def test_normaliser_is_the_mean_salient_magnitude_of_order_1():
    i_and = torch.tensor([[0.0, 3.0, -1.0, 9.0], [0.0, 0.2, 2.0, 9.0]], dtype=torch.float64)
    i_or = torch.tensor([[0.0, 1.0, 0.0, 9.0], [0.0, 0.1, -4.0, 9.0]], dtype=torch.float64)
    assert normaliser(i_and, i_or, 0.5).item() == pytest.approx((4 + 1 + 2) / 2)  # 0.2 + 0.1 is not salient
    with pytest.raises(ValueError, match="Z is 0"):
        normaliser(i_and, i_or, 5.0)


def jaccard_in_loops(train: tuple, test: tuple, n: int) -> list[float]:
    def distribution(pair: tuple, m: int) -> list[float]:
        i_and, i_or = merge_singletons(*pair)
        columns = [
            sign * table[:, subset]
            for table in (i_and, i_or)
            for sign in (1, -1)
            for subset in range(1, 2**n)
            if bin(subset).count("1") == m
        ]
        return [sum(max(x, 0.0) for x in column.tolist()) / len(column) for column in columns]

    pairs = [list(zip(distribution(train, m), distribution(test, m), strict=True)) for m in range(1, n + 1)]
    return [sum(map(min, pair)) / sum(map(max, pair)) for pair in pairs]


@settings(max_examples=20, deadline=None)
@given(seeds, player_counts)
def test_jaccard_is_the_loop_over_subsets_and_symmetric(seed, n):
    train, test = random_tables(n, 3, seed=seed), random_tables(n, 4, seed=seed + 1)
    similarity = jaccard_by_order(train, test)
    expected = torch.tensor(jaccard_in_loops(train, test, n), dtype=torch.float64)
    torch.testing.assert_close(similarity, expected)
    assert torch.equal(similarity, jaccard_by_order(test, train))
    assert ((similarity >= 0) & (similarity <= 1)).all()


def test_jaccard_of_equal_of_opposite_and_of_absent_interactions():
    i_and, i_or = random_tables(4, 3)
    same = jaccard_by_order((i_and, i_or), (i_and, i_or))
    assert torch.equal(same, torch.ones_like(same))

    i_and, i_or = i_and.abs(), i_or.abs()  # so that no entry has both parts over the samples
    opposite = jaccard_by_order((i_and, i_or), (-i_and, -i_or))
    assert torch.equal(opposite, torch.zeros_like(opposite))

    pairs_only = torch.zeros(1, 8, dtype=torch.float64)
    pairs_only[0, 3] = 1.0
    none = torch.zeros_like(pairs_only)
    assert jaccard_by_order((pairs_only, none), (none, none)).tolist() == [1.0, 0.0, 1.0]


def test_jaccard_weighs_the_sides_by_their_means():
    half = torch.tensor([[0.0, 1.0], [0.0, 0.0]], dtype=torch.float64)
    full = torch.tensor([[0.0, 1.0]], dtype=torch.float64)
    similarity = jaccard_by_order((half, torch.zeros_like(half)), (full, torch.zeros_like(full)))
    assert similarity.tolist() == [0.5]


def test_bad_input_is_named():
    i_and, i_or = random_tables(3, 2)
    with pytest.raises(ValueError, match="threshold is -1.0; allowed"):
        by_order(i_and, i_or, -1.0)
    with pytest.raises(ValueError, match="threshold is nan"):
        salient(i_and, i_or, float("nan"))
    with pytest.raises(ValueError, match="i_or, .* is .nan.; allowed: finite"):
        by_order(i_and, i_or / 0.0)
    with pytest.raises(ValueError, match=r"swing of \(0, 8\) values is nan"):
        swing(i_and[:0])
    with pytest.raises(REFUSED):
        by_order(i_and, i_or[:, :4])
    with pytest.raises(REFUSED):
        by_order(i_and[:, :6], i_or[:, :6])
    with pytest.raises(REFUSED):
        jaccard_by_order((i_and, i_or), (i_and[:, :4], i_or[:, :4]))
    with pytest.raises(ValueError, match="shape of test is"):
        jaccard_by_order((i_and, i_or), (i_and[:0], i_or[:0]))
