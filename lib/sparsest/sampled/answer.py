"""The interactions found, with what is proven of them and what is not."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float64, Shaped
from torch import Tensor

from ...checks import require

# From where the strengths by order may be believed: R² on held-out masks, and masks for each of the interactions that
# hold `MATTER` of the strength. Neither does alone (`trusted_or_not` of tests/bench_sampled.py; book/source/speed.md).
TRUSTED, EACH = 0.998, 3.0
MATTER = 0.99


@dataclass(frozen=True)
class Sampled:
    """The sparsest AND-OR model of measured masks, strongest interaction first; in the units of the values.

    h(T) = bias + Σ_{AND, S ⊆ T} I(S) + Σ_{OR, S ∩ T ≠ ∅} I(S). OR{i} is the same function as AND{i}, and goes by that
    name. Where `certified` is False, `verdict` says why; `lower_bound` is proven all the same.
    """

    members: Bool[Tensor, "interactions players"]  # S, True where a player is in it
    is_or: Bool[Tensor, " interactions"]
    strengths: Float64[Tensor, " interactions"]  # I(S)
    bias: float  # h(∅)
    objective: float  # Σ w|I|, w = 1 + tie_break·|S|; infinite where no model within zeta was found
    lower_bound: float  # no model within zeta on the measured masks has a smaller objective
    gap: float  # (objective - lower_bound) / objective
    certified: bool  # the gap is proven to be at most 1e-6
    verdict: str  # "certified", or "not certified: …"
    worst_error: float  # the largest |v - h| over the measured masks
    held_out_r2: float  # of the same kind of model from four fifths of the masks, on the last fifth
    masks: int  # measured, each once, and none empty
    highest: int  # order that an interaction could have
    rounds: int  # linear programs solved
    subsets_seen: int  # by the searches, of 2·2ⁿ a round

    @property
    def kinds(self) -> list[str]:
        """ "AND" or "OR" of each interaction."""
        return ["OR" if kind else "AND" for kind in self.is_or.tolist()]

    @property
    def matter(self) -> int:
        """How many of the strongest hold `MATTER` of Σ|I|."""
        share = self.strengths.abs().cumsum(0)
        return int((share < MATTER * share[-1:]).sum()) + int(len(share) > 0)

    @property
    def doubt(self) -> str:
        """Why the strengths by order may not be believed even without a cap, in words; empty where they may."""
        if not self.certified:
            return "the answer is not certified"
        if not self.held_out_r2 >= TRUSTED:
            return f"R² on held-out masks is {self.held_out_r2:.4f}, and below {TRUSTED} A(m) leans to low orders"
        if self.masks < EACH * self.matter:
            each = f"{self.masks / self.matter:.1f} for each of the {self.matter} interactions"
            of = f"hold {MATTER:.0%} of the strength, and below {EACH:g} A(m) leans to low orders"
            return f"{self.masks} masks are {each} that {of}"
        return ""

    @property
    def orders_trusted(self) -> bool:
        """A(m) may be believed: interactions could have any order, and nothing is in `doubt`."""
        return self.highest == self.members.shape[1] and not self.doubt

    def interactions(self) -> list[tuple[str, tuple[int, ...], float]]:
        """Kind, players and strength of each."""
        players = [tuple(row.nonzero().flatten().tolist()) for row in self.members]
        return list(zip(self.kinds, players, self.strengths.tolist(), strict=True))

    def predict(self, masks: Shaped[Tensor, "masks players"]) -> Float64[Tensor, " masks"]:
        """h on any masks (0 and 1, or booleans). Raises ValueError for another number of players."""
        n = self.members.shape[1]
        require(masks.shape[1] == n, "players of masks", masks.shape[1], f"{n}, as measured")
        present, members = masks.double(), self.members.double()
        inside = present @ members.T == members.sum(1)
        outside = (1.0 - present) @ members.T == members.sum(1)
        return self.bias + torch.where(self.is_or, ~outside, inside).double() @ self.strengths

    def by_order(self) -> Float64[Tensor, "2 n"]:
        """A(m),+ at [0, m-1] and A(m),- at [1, m-1], both at least 0, as `strengths.by_order` has them.

        Read orders 1 and 2 as one, x₁ + x₂ = (x₁ ∧ x₂) + (x₁ ∨ x₂) costing the same; and none where not
        `orders_trusted`: a cap dictates the shape, and with too few masks it leans to low orders.
        """
        a = torch.zeros(2, self.members.shape[1] + 1, dtype=torch.float64)
        order = self.members.sum(1)
        for k, sign in enumerate((1.0, -1.0)):
            a[k].index_add_(0, order, (sign * self.strengths).clamp(min=0.0))
        return a[:, 1:]

    def __str__(self) -> str:
        found = f"{len(self.strengths)} interactions of {self.members.shape[1]} players, {self.verdict}"
        trust = "may" if self.orders_trusted else "may not"
        return (
            f"{found}: strength {self.objective:.6g}, at least {self.lower_bound:.6g}; R² {self.held_out_r2:.4f} "
            f"on held-out masks; strengths by order {trust} be trusted"
        )
