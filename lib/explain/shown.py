"""What explanations of either kind show: of all states of a game, and of masks that were drawn."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float64
from matplotlib.figure import Figure
from torch import Tensor

from . import on_image, on_sentence, told, upset


def listed(
    kinds: Sequence[str], players: Sequence[tuple[str, ...]], values: Float64[Tensor, " interactions"]
) -> pd.DataFrame:
    """Interactions as a table, the strongest first: kind, players, order, value."""
    strongest = values.abs().argsort(descending=True, stable=True).tolist()
    rows = [(kinds[k], players[k], len(players[k]), float(values[k])) for k in strongest]
    return pd.DataFrame(rows, columns=["kind", "players", "order", "value"])


class Shown:
    """Names, τ, strengths by order and a frame of interactions, and what follows from these."""

    names: tuple[str, ...]
    tau: float  # interactions up to it are not counted

    @property
    def n(self) -> int:
        return len(self.names)

    @property
    def strength(self) -> Float64[Tensor, "2 n"]:
        """A(m) of the positive and of the negative interactions above τ, m = 1…n (Eq. 4)."""
        raise NotImplementedError

    def frame(self, threshold: float | None = None) -> pd.DataFrame:
        """The interactions with |I| above the threshold, τ unless given, the strongest first.

        Columns: kind (AND, OR), players (a tuple of names), order, value. Raises ValueError for a threshold below 0.
        """
        threshold = self.tau if threshold is None else threshold
        if not threshold >= 0:
            raise ValueError(f"threshold = {threshold}: allowed is 0 or more")
        return self._above(threshold)

    def mean_order(self) -> float:
        """Σ m A(m) / Σ A(m) over both signs, above τ; NaN where there is no interaction."""
        strength = self.strength.sum(0)
        total = float(strength.sum())
        return float(strength @ torch.arange(1.0, self.n + 1).double()) / total if total else float("nan")

    def top(self, count: int = 10) -> pd.DataFrame:
        """The first rows of `frame`."""
        return self.frame().head(count)

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

    def __repr__(self) -> str:
        return told.text(self)

    def _repr_html_(self) -> str:
        return told.html(self)
