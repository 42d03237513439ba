"""The sparsest interactions against an exact solver of linear programs, and against what theory says."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from lib import subsets
from lib.sparsest import Sparsest, sparsest

TIE_BREAK = 1e-4


def tables(n: int, samples: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(samples, 2**n, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def weights(n: int) -> torch.Tensor:
    return 1.0 + TIE_BREAK * subsets.orders(n).double()


def model_matrix(n: int) -> np.ndarray:
    """h - h(∅) = matrix @ (i_and, i_or), with the empty set's row and columns left out."""
    s = np.arange(1, 2**n)
    common = s[:, None] & s
    return np.hstack([common == s, common != 0]).astype(float)


def optimum(v: torch.Tensor, zeta: float) -> float:
    """The problem's optimal value by HiGHS, unknowns split by sign."""
    n = subsets.player_count(v)
    model = model_matrix(n)
    both = np.hstack([model, -model])
    target = (v[1:] - v[0]).numpy()
    found = linprog(
        np.tile(weights(n)[1:].numpy(), 4),
        A_ub=np.vstack([both, -both]),
        b_ub=np.concatenate([target + zeta, zeta - target]),
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    assert found.status == 0
    return found.fun


def assert_consistent(found: Sparsest, values: torch.Tensor, zeta: torch.Tensor | float) -> None:
    """All that has to hold of an answer, however good it is."""
    n = subsets.player_count(values)
    zeta = torch.as_tensor(zeta, dtype=torch.float64).expand(values.shape[:-1])
    scale = values.abs().amax(-1, keepdim=True) + torch.finfo(torch.float64).tiny
    h = subsets.logical_model(found.i_and, found.i_or, values[..., 0])
    assert ((h - (values - found.delta)).abs() <= 1e-11 * scale).all()
    assert (found.delta.abs() <= zeta[..., None]).all()
    assert (found.delta[..., 0] == 0).all()
    assert (found.i_and[..., 0] == 0).all() and (found.i_or[..., subsets.orders(n) <= 1] == 0).all()

    half = (values - found.delta) / 2
    again_and = subsets.and_interactions(half + found.gamma)
    again_or = subsets.or_interactions(half - found.gamma)
    assert ((again_and - found.i_and).abs() <= 1e-11 * 2**n * scale).all()
    assert ((again_or - found.i_or).abs() <= 1e-11 * 2**n * scale).all()

    objective = (weights(n) * (found.i_and.abs() + found.i_or.abs())).sum(-1)
    torch.testing.assert_close(found.objective, objective, rtol=1e-12, atol=0.0)
    assert (found.lower_bound <= found.objective).all()
    gap = (found.objective - found.lower_bound) / found.objective.clamp(min=torch.finfo(torch.float64).tiny)
    torch.testing.assert_close(found.gap, gap)


@settings(max_examples=120, deadline=None)
@given(
    n=st.integers(1, 5),
    seed=st.integers(0, 2**32),
    fraction=st.sampled_from([0.0, 1e-6, 0.02, 0.3, 0.9]),
    digits=st.sampled_from([0, 1, 15]),
    method=st.sampled_from(["auto", "simplex"]),
)
def test_optimum_lies_between_bound_and_objective(n: int, seed: int, fraction: float, digits: int, method: str) -> None:
    values = tables(n, 2, seed).round(decimals=digits)  # few digits make ties, and degenerate programs
    zeta = fraction * (values - values[:, :1]).abs().amax(-1)
    found = sparsest(values, zeta, tolerance=1e-6, tie_break=TIE_BREAK, method=method)
    assert_consistent(found, values, zeta)
    assert (found.gap <= 1e-6).all()
    for k in range(2):
        exact, slack = optimum(values[k], zeta[k].item()), 1e-8 * values[k].abs().max().item() * 2**n
        assert found.lower_bound[k] <= exact + slack
        assert exact - slack <= found.objective[k]


@pytest.mark.parametrize("n", [6, 7, 8])
def test_larger_optimum_lies_between_bound_and_objective(n: int) -> None:
    values = tables(n, 1, seed=n)[0]
    zeta = 0.02 * (values[-1] - values[0]).abs().item()
    found = sparsest(values, zeta, tolerance=1e-6, tie_break=TIE_BREAK)
    exact = optimum(values, zeta)
    assert found.lower_bound <= exact * (1 + 1e-8) and exact * (1 - 1e-8) <= found.objective
    assert found.gap <= 1e-6


def planted(
    n: int, count: int, seed: int, highest: int | None = None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    i_and, i_or = torch.zeros(2, 2**n, dtype=torch.float64)
    order = subsets.orders(n)
    chosen = ((order >= 2) & (order <= (highest or n))).nonzero().flatten()
    chosen = chosen[torch.randperm(len(chosen), generator=generator)[: 2 * count]]
    strengths = torch.randn(2 * count, dtype=torch.float64, generator=generator)
    i_and[chosen[:count]], i_or[chosen[count:]] = strengths[:count], strengths[count:]
    return i_and, i_or, subsets.logical_model(i_and, i_or, 0.3)


@pytest.mark.parametrize("seed", range(3))
def test_planted_sparse_interactions_are_recovered(seed: int) -> None:
    i_and, i_or, values = planted(8, 10, seed)
    found = sparsest(values, 0.0, tolerance=1e-9)
    torch.testing.assert_close(found.i_and, i_and, rtol=0.0, atol=1e-6)
    torch.testing.assert_close(found.i_or, i_or, rtol=0.0, atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_noise_within_zeta_costs_no_sparsity(seed: int) -> None:
    i_and, i_or, values = planted(8, 10, seed)
    noise = 2e-3 * torch.rand(2**8, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) - 1e-3
    noise[0] = 0.0
    found = sparsest(values + noise, 1e-3, tolerance=1e-6)
    assert_consistent(found, values + noise, 1e-3)
    assert found.objective <= (weights(8) * (i_and.abs() + i_or.abs())).sum()  # the planted ones fit as well


def test_ties_go_to_low_orders() -> None:
    """x₁ + x₂ = (x₁ ∧ x₂) + (x₁ ∨ x₂) at the same ℓ1 norm: the weights decide."""
    values = torch.tensor([0.0, 1.0, 1.0, 2.0], dtype=torch.float64)
    found = sparsest(values, 0.0, tolerance=1e-9)
    torch.testing.assert_close(found.i_and, values.new_tensor([0.0, 1.0, 1.0, 0.0]), rtol=0.0, atol=1e-4)
    torch.testing.assert_close(found.i_or, values.new_zeros(4), rtol=0.0, atol=1e-4)


def test_batch_equals_singles() -> None:
    values = tables(6, 50)
    values[:10] *= 1e3
    zeta = 0.02 * (values[:, -1] - values[:, 0]).abs()
    together = sparsest(values, zeta, tolerance=1e-6)
    singles = torch.stack([sparsest(v, z, tolerance=1e-6).objective for v, z in zip(values, zeta, strict=True)])
    torch.testing.assert_close(together.objective, singles, rtol=1e-9, atol=0.0)


def test_batch_axes_and_a_second_run() -> None:
    values = tables(5, 6)
    before = values.clone()
    zeta = torch.linspace(0.0, 0.5, 6, dtype=torch.float64)
    flat, shaped = sparsest(values, zeta), sparsest(values.view(2, 3, -1), zeta.view(2, 3))
    assert shaped.i_and.shape == (2, 3, 32) and shaped.gap.shape == (2, 3)
    for one, other in zip(vars(flat).values(), vars(shaped).values(), strict=True):
        assert torch.equal(one, other.reshape(one.shape))
    assert torch.equal(values, before)
    assert sparsest(values[:0], 0.0).i_and.shape == (0, 32)
    assert sparsest(values[0], 0.0).gap.shape == ()


def test_relabelling_players_relabels_the_answer() -> None:
    n, permutation = 6, [3, 0, 5, 1, 4, 2]
    i_and, i_or, values = planted(n, 6, seed=1)
    s = torch.arange(2**n)
    relabelled = sum(((s >> new) & 1) << old for new, old in enumerate(permutation))
    found, other = sparsest(values, 0.0, 1e-9), sparsest(values[relabelled], 0.0, 1e-9)
    torch.testing.assert_close(other.objective, found.objective, rtol=1e-8, atol=0.0)
    torch.testing.assert_close(other.i_and, found.i_and[relabelled], rtol=0.0, atol=1e-6)
    torch.testing.assert_close(other.i_or, found.i_or[relabelled], rtol=0.0, atol=1e-6)


@pytest.mark.parametrize("factor", [1e-9, -3.0, 1e6])
def test_scaling_the_table_scales_the_answer(factor: float) -> None:
    values = tables(6, 4)
    found = sparsest(values, 0.05, tolerance=1e-8)
    scaled = sparsest(factor * values, 0.05 * abs(factor), tolerance=1e-8)
    torch.testing.assert_close(scaled.objective, abs(factor) * found.objective, rtol=1e-7, atol=0.0)


def adversarial(n: int) -> torch.Tensor:
    noise, order = tables(n, 1)[0], subsets.orders(n).double()
    spike, spike_at_none = torch.zeros_like(noise), torch.zeros_like(noise)
    spike[5 * 2**n // 8], spike_at_none[0] = 1e3, -1e4
    rows = [1e6 * noise, 1e-9 * noise, 1e6 + noise, 5.0 + 1e-15 * noise, noise * 0.0, noise * 0.0 + 3.7]
    rows += [
        spike,
        spike_at_none,
        order,
        (-1.0) ** order,
        10.0**order,
        (order == n).double(),
        order + 1e-10 * noise,
    ]
    return torch.stack(rows)


@pytest.mark.parametrize(
    ("n", "method"), [(n, "auto") for n in (0, 1, 2, 5, 8)] + [(n, "simplex") for n in (0, 1, 2, 5, 6)]
)
@pytest.mark.parametrize("fraction", [0.0, 1e-6, 0.02, 1.0])
def test_adversarial_tables_end_certified(n: int, fraction: float, method: str) -> None:
    values = adversarial(n)
    zeta = fraction * (values - values[:, :1]).abs().amax(-1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "orders are not settled")  # 1e-6 is asked for
        found = sparsest(values, zeta, tolerance=1e-6, method=method)
    assert_consistent(found, values, zeta)
    assert (found.gap <= 1e-6).all()
    if fraction == 1.0:
        assert (found.objective == 0).all() and (found.gap == 0).all()


def network_tables(n: int) -> torch.Tensor:
    """Two outputs of a random network with the players as gates, a weak one and a strong one."""
    s = torch.arange(2**n)
    gates = ((s[:, None] >> torch.arange(n)) & 1).double()
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(a, b, dtype=torch.float64, generator=generator) for a, b in ((n, 32), (32, 2)))
    return (torch.tanh(gates @ first) @ second).mT * torch.tensor([[0.01], [10.0]], dtype=torch.float64)


def test_ten_players() -> None:
    values = torch.cat([network_tables(10), planted(10, 20, seed=0)[2][None]])
    zeta = 0.02 * (values[:, -1] - values[:, 0]).abs()
    found = sparsest(values, zeta, tolerance=1e-6)
    assert_consistent(found, values, zeta)
    assert (found.gap <= 1e-6).all()


def test_an_answer_cut_short_says_so() -> None:
    values = tables(6, 3)
    values[1] = 1.0
    with pytest.warns(UserWarning, match=r"2 of 3 tables missed the relative gap 1e-08; the worst is at"):
        found = sparsest(values, 0.02, tolerance=1e-8, max_iterations=2)
    assert_consistent(found, values, 0.02)
    assert (found.gap > 1e-8).tolist() == [True, False, True]
    assert (found.iterations <= 2).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"values": torch.zeros(3, 7, dtype=torch.float64)}, "7 entries"),
        ({"values": torch.zeros(8)}, "dtype of values is torch.float32"),
        (
            {"values": torch.tensor([[0.0, 1.0], [torch.nan, torch.inf]]).double()},
            r"2 entries, the first at \[\[1, 0\]\]",
        ),
        ({"values": torch.tensor([-1.5e308, 1.5e308], dtype=torch.float64)}, "beyond float64"),
        ({"zeta": -0.5}, r"zeta is \[-0.5\]"),
        ({"zeta": float("nan")}, r"zeta is \[nan\]"),
        ({"zeta": torch.zeros(4)}, r"shape of zeta is \(4,\)"),
        ({"ties": "middle"}, "ties is 'middle'"),
        ({"tolerance": 0.0}, "tolerance is 0.0"),
        ({"tolerance": 1.0}, "tolerance is 1.0"),
        ({"tie_break": -1.0}, "tie_break is -1.0"),
        ({"max_iterations": 0}, "max_iterations is 0"),
        ({"method": "barrier"}, "method is 'barrier'; allowed: 'auto', 'interior point', 'first order'"),
    ],
)
def test_bad_arguments_are_named(arguments: dict, message: str) -> None:
    good = {"values": torch.zeros(3, 8, dtype=torch.float64), "zeta": 0.0}
    with pytest.raises(ValueError, match=message):
        sparsest(**(good | arguments))


def test_what_does_not_fit_in_memory_is_refused() -> None:
    with pytest.raises(MemoryError, match=r"20 players need .* GiB .* are free on cpu"):
        sparsest(torch.zeros(2**20, dtype=torch.float64), 0.0, method="interior point")


@pytest.mark.parametrize("n", [0, 1, 2, 4, 7])
@pytest.mark.parametrize("fraction", [0.0, 0.02, 1.0])
@pytest.mark.parametrize("method", ["first order", "simplex", "rows"])
def test_other_methods_agree_with_the_interior_point(n: int, fraction: float, method: str) -> None:
    values = tables(n, 4)
    values[1] *= 1e-6
    values[2] = values[2, 0]
    zeta = fraction * (values - values[:, :1]).abs().amax(-1)
    found = sparsest(values, zeta, tolerance=1e-4, method=method)
    assert_consistent(found, values, zeta)
    assert (found.gap <= 1e-4).all()
    exact = sparsest(values, zeta, tolerance=1e-8, method="interior point")
    assert (found.objective >= exact.lower_bound).all() and (found.lower_bound <= exact.objective).all()


def test_the_first_order_method_takes_fifteen_players() -> None:
    values = network_tables(15)[:1]
    zeta = 0.02 * (values[:, -1] - values[:, 0]).abs()
    found = sparsest(values, zeta, tolerance=1e-2, method="first order")
    assert_consistent(found, values, zeta)
    assert (found.gap <= 1e-2).all() and (found.iterations > 100).all()


@pytest.mark.parametrize("n", [10, 12])
def test_simplex_ends_at_a_vertex(n: int) -> None:
    """As many interactions as subsets on which the noise is used up, and all that the certificate asks for."""
    values = planted(n, 15, seed=n, highest=3)[2]
    values = values + 0.015 * torch.randn(2**n, dtype=torch.float64, generator=torch.Generator().manual_seed(n))
    found = sparsest(values, 0.05, tolerance=1e-7, method="simplex")
    assert_consistent(found, values, 0.05)
    assert found.gap <= 1e-7
    used = sum(int((i.abs() > 1e-9).sum()) for i in (found.i_and, found.i_or))
    assert 15 < used < 300 and used == int((found.delta.abs() > 0.05 - 1e-9).sum())


def test_simplex_does_not_mix_samples() -> None:
    values = torch.stack([planted(7, 8, seed)[2] for seed in range(4)])
    together = sparsest(values, 0.01, method="simplex")
    for k in range(4):
        assert torch.equal(together.i_or[k], sparsest(values[k], 0.01, method="simplex").i_or)


@pytest.mark.case("A1")
@pytest.mark.parametrize("method", ["interior point", "first order", "simplex", "rows", "auto"])
def test_the_orders_of_an_additive_table_are_settled_by_default(method):
    """Case A1: v = Σ wᵢxᵢ needs nothing above order 1, and ties between orders 1 and 2 go to the low one."""
    weights = torch.randn(3, 8, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    present = (torch.arange(2**8)[:, None] >> torch.arange(8) & 1).double()
    found = sparsest(weights @ present.T, 0.0, method=method)
    strength = torch.stack(
        [(found.i_and.abs() + found.i_or.abs())[:, subsets.orders(8) == m].sum(-1) for m in (1, 2, 3)]
    )
    total = weights.abs().sum(-1)
    assert (strength - torch.stack([total, 0 * total, 0 * total])).abs().max() <= 1e-3 * total.min()
    assert (found.unsettled <= 1e-3 * total).all()


def test_ties_to_high_orders_find_the_other_end_at_the_same_norm():
    """x₁ + x₂ = (x₁ ∧ x₂) + (x₁ ∨ x₂)."""
    table = torch.tensor([0.0, 1.0, 1.0, 2.0], dtype=torch.float64)
    low, high = (sparsest(table, 0.0, ties=ties) for ties in ("low", "high"))
    torch.testing.assert_close(low.i_and, torch.tensor([0.0, 1.0, 1.0, 0.0], dtype=torch.float64), atol=1e-3, rtol=0)
    torch.testing.assert_close(high.i_and, torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=torch.float64), atol=1e-3, rtol=0)
    torch.testing.assert_close(high.i_or, torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=torch.float64), atol=1e-3, rtol=0)


@pytest.mark.case("A1")
def test_the_bound_on_what_is_not_settled_holds():
    """At a loose gap the orders may be wrong, by no more than the answer says, and one line says so."""
    weights = torch.randn(8, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    table = (torch.arange(2**8)[:, None] >> torch.arange(8) & 1).double() @ weights
    with pytest.warns(UserWarning, match="orders are not settled in 1 of 1 tables: up to .* a tolerance of 1e-07"):
        found = sparsest(table, 0.0, tolerance=1e-4, method="interior point")
    at_one = (found.i_and.abs() + found.i_or.abs())[subsets.orders(8) == 1].sum()
    missing = weights.abs().sum() - at_one
    assert 1e-3 * weights.abs().sum() < missing <= found.unsettled
    assert sparsest(table, 0.0, tie_break=0.0).unsettled.isinf()
