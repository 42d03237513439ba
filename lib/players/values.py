"""Value tables: the network's output on all 2**n masked states of a sample.

A player is a region of the features that the network's stem makes: a boolean map over the trailing axes of the
features (rows and columns of an image's feature map). Features in the region of an absent player are set to the
baseline value, and the network runs on from there; regions that belong to no player stay as they are.
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, Int64, UInt8
from torch import Tensor

from ..datasets import Data
from ..memory import in_parts, part_size
from ..networks import Cut, evaluating, full_precision
from .fitting import fitting_baseline, fitting_regions, of_each

Array = Tensor | np.ndarray
STATES = 128  # masked states in a forward pass, at most


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


def logit(logits: Float[Tensor, "*batch classes"], labels: Int64[Tensor, "*batch"]) -> Float64[Tensor, "*batch"]:
    """The labelled class's own logit: another choice of v, which no other class enters."""
    return logits.double().gather(-1, labels[..., None])[..., 0]


class _Mask:
    """Makes the masked features of many states, and writes only what differs from those made last.

    In consecutive states of the same number, most players are present where they were before: their regions stay as
    they are. The features of a call are gone with the next one; a network may write into them.
    """

    def __init__(self, features: Tensor, regions: Tensor, baseline: float | Tensor):
        self.order = sorted(range(features.ndim), key=features.stride, reverse=True)  # channels last stays so
        whole = regions.view(len(regions), *[1] * (features.ndim - regions.ndim + 1), *regions.shape[1:])
        whole = self._flat(whole.expand(len(regions), *features.shape))
        self.places = [region.nonzero()[:, 0] for region in whole]
        self.present = self._flat(features[None])[0]
        self.absent = self._flat(fitting_baseline(baseline, features)[None])[0]
        self.shape = [features.shape[axis] for axis in self.order]
        self.bits = 2 ** torch.arange(len(regions), device=features.device)
        self.out = self.present.new_empty(0, len(self.present))
        self.rows = torch.empty(0, len(regions), dtype=torch.bool)  # who is present in `out`
        self.version = 0  # of `out`, as torch counts what is written into it

    def __call__(self, subsets: Int64[Tensor, "states"]) -> Tensor:
        rows = subsets[:, None] & self.bits != 0
        # In inference mode torch does not count what is written: then nothing stays.
        if len(rows) != len(self.rows) or self.out.is_inference() or self.out._version != self.version:
            self.out = self.present.repeat(len(rows), 1)
            self.rows = torch.ones_like(rows)
        for player in (rows != self.rows).any(0).nonzero()[:, 0].tolist():
            place, there = self.places[player], rows[:, player]
            differ = there != self.rows[:, player]
            for state, values in ((True, self.present), (False, self.absent)):
                written = (differ & (there == state)).nonzero()
                if len(written) == len(rows):
                    self.out[:, place] = values[place]
                elif len(written):
                    self.out[written, place] = values[place]
        self.rows, self.version = rows, 0 if self.out.is_inference() else self.out._version
        masked = self.out.view(-1, *self.shape)
        return masked.permute(0, *(self.order.index(axis) + 1 for axis in range(len(self.order))))

    def _flat(self, features: Tensor) -> Tensor:
        """(states, features) in the order in which they lie in memory."""
        return features.permute(0, *(axis + 1 for axis in self.order)).reshape(len(features), -1)


@full_precision()
@torch.no_grad()
def value_table(
    network: Cut,
    sample: Array,
    label: int | Int64[Tensor, ""],
    regions: Bool[Array, "players *positions"] | UInt8[Array, "players *positions"],
    baseline: float | Float[Tensor, "..."] | None = None,
    states: int = STATES,
    output: Callable[[Tensor, Tensor], Tensor] = log_odds,
) -> Float64[Tensor, "subsets"]:
    """v(x_S) for every subset S of the players of one sample, on the device of the sample.

    `sample` is one input without a batch axis. `regions` are over the trailing axes of the features; over the first
    axis where the features are (tokens, width) and the regions have one axis as long as there are tokens. Masked
    features take the value `baseline`, a number or a tensor that broadcasts to the features, such as
    (channels, 1, 1); None is the baseline of the network. `output` makes v of logits and labels. The stem runs once,
    the head on 2**n masked states, `states` at a time (fewer where the memory is short), in the precision of the
    network. The network runs in evaluation mode; its mode, its buffers, the sample and the reader's settings of
    precision are afterwards as they were.

    Raises ValueError if the number of players is not 1 to 30, if regions have entries other than 0 and 1, don't fit the
    features, fit them in two ways or overlap, for a baseline that the features cannot take, for a label out of range,
    for a network in half precision, for a sample that it cannot take, and if an output is NaN or infinite.
    """
    sample, regions = torch.as_tensor(sample), torch.as_tensor(regions)
    if half := {p.dtype for p in network.parameters()} & {torch.float16, torch.bfloat16}:
        raise ValueError(f"network has parameters of {half.pop()}: allowed are float32 and float64 (network.float())")
    with evaluating(network):
        features = _features(network, sample)
        regions = fitting_regions(regions.to(features.device), features)
        n = len(regions)
        mask = _Mask(features, regions, network.baseline if baseline is None else baseline)
        label = torch.as_tensor(label, device=features.device)

        def outputs(subsets: Tensor) -> Tensor:
            return output(network.head(mask(subsets)), label.expand(len(subsets)))

        values = in_parts(outputs, torch.arange(2**n, device=features.device), part_size(states, features.numel()))
    if not values.isfinite().all():
        raise ValueError(
            f"the network's output is NaN or infinite on {int((~values.isfinite()).sum())} of {2**n} states"
        )
    return values


@full_precision()
@torch.no_grad()
def value_tables(
    network: Cut,
    samples: Array,
    labels: Int64[Tensor, "samples"],
    regions: Bool[Array, "..."] | UInt8[Array, "..."],
    baseline: float | Float[Tensor, "..."] | None = None,
    states: int = STATES,
    output: Callable[[Tensor, Tensor], Tensor] = log_odds,
) -> Float64[Tensor, "samples subsets"]:
    """The value tables of several samples, or of none; see `value_table`.

    `regions` are (samples, players, positions), each sample's own, or (players, positions), the same for all; how many
    axes positions have is read from the features. Raises ValueError where regions over tokens could be both.
    """
    samples, regions = torch.as_tensor(samples), torch.as_tensor(regions)
    if len(samples):
        with evaluating(network):
            features = _features(network, samples[0]).shape
        regions = of_each(regions, len(samples), features)
    tables = [
        value_table(network, sample, label, own, baseline, states, output)
        for sample, label, own in zip(samples, labels, regions, strict=True)
    ]
    none = torch.empty(0, 2 ** regions.shape[1], dtype=torch.float64, device=samples.device)
    return torch.stack(tables) if tables else none


def _features(network: Cut, sample: Tensor) -> Tensor:
    """What the stem makes of one sample, which stays as it is."""
    try:
        return network.stem(sample.clone()[None])[0]  # a stem may write into what it is given
    except (RuntimeError, ValueError, TypeError) as error:
        shape, reason = tuple(sample.shape), str(error).splitlines()[0]
        raise ValueError(
            f"sample has shape {shape} and type {sample.dtype}, which the network cannot take ({reason}): "
            "allowed is one sample as the network takes it, without a batch axis"
        ) from error


@full_precision()
@torch.no_grad()
def mean_features(network: Cut, data: Data, x: Tensor) -> Float32[Tensor, "channels 1 1"]:
    """The mean of each channel of what the stem makes of images, over `x`, stored samples of `data`, and positions.

    As a baseline it is footnote 4's mean colour where pixels are masked.
    """
    size = part_size(STATES, int(np.prod(data.shape)), budget=2**22)

    def sums(part: Tensor) -> Tensor:
        return network.stem(data.prepare(x[part])).double().flatten(2).mean(2).sum(0)[None]

    with evaluating(network):
        total = in_parts(sums, torch.arange(len(x), device=x.device), size).sum(0)
    return (total / len(x)).float()[:, None, None]


def rounded(values: np.ndarray, bits: int = 20) -> np.ndarray:
    """Value tables (…, 2**n) to multiples of 2**−bits of a power of two above the largest |v| of each.

    The default is about the precision of a network in float32, and makes the compressed file a third as large.
    """
    exponent = np.frexp(np.abs(values).max(-1, keepdims=True, initial=0.0))[1]
    return np.ldexp(np.rint(np.ldexp(values, bits - exponent)), exponent - bits)
