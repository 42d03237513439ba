"""Where the linear program starts from: the LASSO on four fifths of the masks, judged on the last fifth.

    minimise  ½ ‖g - Σ_S θ_S x_S‖² + λ Σ_S w_S |θ_S|

over AND and OR interactions of order ≤ 2, then of any order, as long as R² on the masks held out rises.
λ falls by steps; at each, interactions join that are worth more than λ w_S at the residual, by the same search as in
the linear program (pricing.py), then the θ of those in use are solved for: by coordinate descent, which comes near fast
and then stalls, and by exact solutions on the support from there (H. Lee, A. Battle, R. Raina and A. Ng, "Efficient
sparse coding algorithms", NIPS 2006).
"""

import warnings
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray as Array

from .columns import Columns, first, new, none
from .glance import glance
from .measured import Measured
from .pricing import price

CAPS = (2,)  # then none
STEP, STEPS = 0.6, 19  # of λ, down to 1e-4 of the one at which nothing is in use
BACK = 3  # steps of λ by which the path of the next cap begins before the end of the last one
A_ROUND, ROUNDS = 50, 3  # columns a round, rounds a step of λ
SWEEPS, EXACT = 30, 12  # of coordinate descent, and exact solutions after them
LIMIT = 1_000_000  # subsets a search; the dearest come first, and nothing here has to be proven
BETTER = 0.9  # of 1 - R², below which a step of λ or a higher cap is worth going on
PATIENCE = 2  # steps of λ that are not, after which the path ends
NEAR, ENOUGH = 4.0, 0.999  # of ζ, and R²: a model so near is where the linear program goes on


@dataclass(frozen=True)
class Start:
    """Interactions in use where R² on the masks held out is best."""

    columns: Columns
    nodes: int  # subsets looked at


def lasso(measured: Measured, held_out: Bool[Array, " masks"], tie_break: float, highest: int) -> Start:
    """The best of the paths of all caps."""
    path = _Path(measured[~held_out], measured[held_out], tie_break, highest)
    best, best_r2 = none(measured.masks.shape[1]), -np.inf
    for cap in [*(cap for cap in CAPS if cap < highest), highest]:
        columns, r2 = path.descend(cap)
        if not 1.0 - r2 < BETTER * (1.0 - best_r2):
            break
        best, best_r2 = columns, r2
    return Start(best, path.nodes)


@dataclass
class _Path:
    """The columns so far, each over w, with their products."""

    fit: Measured
    held_out: Measured
    tie_break: float
    highest: int
    nodes: int = 0
    step: int = BACK  # of λ, where the last path ended
    known: set[bytes] = field(default_factory=set)

    def __post_init__(self) -> None:
        n = self.fit.masks.shape[1]
        self.columns = none(n)
        self.on, self.other_on = (np.zeros((len(masks), 0)) for masks in (self.fit.masks, self.held_out.masks))
        self.gram, self.correlation = np.zeros((0, 0)), np.zeros(0)
        self.theta = np.zeros(0)
        self.add(new(first(n, self.highest), self.known))

    def add(self, columns: Columns) -> None:
        weights = 1.0 + self.tie_break * columns.order
        on = columns.on(self.fit.masks) / weights
        across = self.on.T @ on
        self.gram = np.block([[self.gram, across], [across.T, on.T @ on]])
        self.correlation = np.append(self.correlation, on.T @ self.fit.g)
        self.on = np.column_stack([self.on, on])
        self.other_on = np.column_stack([self.other_on, columns.on(self.held_out.masks) / weights])
        self.columns += columns
        self.theta = np.append(self.theta, np.zeros(len(columns)))

    def descend(self, cap: int) -> tuple[Columns, float]:
        """λ from the largest down with interactions of order ≤ cap; those in use at the best R², and that R²."""
        top = self.top()
        best, best_r2, since = none(self.fit.masks.shape[1]), -np.inf, 0
        for step in range(max(1, self.step - BACK), STEPS):
            self.step, level = step, top * STEP**step
            for _ in range(ROUNDS):
                self.solve(level)
                if not self.search(cap, level * 1.001):
                    break
            r2, used = self.held_out.r_squared(self.other_on @ self.theta), self.theta != 0.0
            since = 0 if 1.0 - r2 < BETTER * (1.0 - best_r2) else since + 1
            falls = r2 < best_r2
            if not falls:
                best, best_r2 = self.columns[used], r2
            near = (np.abs(self.residual()) <= NEAR * self.fit.zeta).all()
            if near or r2 > ENOUGH or since == PATIENCE or falls or used.sum() > len(self.fit.g) / 2:
                break
        return best, best_r2

    def top(self) -> float:
        """Near the λ from which on nothing is in use: that of order 2."""
        found = price(self.fit.masks, self.fit.g, self.tie_break, 2, np.finfo(np.float64).tiny, 1, LIMIT)
        return found.largest

    def residual(self) -> Float64[Array, " masks"]:
        return self.fit.g - self.on @ self.theta

    def search(self, cap: int, level: float) -> int:
        """Adds what is worth more than `level` at the residual; how many interactions that were."""
        at = self.fit.masks, self.residual() / level, self.tie_break, cap, 1.0, A_ROUND
        if cap <= CAPS[-1]:
            priced = price(*at, LIMIT)
            found, nodes = priced.columns, priced.nodes
        else:
            found, nodes = glance(*at)
        self.nodes += nodes
        fresh = new(found, self.known)
        if len(fresh):
            self.add(fresh)
        return len(fresh)

    def solve(self, level: float) -> None:
        """θ of these columns at λ = level, from where it is."""
        from sklearn.exceptions import ConvergenceWarning  # here, as HiGHS in program.py
        from sklearn.linear_model import lasso_path

        count = len(self.fit.g)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # what is left, the exact solutions do
            _, theta, _ = lasso_path(
                self.on, self.fit.g, alphas=[level / count], precompute=self.gram, Xy=self.correlation,
                coef_init=self.theta, max_iter=SWEEPS, tol=1e-6,
            )  # fmt: skip
        self.theta = feature_sign(self.gram, self.correlation, level, theta[:, 0])


def feature_sign(
    gram: Float64[Array, "columns columns"],
    correlation: Float64[Array, " columns"],
    level: float,
    theta: Float64[Array, " columns"],
) -> Float64[Array, " columns"]:
    """Exact solutions of the LASSO on the support, of which one leaves that would change its sign, and one joins."""
    theta = theta.copy()
    signs = np.sign(theta)
    for _ in range(EXACT):
        support = signs.nonzero()[0]
        if len(support):
            matrix = gram[np.ix_(support, support)]
            matrix[np.diag_indices(len(support))] *= 1.0 + 1e-10  # equal columns over these masks share
            there = np.linalg.solve(matrix, correlation[support] - level * signs[support])
            here = theta[support]
            wrong = there * signs[support] < 0.0
            with np.errstate(divide="ignore", invalid="ignore"):
                steps = np.where(wrong, here / (here - there), 1.0)
            step = float(steps.min())
            theta[support] = here + step * (there - here)
            if step < 1.0:
                leaves = support[wrong & (steps <= step)]
                theta[leaves] = signs[leaves] = 0.0
                continue
        slope = correlation - gram[:, support] @ theta[support]
        slope[support] = 0.0
        joins = int(np.argmax(np.abs(slope)))
        if abs(slope[joins]) <= level * (1.0 + 1e-9):
            break
        signs[joins] = np.sign(slope[joins])
    return theta
