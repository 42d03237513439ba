"""The sparsest AND-OR interactions of a value table (Eq. 12, App. D), with a proof of how sparse they are."""

import contextlib
import math
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psutil
import torch
from jaxtyping import Float64, Int64, Shaped
from torch import Tensor

from lib import interior_point, subsets


@dataclass(frozen=True)
class Sparsest:
    """Interactions that fit the table to within zeta, and the proof that hardly any sparser ones do.

    The logical model is h = v - delta with |delta| ≤ zeta and delta(∅) = 0. The components of Theorem 2.1 are
    u_AND = (v - delta)/2 + gamma and u_OR = (v - delta)/2 - gamma; gamma counts up to a constant, and the one
    here has gamma(∅) = 0. AND{i} and OR{i} are the same function: the sum is in i_and, i_or has 0 there.
    """

    i_and: Float64[Tensor, "*batch subsets"]
    i_or: Float64[Tensor, "*batch subsets"]
    gamma: Float64[Tensor, "*batch subsets"]
    delta: Float64[Tensor, "*batch subsets"]
    objective: Float64[Tensor, "*batch"]  # Σ w(|i_and| + |i_or|), w = 1 + tie_break·|S|
    lower_bound: Float64[Tensor, "*batch"]  # no interactions that fit have a smaller objective
    gap: Float64[Tensor, "*batch"]  # (objective - lower_bound) / objective
    iterations: Int64[Tensor, "*batch"]


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
    n = _check(values, tolerance, tie_break, max_iterations)
    batch = values.shape[:-1]
    tables = values.reshape(-1, 2**n)
    bound = _check_zeta(zeta, values).reshape(-1)
    weights = 1.0 + tie_break * subsets.orders(n, values.device).to(values.dtype)
    workers = 1 if values.is_cuda else torch.get_num_threads()
    step = _samples_at_once(n, len(tables), workers, values.device)
    chunks = list(zip(tables.split(step), bound.split(step), strict=True)) if len(tables) else []
    inside = 1 if n <= 10 else workers // max(1, len(chunks))
    with _workers(workers, inside) as pool:
        parts = list(pool.map(lambda chunk: _solve(*chunk, weights, tolerance, max_iterations), chunks))
    fields = [torch.cat(field) for field in zip(*parts, strict=True)] if parts else _nothing(tables)
    result = Sparsest(*(f.reshape((*batch, *f.shape[1:])) for f in fields))
    missed = ~(result.gap <= tolerance)
    if len(tables) and missed.any():
        warnings.warn(
            f"{int(missed.sum())} of {len(tables)} tables missed the relative gap {tolerance:g}; "
            f"the worst is at {result.gap.max().item():.3g}",
            stacklevel=2,
        )
    return result


def _solve(
    v: Tensor, zeta: Tensor, weights: Tensor, tolerance: float, max_iterations: int
) -> tuple[Tensor, ...]:
    sign = 1.0 - 2.0 * (subsets.orders(subsets.player_count(v), v.device) % 2)
    target = v - v[:, :1]
    size = target.abs().amax(-1)
    unit = torch.ldexp(torch.ones_like(size), torch.frexp(size).exponent - 1)  # a power of 2: exact
    unit = torch.where(size > 0, unit, 1.0)
    trivial = size <= zeta  # no interactions at all will do: solved as zeros, such a table is done at once
    scaled = torch.where(trivial[:, None], 0.0, target / unit[:, None])
    found = interior_point.solve(
        sign * scaled,
        torch.where(trivial, 0.0, zeta / unit),
        weights,
        subsets.or_interactions(scaled / 2),
        tolerance * 0.999,
        max_iterations,
    )
    i_or = found.o * unit[:, None]
    delta = sign * found.d * unit[:, None]
    i_and, gamma, delta = _fit(target, i_or, delta, zeta, trivial)
    objective = ((i_and.abs() + i_or.abs()) * weights).sum(-1)
    lower_bound = found.bound * unit
    gap = (objective - lower_bound) / objective.clamp(min=torch.finfo(v.dtype).tiny)
    return i_and, i_or, gamma, delta, objective, lower_bound, gap.clamp(min=0.0), found.iterations


def _fit(
    target: Tensor, i_or: Tensor, delta: Tensor, zeta: Tensor, trivial: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The AND interactions that make up for all that the OR interactions and delta leave."""
    delta = torch.where(trivial[:, None], target, delta)
    delta = torch.clamp(delta, -zeta[:, None], zeta[:, None])
    delta[:, 0] = 0.0
    u_or = subsets.logical_model(torch.zeros_like(i_or), i_or, 0.0)
    u_and = torch.where(trivial[:, None], 0.0, target - delta - u_or)
    return subsets.and_interactions(u_and), (u_and - u_or) / 2, delta


def _nothing(tables: Tensor) -> list[Tensor]:
    scalar = tables.new_empty(0)
    return [tables] * 4 + [scalar] * 3 + [scalar.to(torch.int64)]


def _check(values: Tensor, tolerance: float, tie_break: float, max_iterations: int) -> int:
    n = subsets.player_count(values)
    if values.dtype != torch.float64:
        raise ValueError(f"values has dtype {values.dtype}; torch.float64 is needed")
    bad = ~torch.isfinite(values)
    if bad.any():
        first = tuple(bad.nonzero()[0].tolist())
        count = int(bad.sum())
        raise ValueError(
            f"values has {count} entries NaN or infinite, the first at {first}; all must be finite"
        )
    if not 0.0 < tolerance < 1.0:
        raise ValueError(f"tolerance is {tolerance}; it must be between 0 and 1")
    if not (0.0 <= tie_break < math.inf):
        raise ValueError(f"tie_break is {tie_break}; it must be a finite number, at least 0")
    if max_iterations < 1:
        raise ValueError(f"max_iterations is {max_iterations}; it must be at least 1")
    return n


def _check_zeta(zeta: Tensor | float | int, values: Tensor) -> Tensor:
    zeta = torch.as_tensor(zeta, dtype=values.dtype, device=values.device)
    if zeta.ndim and zeta.shape != values.shape[:-1]:
        raise ValueError(
            f"zeta has shape {tuple(zeta.shape)}; one number or shape {tuple(values.shape[:-1])} is needed"
        )
    bad = ~((zeta >= 0) & torch.isfinite(zeta))
    if bad.any():
        raise ValueError(f"zeta is {zeta[bad][0].item()}; it must be a finite number, at least 0")
    return zeta.expand(values.shape[:-1])


@contextlib.contextmanager
def _workers(count: int, threads: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that each work on samples of their own, with `threads` inside each of their operations.

    Up to 10 players the operations are so short that more than one thread in them gains little, and loses a
    lot where another process has the other core.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, threads))
    try:
        with ThreadPoolExecutor(count) as pool:
            yield pool
    finally:
        torch.set_num_threads(before)


def _samples_at_once(n: int, samples: int, workers: int, device: torch.device) -> int:
    """How many samples a worker holds at once: on a CPU few, for the caches; on a GPU as many as fit."""
    if device.type == "cuda":
        free, most = torch.cuda.mem_get_info(device)[0], samples
    else:
        free, most = psutil.virtual_memory().available, 8
    each = interior_point.bytes_per_sample(n)
    if samples and each > free:
        raise MemoryError(
            f"{n} players need {each / 2**30:.1f} GiB for one factorisation; "
            f"{free / 2**30:.1f} GiB are free on {device}"
        )
    return max(1, min(most, -(-samples // workers), int(0.8 * free / each / workers)))
