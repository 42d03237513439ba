"""Which interactions are worth their cost, out of all 2·2ⁿ: a search that proves what it leaves out.

With multipliers y on the masks T_j, an interaction S is worth |Σ_j y_j [S ⊆ T_j]| if it is AND, and
|Y - Σ_j y_j [S ⊆ N∖T_j]|, Y = Σ_j y_j, if it is OR; it costs w_S = 1 + tie_break·|S|. Its price here is worth
over cost.

Let P and N be the sums of the positive and of the negative y_j (as a magnitude) over the masks that contain S. Both can
only fall as S grows, so no superset of S is worth more than max(P, N), or more than max(|Y - P|, |Y + N|) if it is OR:
where that is below the threshold, none of the supersets has to be looked at. The threshold rises to the price of the
K-th best found. Two more rules spare work and lose nothing: a player who leaves the masks that contain S as they are
leaves every superset's price as it is; and of the players that may join S only those are tried in its supersets for
which S itself may still be extended.

Nodes of one depth are handled in blocks, so that all the work is products of matrices: masks that contain S, times y,
times the masks. Near the root, where nothing can be pruned, that is the fastest way there is to list all subsets.

Source: K. Nakagawa, S. Suzumura, M. Karasuyama, K. Tsuda and I. Takeuchi, "Safe pattern pruning: an efficient approach
for predictive pattern mining", KDD 2016; the order in which players are tried: R. Bayardo, "Efficiently mining long
patterns from databases", SIGMOD 1998.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy import ndarray as Array

from .columns import Columns, none

BLOCK = 64  # nodes at a time, so that their masks stay in a core's cache
SAME = 1e-13  # of Σ|y|: what is lost with masks whose y are below that is rounding


@dataclass(frozen=True)
class Priced:
    """The dearest interactions found, best first, and what is proven of all others."""

    columns: Columns
    prices: Float64[Array, " columns"]
    largest: float  # no interaction up to the highest order asked for has a larger price, rounding included
    complete: bool  # False where the search came to its limit; `largest` then counts what was left unopened
    nodes: int  # subsets looked at


def price(
    masks: Bool[Array, "masks players"],
    y: Float64[Array, " masks"],
    tie_break: float,
    highest: int,
    threshold: float,
    count: int,
    limit: int,
) -> Priced:
    """The `count` dearest interactions of order ≤ highest whose price is over the threshold, which must be positive.

    limit: subsets to look at, at most, before the search is given up.
    """
    best = _Best(masks.shape[1], threshold, count)
    largest, nodes = threshold, 0
    for is_or in (False, True):
        tree = _Tree(~masks if is_or else masks, y, is_or, tie_break, highest, best)
        tree.search(limit - nodes)
        nodes += tree.nodes
        largest = max(largest, tree.unopened)
    complete = nodes < limit
    largest = max([largest, *best.prices[:1]]) + np.finfo(np.float64).eps * len(y) * np.abs(y).sum()
    return Priced(Columns(best.members, best.is_or), best.prices, float(largest), complete, nodes)


class _Best:
    """The dearest so far, best first."""

    def __init__(self, n: int, threshold: float, count: int):
        self.threshold, self.count = threshold, count
        self.members, self.is_or = none(n).members, none(n).is_or
        self.prices = np.zeros(0)

    def add(self, members: Bool[Array, "found players"], is_or: bool, prices: Float64[Array, " found"]) -> None:
        prices = np.concatenate([self.prices, prices])
        members = np.concatenate([self.members, members])
        kinds = np.concatenate([self.is_or, np.full(len(members) - len(self.is_or), is_or)])
        top = np.argsort(-prices, kind="stable")[: self.count]
        self.prices, self.members, self.is_or = prices[top], members[top], kinds[top]
        if len(top) == self.count:
            self.threshold = max(self.threshold, float(self.prices[-1]))


@dataclass(frozen=True)
class _Opened:
    """A block of nodes: the |y_j| of the masks that contain each, and how its players stand."""

    rows: Float64[Array, "nodes masks"]
    members: Bool[Array, "nodes players"]
    tail: Bool[Array, "nodes players"]  # who may be added
    rank: Int64[Array, "nodes players"]  # in which order; a child gets only those after its own


@dataclass(frozen=True)
class _Block:
    """Nodes yet to be opened: each a parent and the player added."""

    above: _Opened
    parent: Int64[Array, " nodes"]
    player: Int64[Array, " nodes"]
    weight: Float64[Array, " nodes"]  # P + N
    bound: Float64[Array, " nodes"]  # on the price of every superset


class _Tree:
    """All subsets of one kind. `present` are the masks, or their complements for OR."""

    def __init__(
        self,
        present: Bool[Array, "masks players"],
        y: Float64[Array, " masks"],
        is_or: bool,
        tie_break: float,
        highest: int,
        best: _Best,
    ):
        sides = np.concatenate([(y > 0.0).nonzero()[0], (y < 0.0).nonzero()[0]])  # at a vertex most y are 0
        self.positive = int((y > 0.0).sum())
        self.present, self.y = present[sides].astype(np.float64), np.abs(y[sides])
        self.players = self.present.T.copy()
        self.is_or, self.tie_break, self.highest, self.best = is_or, tie_break, highest, best
        self.total = float(y.sum()) if is_or else 0.0
        self.same = SAME * float(self.y.sum())
        self.nodes, self.unopened = 0, 0.0

    def search(self, limit: int) -> None:
        """Depth first, the dearest first; at the limit `unopened` bounds what was not looked at."""
        everyone = np.ones((1, len(self.players)), dtype=bool)
        root = _Opened(self.y[None], ~everyone, everyone, np.zeros((1, len(self.players)), dtype=np.int64))
        stack = self.open(root, np.full(1, np.inf))
        while stack and self.nodes < limit:
            block = stack.pop()
            still = block.bound > self.best.threshold
            if still.any():
                stack += self.open(self.grown(block, still), block.weight[still])
        left = [float(block.bound.max()) for block in stack]
        self.unopened = max([bound for bound in left if bound > self.best.threshold], default=0.0)

    def grown(self, block: _Block, still: Bool[Array, " nodes"]) -> _Opened:
        """The nodes of a block: their masks, their players and who may be added."""
        above, parent, player = block.above, block.parent[still], block.player[still]
        rows = above.rows[parent]
        rows *= self.players[player]
        members, rank = above.members[parent], above.rank[parent]
        own = np.arange(len(player)), player
        members[own] = True
        return _Opened(rows, members, above.tail[parent] & (rank > rank[own][:, None]), rank)

    def open(self, at: _Opened, weight: Float64[Array, " nodes"]) -> list[_Block]:
        """Price every child of these nodes, keep the dearest, and return those whose supersets may be worth it.

        weight: P + N of each node.
        """
        size, half = int(at.members[0].sum()) + 1, self.positive
        plus = at.rows[:, :half] @ self.present[:half]
        minus = at.rows[:, half:] @ self.present[half:]
        tail = at.tail
        self.nodes += int(tail.sum())
        if size > 1:
            tail = tail & (weight[:, None] - plus - minus > self.same)
        if size > 1 or not self.is_or:
            prices = np.abs(plus - minus - self.total) / (1.0 + self.tie_break * size)
            node, player = (tail & (prices > self.best.threshold)).nonzero()
            if len(node):
                members = at.members[node]
                members[np.arange(len(node)), player] = True
                self.best.add(members, self.is_or, prices[node, player])
        if size == self.highest:
            return []
        bounds = np.maximum(np.abs(self.total - plus), np.abs(self.total + minus))
        bounds = np.where(tail, bounds / (1.0 + self.tie_break * (size + 1)), 0.0)
        tail = bounds > self.best.threshold
        node, player = tail.nonzero()
        if not len(node):
            return []
        bound, mass = bounds[node, player], (plus + minus)[node, player]
        opened = _Opened(at.rows, at.members, tail, np.argsort(np.argsort(bounds, axis=1), axis=1))
        order = np.argsort(bound, kind="stable")  # what is opened next is last
        return [
            _Block(opened, node[part], player[part], mass[part], bound[part])
            for part in np.split(order, range(len(node) % BLOCK or BLOCK, len(node), BLOCK))
        ]
