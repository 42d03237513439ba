"""Players: which parts of a sample are masked, and the network's output on all 2**n masked states.

A player is a region of the features that the network's stem makes: a boolean map over the trailing axes of the
features (rows and columns of an image's feature map). Features in the region of an absent player are set to the
baseline value, and the network runs on from there; regions that belong to no player stay as they are.
"""

import torch
from jaxtyping import Bool, Float, Float64, Int64, UInt8
from torch import Tensor

from .memory import in_parts, part_size
from .networks import Cut, evaluating, full_precision
from .randomness import generator

STATES = 128  # masked states in a forward pass, at most
MOST = 30  # players: 8 GiB of values


def log_odds(logits: Float[Tensor, "*batch classes"], labels: Int64[Tensor, "*batch"]) -> Float64[Tensor, "*batch"]:
    """v = log p/(1−p) of the labelled class (Eq. 1), as its logit less the logsumexp of the others.

    In this form nothing saturates, however sure the network is. Raises ValueError for a label out of range.
    """
    classes = logits.shape[-1]
    if classes < 2 or labels.numel() and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise ValueError(f"label = {labels.unique().tolist()}: allowed are 0 to {classes - 1}, of at least 2 classes")
    logits = logits.double()
    chosen = torch.zeros_like(logits, dtype=torch.bool).scatter_(-1, labels[..., None], True)
    return logits[chosen].view(labels.shape) - logits.masked_fill(chosen, -torch.inf).logsumexp(-1)


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


class _Mask:
    """Makes the masked features of many states in one small matrix product, several times faster than a masked copy.

    A state is a row of 2n + 1 zeros and ones: which players are present, which are absent, and a one. The
    columns are the features: those in the region of each player, the baseline there, and what is no player's.
    One term of each sum is not zero, so that the product is exact.
    """

    def __init__(self, features: Tensor, regions: Tensor, baseline: float | Tensor):
        self.dtype = features.dtype
        self.layout = sorted(range(features.ndim), key=features.stride, reverse=True)  # channels last stays so
        n = len(regions)
        regions = regions.view(n, *[1] * (features.ndim - regions.ndim + 1), *regions.shape[1:])
        parts = torch.cat(
            [features * regions, _fitting_baseline(baseline, features) * regions, features[None] * ~regions.any(0)]
        )
        parts = parts.permute(0, *(axis + 1 for axis in self.layout))
        self.shape = parts.shape[1:]
        self.parts = parts.reshape(2 * n + 1, -1).to(self.dtype if self.dtype.is_floating_point else torch.float64)
        self.bits = 2 ** torch.arange(n, device=features.device)
        self.out: Tensor | None = None

    def __call__(self, subsets: Int64[Tensor, "states"]) -> Tensor:
        present = subsets[:, None] & self.bits != 0
        rows = torch.cat([present, ~present, torch.ones_like(present[:, :1])], 1).to(self.parts)
        if self.out is None or len(self.out) != len(rows):
            self.out = self.parts.new_empty(
                len(rows), self.parts.shape[1]
            )  # kept: fresh memory costs more than the product
        masked = torch.mm(rows, self.parts, out=self.out).to(self.dtype).view(-1, *self.shape)
        return masked.permute(0, *(self.layout.index(axis) + 1 for axis in range(len(self.layout))))


@full_precision()
@torch.no_grad()
def value_table(
    network: Cut,
    sample: Tensor,
    label: int | Int64[Tensor, ""],
    regions: Bool[Tensor, "players *positions"] | UInt8[Tensor, "players *positions"],
    baseline: float | Float[Tensor, "..."] | None = None,
    states: int = STATES,
) -> Float64[Tensor, "subsets"]:
    """v(x_S) for every subset S of the players of one sample, on the device of the sample.

    `sample` is one input without a batch axis. `regions` are over the trailing axes of the features; over the first
    axis where the features are (tokens, width) and the regions have one axis as long as there are tokens. Masked
    features take the value `baseline`, a number or a tensor that broadcasts to the features, such as
    (channels, 1, 1); None is the baseline of the network. The stem runs once, the head on 2**n masked states,
    `states` at a time (fewer where the memory is short), in the precision of the network. The network runs in
    evaluation mode; its mode, its buffers, the sample and the reader's settings of precision are afterwards as they
    were.

    Raises ValueError if the number of players is not 1 to 30, if regions have entries other than 0 and 1, don't fit the
    features, fit them in two ways or overlap, for a baseline that the features cannot take, for a label out of range,
    for a network in half precision, and if an output is NaN or infinite.
    """
    if half := {p.dtype for p in network.parameters()} & {torch.float16, torch.bfloat16}:
        raise ValueError(f"network has parameters of {half.pop()}: allowed are float32 and float64 (network.float())")
    with evaluating(network):
        features = network.stem(sample.clone()[None])[0]  # a stem may write into what it is given
        regions = _fitting_regions(regions.to(features.device), features)
        n = len(regions)
        mask = _Mask(features, regions, network.baseline if baseline is None else baseline)
        label = torch.as_tensor(label, device=features.device)

        def outputs(subsets: Tensor) -> Tensor:
            return log_odds(network.head(mask(subsets)), label.expand(len(subsets)))

        values = in_parts(outputs, torch.arange(2**n, device=features.device), part_size(states, features.numel()))
    if not values.isfinite().all():
        raise ValueError(
            f"the network's output is NaN or infinite on {int((~values.isfinite()).sum())} of {2**n} states"
        )
    return values


def _fitting_baseline(baseline: float | Tensor, features: Tensor) -> Tensor:
    """The baseline in the shape and type of the features."""
    baseline = torch.as_tensor(baseline, device=features.device)
    if not features.dtype.is_floating_point and bool((baseline != baseline.round()).any()):
        raise ValueError(f"baseline = {baseline.tolist()}: features of {features.dtype} allow whole numbers")
    try:
        return baseline.to(features.dtype).expand(features.shape)
    except RuntimeError:
        shape = tuple(baseline.shape)
        raise ValueError(f"baseline has shape {shape}: allowed is what expands to {tuple(features.shape)}") from None


def _fitting_regions(regions: Tensor, features: Tensor) -> Bool[Tensor, "players *positions"]:
    """The regions as booleans, over trailing axes of the features or, of (tokens, width), over the tokens."""
    n, positions = len(regions), tuple(regions.shape[1:])
    if not 1 <= n <= MOST:
        raise ValueError(f"players = {n}: allowed are 1 to {MOST}; a table has 2**players masked states")
    if regions.dtype != torch.bool and not bool(((regions == 0) | (regions == 1)).all()):
        raise ValueError(f"regions have entries {regions.unique().tolist()[:5]}: allowed are 0 and 1, one map a player")
    regions = regions.bool()
    if features.ndim == 2 and len(positions) == 1 and positions[0] == features.shape[0]:
        if features.shape[0] == features.shape[1]:
            raise ValueError(
                f"regions are over {positions}: the features are {tuple(features.shape)}, which they fit in two ways; "
                "allowed are regions over both axes"
            )
        regions = regions[..., None].expand(-1, -1, features.shape[1])  # whole tokens
    elif positions != tuple(features.shape[features.ndim - len(positions) :]):
        raise ValueError(f"regions are over {positions}: the features are {tuple(features.shape)}")
    if int(regions.sum(0).max()) > 1:
        raise ValueError("regions overlap: a position belongs to one player at most")
    return regions


def value_tables(
    network: Cut,
    samples: Tensor,
    labels: Int64[Tensor, "samples"],
    regions: Bool[Tensor, "samples players *positions"] | UInt8[Tensor, "samples players *positions"],
    baseline: float | Float[Tensor, "..."] | None = None,
    states: int = STATES,
) -> Float64[Tensor, "samples subsets"]:
    """The value tables of several samples, or of none, each with its own players; see `value_table`."""
    tables = [
        value_table(network, sample, label, own, baseline, states)
        for sample, label, own in zip(samples, labels, regions, strict=True)
    ]
    none = torch.empty(0, 2 ** regions.shape[1], dtype=torch.float64, device=samples.device)
    return torch.stack(tables) if tables else none
