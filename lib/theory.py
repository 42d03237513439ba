"""The theory's two shapes: the spindle of non-generalisable interactions, the decay of generalisable ones."""

import torch
from jaxtyping import Float64
from torch import Tensor

from .checks import require
from .strengths import by_order, merge_singletons
from .subsets import kronecker_power, orders, player_count


def spindle(
    alpha: float | Float64[Tensor, "*#batch"], beta: float | Float64[Tensor, "*#batch"], n: int
) -> Float64[Tensor, "*batch n"]:
    """A_spindle(m) = β·Γ(αn+1) / (Γ(m+1)·Γ(αn−m+1)) for m = 1…n, the same for both signs (Eq. 6).

    α > 0 is dimensionless, β has the units of the strengths; tensors broadcast against each other. At α = 1
    it is β·C(n, m). Choice: Γ(k) = (k−1)!, where the paper prints (k+1)!. Choice: from m = αn+1 on, where
    1/Γ is 0 and then oscillates around 0, the strength is 0; the curve stays continuous in α.

    Raises ValueError where α is not finite and above 0, or β not finite.
    """
    device = next((x.device for x in (alpha, beta) if isinstance(x, Tensor)), None)
    alpha = torch.as_tensor(alpha, dtype=torch.float64, device=device)[..., None]
    beta = torch.as_tensor(beta, dtype=torch.float64, device=device)[..., None]
    require((torch.isfinite(alpha) & (alpha > 0)).all(), "alpha", _span(alpha), "finite and above 0")
    require(torch.isfinite(beta).all(), "beta", _span(beta), "finite")
    m = torch.arange(1, n + 1, dtype=torch.float64, device=device)
    room = (alpha * n - m + 1).clamp(min=0.0)  # lgamma(0) is +inf, so what is clipped becomes exp(-inf) = 0
    return beta * torch.exp(torch.lgamma(alpha * n + 1) - torch.lgamma(m + 1) - torch.lgamma(room))


def shrink(
    interactions: Float64[Tensor, "*#batch subsets"], delta: float | Float64[Tensor, "*#batch"]
) -> Float64[Tensor, "*batch subsets"]:
    """Î(δ) = M(δ) I*, M = (JᵀJ + 2ⁿ diag(c))⁻¹ JᵀJ, c_T = 2^|T| δ, exactly, in O(n·2ⁿ) (Theorem 2.3, App. H).

    J[S, T] = 1 where T ⊆ S, over all 2ⁿ subsets, the empty one among them: I*(∅) is 0 in our tables, Î(∅)
    is not. δ ≥ 0 is dimensionless and broadcasts against the batch axes: `shrink(table[:, None, :], deltas)`
    with a (samples, 2**n) table and (G,) deltas gives (samples, G, 2**n). M(0) is the identity. Choice:
    δ = σ², the variance of Appendix H.

    JᵀJ and diag(2^|T|) are the n-fold Kronecker powers of the 2×2 matrices [[2, 1], [1, 1]] and diag(1, 2).
    With V the generalised eigenvectors of that pair and λ the n-fold products of its two eigenvalues,
    M = V^⊗n diag(λ / (λ + 2ⁿδ)) V^−⊗n: a butterfly over the players, a scaling, a butterfly back.

    Raises ValueError where δ is negative or not finite.
    """
    n = player_count(interactions)
    delta = torch.as_tensor(delta, dtype=interactions.dtype, device=interactions.device)[..., None]
    require((torch.isfinite(delta) & (delta >= 0)).all(), "delta", _span(delta), "finite and at least 0")
    low, high = (5 - 17**0.5) / 4, (5 + 17**0.5) / 4
    vectors = ((1.0, 1.0), (low - 2, high - 2))  # from the first row, 2x + y = λx
    inverse = (((high - 2) / (high - low), -1 / (high - low)), ((2 - low) / (high - low), 1 / (high - low)))
    order = orders(n, delta.device).to(delta.dtype)
    products = low ** (n - order) * high**order
    modes = kronecker_power(interactions, inverse) * (products / (products + 2**n * delta))
    return kronecker_power(modes, vectors)


def decay(
    i_and: Float64[Tensor, "*#batch subsets"],
    i_or: Float64[Tensor, "*#batch subsets"],
    delta: float | Float64[Tensor, "*#batch"],
    gamma: float | Float64[Tensor, "*#batch"],
) -> Float64[Tensor, "*batch 2 n"]:
    """A_decay(m),+ and A_decay(m),− for m = 1…n (Eq. 8): γ · `by_order` of the shrunk tables, unthresholded.

    δ and γ ≥ 0, both dimensionless, broadcast against the batch axes as in `shrink`. Choice: M(δ) acts on
    the AND and the OR table alike, with J as it is for AND. Choice: the order-1 interactions are merged
    before it acts, so that equal logical models have equal decays.

    Raises ValueError where γ is negative or not finite, and as `shrink` and `merge_singletons` do.
    """
    gamma = torch.as_tensor(gamma, dtype=torch.float64, device=i_and.device)[..., None, None]
    require((torch.isfinite(gamma) & (gamma >= 0)).all(), "gamma", _span(gamma), "finite and at least 0")
    shrunk = [shrink(table, delta) for table in merge_singletons(i_and, i_or)]
    return gamma * by_order(*shrunk)


def _span(x: Tensor) -> str:
    return f"{x.min().item():g} to {x.max().item():g}"
