"""The sparsest AND-OR model of the masks that were measured, over all subsets, for any number of players."""

import dataclasses
import math
import warnings

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from ...checks import require
from ..table import check_number
from . import start
from .answer import Sampled
from .columns import none
from .measured import check
from .program import GAP, Model, solve

HELD_OUT = 5  # one mask in so many
ROUNDING = 1e-9  # of the largest |v - v(∅)|: by so much h may miss zeta, and is told to fit


def sparsest_sampled(
    masks: Shaped[Tensor, "..."],
    values: Shaped[Tensor, "..."],
    zeta: float,
    max_order: int | None = None,
    bias: float = 0.0,
    tie_break: float = 0.0,
    *,
    seed: int = 0,
    limit: int = 20_000_000,
) -> Sampled:
    """Minimise Σ_S w_S |I(S)| over all AND and OR interactions with |v - h| ≤ zeta on the measured masks (Eq. 12).

    masks: (masks, players), True where a player is present. Draw them with each player kept with probability ½, and add
    the one with all: the proof that no other interaction is worth its cost looks at subsets until few masks contain
    them. A mask may come more than once.
    values: v on these masks, float64, in units of the output.
    zeta: how far h may be from v, in the same units. Three to four standard deviations of what in v is no interaction
    worth having is a good one; far below the noise the model has about as many interactions as masks.
    max_order: the highest order |S|; unless given, n. A cap below the truth dictates the shape of A(m), and takes long.
    bias: v of the empty mask, in the same units; h has it there.
    tie_break: w_S = 1 + tie_break·|S|, to pick the end of low orders where the optimum is not unique.
    seed: of the fifth of the masks that is held out for R².
    limit: subsets that one search looks at, at most. Beyond it the answer may not be certified, and says so.

    The answer does not depend on the order of the rows. Warns where it is not certified. Raises ValueError, in one
    line, for masks, values or parameters out of range, for players that never vary, for fewer than 2n different masks,
    and where values of equal masks differ by more than 2 zeta.
    """
    measured, v = check(masks, values, float(zeta), float(bias))
    n = measured.masks.shape[1]
    require(max_order is None or 1 <= max_order <= n, "max_order", max_order, f"None, or from 1 to {n}")
    check_number("tie_break", tie_break, 0.0)
    require(seed >= 0, "seed", seed, "at least 0")
    check_number("limit", limit, 1)
    highest = n if max_order is None else int(max_order)

    size = float(np.abs(measured.g).max())
    unit = 2.0 ** (math.frexp(size)[1] - 1) if size > 0.0 else 1.0  # a power of two, which costs no accuracy
    scaled = measured / unit
    held_out = np.zeros(len(measured.g), dtype=bool)
    held_out[np.random.default_rng(seed).permutation(len(held_out))[: len(held_out) // HELD_OUT]] = True
    if (np.abs(scaled.g) <= scaled.zeta).all():  # h = bias will do
        model, seen = Model(none(n), np.zeros(0), 0.0, 0.0, True, 0, 0), 0
        r2 = measured[held_out].r_squared(np.zeros(int(held_out.sum())))
    else:
        begun = start.lasso(scaled, held_out, tie_break, highest)
        expected = len(begun.columns) / len(measured.g)
        part = solve(scaled[~held_out], begun.columns, tie_break, highest, limit, expected)
        r2 = scaled[held_out].r_squared(part.columns.on(scaled.masks[held_out]) @ part.strengths)
        model = solve(scaled, begun.columns + part.columns, tie_break, highest, limit, expected)
        seen = begun.nodes + part.nodes

    order = np.argsort(-np.abs(model.strengths), kind="stable")
    columns, strengths = model.columns[order], model.strengths[order] * unit
    objective = float((1.0 + tie_break * columns.order) @ np.abs(strengths))
    inside = measured.g - columns.on(measured.masks) @ strengths
    misses = float((np.abs(inside) - measured.zeta).max(initial=0.0))
    fits = model.slack == 0.0 and misses <= ROUNDING * size
    bound = model.lower_bound * unit
    if not fits:
        objective = math.inf
    bound = min(bound, objective)  # by rounding alone could it be above
    gap = (objective - bound) / objective if 0.0 < objective < math.inf else float(objective > 0.0)
    verdict = told(fits, gap, model, highest, n, limit, bound)
    if verdict != "certified":
        warnings.warn(verdict, stacklevel=2)
    found = Sampled(
        members=torch.from_numpy(columns.members),
        is_or=torch.from_numpy(columns.is_or),
        strengths=torch.from_numpy(strengths),
        bias=float(bias),
        objective=objective,
        lower_bound=bound,
        gap=gap,
        certified=verdict == "certified",
        verdict=verdict,
        worst_error=0.0,
        held_out_r2=r2,
        masks=len(measured.g),
        highest=highest,
        rounds=model.rounds,
        subsets_seen=seen + model.nodes,
    )
    worst = float((torch.from_numpy(v) - found.predict(masks.cpu())).abs().max())
    return dataclasses.replace(found, worst_error=worst)


def told(fits: bool, gap: float, model: Model, highest: int, n: int, limit: int, bound: float) -> str:
    """What is proven, in words."""
    if fits and gap <= GAP:
        return "certified"
    why = f"after {model.rounds} rounds" if model.complete else f"a search came to its limit of {limit} subsets"
    if fits:
        return f"not certified: {why}, at a gap of {gap:.2g}"
    if model.slack == 0.0:
        return "not certified: rounding took the model out of zeta"
    orders = f"order {highest} or less" if highest < n else "any order"
    return f"not certified: {why} without a model of {orders} within zeta; its strength would be at least {bound:.3g}"
