"""Patches of an image as players: how they are drawn, and where they lie on a feature map."""

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from ..randomness import generator


def draw_patches(
    players: int, samples: int, seed: int, grid: int = 8, margin: int = 1
) -> Int64[Tensor, "samples players"]:
    """Patches (row · grid + column, ascending) drawn for each sample from the grid less `margin` at its edges.

    Raises ValueError if there are fewer patches than players.
    """
    inside = torch.arange(grid * grid).view(grid, grid)[margin : grid - margin, margin : grid - margin].flatten()
    if not 1 <= players <= len(inside):
        raise ValueError(f"players = {players}: allowed are 1 to {len(inside)}, the patches inside the margin")
    draw = generator(seed, "patches")
    return torch.stack(
        [inside[torch.randperm(len(inside), generator=draw)[:players]].sort().values for _ in range(samples)]
    )


def patch_regions(
    patches: Int64[Tensor, "*batch players"], shape: tuple[int, int], grid: int = 8
) -> Bool[Tensor, "*batch players height width"]:
    """The regions of patches on a feature map of `shape` = (height, width).

    Choice: where the size is no multiple of the grid, its lines lie at round(size · k / grid). Raises ValueError
    for a patch outside the grid and for a feature map smaller than the grid.
    """
    if min(shape) < grid:
        raise ValueError(f"feature map = {shape[0]}×{shape[1]}: a {grid}×{grid} grid of patches needs {grid} or more")
    if patches.numel() and not 0 <= int(patches.min()) <= int(patches.max()) < grid * grid:
        raise ValueError(f"patch = {patches.unique().tolist()}: allowed are 0 to {grid * grid - 1}")
    lines = [torch.tensor([round(size * k / grid) for k in range(1, grid)]) for size in shape]
    row, column = (
        torch.bucketize(torch.arange(size), line, right=True) for size, line in zip(shape, lines, strict=True)
    )
    patch_of_cell = (row[:, None] * grid + column).to(patches.device)  # (height, width)
    return patch_of_cell == patches[..., None, None]
