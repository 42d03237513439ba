"""The lattice of subsets: orders, transforms, and the logical model on all masked states.

A function on the subsets of n players is a tensor whose last axis has length 2**n. The subset S is the
index with bit i set if and only if player i is in S: index 0 is the empty set, index 2**n - 1 is all
players, and the complement of S is the index counted from the other end. Any axes before the last are
batch axes.
"""

import functools

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

CACHED = 16  # players whose table, half a MiB, is small enough for a core's cache
BLOCK = 5  # players at a time, at most

Factor = tuple[tuple[float, float], tuple[float, float]]


def player_count(x: Tensor) -> int:
    """n for a tensor over the subsets of n players. Raises ValueError if its last axis is no power of two."""
    size = x.shape[-1] if x.ndim else 0
    if size < 1 or size & (size - 1):
        raise ValueError(f"the last axis has {size} entries; a table over the subsets of n players has 2**n")
    return size.bit_length() - 1


def orders(n: int, device: torch.device | str = "cpu") -> Int64[Tensor, "subsets"]:
    """|S| for each of the 2**n subsets."""
    sizes = torch.zeros(1, dtype=torch.int64, device=device)
    for _ in range(n):
        sizes = torch.cat([sizes, sizes + 1])
    return sizes


def zeta(x: Float64[Tensor, "*batch subsets"]) -> Float64[Tensor, "*batch subsets"]:
    """Sums over subsets, out(S) = sum of x(T) over T ⊆ S."""
    return kronecker_power(x, ((1.0, 0.0), (1.0, 1.0)))


def superset_zeta(x: Float64[Tensor, "*batch subsets"]) -> Float64[Tensor, "*batch subsets"]:
    """Sums over supersets, out(S) = sum of x(T) over T ⊇ S."""
    return kronecker_power(x, ((1.0, 1.0), (0.0, 1.0)))


def mobius(x: Float64[Tensor, "*batch subsets"]) -> Float64[Tensor, "*batch subsets"]:
    """The inverse of zeta, out(S) = sum of (-1)**(|S|-|T|) x(T) over T ⊆ S."""
    return kronecker_power(x, ((1.0, 0.0), (-1.0, 1.0)))


def kronecker_power(x: Float64[Tensor, "*batch subsets"], factor: Factor) -> Float64[Tensor, "*batch subsets"]:
    """The n-th Kronecker power of a 2×2 matrix times x; its columns and rows are without and with the player.

    One player at a time would be a pass over memory for each. A few players at once are a product with a small
    matrix, whose power is formed beforehand; on a CPU, tables beyond the cache are also taken piece by piece.
    """
    n = player_count(x)
    if n <= CACHED or x.is_cuda:
        return _multiply(x, factor, n, 1)
    out = torch.empty_like(x, memory_format=torch.contiguous_format)
    rows = out.view(-1, 2**CACHED)
    for row, source in zip(rows, x.reshape(rows.shape), strict=True):
        row.copy_(_multiply(source, factor, CACHED, 1))
    high, width = n - CACHED, max(1, 2 ** (2 * CACHED - n))
    for table in out.view(-1, 2**high, 2**CACHED):
        for columns in table.split(width, 1):
            columns.copy_(_multiply(columns, factor, high, columns.shape[1]))
    return out


def blocks(n: int) -> list[int]:
    """How n players are grouped, from the lowest, so that each group's matrix is small."""
    count = max(1, -(-n // BLOCK))
    return [n // count + (k < n % count) for k in range(count)]


def _multiply(x: Tensor, factor: Factor, n: int, inner: int) -> Tensor:
    """The power for an axis of 2**n that is followed by `inner` entries in all."""
    out, count = x, x.numel() // inner
    for matrix in _powers(factor, n, x.dtype, x.device):
        size = len(matrix)
        count //= size
        out = out.reshape(count, size) @ matrix.mT if inner == 1 else matrix @ out.reshape(count, size, inner)
        inner *= size
    return out.reshape(x.shape)


@functools.lru_cache(maxsize=64)
def _powers(factor: Factor, n: int, dtype: torch.dtype, device: torch.device) -> list[Tensor]:
    """The power for each group of players, from the lowest."""
    return [_power(factor, players, dtype, device) for players in blocks(n)]


@functools.lru_cache(maxsize=64)
def _power(factor: Factor, n: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    power, single = (torch.tensor(entries, dtype=dtype, device=device) for entries in ([[1.0]], factor))
    for _ in range(n):
        power = torch.kron(single, power)
    return power


def and_interactions(u: Float64[Tensor, "*batch subsets"]) -> Float64[Tensor, "*batch subsets"]:
    """AND interactions of the component u_AND (Theorem 2.1); the entry of the empty set is 0."""
    interactions = mobius(u)
    interactions[..., 0] = 0.0
    return interactions


def or_interactions(u: Float64[Tensor, "*batch subsets"]) -> Float64[Tensor, "*batch subsets"]:
    """OR interactions of the component u_OR (Theorem 2.1); the entry of the empty set is 0.

    The theorem's u_OR(N∖T) is the table read from its other end, so one Möbius transform does it.
    """
    interactions = -mobius(u.flip(-1))
    interactions[..., 0] = 0.0
    return interactions


def logical_model(
    i_and: Float64[Tensor, "*batch subsets"],
    i_or: Float64[Tensor, "*batch subsets"],
    bias: Float64[Tensor, "*batch"] | float,
) -> Float64[Tensor, "*batch subsets"]:
    """h on all 2**n masked states (Eq. 2).

    AND interactions inside T fire, and OR interactions that meet T: all of them less those inside the
    complement of T. The entries of the empty set are ignored; `bias` is h(∅), one a table.
    """
    i_and, i_or = i_and.clone(), i_or.clone()
    i_and[..., 0] = 0.0
    i_or[..., 0] = 0.0
    inside_complement = zeta(i_or).flip(-1)
    bias = torch.as_tensor(bias, dtype=i_and.dtype, device=i_and.device)
    return bias[..., None] + zeta(i_and) + i_or.sum(-1, keepdim=True) - inside_complement
