"""What a reader gives for masking, in the shape and the type that the features have, or one line."""

import torch
from jaxtyping import Bool
from torch import Tensor

MOST = 30  # players: 8 GiB of values


def fitting_baseline(baseline: float | Tensor, features: Tensor) -> Tensor:
    """The baseline in the shape and type of the features."""
    baseline = torch.as_tensor(baseline, device=features.device)
    if not features.dtype.is_floating_point and bool((baseline != baseline.round()).any()):
        raise ValueError(f"baseline = {baseline.tolist()}: features of {features.dtype} allow whole numbers")
    try:
        return baseline.to(features.dtype).expand(features.shape)
    except RuntimeError:
        shape = tuple(baseline.shape)
        raise ValueError(f"baseline has shape {shape}: allowed is what expands to {tuple(features.shape)}") from None


def fitting_regions(regions: Tensor, features: Tensor) -> Bool[Tensor, "players *positions"]:
    """The regions as booleans, over trailing axes of the features or, of (tokens, width), over the tokens."""
    n, positions = len(regions), tuple(regions.shape[1:])
    if not 1 <= n <= MOST:
        size = f": a table of 2**{n} states would take {2**n / 2**27:,.3g} GiB" if n else ""
        raise ValueError(f"players = {n}: allowed are 1 to {MOST}{size}")
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


def of_each(regions: Tensor, samples: int, features: torch.Size) -> Tensor:
    """Regions with an axis of samples in front."""

    def fits(positions: torch.Size) -> bool:
        tokens = len(features) == 2 and tuple(positions) == tuple(features[:1])
        return bool(positions) and (tokens or positions == features[len(features) - len(positions) :])

    each, shared = len(regions) == samples and fits(regions.shape[2:]), fits(regions.shape[1:])
    if each and shared and len(features) == 2:  # of images, rows and columns are meant
        raise ValueError(
            f"regions have shape {tuple(regions.shape)}: of features {tuple(features)} they are each sample's own or "
            "the same for all; allowed is one set for each sample, over all axes of the features"
        )
    own = each and (not shared or regions.ndim == 4)
    return regions if own or not shared else regions.expand(samples, *regions.shape)
