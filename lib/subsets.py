"""The lattice of subsets: orders, transforms, and the logical model on all masked states.

A function on the subsets of n players is a tensor whose last axis has length 2**n. The subset S is the
index with bit i set if and only if player i is in S: index 0 is the empty set, index 2**n - 1 is all
players, and the complement of S is the index counted from the other end. Any axes before the last are
batch axes.
"""

import torch
from jaxtyping import Float64, Int64
from torch import Tensor


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
    """Sums over subsets, out(S) = sum of x(T) over T ⊆ S, in n·2**(n-1) additions."""
    return _butterfly(x, 1.0)


def mobius(x: Float64[Tensor, "*batch subsets"]) -> Float64[Tensor, "*batch subsets"]:
    """The inverse of zeta, out(S) = sum of (-1)**(|S|-|T|) x(T) over T ⊆ S."""
    return _butterfly(x, -1.0)


def _butterfly(x: Tensor, sign: float) -> Tensor:
    n = player_count(x)
    out = x.clone(memory_format=torch.contiguous_format)
    for i in range(n):
        pairs = out.view(*x.shape[:-1], 2 ** (n - 1 - i), 2, 2**i)  # (…, without or with player i, …)
        pairs[..., 1, :].add_(pairs[..., 0, :], alpha=sign)
    return out


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
