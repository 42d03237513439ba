"""Columns for the linear program of program.py, by multipliers from the middle of its optimal face, not from a corner.

Where hundreds of interactions are in use, a simplex method takes thousands of pivots a round, and the multipliers of a
corner ask for columns that the next corner has no use for. An interior-point method takes some ten factorisations of a
matrix of masks × masks, fewer where it goes on from the last round, and its multipliers may be as loose as the bound
still is. With p and q the + and - of each interaction, d = g - A(p - q) within ζ, and slack e beyond it,

    [A diag(p/s + q/r) Aᵀ + diag(1/(α/u + β/v) + Σ e/f)] Δy = …     s, r = w ∓ Aᵀy, u, v = ζ ∓ d

is what a step solves; f is the slack's cost ∓ y, α and β are the multipliers of d's limits, y = α - β.

Source: S. Mehrotra, "On the implementation of a primal-dual interior point method", SIAM Journal on Optimization 2,
1992; J. Gondzio, P. González-Brevis and P. Munari, "New developments in the primal-dual column generation technique",
European Journal of Operational Research 224, 2013.
"""

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from jaxtyping import Bool, Float64
from numpy import ndarray as Array

from .columns import Columns, new
from .measured import Measured
from .pricing import price

ROUNDS = 60  # of new columns, at most
A_ROUND = 600  # columns, at most
FEW = 10  # columns that are all a search at its limit found, and no proof: corners, whose y are sparser, do better
STEPS = 60  # of the interior point, at most, a round
FINEST, FINER = 1e-7, 0.1  # to which a round is solved: this part of the gap that the bound leaves, not below
NEAR_END = 0.995  # of the way to where a variable would be 0
LEAST = 1e-6  # ζ, of a table of size 1 to 2: a mask whose values leave no room has no inside
INSIDE = 0.9  # of the largest feasible multiple of y, from where a round begins
FRESH = 1e-3  # of the mean w(p + q): the p·s of a column that joins
NEAR = 1e-3  # of w: a column whose price is so near its cost may be in use at a corner
ROUNDING = 1e-9  # what a program of a table of size 1 to 2 may cost, and nothing be in use
USED = 1e-5  # strengths from which on a column is taken to be in the corner


@dataclass(frozen=True)
class Inside:
    """Columns that may be in use at an optimal corner, where they are, and what is proven."""

    columns: Columns
    strengths: Float64[Array, " columns"]
    below: Bool[Array, " masks"]  # h is at its lower limit, g - ζ
    above: Bool[Array, " masks"]  # and at its upper one
    lower_bound: float
    rounds: int  # of new columns
    nodes: int  # subsets looked at


def generate(
    measured: Measured,
    columns: Columns,
    known: set[bytes],
    tie_break: float,
    highest: int,
    limit: int,
    gap: float,
    slack: float,
) -> Inside:
    """From these columns on until no interaction of order ≤ highest is worth its cost, to the relative gap.

    slack: its cost, a mask. known: the labels of the columns; those that join are added. It may end before the gap is
    reached, where rounding or the limit of a search stops it: what it found is a start all the same.
    """
    point = _Point(measured, slack)
    point.add(columns, 1.0 + tie_break * columns.order)
    bound, nodes, rounds, left = 0.0, 0, 0, 1.0
    while rounds < ROUNDS:
        rounds += 1
        steps = point.run(max(FINEST, FINER * left))
        found = price(measured.masks, point.y, tie_break, highest, 1.0, A_ROUND, limit)
        nodes += found.nodes
        bound = max(bound, measured.bound(point.y, found.largest))
        left = 1.0 - bound / point.cost
        fresh = new(found.columns, known)
        done = not len(fresh) and (left <= gap or not steps)
        if done or (len(fresh) < FEW and not found.complete):
            break
        if len(fresh):
            columns += fresh
            point.add(fresh, 1.0 + tie_break * fresh.order)
    strengths = point.p - point.q
    near = (np.abs(point.a.T @ point.y) >= (1.0 - NEAR) * point.w) | (np.abs(strengths) > USED)
    below = point.alpha > point.zeta - point.d
    above = point.beta > point.zeta + point.d
    return Inside(columns[near], strengths[near], below, above & ~below, bound, rounds, nodes)


class _Point:
    """(p, q, d, e; y, α, β) for the columns so far, strictly inside all limits."""

    def __init__(self, measured: Measured, slack: float):
        count = len(measured.g)
        self.measured, self.slack = measured, slack
        self.zeta = np.maximum(measured.zeta, LEAST)
        self.a, self.w = np.zeros((count, 0)), np.zeros(0)
        self.p = self.q = np.zeros(0)
        self.y, self.d = np.zeros(count), np.clip(measured.g, -self.zeta / 2, self.zeta / 2)
        self.e, self.mu = np.zeros((2, count)), 1.0 / count

    @property
    def cost(self) -> float:
        """Σ w(p + q), and that of the slack."""
        return float(self.w @ (self.p + self.q) + self.slack * self.e.sum())

    def add(self, columns: Columns, w: Float64[Array, " columns"]) -> None:
        """More columns; y goes back inside what they allow, and all products of pairs are at least about μ."""
        in_use = float(self.w @ (self.p + self.q))
        self.a = np.asfortranarray(np.column_stack([self.a, columns.on(self.measured.masks)]))
        self.w = np.append(self.w, w)
        price = np.abs(self.a.T @ self.y) / self.w
        self.y *= INSIDE / max(1.0, float(price.max()), float(np.abs(self.y).max()) / self.slack)
        self.mu = max(self.mu, FRESH * in_use / len(self.w))
        worth = self.a.T @ self.y
        none = np.zeros(len(w))
        self.p = np.maximum(np.append(self.p, none), self.mu / (self.w - worth))
        self.q = np.maximum(np.append(self.q, none), self.mu / (self.w + worth))
        self.d = np.clip(self.d, -0.95 * self.zeta, 0.95 * self.zeta)
        self.e = np.maximum(self.e, self.mu / (self.slack - np.stack([self.y, -self.y])))
        root = np.sqrt(self.y**2 + 4 * (self.mu / self.zeta) ** 2)
        self.alpha, self.beta = (root + self.y) / 2, (root - self.y) / 2

    def run(self, tolerance: float) -> int:
        """To a relative gap within the tolerance among these columns; how many steps that took."""
        for step in range(STEPS):
            worth = self.a.T @ self.y
            s, r = self.w - worth, self.w + worth
            u, v = self.zeta - self.d, self.zeta + self.d
            f = self.slack - np.stack([self.y, -self.y])
            if min(map(np.min, (s, r, u, v, f))) <= 0.0:  # rounding has the last word
                return step
            miss = self.measured.g - self.a @ (self.p - self.q) - self.d - self.e[0] + self.e[1]
            dual = self.measured.g @ self.y - self.zeta @ np.abs(self.y)
            if self.slack * np.abs(miss).sum() + self.cost - dual <= tolerance * self.cost + ROUNDING:
                return step
            try:
                with np.errstate(all="ignore"):
                    self.step(s, r, u, v, f, miss)
            except np.linalg.LinAlgError:  # and here
                return step
        return STEPS

    def step(self, s: Array, r: Array, u: Array, v: Array, f: Array, miss: Array) -> None:
        """One of Mehrotra's: to products of pairs of 0, then to σμ with what the first step missed."""
        a, p, q, e, alpha, beta = self.a, self.p, self.q, self.e, self.alpha, self.beta
        h = alpha / u + beta / v
        matrix = scipy.linalg.blas.dsyrk(1.0, a * np.sqrt(p / s + q / r), lower=1)
        matrix[np.diag_indices(len(miss))] += 1.0 / h + (e / f).sum(0)
        factor = scipy.linalg.cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)

        def towards(ps: Array, qr: Array, au: Array, bv: Array, ef: Array) -> tuple[Array, ...]:
            """Newton's step to these products."""
            of_limits = au / u - alpha - bv / v + beta
            right = miss - a @ (ps / s - p - qr / r + q) + of_limits / h
            right -= (ef[0] / f[0] - e[0]) - (ef[1] / f[1] - e[1])
            dy = scipy.linalg.cho_solve(factor, right, check_finite=False)
            dc, dd = a.T @ dy, (dy - of_limits) / h
            signed = np.stack([dy, -dy])
            return (ps / s - p + p / s * dc, qr / r - q - q / r * dc, dd, ef / f - e + e / f * signed,
                    dy, au / u - alpha + alpha / u * dd, bv / v - beta - beta / v * dd, dc, signed)  # fmt: skip

        def lengths(dp: Array, dq: Array, dd: Array, de: Array, dy: Array, da: Array, db: Array, dc: Array, df: Array):
            """How far the first four may go, and the others."""
            return (_most((p, dp), (q, dq), (u, -dd), (v, dd), (e, de)),
                    _most((s, -dc), (r, dc), (alpha, da), (beta, db), (f, -df)))  # fmt: skip

        pairs = p @ s + q @ r + alpha @ u + beta @ v + (e * f).sum()
        zero = np.zeros(1)
        dp, dq, dd, de, _, da, db, dc, df = first = towards(zero, zero, zero, zero, np.zeros((2, 1)))
        x, z = lengths(*first)
        after = (p + x * dp) @ (s - z * dc) + (q + x * dq) @ (r + z * dc) + ((e + x * de) * (f - z * df)).sum()
        after += (alpha + z * da) @ (u - x * dd) + (beta + z * db) @ (v + x * dd)
        self.mu = pairs / (2 * len(p) + 4 * len(miss))
        t = (after / pairs) ** 3 * self.mu
        found = towards(t + dp * dc, t - dq * dc, t + da * dd, t - db * dd, t + de * df)
        x, z = lengths(*found)
        if not all(np.isfinite(change).all() for change in found):
            raise np.linalg.LinAlgError("a step that is not finite")
        dp, dq, dd, de, dy, da, db, _, _ = found
        self.p, self.q, self.d, self.e = p + x * dp, q + x * dq, self.d + x * dd, e + x * de
        self.y, self.alpha, self.beta = self.y + z * dy, alpha + z * da, beta + z * db


def _most(*moves: tuple[Array, Array]) -> float:
    """The longest step, at most 1, that leaves all of these positive."""
    return min(1.0, NEAR_END / max(1e-300, *(float((-change / at).max()) for at, change in moves)))
