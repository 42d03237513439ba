"""Where players lie: regions of an image or a feature map, patches, and the tokens of a vision transformer."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from ..players import patch_regions


def regions(
    seg: np.ndarray | Tensor, shape: tuple[int, ...] | None = None, ignore: int | None = None
) -> Bool[Tensor, "players *positions"]:
    """The regions of a label map, such as superpixels: one player for each label, ascending.

    `shape` is the size of the feature map, where that is not the label map's own: each cell has the label at its
    centre. Labels equal to `ignore` are no player's, and stay as they are. Raises ValueError for labels that are not
    whole numbers, and where a label is lost because the feature map is too coarse.
    """
    seg = torch.as_tensor(seg)
    if seg.dtype == torch.bool or seg.dtype.is_floating_point and bool((seg != seg.round()).any()):
        raise ValueError(f"seg has type {seg.dtype}: allowed are whole numbers, the label of each position")
    seg = seg.long()
    labels = [label for label in seg.unique().tolist() if label != ignore]
    if shape is not None:
        if len(shape) != seg.ndim:
            raise ValueError(f"shape = {tuple(shape)}: allowed are {seg.ndim} sizes, as the label map has axes")
        for axis, size in enumerate(shape):
            centres = (torch.arange(size, device=seg.device) + 0.5) * seg.shape[axis] / size
            seg = seg.index_select(axis, centres.long())
        if lost := [label for label in labels if not bool((seg == label).any())]:
            raise ValueError(
                f"label {lost[0]} has no cell on a feature map of {tuple(shape)}: allowed are larger regions"
            )
    return torch.stack([seg == label for label in labels]) if labels else seg.new_zeros((0, *seg.shape)).bool()


def patches(
    shape: tuple[int, int], grid: int = 3, chosen: Sequence[int] | None = None
) -> Bool[Tensor, "players height width"]:
    """Patches of a grid × grid laid over an image or a feature map of `shape` = (height, width), row by row.

    `chosen` are the patches that are players (row · grid + column), all unless given; the others stay as they are.
    Raises ValueError for a patch outside the grid and where the map is smaller than the grid.
    """
    return patch_regions(torch.tensor(list(range(grid * grid) if chosen is None else chosen)), shape, grid)


def tokens(
    shape: tuple[int, int], grid: int = 3, chosen: Sequence[int] | None = None, before: int = 1
) -> Bool[Tensor, "players tokens"]:
    """The same patches over the tokens of a vision transformer, whose image tokens are `shape` = (rows, columns).

    `before` tokens, such as the class token, come first and are no player's.
    """
    flat = patches(shape, grid, chosen).flatten(1)
    return torch.cat([flat.new_zeros(len(flat), before), flat], 1)
