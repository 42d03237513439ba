"""How far the strength of an order may move among interactions that are all as sparse as can be."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float64, Shaped
from torch import Tensor

from .. import subsets
from ..checks import require
from . import rows
from .batches import in_batches
from .methods import SOLVERS, choose, parts
from .program import spread
from .table import Scaled, check, check_number


@dataclass(frozen=True)
class Range:
    """The smallest and largest A(m) = Σ_{|S|=m} |I_AND(S)| + |I_OR(S)| among sparsest interactions.

    Both ends are attained by interactions that fit the table to within zeta. AND{i} and OR{i} count as the one
    function that they are.
    """

    smallest: Float64[Tensor, "*batch orders"]
    largest: Float64[Tensor, "*batch orders"]
    excess: Float64[Tensor, "*batch"]  # these interactions' ‖·‖₁ over what is proven to be the least, less 1, at most


def attainable_range(
    values: Shaped[Tensor, "*batch subsets"],
    zeta: Shaped[Tensor, "..."] | float | int,
    orders: Sequence[int],
    slack: float = 1e-4,
    max_iterations: int = 100,
) -> Range:
    """The smallest and the largest A(m) for each m of `orders`, each on its own.

    values, zeta: as in `sparsest`. What is least here is ‖I_AND‖₁ + ‖I_OR‖₁, without weights.
    slack: the ends are those of the optima of ‖·‖₁ ± slack·A(m). So each is the extreme over all interactions
    with ‖·‖₁ up to some level between the least and 1 + slack times the least, and the exact optima's range lies
    within.

    To maximise A(m), which is convex, is no linear program in general; but it is one on the optimal face. An
    optimal dual p has |p| = 1 wherever some optimum is not 0, and then the sign of all optima there; so A(m) is
    maximised along the signs of p.

    Every program is solved by the method that `sparsest` takes by default, to a proven relative gap of slack/1000,
    which puts an end at most ‖·‖₁/1000 inside of where it should be; warns once if tables missed the gap. All have the
    same tables and nearly the same costs, so that row generation begins each with the states that it needed before.
    Raises what `sparsest` raises, and ValueError for an order outside 1 … n.
    """
    check_number("slack", slack, 1e-9, 1.0)
    check_number("max_iterations", max_iterations, 1)
    tables, limits = check(values, zeta)
    n = subsets.player_count(tables)
    for m in orders:
        require(1 <= m <= n, "an order", m, f"1 to {n}, the number of players")
    tolerance = slack / 1000
    method = choose(n, bool((limits == 0).all()), tolerance, tables.device)
    solver, _ = SOLVERS[method]

    def work(v: Tensor, zeta: Tensor) -> tuple[Tensor, ...]:
        scaled = Scaled(v, zeta)
        one = scaled.weights(0.0)
        kept = {"kept": torch.zeros_like(v, dtype=torch.bool)} if solver is rows else {}
        least = solver.solve(scaled.program(one), tolerance, max_iterations, **kept)
        sign = spread(least.p)[:, :2].sign()
        gaps, norms, ends = [(least.objective - least.bound) / least.objective], [least.objective], []
        for m in orders:
            price = slack * (scaled.order == m)
            along = torch.stack([one - price * sign, one + price * sign], 2)
            for costs in (one + price, along):
                found = solver.solve(scaled.program(costs), tolerance, max_iterations, **kept)
                i_and, i_or, _, _ = scaled.interactions(found.o, found.d)
                strength = i_and.abs() + i_or.abs()
                ends.append(strength[:, scaled.order == m].sum(-1))
                norms.append(strength.sum(-1) / scaled.unit[:, 0])
                gaps.append((found.objective - found.bound) / found.objective)
        ends = torch.stack(ends, -1) if ends else v.new_empty(len(v), 0)
        excess = torch.stack(norms).amax(0) / least.bound - 1.0
        some = ~scaled.trivial[:, 0]
        gap = torch.where(some, torch.stack(gaps).amax(0), 0.0)
        return ends[:, 0::2], ends[:, 1::2], torch.where(some, excess, 0.0), gap

    *fields, gap = in_batches(work, tables, limits, solver.bytes_per_sample, *parts(method, n))
    missed = ~(gap <= tolerance)
    if missed.any():
        warnings.warn(
            f"{int(missed.sum())} of {len(tables)} tables missed the relative gap {tolerance:g}; "
            f"the worst is at {gap.max().item():.3g}",
            stacklevel=2,
        )
    return Range(*(field.reshape((*values.shape[:-1], *field.shape[1:])) for field in fields))
