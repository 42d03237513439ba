"""The noun: a game says what the output is while some players are present and the others are not."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from ..players.fitting import MOST

PART = 2**12  # states that a game is asked for at a time
CLOSE = 16  # units in the last place: what rounding leaves of a sum of many terms, roughly


@dataclass(frozen=True, eq=False)
class Game:
    """v of states: game(present) with `present` (states, players), booleans or zeros and ones, numpy or torch.

    v comes back in float64, an array for an array and a tensor for a tensor. `rounding` is how far v may be off by the
    precision that it was computed in, in units of v; 0 where that is not known.
    """

    play: Callable[[Tensor], Tensor]  # of a boolean tensor (states, players)
    names: tuple[str, ...]
    rounding: float = 0.0

    def __post_init__(self) -> None:
        if not self.names:
            raise ValueError("players = 0: allowed are 1 or more")

    @property
    def n_players(self) -> int:  # shapiq's name for it
        return len(self.names)

    def __call__(self, present: np.ndarray | Tensor | Sequence) -> np.ndarray | Tensor:
        """Raises ValueError where `present` is not (states, players) of zeros and ones."""
        given = torch.as_tensor(present)
        if given.ndim != 2 or given.shape[1] != self.n_players:
            raise ValueError(f"present has shape {tuple(given.shape)}: allowed is (states, {self.n_players})")
        if given.dtype != torch.bool and not bool(((given == 0) | (given == 1)).all()):
            raise ValueError("present has entries other than 0 and 1: allowed are booleans, True for who is present")
        values = self.play(given.bool()).double()
        return values if isinstance(present, Tensor) else values.cpu().numpy()


def check_players(n: int) -> None:
    """Raises ValueError for a number of players whose table nobody can hold."""
    if not 1 <= n <= MOST:
        size = f": a table of 2**{n} states would take {2.0 ** (n - 27):,.3g} GiB" if n > MOST else ""
        raise ValueError(f"players = {n}: allowed are 1 to {MOST}{size}")


def states(n: int, start: int = 0, stop: int | None = None) -> np.ndarray:
    """The states start to stop of n players as booleans (states, n): bit i of its number is whether i is present."""
    subsets = np.arange(start, 2**n if stop is None else min(stop, 2**n))
    return (subsets[:, None] >> np.arange(n) & 1).astype(bool)


def count(game: Callable, players: int | None = None) -> int:
    """How many players a game has: as told, or as it says itself (n_players, as of shapiq).

    Raises ValueError where neither says it, where the two differ, and for less than one.
    """
    own = getattr(game, "n_players", None)
    if own is None and players is None:
        raise ValueError("players is not given, and the game has no n_players: allowed is their number, or their names")
    if own is not None and players is not None and own != players:
        raise ValueError(f"players = {players}: the game has {own}")
    n = int(players if own is None else own)
    if n < 1:
        raise ValueError(f"players = {n}: allowed are 1 or more")
    return n


def value_table(game: Callable, players: int | None = None) -> Float64[Tensor, "subsets"]:
    """v on all 2**n states, on the CPU; bit i of a subset's index says that player i is present.

    `game` takes booleans (states, players), numpy, and returns v of each state, numpy or torch, in any floating type.
    Raises ValueError where the number of players is not known or not 1 to 30, where the game returns another shape,
    and where it returns NaN or infinity.
    """
    return with_rounding(game, players)[0]


def with_rounding(game: Callable, players: int | None = None) -> tuple[Float64[Tensor, "subsets"], float]:
    """`value_table`, and how far its entries may be off by rounding, in units of v.

    Where the game does not say so itself, by the type of what it returns; values that are all of single precision count
    as single precision.
    """
    n = count(game, players)
    check_players(n)
    return _measured(game, (states(n, start, start + PART) for start in range(0, 2**n, PART)))


def on_masks(game: Callable, masks: Bool[np.ndarray, "masks players"]) -> tuple[Float64[Tensor, " masks"], float]:
    """v on chosen states, for any number of players, and how far it may be off, as `with_rounding` has it."""
    return _measured(game, (masks[start : start + PART] for start in range(0, len(masks), PART)))


def _measured(game: Callable, parts: Iterable[Bool[np.ndarray, "states players"]]) -> tuple[Tensor, float]:
    found, single, bad, first = [], True, 0, None
    for asked in parts:
        values = game(asked)
        values = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
        if values.shape != (len(asked),):
            raise ValueError(
                f"the game returned shape {values.shape} for {len(asked)} states: allowed is ({len(asked)},)"
            )
        if values.dtype.kind not in "fiub":
            raise ValueError(f"the game returned type {values.dtype}: allowed are real numbers")
        found.append(values.astype(np.float64))
        wrong = ~np.isfinite(found[-1])
        if wrong.any():
            bad, first = bad + int(wrong.sum()), asked[wrong][0] if first is None else first
        with np.errstate(over="ignore", invalid="ignore"):
            single &= bool((found[-1] == found[-1].astype(np.float32)).all())
    values = np.concatenate(found)
    if bad:
        who = np.flatnonzero(first).tolist()
        raise ValueError(f"v is NaN or infinite on {bad} of {len(values)} states, the first with players {who} present")
    unit = float(np.finfo(np.float32 if single else np.float64).eps)
    rounding = getattr(game, "rounding", 0.0) or CLOSE * unit * float(np.abs(values).max())
    return torch.from_numpy(values), float(rounding)
