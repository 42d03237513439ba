"""The usual optimiser of Eq. 12, as a rival: gradient descent on γ and δ, without a proof of how far it came.

What the code published with this line of work does: stochastic gradient descent's momentum (without anything
stochastic) on γ and δ from 0, steps that shrink geometrically, δ clamped to its bounds before each evaluation.
Here it runs on fast transforms, which changes its speed only.
"""

import torch
from jaxtyping import Shaped
from torch import Tensor

from . import subsets
from .sparsest.batches import in_batches
from .sparsest.program import subset_sums, superset_sums
from .sparsest.table import Scaled, Sparsest, check, check_number


def descend(
    values: Shaped[Tensor, "*batch subsets"],
    zeta: Shaped[Tensor, "..."] | float | int,
    learning_rate: float = 1e-5,
    momentum: float = 0.9,
    decay: float = 0.1,
    iterations: int = 10_000,
    tie_break: float = 1e-4,
) -> Sparsest:
    """Where the descent ends. It proves nothing: lower_bound is 0, and gap is 1 unless the objective is 0.

    values, zeta: as in `sparsest`. learning_rate: of the first step, in units of the output; that of the last
    is `decay` times as much. tie_break: only for the objective reported, to be compared with that of `sparsest`.
    The defaults are those published for images. Raises what `sparsest` raises.
    """
    check_number("tie_break", tie_break, 0.0)
    tables, limits = _check(values, zeta, learning_rate, momentum, decay, iterations)

    def work(v: Tensor, zeta: Tensor) -> tuple[Tensor, ...]:
        gamma, delta = _steps(v, zeta, learning_rate, momentum, decay, iterations)
        scaled = Scaled(v, zeta)
        o, d = _interactions(v, gamma, delta)[1] / scaled.unit, scaled.sign * delta / scaled.unit
        bound, count = torch.zeros_like(zeta), torch.full_like(zeta, iterations, dtype=torch.int64)
        return scaled.answer(o, d, bound, scaled.weights(tie_break), tie_break, count)

    fields = in_batches(work, tables, limits, _bytes_per_sample)
    return Sparsest(*(field.reshape((*values.shape[:-1], *field.shape[1:])) for field in fields))


def _steps(
    v: Tensor, zeta: Tensor, learning_rate: float, momentum: float, decay: float, iterations: int
) -> tuple[Tensor, Tensor]:
    """γ and δ after all iterations. The gradients of Σ|I_AND| + |I_OR| are transforms, too.

    With σ_S = (-1)**|S| and Z the sums over subsets, I_AND = σ Z σ u_AND and I_OR(S) = -σ Z σ u_OR(N∖·).
    """
    sign = 1.0 - 2.0 * (subsets.orders(subsets.player_count(v), v.device) % 2)
    target, zeta = v - v[:, :1], zeta[:, None]
    gamma, delta, speed_gamma, speed_delta = (torch.zeros_like(v) for _ in range(4))
    components = torch.empty(2, *v.shape, dtype=v.dtype, device=v.device)  # σ u_AND and σ u_OR(N∖·)
    for step in range(iterations):
        half = (target - delta).div_(2)
        torch.add(half, gamma, out=components[0])
        components[1] = half.sub_(gamma).flip(-1)
        signs = subset_sums(components.mul_(sign)).sign_()
        signs[..., 0] = 0.0  # the empty set's entries are no interactions
        from_and, from_or = superset_sums(signs).mul_(sign)
        from_or = from_or.flip(-1)
        speed_gamma.mul_(momentum).add_(from_and).sub_(from_or)
        speed_delta.mul_(momentum).sub_(from_and.add_(from_or).div_(2))
        rate = learning_rate * decay ** (step / max(1, iterations - 1))
        gamma.sub_(rate * speed_gamma)
        delta.sub_(rate * speed_delta)
        torch.clamp(delta, -zeta, zeta, out=delta)
        delta[:, 0] = 0.0
    return gamma, delta


def _interactions(v: Tensor, gamma: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
    """I_AND and I_OR, with both of order 1 in the former: AND{i} and OR{i} are the same function."""
    half = (v - v[:, :1] - delta) / 2
    i_and, i_or = subsets.and_interactions(half + gamma), subsets.or_interactions(half - gamma)
    single = subsets.orders(subsets.player_count(v), v.device) == 1
    return torch.where(single, i_and + i_or, i_and), torch.where(single, 0.0, i_or)


def _check(
    values: Tensor,
    zeta: Tensor | float | int,
    learning_rate: float,
    momentum: float,
    decay: float,
    iterations: int,
) -> tuple[Tensor, Tensor]:
    check_number("learning_rate", learning_rate, torch.finfo(torch.float64).tiny)
    check_number("momentum", momentum, 0.0, 1.0)
    check_number("decay", decay, torch.finfo(torch.float64).tiny)
    check_number("iterations", iterations, 0)
    return check(values, zeta)


def _bytes_per_sample(n: int) -> int:
    return 8 * 40 * 2**n
