"""The linear program of the measured masks, column by column, until no interaction is left that would make it sparser.

    minimise  Σ_S w_S (|a_S| + |o_S|)   subject to   |g_j - Σ_S a_S [S ⊆ T_j] - Σ_S o_S [S ∩ T_j ≠ ∅]| ≤ ζ_j
    maximise  g·y - Σ_j ζ_j |y_j|       subject to   no interaction being worth more than it costs (pricing.py)

A program of some columns gives multipliers y; the search finds interactions that are worth more than they cost at y, or
proves that there are none; they join; and so on (column generation: P. Gilmore and R. Gomory, "A linear programming
approach to the cutting-stock problem", Operations Research 9, 1961). If no interaction is worth more than q ≥ 1 times
its cost, y/q is feasible, which bounds the optimum from below after every round (A. Farley, "A note on bounding a class
of linear programming problems", Operations Research 38, 1990).

[S ∩ T ≠ ∅] = 1 - [S ⊆ N∖T], so an OR interaction's column is as sparse as one of AND if t = Σ o has a column of its own
and a row that links it. Every mask has a slack, which costs `SLACK` at first and more while it is used: it lets a
program of few columns have a solution, and keeps its multipliers within bounds.

The vertices are found by HiGHS, whose primal simplex method goes on from the last one: Q. Huangfu and J. Hall,
"Parallelizing the dual revised simplex method", Mathematical Programming Computation 10, 2018. That is fast where few
interactions are in use; where they are `MANY`, columns are generated inside the optimal face (interior.py), and only
the last program, of those that may be in use, has its vertex found.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int32
from numpy import ndarray as Array

from .columns import Columns, first, new, none
from .interior import USED, Inside, generate
from .measured import Measured
from .pricing import price

GAP = 1e-6  # relative, at which a program is done
ROUNDS = 400  # of new columns, at most
A_ROUND = 100  # columns, at most
SLACK, DEARER, DEAREST = 1.0, 4.0, 1e7  # what slack costs, beside an interaction's 1: at first, by steps, at most
DUAL, PRIMAL = 1, 4  # HiGHS's numbers: nothing in use is a start for the dual method, and then columns join
EXACT = 1e-9  # to which HiGHS solves; the largest |g| is 1 to 2
NOTHING = 1e-9  # strengths below it are rounding
MANY = 0.2  # interactions a mask


@dataclass(frozen=True)
class Model:
    """Interactions in use, and how far the program got."""

    columns: Columns
    strengths: Float64[Array, " columns"]
    lower_bound: float
    slack: float  # how far h is outside the limits, over all masks; 0 but where there was no model or no time
    complete: bool  # False where the last search came to its limit
    rounds: int
    nodes: int  # subsets looked at, over all rounds


def solve(
    measured: Measured, start: Columns, tie_break: float, highest: int, limit: int, expected: float = 0.0
) -> Model:
    """The sparsest model of order ≤ highest to a gap of GAP, from the columns of `start` on.

    expected: how many interactions a mask there will be, about.
    """
    n = measured.masks.shape[1]
    program = _Restricted(measured, tie_break)
    known: set[bytes] = set()
    columns = new(first(n, highest) + start, known)
    bound, nodes, complete, before, rounds = 0.0, 0, False, 0, 0
    if expected > MANY:
        inside = generate(measured, columns, known, tie_break, highest, limit, GAP / 2, SLACK)
        bound, nodes, before = inside.lower_bound, inside.nodes, inside.rounds
        known = set(inside.columns.labels())
        program.add(inside.columns)
        program.begin(inside)
    else:
        program.add(columns)
    for rounds in range(1, ROUNDS + 1):
        program.run()
        found = price(measured.masks, program.y, tie_break, highest, 1.0 + EXACT, A_ROUND, limit)
        nodes, complete = nodes + found.nodes, found.complete
        bound = max(bound, measured.bound(program.y, found.largest))
        if program.slack == 0.0 and program.cost - bound <= 0.9 * GAP * program.cost:
            break
        if rounds == ROUNDS:
            break
        fresh = new(found.columns, known)
        if len(fresh):
            program.add(fresh)
        elif program.slack > 0.0 and complete and program.slack_cost < DEAREST:
            program.make_slack_dearer()
        else:
            break
    used = program.theta != 0.0
    columns, strengths = program.columns[used], program.theta[used]
    strengths = polished(measured, columns, strengths)
    return Model(columns, strengths, bound, program.slack, complete, before + rounds, nodes)


def polished(measured: Measured, columns: Columns, strengths: Float64[Array, " columns"]) -> Float64[Array, " columns"]:
    """The same vertex without what HiGHS leaves of rounding: h at its limits is at its limits to the last digits."""
    if not len(columns):
        return strengths
    model = columns.on(measured.masks)
    error = measured.g - model @ strengths
    active = np.abs(error) >= measured.zeta - 10 * EXACT
    target = measured.g[active] - np.sign(error[active]) * measured.zeta[active]
    exact = np.linalg.lstsq(model[active], target, rcond=None)[0]

    def outside(theta: Float64[Array, " columns"]) -> float:
        return float((np.abs(measured.g - model @ theta) - measured.zeta).max())

    same = np.abs(exact - strengths).max() <= 1e-5 * max(1.0, np.abs(strengths).max())
    return exact if same and outside(exact) <= max(outside(strengths), 1e-13) else strengths


def _silent_highs() -> "highspy.Highs":  # noqa: F821
    import highspy  # here, for it takes a while, and most of those who import the solver never call this

    class Silent(highspy.Highs):
        def enableCallbacks(self) -> None:  # noqa: N802 - HiGHS's name; called as it is made, and prints who it is
            self.setOptionValue("output_flag", False)
            super().enableCallbacks()

    return Silent()


class _Restricted:
    """The program of the columns so far. HiGHS's own: t, the slack up and down, then a column's + and -."""

    def __init__(self, measured: Measured, tie_break: float):
        self.measured, self.tie_break = measured, tie_break
        count, n = measured.masks.shape
        self.columns, self.sizes, self.slack_cost = none(n), [], SLACK
        self.highs = _silent_highs()
        for name, value in {
            "threads": 1, "presolve": "off", "solver": "simplex", "simplex_strategy": DUAL,
            "primal_feasibility_tolerance": EXACT, "dual_feasibility_tolerance": EXACT,
        }.items():  # fmt: skip
            self.highs.setOptionValue(name, value)
        nothing = np.zeros(0, dtype=np.int32)
        for low, high in [*zip(measured.g - measured.zeta, measured.g + measured.zeta, strict=True), (0.0, 0.0)]:
            self.highs.addRow(low, high, 0, nothing, np.zeros(0))
        rows = np.arange(count + 1, dtype=np.int32)
        self.highs.addCol(0.0, -np.inf, np.inf, count + 1, rows, np.append(np.ones(count), -1.0))
        for sign in (1.0, -1.0):
            self._append(np.full(count, SLACK), rows[:-1], rows[:-1], np.full(count, sign))

    def _append(
        self,
        costs: Float64[Array, " columns"],
        starts: Int32[Array, " columns"],
        rows: Int32[Array, " entries"],
        entries: Float64[Array, " entries"],
    ) -> None:
        size = len(costs)
        limits = np.zeros(size), np.full(size, np.inf)
        self.highs.addCols(size, costs, *limits, len(rows), starts, rows, entries)

    def add(self, columns: Columns) -> None:
        """New columns; a - before its +, and so on."""
        inside = columns.inside(self.measured.masks).T
        entries = np.column_stack([np.where(columns.is_or[:, None], -1.0, 1.0) * inside, columns.is_or])
        column, row = entries.nonzero()
        starts = np.searchsorted(column, np.arange(len(columns))).astype(np.int32)
        costs = 1.0 + self.tie_break * columns.order
        for sign in (1.0, -1.0):
            self._append(costs, starts, row.astype(np.int32), sign * entries[column, row])
        self.columns += columns
        self.sizes.append(len(columns))

    def begin(self, inside: Inside) -> None:
        """The first vertex is the one that these columns and limits make; HiGHS mends a basis that is none."""
        import highspy

        status = highspy.HighsBasisStatus
        basis, count = highspy.HighsBasis(), len(self.measured.g)
        signed = np.concatenate([inside.strengths, -inside.strengths]) > 0.0
        used = signed & (np.abs(np.tile(inside.strengths, 2)) > USED)
        basis.col_status = [status.kBasic, *[status.kLower] * (2 * count)]
        basis.col_status += [status.kBasic if yes else status.kLower for yes in used.tolist()]
        basis.row_status = [
            status.kLower if below else status.kUpper if above else status.kBasic
            for below, above in zip(inside.below.tolist(), inside.above.tolist(), strict=True)
        ] + [status.kLower]
        basis.valid = True
        self.highs.setBasis(basis)
        self.highs.setOptionValue("simplex_strategy", PRIMAL)

    def run(self) -> None:
        """To the optimum of these columns: theta, y, slack (the sum used) and cost (Σ w|θ|, without slack)."""
        self.highs.run()
        self.highs.setOptionValue("simplex_strategy", PRIMAL)
        ended = self.highs.modelStatusToString(self.highs.getModelStatus())
        if ended != "Optimal":
            raise RuntimeError(f"HiGHS ended with {ended}")
        found = self.highs.getSolution()
        values, count = np.array(found.col_value), len(self.measured.g)
        slack, pairs = values[1 : 2 * count + 1], values[2 * count + 1 :]
        signed, at = [], 0
        for size in self.sizes:
            signed.append(pairs[at : at + size] - pairs[at + size : at + 2 * size])
            at += 2 * size
        theta = np.concatenate(signed)
        self.theta = np.where(np.abs(theta) > NOTHING, theta, 0.0)
        self.y = np.array(found.row_dual)[:count]
        self.slack = float(slack[slack > NOTHING].sum())
        self.cost = float((1.0 + self.tie_break * self.columns.order) @ np.abs(self.theta))

    def make_slack_dearer(self) -> None:
        """Slack is still used though no interaction is left that would help at its cost."""
        self.slack_cost *= DEARER
        which = np.arange(1, 2 * len(self.measured.g) + 1, dtype=np.int32)
        self.highs.changeColsCost(len(which), which, np.full(len(which), self.slack_cost))
