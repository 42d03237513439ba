"""Interactions that are likely worth their cost, of any order, in little time; of all others nothing is proven.

Σ_j y_j [S ⊆ T_j] is about the same for all subsets of an interaction that y has in it, which is how one of high order
is found: of each order the dearest `WIDTH` are kept, and grown by one player. (The search of pricing.py lists nearly
all subsets of order 4 where y is a residual, on all masks, since nothing can be pruned there.)
"""

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy import ndarray as Array

from .columns import Columns, none

WIDTH = 200  # subsets kept of each order
MORE = 8  # times so many are looked at for different ones: a subset of order k is reached from k others
FADED = 0.5  # of the threshold: an order whose dearest are below it ends the search


def glance(
    masks: Bool[Array, "masks players"],
    y: Float64[Array, " masks"],
    tie_break: float,
    highest: int,
    threshold: float,
    count: int,
) -> tuple[Columns, int]:
    """The `count` dearest found of order ≤ highest with a price over the threshold; and how many were looked at."""
    found, prices, nodes = none(masks.shape[1]), np.zeros(0), 0
    for is_or in (False, True):
        present = (~masks if is_or else masks).astype(np.float64)
        total = float(y.sum()) if is_or else 0.0
        members, rows = np.zeros((1, masks.shape[1]), dtype=bool), y[None]
        for size in range(1, highest + 1):
            sums = np.where(members, 0.0, rows @ present)
            nodes += sums.size
            worth = np.where(members, 0.0, np.abs(sums - total) / (1.0 + tie_break * size))
            parent, player = _dearest(members, worth)
            worth = worth[parent, player]
            if not len(worth) or worth[0] < FADED * threshold:
                break
            rows = rows[parent] * present.T[player]
            members = members[parent].copy()
            members[np.arange(len(player)), player] = True
            if size > 1 or not is_or:
                over = worth > threshold
                found += Columns(members[over], np.full(int(over.sum()), is_or))
                prices = np.append(prices, worth[over])
    return found[np.argsort(-prices, kind="stable")[:count]], nodes


def _dearest(
    members: Bool[Array, "parents players"], worth: Float64[Array, "parents players"]
) -> tuple[Int64[Array, " kept"], Int64[Array, " kept"]]:
    """Parent and player of the `WIDTH` dearest children, dearest first, each subset once."""
    flat = worth.ravel()
    likely = np.arange(len(flat))
    if len(flat) > MORE * WIDTH:
        likely = np.sort(np.argpartition(-flat, MORE * WIDTH)[: MORE * WIDTH])
    likely = likely[np.argsort(-flat[likely], kind="stable")]
    parent, player = np.divmod(likely[flat[likely] > 0.0], worth.shape[1])
    children = members[parent].copy()
    children[np.arange(len(player)), player] = True
    _, first = np.unique(np.packbits(children, axis=1), axis=0, return_index=True)
    kept = np.sort(first)[:WIDTH]
    return parent[kept], player[kept]
