"""How few interactions there are: the strongest alone, the conditions of Appendix B, growth with the players."""

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from .checks import require
from .strengths import merge_singletons, salient
from .subsets import orders, player_count


def strongest(
    i_and: Float64[Tensor, "*batch subsets"], i_or: Float64[Tensor, "*batch subsets"], count: int
) -> tuple[Float64[Tensor, "*batch subsets"], Float64[Tensor, "*batch subsets"]]:
    """The `count` interactions of each sample that are largest in magnitude, AND and OR together; the others are 0.

    Of order 1 there is one interaction a player (`merge_singletons`); the entries of the empty set become 0. Raises
    ValueError for a count below 0 and as `merge_singletons` does.
    """
    require(count >= 0, "count", count, "at least 0")
    both = torch.cat(merge_singletons(i_and, i_or), -1)
    size = i_and.shape[-1]
    magnitude = both.abs()
    magnitude[..., [0, size]] = -1.0  # no interactions: last
    kept = magnitude.argsort(dim=-1, descending=True, stable=True)[..., : min(count, 2 * (size - 1))]
    only = torch.zeros_like(both).scatter(-1, kept, both.gather(-1, kept))
    return only[..., :size], only[..., size:]


def largest_order(
    interactions: Float64[Tensor, "*batch subsets"], threshold: float | Float64[Tensor, "*#batch"]
) -> Int64[Tensor, "*batch"]:
    """M of Condition 1: the largest order with an interaction |I(S)| > threshold, 0 where there is none."""
    mask, _ = salient(interactions, torch.zeros_like(interactions), threshold)
    return (mask * orders(player_count(interactions), interactions.device)).amax(-1)


def mean_output(values: Float64[Tensor, "*batch subsets"]) -> Float64[Tensor, "*batch orders"]:
    """ū(k), the mean of v(x_S) − v(x_∅) over the subsets of size k, for k = 0…n (Condition 2), in units of v."""
    n = player_count(values)
    of_size = orders(n, values.device)[:, None] == torch.arange(n + 1, device=values.device)
    return (values - values[..., :1]) @ (of_size / of_size.sum(0)).to(values.dtype)


def largest_drop(u: Float64[Tensor, "*batch orders"]) -> Float64[Tensor, "*batch"]:
    """How far Condition 2 is missed: the largest ū(k′) − ū(k) over k′ ≤ k; 0 where ū never falls."""
    return (u.cummax(-1).values - u).amax(-1)


def smallest_power(u: Float64[Tensor, "*batch orders"]) -> Float64[Tensor, "*batch"]:
    """The least p ≥ 0 with ū(k′) ≥ (k′/k)**p · ū(k) for all 1 ≤ k′ ≤ k (Condition 3); infinity where there is none.

    Where ū(k) > 0, p must be large enough, and none is if ū(k′) ≤ 0. Where ū(k) < 0 and ū(k′) < 0, the bound rises
    towards 0 with p, so that p must be small enough. (0 ≥ 0 at k′ = 0 always holds.)
    """
    tops = u[..., 1:]
    k = torch.arange(1, u.shape[-1], dtype=u.dtype, device=u.device)
    low, high = tops[..., :, None], tops[..., None, :]  # ū(k′), ū(k)
    power = (high.abs() / low.abs()).log() / (k / k[:, None]).log()  # at which both sides are equal in magnitude
    pairs = k[:, None] < k
    at_least = torch.where(high > 0, torch.where(low > 0, power, torch.inf), 0.0).where(pairs, 0.0)
    at_most = torch.where((high <= 0) & (low < 0), power, torch.inf).where(pairs, torch.inf)
    least = at_least.flatten(-2).amax(-1).clamp(min=0.0)
    return least.where(least <= at_most.flatten(-2).amin(-1), torch.inf)


def growth_exponent(players: Float64[Tensor, " sizes"], counts: Float64[Tensor, "*batch sizes"]) -> Tensor:
    """p of counts ∝ players**p: the slope of the least-squares line through the logarithms, (*batch).

    NaN where a count is 0. Raises ValueError for fewer than two different numbers of players.
    """
    if len(players.unique()) < 2 or not (players > 0).all():
        raise ValueError(f"players are {players.tolist()}; allowed: two different numbers at least, all above 0")
    x = players.log() - players.log().mean()
    y = torch.where((counts > 0).all(-1, keepdim=True), counts, torch.nan).log()
    return (y @ x) / (x @ x)
