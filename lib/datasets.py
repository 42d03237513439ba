"""Data: training and test tensors, with a share of the training labels reset at random."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from lib.experiments import ROOT
from lib.randomness import generator

ARRAYS = {"digits": (ROOT / "data" / "digits.npz", 32)}  # file, side in pixels that the images are resized to


@dataclass(frozen=True)
class Data:
    """Training and test samples; the labels that were reset are those of `x_train[reset]`."""

    x_train: Float32[Tensor, "train channels height width"]  # pixels in [0, 1]
    y_train: Int64[Tensor, "train"]
    x_test: Float32[Tensor, "test channels height width"]
    y_test: Int64[Tensor, "test"]
    reset: Int64[Tensor, "resets"]
    classes: int


def load(name: str, label_noise: float = 0.0, seed: int = 0) -> Data:
    """The dataset `name`, with the share `label_noise` of its training labels reset.

    Raises ValueError for an unknown name and FileNotFoundError where its file is absent.
    """
    if name not in ARRAYS:
        raise ValueError(f"dataset = {name!r}: allowed are {', '.join(ARRAYS)}")
    path, side = ARRAYS[name]
    return reset_labels(from_arrays(path, side), label_noise, seed)


def from_arrays(path: Path, side: int) -> Data:
    """Images from an .npz file: x_train, x_test uint8 (samples, h, w[, channels]); y_train, y_test integers.

    Grey values become [0, 1]; images are resized to side × side pixels, bilinearly. Raises FileNotFoundError
    where there is no such file, ValueError for arrays of another type or shape and labels below 0.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path.name} is not in {path.parent.name}/: `dvc pull` brings it")
    with np.load(path) as arrays:
        missing = {"x_train", "y_train", "x_test", "y_test"} - set(arrays.files)
        if missing:
            raise ValueError(f"{path.name}: no array {', '.join(sorted(missing))}; it has {', '.join(arrays.files)}")
        x_train, x_test = (_images(arrays[key], f"{path.name}: {key}", side) for key in ("x_train", "x_test"))
        y_train, y_test = (
            _labels(arrays[f"y_{part}"], f"{path.name}: y_{part}", len(x))
            for part, x in (("train", x_train), ("test", x_test))
        )
    classes = int(y_train.max()) + 1
    if int(y_test.max()) >= classes:
        raise ValueError(f"{path.name}: y_test has label {int(y_test.max())}: allowed are 0 to {classes - 1}")
    return Data(x_train, y_train, x_test, y_test, torch.empty(0, dtype=torch.int64), classes)


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


def _images(array: np.ndarray, field: str, side: int) -> Tensor:
    if array.dtype != np.uint8 or array.ndim not in (3, 4) or not len(array):
        raise ValueError(
            f"{field} is {array.dtype} of shape {array.shape}: allowed is uint8 (samples, h, w[, channels])"
        )
    images = torch.from_numpy(array if array.ndim == 4 else array[..., None])
    images = images.permute(0, 3, 1, 2).float() / 255
    return torch.nn.functional.interpolate(images, (side, side), mode="bilinear", align_corners=False)


def _labels(array: np.ndarray, field: str, count: int) -> Tensor:
    if array.dtype.kind not in "iu" or array.shape != (count,) or array.min() < 0:
        raise ValueError(f"{field} is {array.dtype} of shape {array.shape}: allowed are {count} integers from 0 on")
    return torch.from_numpy(array.astype(np.int64))
