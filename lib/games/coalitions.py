"""Values at hand as a game: a table over all coalitions, in whichever order it comes."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from .game import Game, check_players

ORDERS = ("binary", "by size")


def table(
    values: np.ndarray | Tensor | Sequence[float],
    order: str | np.ndarray | Tensor | Sequence = "binary",
    names: Sequence[str] | None = None,
) -> Game:
    """The game whose v of each coalition is in `values`, 2**n numbers.

    `order` says whose value each entry is. "binary": bit i of the index says that player i is present, as everywhere
    here. "by size": the empty coalition, the single players, the pairs (0, 1), (0, 2), …, (1, 2), …, as
    itertools.combinations and shapiq have them. Or the coalitions themselves: booleans (2**n, n), or tuples of players.
    Raises ValueError where there are not 2**n finite values, and where a coalition is there twice or not at all.
    """
    values = np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values, dtype=np.float64)
    n = len(values).bit_length() - 1 if values.ndim == 1 else 0
    if values.ndim != 1 or len(values) != 2**n or n < 1:
        raise ValueError(f"values has shape {values.shape}: allowed is (2**n,), one value a coalition")
    check_players(n)
    if not np.isfinite(values).all():
        raise ValueError(
            f"values has {int((~np.isfinite(values)).sum())} entries NaN or infinite: allowed are finite ones"
        )
    index = _indices(order, n)
    if sorted(index.tolist()) != list(range(2**n)):
        raise ValueError(f"order has {len(set(index.tolist()))} of the {2**n} coalitions: allowed is each once")
    ordered = np.empty_like(values)
    ordered[index] = values
    binary = torch.from_numpy(ordered)

    def play(present: Tensor) -> Tensor:
        return binary[(present.cpu().long() << torch.arange(n)).sum(1)]

    return Game(play, named(names, n))


def named(names: Sequence | None, n: int) -> tuple[str, ...]:
    """The players' names: as given, or their numbers from 0 on. Raises ValueError unless there is one for each."""
    if names is None:
        return tuple(str(k) for k in range(n))
    if len(names) != n:
        raise ValueError(f"names has {len(names)} entries: allowed is one for each of {n} players")
    return tuple(str(name) for name in names)


def _indices(order: str | np.ndarray | Tensor | Sequence, n: int) -> np.ndarray:
    if isinstance(order, str):
        if order not in ORDERS:
            raise ValueError(f"order = {order!r}: allowed are {', '.join(map(repr, ORDERS))} or the coalitions")
        if order == "binary":
            return np.arange(2**n)
        order = [members for size in range(n + 1) for members in combinations(range(n), size)]
    if isinstance(order, np.ndarray | Tensor) or np.ndim(order[0]) and len({len(row) for row in order}) == 1:
        masks = np.asarray(order)
        if masks.shape != (2**n, n) or not np.isin(masks, (0, 1)).all():
            raise ValueError(
                f"order has shape {masks.shape}: allowed are booleans of shape {(2**n, n)}, one row a value"
            )
        return masks.astype(np.int64) @ (1 << np.arange(n))
    wrong = [row for row in order if not set(row) <= set(range(n)) or len(set(row)) < len(row)]
    if wrong:
        raise ValueError(f"order has {tuple(wrong[0])}: allowed are tuples of different players from 0 to {n - 1}")
    return np.array([sum(1 << int(player) for player in row) for row in order])
