"""The methods there are, which of them "auto" takes, and how long it will be about.

Operations are counted, not timed, so that the same table gets the same answer on any machine.
"""

import torch

from . import first_order, interior_point, rows, simplex
from .batches import FEW, free_memory

SOLVERS = {  # and after how many iterations each gives up
    "interior point": (interior_point, 100),
    "first order": (first_order, 20_000),
    "simplex": (simplex, 20_000),
    "rows": (rows, 100),
}
FROM = {"cpu": 10, "cuda": 12}  # players from which on rows are generated: a GPU takes many small tables at once
SHORT = 10  # and up to which operations are so short that two workers would mostly wait for the interpreter
DENSE = 14  # players up to which the interior point may take all states at once
FINE = 1e-5  # relative gaps below it are more than the first-order method gets to
# Multiplications of a second on two cores of a fifth-generation EPYC: in factorisations of all states, of some of them
# (row_equations.py leaves these to LAPACK), and in transforms. An old Xeon does half as many.
OF_ALL, OF_ROWS, IN_TABLES = 6e10, 1e11, 7.5e9
STEPS = 12  # factorisations of a table, about


class TakesLong(UserWarning):
    """Said before the work that may take more than 10 s, with from how long to how long."""


def choose(n: int, exact: bool, tolerance: float, device: torch.device) -> str:
    """The method of "auto"; `exact` where ζ = 0 in all tables, which then need all of their rows.

    Up to 9 players the interior point, on a GPU up to 11. Above that row generation, but for ζ = 0: then the interior
    point up to 12 players, and with 13 and 14 where the tolerance is below `FINE`; else the first-order method. What
    does not fit in 0.8 of the free memory is left to the first-order method.
    """
    if n >= FROM.get(device.type, FROM["cuda"]) and not exact:
        method = "rows"
    else:
        method = "interior point" if n <= rows.WHOLE or (n <= DENSE and tolerance < FINE) else "first order"
    fits = SOLVERS[method][0].bytes_per_sample(n) < 0.8 * free_memory(device)
    return method if fits else "first order"


def parts(method: str, n: int) -> tuple[int | None, int]:
    """How many parts of a batch should be worked on at once, None for as many as there are threads; of how many tables.

    Where operations are short, more tables share each of them: 5 to 9 % less a table.
    """
    return (1, 3 * FEW) if method == "rows" and n <= SHORT else (None, FEW)


def seconds(method: str, n: int, tolerance: float, samples: int) -> tuple[float, float]:
    """From about how long to how long so many tables take on two cores. The simplex's pivots cannot be foretold."""
    table = 60 * n * 2**n / IN_TABLES  # an iteration of the first-order method
    dense = STEPS * 8**n / 3 / OF_ALL
    steps = min(20_000.0, 2_500 * (1e-3 / tolerance) ** 0.5)
    if method == "interior point":
        low, high = 0.7 * dense, 1.3 * dense
    elif method == "rows":
        some, most = (STEPS * states**3 / 3 / OF_ROWS for states in (0.1 * 2**n, min(2.0**n, rows.LARGEST)))
        low = rows.looks(n)[0] * table + 0.5 * some
        high = sum(rows.looks(n)) * table + max(most, 1.3 * dense if n <= rows.WHOLE else steps * table)
    elif method == "first order":
        low, high = 0.5 * steps * table, min(20_000.0, 3 * steps) * table
    else:
        low = high = 0.0
    return samples * low, samples * high
