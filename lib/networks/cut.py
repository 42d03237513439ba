"""A network in two parts, between which the players are masked, and how it is run: head(stem(x)) are the logits."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class Cut(nn.Module):
    """A network as two parts: `stem` makes the features that are masked, `head` makes the logits from them.

    A masked feature takes the value `baseline`.
    """

    def __init__(self, stem: nn.Module, head: nn.Module, baseline: float = 0.0):
        super().__init__()
        self.stem = stem
        self.head = head
        self.baseline = baseline

    def forward(self, x: Float[Tensor, "batch ..."] | Int[Tensor, "batch length"]) -> Float[Tensor, "batch classes"]:
        return self.head(self.stem(x))


def cut_at(network: Cut, where: str | None) -> Cut:
    """The same network, with the same tensors of weights, masked elsewhere: after its "relu1" or "relu2", or "pixels".

    None leaves it as it is. Only layers of the outermost sequence count. Pixels are masked before anything is done to
    them. Raises ValueError where there is no such layer.
    """
    if where is None:
        return network
    layers = [*_sequence(network.stem), *_sequence(network.head)]
    relus = [place + 1 for place, layer in enumerate(layers) if isinstance(layer, nn.ReLU)]
    places = {"pixels": 0, **{f"relu{k}": place for k, place in enumerate(relus[:2], 1)}}
    if where not in places:
        raise ValueError(f"cut = {where!r}: this network allows {', '.join(places)}")
    place = places[where]
    return Cut(nn.Sequential(*layers[:place]), nn.Sequential(*layers[place:]), network.baseline)


def _sequence(part: nn.Module) -> list[nn.Module]:
    return [*part] if isinstance(part, nn.Sequential) else [part]


@contextmanager
def full_precision() -> Iterator[None]:
    """A context, or a decorator, that computes in the precision of the tensors and the same way each time.

    Whatever the reader has set, within it single precision is not shortened to TF32 or bfloat16, autocast is off and
    cuDNN repeats itself; afterwards all is as it was. (torch has an older and a newer interface to the same switches
    and refuses to read one of them after the other was written, so that only the newer one is touched.)
    """
    backends = torch.backends
    switches = (
        *(backends, backends.cuda.matmul, backends.cudnn, backends.cudnn.conv, backends.cudnn.rnn),
        *(backends.mkldnn, backends.mkldnn.matmul, backends.mkldnn.conv, backends.mkldnn.rnn),
    )
    precisions = [switch.fp32_precision for switch in switches]
    cudnn = backends.cudnn.benchmark, backends.cudnn.deterministic
    try:
        for switch in switches:
            switch.fp32_precision = "ieee"
        backends.cudnn.benchmark, backends.cudnn.deterministic = False, True
        off = {"enabled": False, "cache_enabled": False}  # within a context the cache would keep weights as they were
        with torch.autocast("cpu", **off), torch.autocast("cuda", **off):
            yield
    finally:
        backends.cudnn.benchmark, backends.cudnn.deterministic = cudnn
        for switch, precision in zip(switches, precisions, strict=True):
            switch.fp32_precision = precision


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """A context in which all modules of a network are in evaluation mode; afterwards each is in its own again."""
    training = [module for module in network.modules() if module.training]
    try:
        network.eval()
        yield
    finally:
        for module in training:
            module.training = True
