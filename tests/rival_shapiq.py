"""shapiq beside us in `make bench`, in a process of its own, whose Python may be another.

SHAPIQ_PYTHON=/path/to/python make bench

The newest shapiq wants a newer Python than ours: an environment with shapiq and lightgbm is enough. The process reads
a table of 2**n values, with bit p of a state for player p, and writes what it found, both as .npz.
"""

import io
import os
import subprocess
import sys
import time
import warnings
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

PYTHON = os.environ.get("SHAPIQ_PYTHON", sys.executable)


@dataclass(frozen=True)
class Found:
    """shapiq's AND interactions of one table."""

    version: str
    seconds: float
    asked: np.ndarray  # the states whose values it asked for
    coalitions: np.ndarray  # (interactions,), as states
    strengths: np.ndarray


def shapiq(values: np.ndarray, budget: int = 0) -> Found:
    """The Möbius transform of a table by shapiq's ExactComputer, or with a budget what ProxySPEX finds with it."""
    given = io.BytesIO()
    np.savez(given, values=values, budget=budget)
    command = [PYTHON, "-c", Path(__file__).read_text(encoding="utf-8")]
    done = subprocess.run(command, input=given.getvalue(), stdout=subprocess.PIPE, check=True)
    found = np.load(io.BytesIO(done.stdout))
    tables = (found[name] for name in ("asked", "coalitions", "strengths"))
    return Found(str(found["version"]), float(found["seconds"]), *tables)


def main() -> None:
    import shapiq

    answer, sys.stdout = sys.stdout.buffer, sys.stderr  # what joblib prints is no answer
    warnings.simplefilter("ignore")  # of LightGBM's, on names of columns
    given = np.load(io.BytesIO(sys.stdin.buffer.read()))
    values, budget = given["values"], int(given["budget"])
    n, asked = len(values).bit_length() - 1, []
    place = 1 << np.arange(n)

    class Table(shapiq.Game):
        def __init__(self):
            super().__init__(n_players=n, normalize=False)

        def value_function(self, coalitions: np.ndarray) -> np.ndarray:
            asked.append(coalitions.astype(np.int64) @ place)
            return values[asked[-1]]

    class Spex(shapiq.ProxySPEX):
        """With the Möbius transform kept that it finds: its AND interactions, of whatever order."""

        def _process_moebius(self, moebius_transform):
            self.ands = moebius_transform
            return super()._process_moebius(moebius_transform)

    game = Table()
    begun = time.perf_counter()
    if budget:
        rival = Spex(n=n, index="FBII", max_order=2, random_state=0)
        rival.approximate(budget, game)
        ands = rival.ands
    else:
        found = shapiq.ExactComputer(game, n_players=n)("Moebius", order=n)
        ands = {who: found.values[at] for who, at in found.interaction_lookup.items()}
    seconds = time.perf_counter() - begun
    states = [sum(1 << int(player) for player in who) for who in ands]
    np.savez(
        answer, version=version("shapiq"), seconds=seconds, asked=np.unique(np.concatenate(asked)),
        coalitions=np.array(states, dtype=np.int64), strengths=np.array([float(i) for i in ands.values()]),
    )  # fmt: skip


if __name__ == "__main__":
    main()
