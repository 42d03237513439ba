"""The sparsest AND-OR interactions of a value table (Eq. 12, App. D), with a proof of how sparse they are."""

import warnings

import torch
from jaxtyping import Shaped
from torch import Tensor

from lib import interior_point
from lib.attainable import Range, attainable_range
from lib.batches import Scaled, Sparsest, check, check_number, in_batches
from lib.descent import Trajectory, descend, trajectory

__all__ = ["Range", "Sparsest", "Trajectory", "attainable_range", "descend", "sparsest", "trajectory"]


def sparsest(
    values: Shaped[Tensor, "*batch subsets"],
    zeta: Shaped[Tensor, "..."] | float | int,
    tolerance: float = 1e-4,
    tie_break: float = 1e-4,
    max_iterations: int = 100,
) -> Sparsest:
    """Minimise Σ_{S≠∅} w_S (|I_AND(S)| + |I_OR(S)|) over all interactions with |v - h| ≤ zeta.

    values: v on all subsets, in units of the output (log-odds); the device it is on is the one used.
    zeta: how far h may be from v, one number or one a table, in the same units; 0 asks for an exact fit.
    tolerance: the relative gap (objective - lower_bound)/objective at which a table is done.
    tie_break: w_S = 1 + tie_break·|S|. The optimum is seldom unique; a small weight picks its low-order end.

    The interactions returned fit as returned, whatever the gap. Warns once if tables missed the tolerance.
    Raises ValueError for tables, zeta or parameters out of range, MemoryError before it allocates what is not
    there. The method is that of lib/interior_point.py.
    """
    check_number("tolerance", tolerance, torch.finfo(torch.float64).eps, 1.0)
    check_number("tie_break", tie_break, 0.0)
    check_number("max_iterations", max_iterations, 1)
    tables, limits = check(values, zeta)

    def work(v: Tensor, zeta: Tensor) -> tuple[Tensor, ...]:
        scaled = Scaled(v, zeta)
        weights = scaled.weights(tie_break)
        found = interior_point.solve(scaled.program(weights), scaled.start, 0.999 * tolerance, max_iterations)
        return scaled.answer(found.o, found.d, found.bound, weights, found.iterations)

    fields = in_batches(work, tables, limits, interior_point.bytes_per_sample)
    result = Sparsest(*(field.reshape((*values.shape[:-1], *field.shape[1:])) for field in fields))
    missed = ~(result.gap <= tolerance)
    if missed.any():
        warnings.warn(
            f"{int(missed.sum())} of {len(tables)} tables missed the relative gap {tolerance:g}; "
            f"the worst is at {result.gap.max().item():.3g}",
            stacklevel=2,
        )
    return result
