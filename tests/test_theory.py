"""The spindle against the gamma function itself, the decay against the dense matrix M(δ)."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError
from scipy.special import gamma as gamma_function
from scipy.special import rgamma

from lib.strengths import by_order
from lib.subsets import orders
from lib.theory import decay, shrink, spindle

alphas = st.floats(0.01, 10.0)


def random_tables(n: int, *batch: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    i_and, i_or = torch.randn(2, *batch, 2**n, generator=generator, dtype=torch.float64)
    i_and[..., 0] = i_or[..., 0] = 0.0
    return i_and, i_or


def dense_m(n: int, delta: float) -> torch.Tensor:
    subsets = range(2**n)
    j = torch.tensor([[float(s & t == t) for t in subsets] for s in subsets], dtype=torch.float64)
    c = delta * 2.0 ** orders(n).to(torch.float64)
    return torch.linalg.solve(j.T @ j + 2**n * torch.diag(c), j.T @ j)


@pytest.mark.parametrize("n", [1, 2, 5, 10, 20])
def test_spindle_at_alpha_1_is_binomial(n):
    expected = torch.tensor([2.5 * math.comb(n, m) for m in range(1, n + 1)], dtype=torch.float64)
    torch.testing.assert_close(spindle(1.0, 2.5, n), expected, rtol=1e-12, atol=0.0)


@settings(max_examples=100, deadline=None)
@given(alphas, st.integers(1, 12))
def test_spindle_is_eq_6_where_it_is_not_clipped(alpha, n):
    size = alpha * n
    for m, strength in enumerate(spindle(alpha, 3.0, n).tolist(), start=1):
        if m >= size + 1:
            assert strength == 0.0
        else:
            direct = 3.0 * gamma_function(size + 1) * rgamma(m + 1) * rgamma(size - m + 1)
            assert strength == pytest.approx(direct, rel=1e-9, abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.sampled_from([-1e-9, 0.0, 1e-9]))
def test_spindle_is_continuous_across_the_poles_of_gamma(n, size, step):
    at_pole = spindle(size / n, 1.0, n)
    beside = spindle((size + step) / n, 1.0, n)
    assert torch.isfinite(beside).all() and (beside >= 0).all()
    torch.testing.assert_close(beside, at_pole, rtol=1e-6, atol=1e-6)


def test_spindle_peaks_at_higher_orders_for_larger_alpha():
    grid = torch.linspace(0.05, 3.0, 60, dtype=torch.float64)
    curves = spindle(grid, torch.ones(4, 1, dtype=torch.float64), 10)
    assert curves.shape == (4, 60, 10)
    peaks = curves[0].argmax(-1)
    assert (peaks.diff() >= 0).all() and peaks[0] == 0 and peaks[-1] == 9


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 7), st.sampled_from([1e-9, 1e-3, 0.1, 1.0, 50.0]), st.integers(0, 10**6))
def test_shrink_is_the_dense_solve(n, delta, seed):
    table = random_tables(n, 3, seed=seed)[0]
    torch.testing.assert_close(shrink(table, delta), table @ dense_m(n, delta).T, rtol=0.0, atol=1e-10)


def test_shrink_takes_many_deltas_at_once():
    table = random_tables(6, 2, 3)[0]
    deltas = torch.logspace(-4, 2, 5, dtype=torch.float64)
    grid = shrink(table[:, :, None], deltas)
    assert grid.shape == (2, 3, 5, 64)
    one_by_one = [shrink(table, delta) for delta in deltas.tolist()]
    torch.testing.assert_close(grid, torch.stack(one_by_one, dim=2))
    per_sample = shrink(table[0], deltas[:3])
    expected = [shrink(row, delta) for row, delta in zip(table[0], deltas[:3].tolist(), strict=True)]
    torch.testing.assert_close(per_sample, torch.stack(expected))


@pytest.mark.parametrize("n", [3, 10, 12])
def test_no_uncertainty_changes_nothing(n):
    i_and, i_or = random_tables(n, 2)
    torch.testing.assert_close(shrink(i_and, 0.0), i_and, rtol=0.0, atol=1e-11)
    torch.testing.assert_close(decay(i_and, i_or, 0.0, 1.0), by_order(i_and, i_or))


def test_more_uncertainty_weakens_high_orders_more():
    i_and, i_or = random_tables(10, 20)
    deltas = torch.logspace(-3, 1, 9, dtype=torch.float64)
    kept = decay(i_and[:, None], i_or[:, None], deltas, 1.0).sum((0, 2))
    share = kept / by_order(i_and, i_or).sum((0, 1))  # (deltas, n): what each order keeps
    relative = share[:, 4:] / share[:, 3:4]
    assert (share[:, 4:].diff(dim=0) < 0).all()  # every order above the third loses with every step of δ
    assert (relative.diff(dim=0) < 0).all() and (share[:, 3:].diff(dim=1) < 0).all()  # higher ones more


def test_decay_of_one_interaction_is_its_column_of_m():
    table = torch.zeros(32, dtype=torch.float64)
    table[-1] = -2.0
    none = torch.zeros_like(table)
    shrunk = -2.0 * dense_m(5, 0.01)[:, -1]
    strengths = decay(table, none, 0.01, 3.0)
    assert strengths[1, -1].item() == pytest.approx(-3.0 * shrunk[-1].item())
    torch.testing.assert_close(strengths, 3.0 * by_order(shrunk, none))


def test_decay_does_not_depend_on_how_order_1_is_split():
    i_and, i_or = random_tables(5, 3)
    moved = torch.zeros_like(i_and)
    moved[:, [1, 2, 4, 8, 16]] = random_tables(5, 3, seed=1)[0][:, :5]
    torch.testing.assert_close(decay(i_and + moved, i_or - moved, 0.05, 1.0), decay(i_and, i_or, 0.05, 1.0))


def test_decay_broadcasts_gamma():
    i_and, i_or = random_tables(4, 3)
    gammas = torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64)
    expected = gammas[:, None, None] * decay(i_and, i_or, 0.1, 1.0)
    torch.testing.assert_close(decay(i_and, i_or, 0.1, gammas), expected)


def test_bad_input_is_named():
    table = random_tables(3)[0]
    for delta in (-1e-3, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="delta is .*; allowed: finite and at least 0"):
            shrink(table, delta)
    for gamma in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="gamma is .*; allowed: finite and at least 0"):
            decay(table, table, 0.1, gamma)
    for alpha in (0.0, -0.5, float("nan")):
        with pytest.raises(ValueError, match="alpha is .*; allowed: finite and above 0"):
            spindle(alpha, 1.0, 10)
    with pytest.raises(ValueError, match="beta is .*; allowed: finite"):
        spindle(1.0, float("inf"), 10)
    with pytest.raises((ValueError, TypeCheckError)):
        decay(table, table[:4], 0.1, 1.0)
