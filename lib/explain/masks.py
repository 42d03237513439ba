"""From a game of many players to masks, and to the sparsest model of these: how many, how long, and when to stop."""

import time
import warnings
from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Bool
from numpy import ndarray as Array

from .. import games
from ..sparsest import Sampled, sparsest_sampled
from ..sparsest.sampled import EACH
from . import told
from .sampled import TIE_BREAK, SampledExplanation

FEWEST, A_PLAYER = 1000, 20  # masks at first: so many, and at least so many a player
MORE = 4.0  # times as many masks as at first, at most
TIMED = 64  # masks by which the time of all is estimated
LIMIT = 2_000_000  # subsets that one search looks at: seconds


def draw(n: int, count: int, seed: int) -> Bool[Array, "masks players"]:
    """Different masks: none present, all present, then each player with probability ½. More begin with the same ones.

    Raises ValueError for fewer than two a player, and for more than half of all that there are.
    """
    most = 2 ** (n - 1)
    if not 2 * n < count <= most:
        raise ValueError(f"masks = {count}: allowed are {2 * n + 1} or more, and half of {n} players' states at most")
    generator = np.random.default_rng(seed)
    found = np.stack([np.zeros(n, dtype=bool), np.ones(n, dtype=bool)])
    while len(found) < count:
        more = np.concatenate([found, generator.random((4096, n)) < 0.5])
        first = np.unique(np.packbits(more, axis=1), axis=0, return_index=True)[1]
        found = more[np.sort(first)]
    return found[:count]


def explain_sampled(game: Callable, names: Sequence[str], settings: dict, progress: bool) -> SampledExplanation:
    """`explain` from masks. Raises ValueError as it does."""
    n, asked, cap = len(names), settings["masks"], settings["max_order"]
    if cap is not None and not 1 <= cap <= n:
        raise ValueError(f"max_order = {cap}: allowed are None, or 1 to {n}")
    say = print if progress else (lambda line: None)
    count = min(2 ** (n - 1), max(FEWEST, A_PLAYER * n)) if asked is None else asked
    masks = draw(n, count, settings["seed"])
    start = time.perf_counter()
    values, rounding = games.on_masks(game, masks[:TIMED])
    took = (time.perf_counter() - start) / len(values)
    say(f"{n} players: {count} masks take about {told.duration(took * count)} to measure; their sparsest model takes "
        "seconds where interactions are few, minutes where they are many hundreds")  # fmt: skip
    if count > len(values):
        more, off = games.on_masks(game, masks[TIMED:])
        values, rounding = torch.cat([values, more]), max(rounding, off)
    found = _explained(names, masks, values, rounding, settings)
    if asked is not None or found.constant or (needed := _needed(found.found, count, n)) <= count:
        return found
    say(f"R² {found.found.held_out_r2:.3f} on held-out masks, {len(found.found.strengths)} interactions: {needed} "
        f"masks now, about {told.duration(took * (needed - count))} more to measure")  # fmt: skip
    masks = draw(n, needed, settings["seed"])
    more, off = games.on_masks(game, masks[count:])
    return _explained(names, masks, torch.cat([values, more]), max(rounding, off), settings)


def _needed(found: Sampled, count: int, n: int) -> int:
    """How many masks there should be: as many as there are where they leave no doubt."""
    if not found.doubt or not len(found.strengths):
        return count
    return int(min(2 ** (n - 1), MORE * count, max(2 * count, EACH * found.matter)))


def _explained(
    names: Sequence[str], masks: Bool[Array, "masks players"], values: torch.Tensor, rounding: float, settings: dict
) -> SampledExplanation:
    swing, span = float((values[1] - values[0]).abs()), float(values.max() - values.min())
    zeta, cap, n = settings["zeta"] * swing, settings["max_order"], len(names)
    flat = span <= 2 * rounding
    if flat:
        warnings.warn(told.rounding(values, rounding), stacklevel=4)
    asked = torch.from_numpy(masks), values, max(zeta, span) if flat else zeta

    def solve(highest: int | None) -> Sampled:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "not certified", UserWarning)  # the answer says so
            return sparsest_sampled(
                *asked, highest, float(values[0]), TIE_BREAK, seed=settings["seed"], limit=LIMIT
            )  # fmt: skip

    found, apart = solve(cap), None
    if cap is not None:
        apart = 0.0 if cap == n else _apart(found, solve(cap + 1))
    return SampledExplanation(
        tuple(names), asked[0], values, found, zeta, settings["tau"] * swing, rounding, apart, settings
    )


def _apart(one: Sampled, other: Sampled) -> float:
    """Half the L1 distance of two shapes of A(m), of orders 1 and 2 as one, which cost the same."""
    shapes = []
    for found in (one, other):
        a = found.by_order()
        a = torch.cat([a[:, :2].sum(1, keepdim=True), a[:, 2:]], 1)
        shapes.append(a / a.sum() if bool(a.any()) else a)
    return float((shapes[0] - shapes[1]).abs().sum() / 2)
