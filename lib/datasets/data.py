"""Data: training and test samples, with a share of the training labels reset at random.

Samples are kept as they are stored, images as bytes and sentences as token ids; `Data.prepare` makes of a batch
what a network takes, on the device that the batch is on.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from ..randomness import generator, subset
from ..text import LENGTH
from .readers import SETS, Part, Picture, from_path, pixels, tokenised, vocabulary


@dataclass(frozen=True)
class Data:
    """Training and test samples; the labels that were reset are those of `x_train[reset]`."""

    x_train: UInt8[Tensor, "train channels height width"] | Int64[Tensor, "train length"]
    y_train: Int64[Tensor, "train"]
    x_test: UInt8[Tensor, "test channels height width"] | Int64[Tensor, "test length"]
    y_test: Int64[Tensor, "test"]
    reset: Int64[Tensor, "resets"]
    classes: int
    side: int | None = None  # pixels that `prepare` resizes images to
    vocabulary: list[str] | None = None  # the WordPiece of each id of a sentence
    shortened: int = 0  # sentences that lost their end, for they have more pieces than `length`

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one prepared sample: (channels, side, side) for images, (length,) for sentences."""
        return (self.x_train.shape[1], self.side, self.side) if self.side else tuple(self.x_train.shape[1:])

    def prepare(
        self, batch: UInt8[Tensor, "batch channels height width"] | Int64[Tensor, "batch length"]
    ) -> Float32[Tensor, "batch channels {self.side} {self.side}"] | Int64[Tensor, "batch length"]:
        """A batch as a network takes it: images as floats in [0, 1], side × side; token ids as they are.

        Images are resized bilinearly, with antialiasing where they shrink.
        """
        if self.side is None:
            return batch
        images = batch.float() / 255
        if images.shape[2:] == (self.side, self.side):
            return images
        shrinks = max(images.shape[2:]) > self.side
        return interpolate(images, (self.side, self.side), mode="bilinear", align_corners=False, antialias=shrinks)


def load(
    name: str,
    side: int | None = None,
    label_noise: float = 0.0,
    seed: int = 0,
    train_samples: int | None = None,
    test_samples: int | None = None,
    length: int | None = None,
) -> Data:
    """The dataset `name`, with the share `label_noise` of its training labels reset.

    `name` is one of readers.py's SETS, or a path as its `from_path` takes. Images are prepared at
    `side` × `side` pixels (None: as stored, where all are stored square). `train_samples` and `test_samples` take
    so many, drawn by the seed. Sentences are cut after `length` pieces (None: text.LENGTH); `shortened` says how many.
    Raises ValueError for an unknown name and for wrong contents, FileNotFoundError or
    another OSError where its files are not there and cannot be had.
    """
    (x_train, y_train), (x_test, y_test) = SETS[name]() if name in SETS else from_path(Path(name))
    classes = int(y_train.max()) + 1
    if int(y_test.max()) >= classes:
        raise ValueError(f"{name}: the test samples have label {int(y_test.max())}: allowed are 0 to {classes - 1}")
    x_train, y_train = _take(x_train, y_train, "train_samples", train_samples, seed, "training samples")
    x_test, y_test = _take(x_test, y_test, "test_samples", test_samples, seed, "test samples")
    none = torch.empty(0, dtype=torch.int64)
    if isinstance(x_train, list) and not isinstance(x_train[0], Picture):
        (x_train, some), (x_test, others) = (tokenised(x, length or LENGTH) for x in (x_train, x_test))
        own = {"vocabulary": vocabulary(), "shortened": some + others}
    else:
        x_train, x_test = (pixels(x, side) if isinstance(x, list) else x for x in (x_train, x_test))
        own = {"side": side or x_train.shape[-1]}
    data = Data(x_train, y_train, x_test, y_test, none, classes, **own)
    return reset_labels(data, label_noise, seed)


def reset_labels(data: Data, share: float, seed: int) -> Data:
    """Resets round(share · training samples) labels, drawn by the seed (App. I.1).

    Choice: a reset label is another one than the true label, each with the same chance, so that `share` is
    the share of wrong labels. Raises ValueError for a share outside [0, 1].
    """
    if not 0 <= share <= 1:
        raise ValueError(f"label_noise = {share}: allowed are 0 to 1")
    draw = generator(seed, "label noise")
    count = len(data.y_train)
    reset = torch.randperm(count, generator=draw)[: round(share * count)].sort().values
    shift = torch.randint(1, data.classes, reset.shape, generator=draw)
    labels = data.y_train.clone()
    labels[reset] = (labels[reset] + shift) % data.classes
    return dataclasses.replace(data, y_train=labels, reset=reset)


def _take(x: Tensor | list, y: Tensor, field: str, count: int | None, seed: int, purpose: str) -> Part:
    """`count` samples drawn (None: all), in their order."""
    index = subset(field, len(y) if count is None else count, len(y), seed, purpose)
    if isinstance(x, list):
        return [x[k] for k in index], y[index]
    return (x, y) if len(index) == len(y) else (x[index], y[index])
