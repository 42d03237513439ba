"""A parametric simplex method, for tables that few interactions explain: it walks from vertex to vertex.

Where ζ is as large as the table, no interactions at all are the optimum. From there ζ is lowered to what was asked
for, and the optimum followed. It is linear in ζ between pivots, and known by two small sets: the interactions in use,
and the subsets on which the model is wrong by just ζ, as many of the one as of the other. The matrix between them
is all that is ever inverted. How many pivots it takes grows with the interactions in use and their orders: with ten
players some hundreds for 50 interactions of up to three, thousands for 15 of any order, and many thousands for most
tables of networks, where the interior-point method is the better one. (low_order.py tells which is which.)

Here A has the AND and then the OR interactions in its columns, A[S, T] = [T ⊆ S] and [T ∩ S ≠ ∅]; d = g - A·θ is
the noise left, y its multipliers, and c = Aᵀy, which is ± the costs where an interaction is in use.

Algorithm: S. Gass and T. Saaty, "The computational algorithm for the parametric objective function", Naval Research
Logistics Quarterly 2, 1955; H. Pang, H. Liu, R. Vanderbei and T. Zhao, "Parametric simplex method for sparse learning",
NIPS 2017.
"""

import threading

import numpy as np
import torch
from jaxtyping import Float64
from numpy import ndarray as Array
from threadpoolctl import ThreadpoolController

from .. import subsets
from .batches import stop_if_asked
from .program import Program, Solution

NEAR = 1e-10  # what is closer to its limit is taken to be there; the table is of unit size
RENEWAL = 50  # pivots from one inverse computed afresh to the next
BLAS, ALONE = ThreadpoolController(), threading.Lock()  # its limits are the process's, so one sample at a time
UNTIE = 1e-3  # how far costs are moved apart, relative to the tolerance: equal ones could make it go in circles


def bytes_per_sample(n: int) -> int:
    """What one sample takes while it is being solved, if its inverse stays small beside 2ⁿ."""
    return 8 * 60 * 2**n


def solve(program: Program, tolerance: float, max_iterations: int) -> Solution:
    """Solve one sample after the other; who is not there after so many pivots is given up where it is.

    Positive and negative interactions must cost the same.
    """
    best = Solution.none(program)
    sign = 1.0 - 2.0 * (program.order % 2)
    for sample in range(len(program.g)):
        row = torch.tensor([sample], device=program.g.device)
        costs = program.costs[sample, :, 0].flatten().cpu().numpy()
        path = _Path((sign * program.g[sample]).cpu().numpy(), float(program.zeta[sample]), costs, UNTIE * tolerance)
        with ALONE, BLAS.limit(limits=1, user_api="blas"):  # products so small lose by threads, a lot on a busy machine
            path.run(max_iterations)
        i_or, c_and = path.theta[len(path.g) :], path.c[: len(path.g)]
        o, d, p = torch.from_numpy(np.stack([i_or, path.d, c_and])).to(program.g)[:, None]
        p[:, 0] = 0.0
        best.improve(program[row], row, o, sign * d, sign * p, path.pivots)
    return best


class _Path:
    """The optimum at `level`, which is lowered from the size of the table to ζ."""

    def __init__(
        self, g: Float64[Array, " subsets"], zeta: float, costs: Float64[Array, " interactions"], untie: float
    ):
        order = np.bitwise_count(np.arange(len(g)))
        self.g, self.zeta = g, zeta
        self.costs = costs * (1.0 + untie * np.random.default_rng(0).random(len(costs)))  # the same for all tables
        self.costs[np.concatenate([order < 1, order < 2])] = np.inf
        self.lattice = _Lattice(len(g))
        self.vertex = _Vertex(self.lattice)
        self.level, self.pivots = np.abs(g).max(), 0
        self.renew()

    def run(self, most: int) -> None:
        """To ζ, or as far as so many pivots go, or to where rounding makes an end of it."""
        try:
            while self.pivots < most and self.lower():
                stop_if_asked()
                self.pivots += 1
                if self.pivots % RENEWAL == 0:
                    self.renew()
            self.renew()
        except np.linalg.LinAlgError:
            return

    def renew(self) -> None:
        """The inverse, θ, d and c at this vertex, without what rounding has added since the last time."""
        self.vertex.renew()
        self.theta = scatter(self.vertex.columns, self.used(), len(self.costs))
        self.d = self.g - self.lattice.model(self.theta)
        self.c = self.lattice.adjoint(scatter(self.vertex.rows, self.multipliers(), len(self.g)))

    def used(self) -> Float64[Array, " columns"]:
        """θ of the interactions in use."""
        at = self.vertex
        return at.inverse @ (self.g[at.rows] - self.level * at.row_signs)

    def multipliers(self) -> Float64[Array, " rows"]:
        """y where it is not 0."""
        return (self.costs[self.vertex.columns] * self.vertex.column_signs) @ self.vertex.inverse

    def lower(self) -> bool:
        """Lower the level until the optimum changes its form, and make that pivot; False where none is left."""
        at = self.vertex
        rate = at.inverse @ at.row_signs
        d_rate = -self.lattice.model(scatter(at.columns, rate, len(self.costs)))
        above = (1.0 + d_rate) / np.maximum(self.level - self.d, NEAR)
        urgency = np.maximum(above, (1.0 - d_rate) / np.maximum(self.level + self.d, NEAR))
        urgency[at.rows] = urgency[0] = 0.0
        in_urgency, row = first(urgency)
        out_urgency, out = first(-at.column_signs * rate / np.maximum(at.column_signs * self.used(), NEAR))
        urgent = max(in_urgency, out_urgency)
        if urgent * (self.level - self.zeta) <= 1.0:
            self.level = self.zeta
            return False
        self.level -= 1.0 / urgent
        self.d += d_rate / urgent
        return self.bind(row) if in_urgency >= out_urgency else self.release(out)

    def bind(self, row: int) -> bool:
        """|d| has reached the level at this subset: its multiplier may now differ from 0."""
        at, sign = self.vertex, 1.0 if self.d[row] > 0 else -1.0
        across = self.lattice.entries(row, at.columns) @ at.inverse
        column, column_sign, out = self.turn(-sign * across, row, sign)
        if column >= 0:
            at.border(row, sign, column, column_sign, across)
        elif out >= 0:
            at.replace_row(out, row, sign, across)
        return column >= 0 or out >= 0

    def release(self, old: int) -> bool:
        """The interaction in this column has reached 0: what it costs is no longer used up."""
        at = self.vertex
        column, column_sign, out = self.turn(-at.column_signs[old] * at.inverse[old], released=old)
        if column >= 0:
            at.replace_column(old, column, column_sign)
        elif out >= 0:
            at.delete(out, old)
        return column >= 0 or out >= 0

    def turn(
        self, y_rate: Float64[Array, " rows"], row: int = 0, sign: float = 0.0, released: int | None = None
    ) -> tuple[int, float, int]:
        """Move y, at `row` with this sign, until an interaction is worth its cost or a multiplier gets to 0.

        Which interaction and its sign, or else the position among the rows; -1 for what it is not.
        """
        at = self.vertex
        rates = scatter(at.rows, y_rate, len(self.g))
        rates[row] = sign
        c_rate = self.lattice.adjoint(rates)
        up, down = c_rate / np.maximum(self.costs - self.c, NEAR), -c_rate / np.maximum(self.costs + self.c, NEAR)
        urgency = np.maximum(up, down)
        urgency[at.columns] = 0.0
        if released is not None:  # it moves away from one limit, at the rate 1, and may get to the other
            urgency[at.columns[released]] = 0.5 / self.costs[at.columns[released]]
        in_urgency, column = first(urgency)
        out_urgency, out = first(-at.row_signs * y_rate / np.maximum(at.row_signs * self.multipliers(), NEAR))
        urgent = max(in_urgency, out_urgency)
        if urgent <= NEAR:
            return -1, 0.0, -1
        self.c += c_rate / urgent
        return (column, 1.0 if c_rate[column] > 0 else -1.0, -1) if in_urgency >= out_urgency else (-1, 0.0, out)


class _Vertex:
    """The rows and columns of A in use, their signs, which are those of d and y and of θ and c, and the inverse."""

    def __init__(self, lattice: "_Lattice"):
        self.lattice, self.count = lattice, 0
        self._places, self._signs = np.zeros((2, lattice.size), dtype=int), np.zeros((2, lattice.size))
        self._inverse = np.zeros((64, 64))

    @property
    def rows(self) -> Array:
        return self._places[0, : self.count]

    @property
    def columns(self) -> Array:
        return self._places[1, : self.count]

    @property
    def row_signs(self) -> Array:
        return self._signs[0, : self.count]

    @property
    def column_signs(self) -> Array:
        return self._signs[1, : self.count]

    @property
    def inverse(self) -> Float64[Array, "columns rows"]:
        return self._inverse[: self.count, : self.count]

    def renew(self) -> None:
        self.inverse[:] = np.linalg.inv(self.lattice.entries(self.rows[:, None], self.columns))

    def border(self, row: int, row_sign: float, column: int, column_sign: float, across: Array) -> None:
        """One more row and column; `across` is A[row, columns] times the inverse."""
        new = self.lattice.entries(self.rows, column)
        along, k = self.inverse @ new, self.count
        pivot = self.lattice.entries(row, column) - across @ new
        if k == len(self._inverse):
            self._inverse = np.pad(self._inverse, (0, k))
        self.inverse[:] += np.outer(along, across / pivot)
        self._inverse[:k, k], self._inverse[k, :k], self._inverse[k, k] = -along / pivot, -across / pivot, 1.0 / pivot
        self._places[:, k], self._signs[:, k] = (row, column), (row_sign, column_sign)
        self.count += 1

    def replace_row(self, old: int, row: int, sign: float, across: Array) -> None:
        change = across / across[old]
        change[old] -= 1.0 / across[old]
        self.inverse[:] -= np.outer(self.inverse[:, old], change)
        self.rows[old], self.row_signs[old] = row, sign

    def replace_column(self, old: int, column: int, sign: float) -> None:
        along = self.inverse @ self.lattice.entries(self.rows, column)
        change = along / along[old]
        change[old] -= 1.0 / along[old]
        self.inverse[:] -= np.outer(change, self.inverse[old])
        self.columns[old], self.column_signs[old] = column, sign

    def delete(self, row: int, column: int) -> None:
        """The last row and column take the places of these."""
        inverse, last = self.inverse, self.count - 1
        inverse -= np.outer(inverse[:, row] / inverse[column, row], inverse[column])
        inverse[:, row], inverse[column] = inverse[:, last], inverse[last]
        for places in self._places, self._signs:
            places[0, row], places[1, column] = places[:, last]
        self.count -= 1


class _Lattice:
    """Products with A, for so many subsets; sums over subsets as in `subsets`, but with less around each product."""

    def __init__(self, size: int):
        self.size = size
        self.factors = []
        for players in subsets.blocks(size.bit_length() - 1):
            power = np.ones((1, 1))
            for _ in range(players):
                power = np.kron([[1.0, 0.0], [1.0, 1.0]], power)
            self.factors.append(power)

    def sums(self, tables: Float64[Array, "2 subsets"]) -> Float64[Array, "2 subsets"]:
        """Sums over subsets."""
        lowest, *others = self.factors
        out, inner = tables.reshape(-1, len(lowest)) @ lowest.T, len(lowest)
        for factor in others:
            out = factor @ out.reshape(-1, len(factor), inner)
            inner *= len(factor)
        return out.reshape(2, -1)

    def model(self, theta: Float64[Array, " interactions"]) -> Float64[Array, " subsets"]:
        """A·θ: an OR interaction fires unless it is inside the complement."""
        i_and, i_or = self.sums(theta.reshape(2, -1))
        return i_and + i_or[-1] - i_or[::-1]

    def adjoint(self, y: Float64[Array, " subsets"]) -> Float64[Array, " interactions"]:
        """Aᵀ·y."""
        below, above = self.sums(np.stack([y, y[::-1]]))
        return np.concatenate([above[::-1], below[-1] - below[::-1]])

    def entries(self, rows: Array | int, columns: Array | int) -> Array:
        """A[rows, columns]."""
        players, is_or = columns & (self.size - 1), columns >= self.size
        return np.where(((players & rows) != 0) & ((players & ~rows == 0) | is_or), 1.0, 0.0)


def scatter(index: Array, values: Array, size: int) -> Float64[Array, " size"]:
    """Zeros but for these."""
    out = np.zeros(size)
    out[index] = values
    return out


def first(urgency: Float64[Array, " some"]) -> tuple[float, int]:
    """The largest and where it is; -1 if there is none."""
    if len(urgency) == 0:
        return 0.0, -1
    index = int(urgency.argmax())
    return float(urgency[index]), index
