"""Value tables as linear programs of unit size, and the interactions that come back, in the tables' units."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from .. import subsets
from ..checks import require
from .program import Program


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
    unsettled: Float64[Tensor, "*batch"]  # of Σ|I|, at most, may lie at a neighbouring order: gap over tie_break
    iterations: Int64[Tensor, "*batch"]


class Scaled:
    """Value tables scaled by powers of two, which costs no accuracy, so that the largest |v - v(∅)| is in [1, 2).

    A table that needs no interactions at all (no |v - v(∅)| above zeta) is scaled to zeros, and is done at once.
    """

    def __init__(self, v: Float64[Tensor, "samples subsets"], zeta: Float64[Tensor, " samples"]):
        self.order = subsets.orders(subsets.player_count(v), v.device)
        self.sign = 1.0 - 2.0 * (self.order % 2)
        self.target, self.zeta = v - v[:, :1], zeta[:, None]
        size = self.target.abs().amax(-1, keepdim=True)
        self.unit = torch.where(size > 0, size / (2.0 * torch.frexp(size).mantissa), 1.0)
        self.trivial = size <= self.zeta
        self.values = torch.where(self.trivial, 0.0, self.target / self.unit)

    def weights(self, tie_break: float, ties: str = "low") -> Float64[Tensor, " subsets"]:
        """w_S: what an interaction costs; ties go to those of low or of high order."""
        order = self.order if ties == "low" else self.order[-1] - self.order
        return 1.0 + tie_break * order.to(self.target.dtype)

    def program(self, costs: Float64[Tensor, "..."]) -> Program:
        """With costs that broadcast to (samples, a or o, plus or minus, subsets)."""
        samples, size = self.values.shape
        zeta = torch.where(self.trivial, 0.0, self.zeta / self.unit)
        return Program(self.sign * self.values, zeta, costs.expand(samples, 2, 2, size))

    def interactions(
        self, o: Float64[Tensor, "samples subsets"], d: Float64[Tensor, "samples subsets"]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """I_AND, I_OR, γ and δ in the tables' units. The AND interactions make up for all that o and d leave."""
        i_or = o * self.unit
        delta = torch.where(self.trivial, self.target, self.sign * d * self.unit)
        delta = torch.clamp(delta, -self.zeta, self.zeta)
        delta[:, 0] = 0.0
        u_or = subsets.logical_model(torch.zeros_like(i_or), i_or, 0.0)
        u_and = torch.where(self.trivial, 0.0, self.target - delta - u_or)
        return subsets.and_interactions(u_and), i_or, (u_and - u_or) / 2, delta

    def answer(
        self, o: Tensor, d: Tensor, bound: Tensor, weights: Tensor, tie_break: float, iterations: Tensor
    ) -> tuple[Tensor, ...]:
        """The fields of `Sparsest`.

        To move strength x by an order changes the objective by tie_break · x, so that as much as the gap allows for
        may lie elsewhere.
        """
        i_and, i_or, gamma, delta = self.interactions(o, d)
        objective = ((i_and.abs() + i_or.abs()) * weights).sum(-1)
        bound = bound * self.unit[:, 0]
        gap = (objective - bound) / objective.clamp(min=torch.finfo(objective.dtype).tiny)
        unsettled = (objective - bound).clamp(min=0.0) / tie_break if tie_break else torch.full_like(gap, torch.inf)
        return i_and, i_or, gamma, delta, objective, bound, gap, torch.where(objective > 0, unsettled, 0.0), iterations


def check(values: Tensor, zeta: Tensor | float | int) -> tuple[Tensor, Tensor]:
    """The tables and their zeta with one batch axis. Raises ValueError where they are not what they should be."""
    given = f"{type(values).__module__.partition('.')[0]}.{type(values).__name__}"
    require(isinstance(values, Tensor), "type of values", given, "torch.Tensor, by torch.as_tensor(values).double()")
    n = subsets.player_count(values)
    require(values.dtype == torch.float64, "dtype of values", values.dtype, "torch.float64")
    bad = (~torch.isfinite(values)).nonzero().tolist()
    require(not bad, "values", f"NaN or infinite in {len(bad)} entries, the first at {bad[:1]}", "finite")
    fits = torch.isfinite(values - values[..., :1]).all()
    require(fits, "a difference of values", "beyond float64", "finite ones; scale the values down")
    batch = tuple(values.shape[:-1])
    zeta = torch.as_tensor(zeta, dtype=values.dtype, device=values.device)
    require(not zeta.ndim or zeta.shape == batch, "shape of zeta", tuple(zeta.shape), f"() or {batch}")
    bad = zeta[~((zeta >= 0) & torch.isfinite(zeta))]
    require(not len(bad), "zeta", bad[:1].tolist(), "finite and at least 0")
    return values.reshape(-1, 2**n), zeta.expand(batch).reshape(-1)


def check_number(name: str, value: float, least: float, most: float = math.inf) -> None:
    """Raises ValueError unless least ≤ value < most."""
    limits = f"at least {least:g} and below {most:g}" if most < math.inf else f"finite and at least {least:g}"
    require(least <= value < most, name, value, limits)
