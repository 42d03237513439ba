"""A game's sparsest AND–OR interactions with the players' names, how far they are proven, and what they say."""

import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import xarray as xr
from jaxtyping import Float64
from torch import Tensor

from .. import tables
from ..disentangle import Disentangled, disentangle
from ..games import count, with_rounding
from ..sparsest import attainable_range, sparsest
from ..strengths import by_order, merge_singletons
from ..subsets import mobius
from . import told
from .masks import explain_sampled
from .sampled import SampledExplanation
from .shown import Shown, listed

TABLE = 16  # players up to which all states are measured


@dataclass(frozen=True, eq=False, repr=False)
class Explanation(Shown):
    """The sparsest interactions of one game, of all its states. All numbers are in the units of v."""

    names: tuple[str, ...]
    values: Float64[Tensor, "subsets"]  # v on all states; bit i of the index: player i is present
    i_and: Float64[Tensor, "subsets"]
    i_or: Float64[Tensor, "subsets"]  # those of order 1 are in i_and: AND{i} and OR{i} are one function
    delta: Float64[Tensor, "subsets"]  # what ζ lets go: the logical model is v − δ
    zeta: float
    tau: float  # interactions up to it are not counted
    gap: float  # Σw|I| is proven to be at most this share above the least
    unsettled: float  # of Σ|I|, at most, may lie at a neighbouring order
    rounding: float  # how far v may be off
    settings: dict[str, object]  # zeta and tau as shares of |v(N) − v(∅)|, ties, tolerance, method

    @property
    def swing(self) -> float:
        """|v(N) − v(∅)|."""
        return float((self.values[-1] - self.values[0]).abs())

    @property
    def constant(self) -> bool:
        """Whether the range of v is no more than rounding leaves, so that nothing can be said about it."""
        return float(self.values.max() - self.values.min()) <= 2 * self.rounding

    @property
    def strength(self) -> Float64[Tensor, "2 n"]:
        """A(m) of the positive and of the negative interactions above τ, m = 1…n (Eq. 4)."""
        return by_order(self.i_and, self.i_or, self.tau)

    def _above(self, threshold: float) -> pd.DataFrame:
        both = torch.stack([self.i_and, self.i_or])
        both[:, 0] = 0.0
        kind, subset = (both.abs() > threshold).nonzero(as_tuple=True)
        kinds = [("AND", "OR")[k] for k in kind.tolist()]
        return listed(kinds, [self.players(s) for s in subset.tolist()], both[kind, subset])

    def players(self, subset: int) -> tuple[str, ...]:
        """The names of the players of a subset, by its index."""
        return tuple(name for k, name in enumerate(self.names) if subset >> k & 1)

    def split(self, **options: object) -> Disentangled:
        """The strengths as decay and spindle (Eq. 9), by `disentangle` with its options, in units of v.

        Of one sample alone; `measure.overfitting` does it for many. Raises ValueError for fewer than 3 players and
        where there is no interaction above τ.
        """
        if self.n < 3:
            raise ValueError(f"players = {self.n}: allowed are 3 or more, fewer orders have no shape")
        strength = self.strength
        if not bool(strength.any()):
            raise ValueError(f"no interaction is above τ = {self.tau:.3g}: allowed is a game that has one")
        return disentangle(
            strength[None], *(table[None] for table in merge_singletons(self.i_and, self.i_or)), **options
        )

    def attainable(self, only: Sequence[int] | None = None, slack: float = 1e-4) -> pd.DataFrame:
        """The smallest and largest A(m), both signs, among all interactions as sparse as these (up to `slack`).

        One row an order, all unless `only` says which, with this explanation's own A(m); no threshold. Each end is on
        its own. Takes some tens of solves. Raises ValueError for an order that is not there.
        """
        chosen = list(range(1, self.n + 1)) if only is None else list(only)
        found = attainable_range(self.values, 0.0 if self.constant else self.zeta, chosen, slack)
        own = by_order(self.i_and, self.i_or).sum(0)
        return pd.DataFrame(
            {"smallest": found.smallest.tolist(), "A(m)": [float(own[m - 1]) for m in chosen],
             "largest": found.largest.tolist()}, index=pd.Index(chosen, name="order"),
        )  # fmt: skip

    def to_shapiq(self, kind: str = "model") -> object:
        """shapiq's InteractionValues, for its plots and indices. Raises ValueError for an unknown kind.

        "model": the Möbius interactions of the logical model, the ORs spelled out as ANDs. "AND" and "OR": those tables
        as they are; a sum over the subsets of S is only of the ANDs what it says.
        """
        from shapiq import InteractionValues

        if kind not in ("model", "AND", "OR"):
            raise ValueError(f"kind = {kind!r}: allowed are 'model', 'AND', 'OR'")
        bias = float(self.values[0])
        table = {"model": mobius(self.values - self.delta), "AND": self.i_and, "OR": self.i_or}[kind].clone()
        table[0] = 0.0 if kind == "OR" else bias
        members = {
            tuple(p for p in range(self.n) if subset >> p & 1): value
            for subset, value in enumerate(table.tolist())
            if value or not subset
        }
        return InteractionValues(
            np.array(list(members.values())), index="Moebius", max_order=self.n, n_players=self.n, min_order=0,
            interaction_lookup={key: place for place, key in enumerate(members)}, estimated=False,
            baseline_value=members[()],
        )  # fmt: skip

    def save(self, path: Path | str) -> None:
        """Writes a netCDF file with the tables, the names and the settings, whole or not at all."""
        fields = {name: ("subset", getattr(self, name).numpy()) for name in ("values", "i_and", "i_or", "delta")}
        fields |= {name: ((), float(getattr(self, name))) for name in ("zeta", "tau", "gap", "unsettled", "rounding")}
        told = json.dumps(self.settings, sort_keys=True)
        tables.write(
            xr.Dataset(fields, coords={"player": np.array(self.names, dtype=object)}, attrs={"settings": told}),
            Path(path),
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader has to know before believing the numbers, a sentence each."""
        return told.notes(self)

    @property
    def summary(self) -> list[str]:
        """What was asked, how far it is proven, and the strengths by order."""
        return told.summary(self)


def load(path: Path | str) -> Explanation | SampledExplanation:
    """What `save` of an explanation wrote. Raises FileNotFoundError, and ValueError for a file of another kind."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: Explanation.save and measure write such files")
    try:
        found = tables.read(path)
        if "found" in found.attrs:
            return SampledExplanation.of(found)
        numbers = {name: float(found[name]) for name in ("zeta", "tau", "gap", "unsettled", "rounding")}
        arrays = {name: torch.from_numpy(found[name].values) for name in ("values", "i_and", "i_or", "delta")}
        names, settings = tuple(found["player"].values.tolist()), json.loads(found.attrs["settings"])
    except (OSError, KeyError) as error:
        raise ValueError(f"{path} is no explanation, or is damaged ({str(error).splitlines()[0]})") from None
    return Explanation(names, **arrays, **numbers, settings=settings)


def explain(
    game: Callable | object,
    names: Sequence | None = None,
    zeta: float = 0.02,
    *,
    tau: float = 0.02,
    ties: str = "low",
    tolerance: float | None = None,
    method: str = "auto",
    masks: int | None = None,
    max_order: int | None = None,
    seed: int = 0,
    progress: bool = True,
) -> Explanation | SampledExplanation:
    """The sparsest AND–OR interactions of a game (Eq. 12), certified.

    game: v of states, game(present) with booleans (states, players); see `games`.
    names: of the players; those of the game, or their numbers, unless given.
    zeta, tau: shares of |v(N) − v(∅)|: how far the logical model may be from v, and from where on an interaction counts
    as salient. (In `sparsest` ζ is in units of v.) The paper takes both from the mean over many samples.
    ties, tolerance, method: as in `sparsest`, where all states are measured.

    Up to 16 players all states are measured. Above, or where `masks` is given, that many of them are: drawn by the
    seed, each player present with probability ½, besides the two with all and with none. The answer is then of the
    sparsest model of these, over all subsets or, with `max_order`, up to an order, and says whether that is certified
    and whether its strengths by order may be trusted (SampledExplanation). Unless given, the number of masks is chosen,
    in at most two steps; what they take is estimated, and printed if `progress`.

    Where the range of v is no more than rounding leaves, there are no interactions to tell, which is said with a
    warning. Raises ValueError where the game is no function, for names that do not fit, and as `games.value_table` and
    `sparsest` do.
    """
    if not callable(game):
        raise ValueError(
            f"game is a {type(game).__name__}: allowed is a function of states; games.table makes one of values"
        )
    for field, share in (("zeta", zeta), ("tau", tau)):
        if not 0 <= share < float("inf"):
            raise ValueError(f"{field} = {share}: allowed is a finite share of |v(N) − v(∅)|, 0 or more")
    names = _names(game) if names is None else tuple(str(name) for name in names)
    n = count(game, len(names) if names else None)
    names = names or tuple(str(k) for k in range(n))
    if n > TABLE or masks is not None or max_order is not None:
        asked = (("ties", ties, "low"), ("tolerance", tolerance, None), ("method", method, "auto"))
        for field, value, only in asked:
            if value != only:
                raise ValueError(f"{field} = {value!r}: allowed is {only!r} where masks are drawn")
        settings = {"zeta": float(zeta), "tau": float(tau), "masks": masks, "max_order": max_order, "seed": seed}
        return explain_sampled(game, names, settings, progress)
    values, rounding = with_rounding(game, n)
    swing = float((values[-1] - values[0]).abs())
    settings = {"zeta": float(zeta), "tau": float(tau), "ties": ties, "tolerance": tolerance, "method": method}
    flat = float(values.max() - values.min()) <= 2 * rounding
    if flat:
        warnings.warn(told.rounding(values, rounding), stacklevel=2)
    target = torch.zeros_like(values) if flat else values
    found = sparsest(target, 0.0 if flat else zeta * swing, tolerance, ties=ties, method=method)
    delta = values - values[0] if flat else found.delta
    return Explanation(
        names, values, found.i_and, found.i_or, delta, zeta * swing, tau * swing, float(found.gap),
        float(found.unsettled), rounding, settings,
    )  # fmt: skip


def _names(game: Callable) -> tuple[str, ...] | None:
    """The players' names, where the game has some: ours in `names`, shapiq's in a lookup."""
    own = getattr(game, "names", None)
    if own is None:
        lookup = getattr(game, "player_name_lookup", None)
        own = sorted(lookup, key=lookup.get) if isinstance(lookup, dict) else None
    return None if own is None else tuple(str(name) for name in own)
