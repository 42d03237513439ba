"""The sparsest AND-OR interactions of a value table (Eq. 12, App. D), with a proof of how sparse they are."""

import warnings

import torch
from jaxtyping import Shaped
from torch import Tensor

from .. import subsets
from ..checks import require
from . import low_order
from .batches import in_batches
from .methods import SOLVERS, TakesLong, choose, parts, seconds
from .table import Scaled, Sparsest, check, check_number

SETTLED = 1e-3  # share of the strength that may lie at another order before it is said
SETTLING = 12  # players up to which the default tolerance settles the strengths of all orders
TOLD = 12  # players from which on work of more than so many seconds is said beforehand
LONG = 10.0


def sparsest(
    values: Shaped[Tensor, "*batch subsets"],
    zeta: Shaped[Tensor, "..."] | float | int,
    tolerance: float | None = None,
    tie_break: float = 1e-4,
    max_iterations: int | None = None,
    method: str = "auto",
    ties: str = "low",
) -> Sparsest:
    """Minimise Σ_{S≠∅} w_S (|I_AND(S)| + |I_OR(S)|) over all interactions with |v - h| ≤ zeta.

    values: v on all subsets, in units of the output (log-odds); bit i of a subset's index says that player i is present
    (`games.table` takes other orders). The device it is on is the one used.
    zeta: how far h may be from v, one number or one a table, in the same units; 0 asks for an exact fit.
    tolerance: the relative gap (objective - lower_bound)/objective at which a table is done; unless given
    tie_break/1000 up to 12 players, which settles the strengths of all orders, and 1e-4 above.
    tie_break: w_S = 1 + tie_break·|S|. The optimum is seldom unique; a small weight picks one of its ends, once the gap
    is well below it. The answer's `unsettled` bounds the strength that may belong to a neighbouring order.
    ties: "low" picks the end of low orders; "high", with w_S = 1 + tie_break·(n - |S|), that of high orders. Orders 1
    and 2 of networks differ manyfold between the two, at the same Σ|I|: x₁ + x₂ = (x₁ ∧ x₂) + (x₁ ∨ x₂).

    max_iterations: after which a table is given up; unless given 100 of the interior point's, which "rows" has too,
    and 20,000 of the others'.
    method: "interior point" (interior_point.py) holds a matrix of 2**n × 2**n for each table at work and gets
    to gaps of 1e-6 and far below in 10 to 20 iterations. "first order" (first_order.py) holds tables only; gaps
    of 1e-3 take it some hundreds to thousands of iterations, gaps below 1e-5 often more than there is time for.
    "rows" (rows.py) solves on the states that turn out to matter, which are few where ζ > 0: about a tenth of a second
    for networks with 10 players, seconds with 12 to 14.
    "simplex" (simplex.py) walks on the CPU, a table at a time, to an optimum in a corner, exact but for
    rounding. It is the fastest by far where some ten to two hundred interactions of low order explain a table, for any
    number of players; on most tables of networks it gets nowhere near in its 20,000 steps.
    "auto" is the interior point up to 9 players, on a GPU up to 11, "rows" above that, and with ζ = 0 the interior
    point or the first order; `methods.choose` has the rule. From 9 players on the simplex comes first where
    interactions of up to three players explain a table to within ζ (low_order.py), unless max_iterations is given, and
    on a GPU. Work that may take more than 10 s is told beforehand, with a warning.

    The interactions returned fit as returned, whatever the gap. Warns once if tables missed the tolerance, and once if
    more than a thousandth of the strength may belong to other orders.
    Raises ValueError for tables, zeta or parameters out of range, MemoryError before it allocates what is not
    there.
    """
    check_number("tie_break", tie_break, 0.0)
    tables, limits = check(values, zeta)
    n = subsets.player_count(tables)
    if tolerance is None:
        tolerance = tie_break / 1000 if tie_break and n <= SETTLING else 1e-4
    check_number("tolerance", tolerance, torch.finfo(torch.float64).eps, 1.0)
    require(ties in ("low", "high"), "ties", repr(ties), "'low', 'high'")
    simplex_first = method == "auto" and max_iterations is None and low_order.may_be(n, tables.device)
    if method == "auto":
        method = choose(n, bool((limits == 0).all()), tolerance, tables.device)
    require(method in SOLVERS, "method", repr(method), f"'auto', {', '.join(map(repr, SOLVERS))}")
    solver, default = SOLVERS[method]
    limit = default if max_iterations is None else max_iterations
    check_number("max_iterations", limit, 1)
    low = int(low_order.explained(tables, limits).sum()) if simplex_first and n >= TOLD else 0
    estimates = seconds(method, n, tolerance, len(tables) - low), low_order.seconds(n, low)
    least, most = map(sum, zip(*estimates, strict=True))
    if n >= TOLD and most > LONG:
        by = repr(method) if low == 0 else "'simplex'" if low == len(tables) else f"'simplex' and {method!r}"
        warnings.warn(
            f"{len(tables)} tables of {n} players by {by}, tolerance {tolerance:g}: about {least:.2g} to "
            f"{most:.2g} s on two cores",
            TakesLong,
            stacklevel=2,
        )

    def work(v: Tensor, zeta: Tensor) -> tuple[Tensor, ...]:
        scaled = Scaled(v, zeta)
        weights = scaled.weights(tie_break, ties)
        program = scaled.program(weights)
        if simplex_first:
            found = low_order.solve(program, 0.999 * tolerance, limit, solver)
        else:
            found = solver.solve(program, 0.999 * tolerance, limit)
        return scaled.answer(found.o, found.d, found.bound, weights, tie_break, found.iterations)

    fields = in_batches(work, tables, limits, solver.bytes_per_sample, *parts(method, n))
    result = Sparsest(*(field.reshape((*values.shape[:-1], *field.shape[1:])) for field in fields))
    missed = ~(result.gap <= tolerance)
    if missed.any():
        warnings.warn(
            f"{int(missed.sum())} of {len(tables)} tables missed the relative gap {tolerance:g}; "
            f"the worst is at {result.gap.max().item():.3g}",
            stacklevel=2,
        )
    strength = (result.i_and.abs() + result.i_or.abs()).sum(-1)
    share = torch.where(strength > 0, result.unsettled / strength, 0.0).clamp(max=1.0)
    if tie_break and (share > SETTLED).any():
        warnings.warn(
            f"orders are not settled in {int((share > SETTLED).sum())} of {len(tables)} tables: up to {share.max():.1%}"
            f" of the strength may belong to neighbouring orders; a tolerance of {SETTLED * tie_break:g} settles them",
            stacklevel=2,
        )
    return result
