"""Figure 1's drawing: interactions on the image, each with the regions of its players."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .picture import Picture

DIM = 0.25  # of the brightness, where no player of the interaction is
COLUMNS = 3


def draw(frame: pd.DataFrame, names: Sequence[str], image: np.ndarray, regions: np.ndarray) -> Figure:
    """A panel for each row of `frame`, with the columns of `Explanation.frame`, and one of the image before them."""
    picture = _picture(image)
    rows = -(-(len(frame) + 1) // COLUMNS)
    figure = Picture((2.2 * COLUMNS, 2.5 * rows), layout="constrained")
    panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes in panels:
        axes.set_axis_off()
    panels[0].imshow(picture, cmap="gray", vmin=0, vmax=1)
    panels[0].set_title("the image", fontsize="small")
    for axes, row in zip(panels[1:], frame.itertuples(), strict=False):
        shown = regions[[list(names).index(name) for name in row.players]].any(0)
        bright = np.where(_stretched(shown, picture.shape[:2]), 1.0, DIM)
        axes.imshow(picture * (bright[..., None] if picture.ndim == 3 else bright), cmap="gray", vmin=0, vmax=1)
        mark = "● AND" if row.kind == "AND" else "○ OR"
        axes.set_title(f"{mark} {row.value:+.3g}".replace("-", "−"), fontsize="small")
    return figure


def _picture(image: np.ndarray) -> np.ndarray:
    """The image between 0 and 1, (rows, columns) or (rows, columns, 3)."""
    if image.ndim == 3 and image.shape[0] in (1, 3) and image.shape[2] not in (1, 3):
        image = image.transpose(1, 2, 0)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if image.ndim != 2 and not (image.ndim == 3 and image.shape[2] == 3):
        raise ValueError(
            f"image has shape {image.shape}: allowed are (rows, columns), with 1 or 3 channels before or after"
        )
    image = image.astype(float)
    low, high = float(image.min()), float(image.max())
    return (image - low) / (high - low) if high > low else np.zeros_like(image)


def _stretched(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A map at the resolution of the image: each pixel is in the cell that its centre is in."""
    row, column = (((np.arange(n) + 0.5) * m / n).astype(int) for n, m in zip(shape, mask.shape, strict=True))
    return mask[row][:, column]
