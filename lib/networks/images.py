"""The architectures for images, each cut where the paper cuts it."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad, relu

from .cut import Cut


def vgg4(shape: tuple[int, ...], classes: int) -> Cut:
    """A VGG of four convolutions for 32×32 images, cut after its 2nd ReLU (16 channels, 32×32) like the larger ones."""
    stem = [*_convolution(shape[0], 16), *_convolution(16, 16)]
    head = [nn.MaxPool2d(2), *_convolution(16, 32), nn.MaxPool2d(2), *_convolution(32, 32), nn.MaxPool2d(2)]
    last = nn.Linear(32 * (shape[1] // 8) ** 2, classes)
    return Cut(nn.Sequential(*stem), nn.Sequential(*head, nn.Flatten(), last))


def lenet(shape: tuple[int, ...], classes: int) -> Cut:
    """LeNet-5 (LeCun et al. 1998), 61,706 parameters on 32×32 grey images; cut after its 1st ReLU (6 channels, 28×28).

    Choices, where the published shape has had its day: ReLU for tanh, max pooling, every feature map of the second
    convolution sees all of the first, a linear layer last; for larger images the first linear layer takes what is
    left of them (16 channels, 53×53 of 224×224).
    """
    left = ((shape[1] - 4) // 2 - 4) // 2
    stem = nn.Sequential(nn.Conv2d(shape[0], 6, 5), nn.ReLU())
    convolution = [nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    linear = [nn.Linear(16 * left * left, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, classes)]
    return Cut(stem, nn.Sequential(*convolution, *linear))


class Block(nn.Module):
    """Two convolutions and a shortcut without parameters: every second pixel, new channels zero (option A)."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.stride = outputs // inputs
        self.new = outputs - inputs
        self.conv1 = nn.Conv2d(inputs, outputs, 3, self.stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)

    def forward(self, x: Float[Tensor, "batch inputs h w"]) -> Float[Tensor, "batch outputs h2 w2"]:
        shortcut = pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.new // 2, self.new - self.new // 2))
        return relu(self.bn2(self.conv2(relu(self.bn1(self.conv1(x))))) + shortcut)


def resnet20(shape: tuple[int, ...], classes: int) -> Cut:
    """ResNet-20 for small images (He et al. 2016, Section 4.2), 0.27 million parameters.

    Choice: cut after its 1st ReLU (16 channels, as wide as the image).
    """
    stem = nn.Sequential(nn.Conv2d(shape[0], 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
    widths = [16, 16, 16, 16, 32, 32, 32, 64, 64, 64]
    blocks = [Block(inputs, outputs) for inputs, outputs in zip(widths, widths[1:], strict=False)]
    network = Cut(stem, nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes)))
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network


class Normalise(nn.Module):
    """Pixels in [0, 1] to the scale torchvision's networks are made for: ImageNet's mean 0, standard deviation 1."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406])[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225])[:, None, None], persistent=False)

    def forward(self, x: Float[Tensor, "batch 3 h w"]) -> Float[Tensor, "batch 3 h w"]:
        return (x - self.mean) / self.deviation


def torchvision_network(name: str, relu_of_cut: int) -> Callable[[tuple[int, ...], int], Cut]:
    """AlexNet or a VGG without batch norm, as torchvision has them, cut after a ReLU (1: the first).

    Choice: where a VGG leaves one pixel of an image (32×32), its classifier is one linear layer, as is usual for
    CIFAR-10; torchvision's own has 120 million parameters for it.
    """

    def make(shape: tuple[int, ...], classes: int) -> Cut:
        from torchvision import models  # here: it takes a second and more

        if shape[0] != 3:
            raise ValueError(f"network = {name!r} takes images of 3 channels: these have {shape[0]}")
        whole = models.get_model(name, num_classes=classes)
        layers = list(whole.features)
        relus = [position for position, layer in enumerate(layers) if isinstance(layer, nn.ReLU)]
        cut = relus[relu_of_cut - 1] + 1
        stem = nn.Sequential(Normalise(), *layers[:cut])
        if name.startswith("vgg") and shape[1] < 64:
            last = nn.Linear(512, classes)
            nn.init.normal_(last.weight, 0, 0.01)  # as torchvision's VGG starts its linear layers
            nn.init.zeros_(last.bias)
            return Cut(stem, nn.Sequential(*layers[cut:], nn.Flatten(), last))
        return Cut(stem, nn.Sequential(*layers[cut:], whole.avgpool, nn.Flatten(), whole.classifier))

    return make


def _convolution(inputs: int, outputs: int) -> list[nn.Module]:
    layer = nn.Conv2d(inputs, outputs, 3, padding=1)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")  # as torchvision starts its VGGs
    nn.init.zeros_(layer.bias)
    return [layer, nn.ReLU()]


IMAGE_NETWORKS: dict[str, Callable[[tuple[int, ...], int], Cut]] = {
    "vgg4": vgg4,
    "lenet": lenet,
    "resnet20": resnet20,
    "vgg11": torchvision_network("vgg11", relu_of_cut=2),
    "vgg13": torchvision_network("vgg13", relu_of_cut=2),
    "vgg16": torchvision_network("vgg16", relu_of_cut=2),
    "alexnet": torchvision_network("alexnet", relu_of_cut=1),
}

LEAST_SIDE = {"vgg4": 8, "lenet": 16, "resnet20": 8, "vgg11": 32, "vgg13": 32, "vgg16": 32, "alexnet": 63}  # pixels
