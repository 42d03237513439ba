"""The architectures, each cut in two where the players are masked: head(stem(x)) are the logits."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torchvision
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import pad, relu

from lib.randomness import derived_seed
from lib.text import MASK

# The encoders of sentences: layers, width and heads, and where the Hugging Face hub has their published weights.
ENCODERS = {
    "bert-medium": (8, 512, 8, "google/bert_uncased_L-8_H-512_A-8"),  # Turc et al. 2019
    "minilm": (6, 384, 12, "sentence-transformers/all-MiniLM-L6-v2"),  # Wang et al. 2020
}


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
        with torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
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


def build(name: str, shape: tuple[int, ...], classes: int, seed: int, weights: str = "scratch") -> Cut:
    """The network `name` for samples of `shape`, on the CPU: (channels, side, side) of images, (length,) of sentences.

    Its weights are drawn by the seed; `weights="pretrained"` takes published ones where they exist, with a new last
    layer. Raises ValueError for a name, a shape or weights that are not to be had.
    """
    if name not in ARCHITECTURES:
        raise ValueError(f"network = {name!r}: allowed are {', '.join(ARCHITECTURES)}")
    if weights not in ("scratch", "pretrained") or weights == "pretrained" and name not in ENCODERS:
        raise ValueError(f"weights = {weights!r}: allowed are scratch, and pretrained for {', '.join(ENCODERS)}")
    least, takes = LEAST_SIDE.get(name), "sentences" if name in ENCODERS else "images"
    if takes != ("images" if len(shape) == 3 else "sentences"):
        raise ValueError(f"network = {name!r} takes {takes}: the samples have the shape {shape}")
    if least and shape[1] < least:
        raise ValueError(f"side = {shape[1]}: {name} allows {least} or more")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, "weights"))
        network = encoder(name, classes, weights) if takes == "sentences" else IMAGE_NETWORKS[name](shape, classes)
    return network.to(memory_format=torch.channels_last)  # twice as fast on a CPU


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
        if shape[0] != 3:
            raise ValueError(f"network = {name!r} takes images of 3 channels: these have {shape[0]}")
        whole = torchvision.models.get_model(name, num_classes=classes)
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


class Encoder(nn.Module):
    """A transformers model as a function of token ids (batch, length), whose padding is not attended to.

    The id of padding is the model's own; a model that has none has no padding. Padding at the end is cut off as far as
    all of the batch has it. Padding at the beginning stays, because it moves the positions of what follows.
    """

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model
        own = model.config.pad_token_id
        self.pad = -1 if own is None else own  # no token has the id -1

    def forward(self, ids: Int[Tensor, "batch length"]) -> Float[Tensor, "batch classes"]:
        attended = ids != self.pad
        length = int(attended.any(0).nonzero().max()) + 1 if attended.any() else ids.shape[1]
        return self.model(input_ids=ids[:, :length], attention_mask=attended[:, :length]).logits


def encoder(name: str, classes: int, weights: str) -> Cut:
    """An encoder of BERT's kind, with a linear layer on its pooled output.

    The players are words of the input itself: the stem hands the token ids on, a masked one becomes [MASK].
    """
    from transformers import BertConfig, BertForSequenceClassification  # seconds to import, for text alone

    layers, width, heads, published = ENCODERS[name]
    if weights == "scratch":
        config = BertConfig(
            hidden_size=width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            intermediate_size=4 * width,
            num_labels=classes,
            attn_implementation="eager",
        )
        return Cut(nn.Identity(), Encoder(BertForSequenceClassification(config)), MASK)
    return Cut(nn.Identity(), Encoder(_published(published, classes)), MASK)


def _published(source: str, classes: int) -> nn.Module:
    """BERT with published weights in single precision, of a hub's name or a folder, and a new last layer.

    Raises ValueError if they are not to be had, or lack layers other than the last.
    """
    from transformers import BertForSequenceClassification, logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # it would report the new last layer as missing
    try:
        model, told = BertForSequenceClassification.from_pretrained(
            source,
            num_labels=classes,
            attn_implementation="eager",
            dtype=torch.float32,
            output_loading_info=True,
        )
    except OSError as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"weights = 'pretrained': {source}: {reason} Allowed without it is scratch") from None
    finally:
        logging.set_verbosity(verbosity)
    missing = sorted(name for name in told["missing_keys"] if not name.startswith("classifier."))
    if missing:
        raise ValueError(
            f"weights = 'pretrained': {source} lacks {len(missing)} tensors, {missing[0]} among them; "
            "only the last layer may be new"
        )
    return model


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
ARCHITECTURES = (*IMAGE_NETWORKS, *ENCODERS)
LEAST_SIDE = {"vgg4": 8, "lenet": 16, "resnet20": 8, "vgg11": 32, "vgg13": 32, "vgg16": 32, "alexnet": 63}  # pixels
