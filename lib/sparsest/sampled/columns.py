"""Interactions as columns over measured masks: [S ⊆ T] for AND, [S ∩ T ≠ ∅] for OR, one row a mask T.

Of 2·2ⁿ columns only those in use are ever written down. A row of `members` is a subset S, True where a player is in it.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy import ndarray as Array


@dataclass(frozen=True)
class Columns:
    """Interactions of either kind. OR{i} is the same function as AND{i}, and goes by that name alone."""

    members: Bool[Array, "columns players"]
    is_or: Bool[Array, " columns"]

    def __len__(self) -> int:
        return len(self.is_or)

    def __getitem__(self, which: Array) -> "Columns":
        return Columns(self.members[which], self.is_or[which])

    def __add__(self, other: "Columns") -> "Columns":
        return Columns(np.concatenate([self.members, other.members]), np.concatenate([self.is_or, other.is_or]))

    @property
    def order(self) -> Int64[Array, " columns"]:
        """|S|."""
        return self.members.sum(1)

    def labels(self) -> list[bytes]:
        """What tells columns apart: the players as bits, and the kind."""
        bits = np.packbits(np.column_stack([self.is_or, self.members]), axis=1)
        return [row.tobytes() for row in bits]

    def inside(self, masks: Bool[Array, "masks players"]) -> Bool[Array, "masks columns"]:
        """[S ⊆ T] for AND and [S ⊆ N∖T], where an OR interaction does not fire, for OR.

        The product counts players, at most 2²⁴ of them, which single precision does without rounding.
        """
        members = self.members.astype(np.float32)
        out = np.empty((len(masks), len(self)), dtype=bool)
        for kind, present in ((False, masks), (True, ~masks)):
            which = self.is_or == kind
            out[:, which] = present.astype(np.float32) @ members[which].T == members[which].sum(1)
        return out

    def on(self, masks: Bool[Array, "masks players"]) -> Float64[Array, "masks columns"]:
        """What an interaction of strength 1 adds to h on each mask."""
        return (self.inside(masks) ^ self.is_or).astype(np.float64)


def none(n: int) -> Columns:
    """No interactions of n players."""
    return Columns(np.zeros((0, n), dtype=bool), np.zeros(0, dtype=bool))


def first(n: int, highest: int) -> Columns:
    """AND of each single player, and OR of all where that order is allowed.

    The latter's price is Σy, so it keeps |Σy| ≤ w; without that bound no OR interaction could be pruned (pricing.py).
    """
    members = np.concatenate([np.eye(n, dtype=bool), np.ones((int(1 < n <= highest), n), dtype=bool)])
    return Columns(members, np.arange(len(members)) >= n)


def new(found: Columns, known: set[bytes]) -> Columns:
    """Those of `found` that are not known, each once; `known` then has them too."""
    keep = []
    for k, key in enumerate(found.labels()):
        if key not in known:
            known.add(key)
            keep.append(k)
    return found[np.array(keep, dtype=np.int64)]
