"""The architectures, each cut in two where the players are masked: head(stem(x)) are the logits."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lib.randomness import derived_seed


class Cut(nn.Module):
    """A network as two parts: `stem` makes the features that are masked, `head` makes the logits from them."""

    def __init__(self, stem: nn.Module, head: nn.Module):
        super().__init__()
        self.stem = stem
        self.head = head

    def forward(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch classes"]:
        return self.head(self.stem(x))


def choose_device(name: str) -> torch.device:
    """The device for `name`: auto (a CUDA GPU where there is one), cpu, cuda or cuda:k. Raises ValueError."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = name.partition(":")
    count = torch.cuda.device_count()
    if name == "cpu" or kind == "cuda" and count and (not index or index.isdecimal() and int(index) < count):
        return torch.device(name)
    gpus = ", ".join(["cuda", *(f"cuda:{k}" for k in range(count))]) if count else "no CUDA GPU is here"
    raise ValueError(f"device = {name!r}: allowed are auto, cpu ({gpus})")


def build(name: str, channels: int, classes: int, seed: int) -> Cut:
    """The network `name` with weights drawn by the seed, on the CPU. Raises ValueError for an unknown name."""
    if name not in ARCHITECTURES:
        raise ValueError(f"network = {name!r}: allowed are {', '.join(ARCHITECTURES)}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, "weights"))
        network = ARCHITECTURES[name](channels, classes)
    return network.to(memory_format=torch.channels_last)  # twice as fast on a CPU


def vgg4(channels: int, classes: int) -> Cut:
    """A VGG of four convolutions for 32×32 images, cut after its 2nd ReLU (16 channels, 32×32) like the larger ones."""
    stem = [*_convolution(channels, 16), *_convolution(16, 16)]
    head = [nn.MaxPool2d(2), *_convolution(16, 32), nn.MaxPool2d(2), *_convolution(32, 32), nn.MaxPool2d(2)]
    return Cut(nn.Sequential(*stem), nn.Sequential(*head, nn.Flatten(), nn.Linear(32 * 4 * 4, classes)))


def _convolution(inputs: int, outputs: int) -> list[nn.Module]:
    layer = nn.Conv2d(inputs, outputs, 3, padding=1)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")  # as torchvision starts its VGGs
    nn.init.zeros_(layer.bias)
    return [layer, nn.ReLU()]


ARCHITECTURES: dict[str, Callable[[int, int], Cut]] = {"vgg4": vgg4}
