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
from matplotlib.figure import Figure
from torch import Tensor

from .. import tables
from ..disentangle import Disentangled, disentangle
from ..games import with_rounding
from ..sparsest import attainable_range, sparsest
from ..strengths import by_order, merge_singletons
from ..subsets import mobius
from . import on_image, on_sentence, told, upset


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """The sparsest interactions of one game. All numbers are in the units of v."""

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
    def n(self) -> int:
        return len(self.names)

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

    def mean_order(self) -> float:
        """Σ m A(m) / Σ A(m) over both signs, above τ; NaN where there is no interaction."""
        strength = self.strength.sum(0)
        total = float(strength.sum())
        return float(strength @ torch.arange(1.0, self.n + 1).double()) / total if total else float("nan")

    def frame(self, threshold: float | None = None) -> pd.DataFrame:
        """The interactions with |I| above the threshold, τ unless given, the strongest first.

        Columns: kind (AND, OR), players (a tuple of names), order, value. Raises ValueError for a threshold below 0.
        """
        threshold = self.tau if threshold is None else threshold
        if not threshold >= 0:
            raise ValueError(f"threshold = {threshold}: allowed is 0 or more")
        both = torch.stack([self.i_and, self.i_or])
        both[:, 0] = 0.0
        kind, subset = (both.abs() > threshold).nonzero(as_tuple=True)
        value = both[kind, subset]
        strongest = value.abs().argsort(descending=True, stable=True)
        rows = [
            (("AND", "OR")[k], self.players(s), s.bit_count(), float(x))
            for k, s, x in zip(kind[strongest].tolist(), subset[strongest].tolist(), value[strongest], strict=True)
        ]
        return pd.DataFrame(rows, columns=["kind", "players", "order", "value"])

    def top(self, count: int = 10) -> pd.DataFrame:
        """The first rows of `frame`."""
        return self.frame().head(count)

    def players(self, subset: int) -> tuple[str, ...]:
        """The names of the players of a subset, by its index."""
        return tuple(name for k, name in enumerate(self.names) if subset >> k & 1)

    def plot(self, count: int = 15) -> Figure:
        """An upset plot of the strongest interactions: filled dots for AND, rings for OR, signed bars above."""
        return upset.draw(self.top(count), self.names)

    def on_image(self, image: np.ndarray | Tensor, regions: np.ndarray | Tensor, count: int = 6) -> Figure:
        """The strongest interactions on the image, a panel each: their players' regions bright, all else dim.

        image: (rows, columns), or with 1 or 3 channels before or after; regions: booleans (players, rows, columns), of
        any resolution. Raises ValueError for other shapes.
        """
        places = np.asarray(torch.as_tensor(regions).cpu())
        if places.ndim != 3 or len(places) != self.n:
            raise ValueError(f"regions has shape {places.shape}: allowed is ({self.n}, rows, columns), a map a player")
        return on_image.draw(self.top(count), self.names, np.asarray(torch.as_tensor(image).cpu()), places)

    def on_sentence(self, sentence: str | tuple[str, str], count: int = 6) -> Figure:
        """The strongest interactions on the sentence that `games.words` took, one below the other.

        Raises ValueError where a player is no word of it.
        """
        return on_sentence.draw(self.top(count), self.names, sentence)

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

    def __repr__(self) -> str:
        return told.text(self)

    def _repr_html_(self) -> str:
        return told.html(self)


def load(path: Path | str) -> Explanation:
    """What `Explanation.save` wrote. Raises FileNotFoundError, and ValueError for a file of another kind, one line."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: Explanation.save and measure write such files")
    try:
        found = tables.read(path)
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
) -> Explanation:
    """The sparsest AND–OR interactions of a game (Eq. 12), certified.

    game: v of states, game(present) with booleans (states, players); see `games`.
    names: of the players; those of the game, or their numbers, unless given.
    zeta, tau: shares of |v(N) − v(∅)|: how far the logical model may be from v, and from where on an interaction counts
    as salient. (In `sparsest` ζ is in units of v.) The paper takes both from the mean over many samples.
    ties, tolerance, method: as in `sparsest`.

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
    values, rounding = with_rounding(game, len(names) if names else None)
    names = names or tuple(str(k) for k in range(len(values).bit_length() - 1))
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
