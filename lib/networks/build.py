"""Networks by their names, and your own."""

import importlib
import pickle
from pathlib import Path

import torch
from torch import Tensor, nn

from ..randomness import derived_seed
from ..text import MASK, SEPARATOR
from .cut import Cut, evaluating
from .images import IMAGE_NETWORKS, LEAST_SIDE
from .sentences import ENCODERS, Encoder, encoder

ARCHITECTURES = (*IMAGE_NETWORKS, *ENCODERS)


def build(name: str, shape: tuple[int, ...], classes: int, seed: int, weights: str = "scratch") -> Cut:
    """The network `name` for samples of `shape`, on the CPU: (channels, side, side) of images, (length,) of sentences.

    `name` is one of ARCHITECTURES, or module:function of your own (see `own`). Its weights are drawn by the seed;
    `weights="pretrained"` takes published ones where they exist, with a new last layer; the path of a .pt or .pth file
    takes the state dict in it. Raises ValueError for a name, a shape or weights that are not to be had.
    """
    if name not in ARCHITECTURES and ":" not in name:
        raise ValueError(f"network = {name!r}: allowed are {', '.join(ARCHITECTURES)}, or module:function of your own")
    file = Path(weights) if weights.endswith((".pt", ".pth")) else None
    if not file and weights != "scratch" and (weights != "pretrained" or name not in ENCODERS):
        raise ValueError(
            f"weights = {weights!r}: allowed are scratch, the path of a .pt or .pth file, "
            f"and pretrained for {', '.join(ENCODERS)}"
        )
    if ":" in name:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derived_seed(seed, "weights"))
            return own(name, shape, classes, file)
    least, takes = LEAST_SIDE.get(name), "sentences" if name in ENCODERS else "images"
    if takes != ("images" if len(shape) == 3 else "sentences"):
        raise ValueError(f"network = {name!r} takes {takes}: the samples have the shape {shape}")
    if least and shape[1] < least:
        raise ValueError(f"side = {shape[1]}: {name} allows {least} or more")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, "weights"))
        if takes == "sentences":
            network = encoder(name, classes, "scratch" if file else weights)
        else:
            network = IMAGE_NETWORKS[name](shape, classes)
    if file:
        _take_weights(network, file)
    return network.to(memory_format=torch.channels_last)  # twice as fast on a CPU


def own(name: str, shape: tuple[int, ...], classes: int, weights: Path | None = None) -> Cut:
    """The network that a function of yours makes: "package.module:function", called as function(shape, classes).

    It returns a `Cut`, whose stem makes what is masked, or any module from a batch of samples to logits, of which the
    input is masked: pixels, or of sentences token ids, for which a transformers model will do. `weights` is a file
    with a state dict of what the function returns. Raises ValueError, one line, where there is no such function, its
    network has no logits for all classes, or the file is not of this network.
    """
    module, _, function = name.partition(":")
    try:
        make = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"network = {name!r}: {error}") from None
    made = make(shape, classes)
    if not isinstance(made, nn.Module):
        raise ValueError(f"network = {name!r} made a {type(made).__name__}: allowed are a torch module, or a Cut")
    if weights:
        _take_weights(made, weights)
    made = made.float()
    if not isinstance(made, Cut):
        sentences = len(shape) == 1
        model = made
        if sentences and hasattr(made, "config"):  # of transformers
            typed = (getattr(made.config, "type_vocab_size", 0) or 0) > 1
            model = Encoder(made, SEPARATOR if typed else None)
        made = Cut(nn.Sequential(), model, MASK if sentences else 0.0)
    with torch.no_grad(), evaluating(made):
        given = torch.zeros(1, *shape, dtype=torch.int64) if len(shape) == 1 else torch.zeros(1, *shape)
        logits = made(given)
    if not isinstance(logits, Tensor) or logits.shape != (1, classes):
        found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(f"network = {name!r} gives {found} for one sample: allowed are logits of shape (1, {classes})")
    return made


def _take_weights(network: nn.Module, file: Path) -> None:
    try:
        network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    except FileNotFoundError:
        raise ValueError(f"weights = '{file}': there is no such file") from None
    except (EOFError, RuntimeError, TypeError, pickle.UnpicklingError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"weights = '{file}' holds no state dict of this network: {reason}") from None
