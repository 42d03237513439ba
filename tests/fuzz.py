"""The solver on many tables of many kinds, each answer held to what has to hold of it; `make faults` runs it.

python tests/fuzz.py [--tables 100000] [--large 1000] [--exact 500] [--players 1 2 3 4 5 6 7 10] [--seed 0]

Prints a line for each number of players: how many tables, how many of them missed the gap and said so in a warning, and
the worst of each check. Ends with 1 if a table misses the gap without a word, or anything else does not hold.
"""

import argparse
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.optimize import linprog

from lib import subsets
from lib.sparsest import sparsest

TIE_BREAK, TOLERANCE, SETTLED = 1e-4, 1e-7, 1e-3  # the defaults of `sparsest` up to 12 players
ZETA = (0.0, 1e-6, 0.02, 0.3, 0.9)  # shares of the range of v
BATCH = 2000


def _smooth(draw: torch.Generator, count: int, n: int) -> torch.Tensor:
    """Interactions that get fewer and weaker with their order, as a network's do."""
    order = subsets.orders(n).double()
    pair = torch.randn(2, count, 2**n, generator=draw, dtype=torch.float64) * 0.5**order
    pair *= torch.rand(2, count, 2**n, generator=draw, dtype=torch.float64) < 0.5 * order
    pair[..., 0] = 0.0
    return subsets.logical_model(*pair, torch.randn(count, generator=draw, dtype=torch.float64))


def _sparse(draw: torch.Generator, count: int, n: int) -> torch.Tensor:
    """A few interactions of any order."""
    pair = torch.randn(2, count, 2**n, generator=draw, dtype=torch.float64)
    pair *= torch.rand(2, count, 2**n, generator=draw, dtype=torch.float64) < 3 / 2**n
    pair[..., 0] = 0.0
    return subsets.logical_model(*pair, torch.zeros(count, dtype=torch.float64))


def _normal(draw: torch.Generator, count: int, n: int) -> torch.Tensor:
    return torch.randn(count, 2**n, generator=draw, dtype=torch.float64)


KINDS: dict[str, Callable[[torch.Generator, int, int], torch.Tensor]] = {
    "independent": _normal,
    "whole numbers": lambda *of: (3 * _normal(*of)).round(),  # ties, and degenerate programs
    "zeros and ones": lambda *of: (_normal(*of) > 0).double(),
    "like a network's": _smooth,
    "few interactions": _sparse,
    "heavy tails": lambda *of: _normal(*of) ** 5,
    "additive": lambda draw, count, n: (
        torch.randn(count, n, generator=draw, dtype=torch.float64) @ _members(n).double()
    ),
    "monotone": lambda *of: _normal(*of).sort(-1).values,
    "constant but for rounding": lambda *of: 1.0 + 1e-9 * _normal(*of),
    "tiny": lambda *of: 1e-150 * _normal(*of),
    "huge": lambda *of: 1e150 * _normal(*of),
}


def _members(n: int) -> torch.Tensor:
    """(n, 2**n): whether a player is in a coalition."""
    return torch.arange(2**n)[None] >> torch.arange(n)[:, None] & 1


def optimum(v: torch.Tensor, zeta: float) -> float:
    """The problem's optimal value by HiGHS, an independent solver; v of a range near 1."""
    n = subsets.player_count(v)
    s = np.arange(1, 2**n)
    common = s[:, None] & s
    model = np.hstack([common == s, common != 0]).astype(float)
    both = np.hstack([model, -model])
    weights = np.tile(1.0 + TIE_BREAK * subsets.orders(n).numpy()[1:], 4)
    target = (v[1:] - v[0]).numpy()
    rows, limits = np.vstack([both, -both]), np.concatenate([target + zeta, zeta - target])
    exact = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
    found = linprog(weights, rows, limits, method="highs", options=exact)
    return found.fun if found.status == 0 else float("nan")


@dataclass
class Row:
    """The worst over some tables, each as a share of what is allowed: above 1 fails."""

    n: int
    tables: int = 0
    exact: int = 0  # also compared with HiGHS
    told: int = 0  # missed the gap and said so
    seconds: float = 0.0
    worst: dict[str, tuple[float, str]] = field(default_factory=dict)

    def see(self, check: str, shares: torch.Tensor, kind: str) -> None:
        """Takes note of a check on some tables; NaN is the worst of all."""
        share = float(torch.nan_to_num(shares, nan=torch.inf).max())
        if share > self.worst.get(check, (-1.0, ""))[0]:
            self.worst[check] = (share, kind)

    @property
    def fails(self) -> list[str]:
        return [
            f"{check}: {share:.3g} times what is allowed ({kind})"
            for check, (share, kind) in self.worst.items()
            if not share <= 1
        ]


def solve(row: Row, kind: str, count: int, exact: int, seed: int) -> None:
    """Solves `count` tables of one kind and checks them; `exact` of them against HiGHS as well."""
    n = row.n
    draw = torch.Generator().manual_seed(seed)
    values = KINDS[kind](draw, count, n)
    scale = (values - values[:, :1]).abs().amax(-1)
    zeta = scale * torch.tensor(ZETA, dtype=torch.float64)[torch.randint(len(ZETA), (count,), generator=draw)]
    begun = time.perf_counter()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = sparsest(values, zeta)
    row.seconds += time.perf_counter() - begun
    row.tables += count
    largest = values.abs().amax(-1)
    tiny = torch.finfo(torch.float64).tiny
    strength = (found.i_and.abs() + found.i_or.abs()).sum(-1)
    missed = ~(found.gap <= TOLERANCE) & bool(said)
    if missed.any():
        print(f"  {n} players, {kind}, seed {seed}, table {int(found.gap.argmax())}: {said[0].message}", flush=True)
    row.told += int(missed.sum())
    row.see("gap", torch.where(missed, 0.0, found.gap / TOLERANCE), kind)
    row.see("gap where said", torch.where(missed, found.gap, 0.0), kind)
    row.see("bound", torch.where(found.lower_bound <= found.objective, 0.0, torch.inf), kind)
    share = torch.where(strength > 0, found.unsettled / strength.clamp(min=tiny), 0.0)
    row.see("unsettled", torch.where(missed, 0.0, share / SETTLED), kind)
    h = subsets.logical_model(found.i_and, found.i_or, values[:, 0])
    beyond = ((values - h).abs().amax(-1) - zeta).clamp(min=0.0)
    row.see("fit", beyond / (1e-12 * 2**n * largest).clamp(min=tiny), kind)
    order = subsets.orders(n).double()
    row.see("empty", (found.i_and[:, 0].abs() + found.i_or[:, order <= 1].abs().sum(-1)) / tiny, kind)
    objective = ((1.0 + TIE_BREAK * order) * (found.i_and.abs() + found.i_or.abs())).sum(-1)
    row.see("objective", (objective - found.objective).abs() / (1e-12 * objective).clamp(min=tiny), kind)
    for k in range(min(exact, count)):
        if scale[k] > 1e-6 * largest[k]:  # beyond what HiGHS resolves
            best = optimum(values[k] / scale[k], float(zeta[k] / scale[k])) * scale[k]
            row.exact += 1
            slack = 1e-8 * 2**n * scale[k]  # HiGHS' own tolerance
            row.see("bound ≤ optimum", (found.lower_bound[k] - best).clamp(min=0.0) / slack, kind)
            row.see("optimum ≤ objective", (best - found.objective[k]).clamp(min=0.0) / slack, kind)


def run(n: int, tables: int, exact: int, seed: int) -> Row:
    """`tables` tables of n players, shared among the kinds."""
    row, left, part = Row(n), tables, 0
    while left > 0:
        kind = list(KINDS)[part % len(KINDS)]
        count = min(left, BATCH, -(-tables // len(KINDS)))
        solve(row, kind, count, -(-exact * count // tables), seed + part)
        left, part = left - count, part + 1
    return row


def main() -> int:
    parser = argparse.ArgumentParser(prog="python tests/fuzz.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tables", type=int, default=100_000, help="of 1 to 7 players, as many of each")
    parser.add_argument("--large", type=int, default=1_000, help="of 10 players")
    parser.add_argument("--exact", type=int, default=500, help="of each number up to 7, compared with HiGHS")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--players", type=int, nargs="+", default=[1, 2, 3, 4, 5, 6, 7, 10], help="these numbers alone")
    asked = parser.parse_args()
    sizes = [(n, asked.tables // 7 + (n <= asked.tables % 7), asked.exact) for n in range(1, 8)] + [
        (10, asked.large, 0)
    ]
    failed = False
    print("worst of each check, as a share of what is allowed; bound and optimum to HiGHS' own tolerance")
    for n, tables, exact in [size for size in sizes if size[0] in asked.players]:
        row = run(n, tables, exact, asked.seed + 1_000_003 * n)
        worst = ", ".join(f"{check} {share:.3g} ({kind})" for check, (share, kind) in row.worst.items() if share > 0)
        told = f"{row.exact} by HiGHS too, {row.told} missed the gap and said so; worst: {worst}"
        print(f"{n} players: {row.tables:,} tables in {row.seconds:.0f} s, {told}", flush=True)
        for fault in row.fails:
            print(f"  FAILS {fault}", flush=True)
        failed = failed or bool(row.fails)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
