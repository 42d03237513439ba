"""Readers: each dataset from its files, as bytes or token ids with their labels. The files: lib/downloads.py."""

import csv
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor
from torchvision.datasets import CIFAR10, MNIST

from lib import downloads, text
from lib.experiments import ROOT

DIGITS = ROOT / "data" / "digits.npz"
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}  # of image files


@dataclass(frozen=True)
class Picture:
    """An image file, not read yet; `box` (left, top, right, bottom) is what is cut out of it."""

    path: Path
    box: tuple[float, float, float, float] | None = None
    resize: bool = True  # to the side that is asked for, since others have other sizes


Part = tuple[Tensor | list[Picture], Tensor]  # the samples for training or for testing, and their labels


def pixels(pictures: list[Picture], side: int | None) -> UInt8[Tensor, "pictures 3 height width"]:
    """The pictures in RGB, resized to side × side pixels (bilinearly, antialiased) unless all have one size anyway.

    Raises ValueError if a side is needed and is None.
    """
    if side is None and any(picture.resize for picture in pictures):
        raise ValueError("side = None: these images have different sizes, allowed is a number of pixels")

    def read(picture: Picture) -> np.ndarray:
        with Image.open(picture.path) as image:
            image = image.convert("RGB")
            if not picture.resize:
                return np.asarray(image)
            left, top, right, bottom = picture.box or (0, 0, *image.size)
            inside = (left, top, min(right, image.width), min(bottom, image.height))  # some boxes reach beyond
            return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR, inside))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return _channels_first(np.stack(list(pool.map(read, pictures))))


def from_path(path: Path) -> tuple[Part, Part]:
    """A reader's own data: arrays, images or sentences, as `load` says. A relative path is below the repository."""
    given, path = path, ROOT / path
    if path.suffix == ".npz":
        return from_arrays(path)
    if (path / "train.tsv").exists():
        return _sentences(path / "train.tsv"), _sentences(path / "dev.tsv")
    if (path / "train").is_dir():
        names = sorted(folder.name for folder in (path / "train").iterdir() if folder.is_dir())
        return tuple(_folders(path / part, names, f"{path.name}/{part}") for part in ("train", "test"))
    raise FileNotFoundError(
        f"dataset = {given}: allowed are {', '.join(SETS)}, an .npz file, a folder with train/ and test/, "
        "a folder with train.tsv and dev.tsv"
    )


def from_arrays(path: Path) -> tuple[Part, Part]:
    """Images from an .npz file: x_train, x_test uint8 (samples, h, w[, channels]); y_train, y_test integers.

    Raises FileNotFoundError where there is no such file, ValueError for arrays of another type or shape and labels
    below 0.
    """
    if not path.exists():
        hint = ": `dvc pull` brings it" if path == DIGITS else ""
        raise FileNotFoundError(f"{path.name} is not in {path.parent.name}/{hint}")
    with np.load(path) as arrays:
        missing = {"x_train", "y_train", "x_test", "y_test"} - set(arrays.files)
        if missing:
            raise ValueError(f"{path.name}: no array {', '.join(sorted(missing))}; it has {', '.join(arrays.files)}")
        x_train, x_test = (_images(arrays[key], f"{path.name}: {key}") for key in ("x_train", "x_test"))
        y_train, y_test = (
            _labels(arrays[f"y_{part}"], f"{path.name}: y_{part}", len(x))
            for part, x in (("train", x_train), ("test", x_test))
        )
    return (x_train, y_train), (x_test, y_test)


def _mnist() -> tuple[Part, Part]:
    """60,000 and 10,000 grey images of 28×28 pixels (LeCun et al. 1998)."""
    sets = (MNIST(downloads.fetch("mnist"), train) for train in (True, False))
    return tuple((each.data[:, None], each.targets) for each in sets)


def _cifar10() -> tuple[Part, Part]:
    """50,000 and 10,000 images of 32×32 pixels (Krizhevsky 2009): the official files, or cifar10.npz in their place."""
    arrays = downloads.folder() / "cifar10" / "cifar10.npz"
    if arrays.exists():
        return from_arrays(arrays)
    sets = (CIFAR10(downloads.fetch("cifar10"), train) for train in (True, False))
    return tuple((_channels_first(each.data), torch.tensor(each.targets)) for each in sets)


def _cub() -> tuple[Part, Part]:
    """CUB-200-2011 (Wah et al. 2011) in its official split, each image cut to its bounding box (App. I.1)."""
    root = downloads.fetch("cub") / "CUB_200_2011"
    names, classes, split, boxes = (
        dict(line.split(maxsplit=1) for line in (root / f"{table}.txt").read_text().splitlines())
        for table in ("images", "image_class_labels", "train_test_split", "bounding_boxes")
    )
    parts = {"1": ([], []), "0": ([], [])}  # is it a training image?
    for key, name in names.items():
        left, top, width, height = map(float, boxes[key].split())
        pictures, labels = parts[split[key]]
        pictures.append(Picture(root / "images" / name, (left, top, left + width, top + height)))
        labels.append(int(classes[key]) - 1)
    return tuple((pictures, torch.tensor(labels)) for pictures, labels in parts.values())


def _tiny_imagenet() -> tuple[Part, Part]:
    """Tiny ImageNet (Le and Yang 2015): the 4th, 8th, … 200th class of 64×64 images; its validation set is the test."""
    root = downloads.fetch("tiny-imagenet") / "tiny-imagenet-200"
    names = sorted((root / "wnids.txt").read_text().split())[3::4]
    train, labels = [], []
    for label, name in enumerate(names):
        own = sorted((root / "train" / name / "images").glob("*.JPEG"))
        if not own:
            raise FileNotFoundError(
                f"{root / 'train' / name / 'images'} has no image: remove {root} to unpack it again"
            )
        train += [Picture(file, resize=False) for file in own]
        labels += [label] * len(own)
    lines = (line.split("\t") for line in (root / "val" / "val_annotations.txt").read_text().splitlines())
    test = {root / "val" / "images" / file: names.index(name) for file, name, *_ in lines if name in names}
    return (train, torch.tensor(labels)), (
        [Picture(file, resize=False) for file in test],
        torch.tensor(list(test.values())),
    )


def _sst2() -> tuple[Part, Part]:
    """67,349 and 872 phrases and sentences of film reviews, negative 0 or positive 1 (Socher et al. 2013, GLUE's)."""
    root = downloads.fetch("sst2") / "SST-2"
    return _sentences(root / "train.tsv"), _sentences(root / "dev.tsv")


SETS = {
    "digits": lambda: from_arrays(DIGITS),
    "mnist": _mnist,
    "cifar10": _cifar10,
    "cub": _cub,
    "tiny-imagenet": _tiny_imagenet,
    "sst2": _sst2,
}


def vocabulary() -> list[str]:
    """The WordPieces that the ids of sentences stand for: those of bert-base-uncased."""
    return _vocabulary().read_text(encoding="utf-8").splitlines()


def _vocabulary() -> Path:
    return downloads.fetch("bert") / "vocab.txt"


def _sentences(path: Path) -> Part:
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: allowed is a folder with train.tsv and dev.tsv")
    with open(path, encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if row]
    rows = rows[1:] if rows and rows[0] == ["sentence", "label"] else rows
    for number, row in enumerate(rows, 1):
        if len(row) != 2 or not row[1].strip().isdecimal():
            raise ValueError(f"{path.name}: sample {number} is {row}: allowed is a sentence, a tab, a label from 0 on")
    if not rows:
        raise ValueError(f"{path.name} has no sentence")
    return text.tokenise([sentence for sentence, _ in rows], _vocabulary()), torch.tensor(
        [int(label) for _, label in rows]
    )


def _folders(root: Path, names: list[str], field: str) -> Part:
    pictures, labels = [], []
    for label, name in enumerate(names):
        own = sorted(path for path in (root / name).glob("*") if path.suffix.lower() in SUFFIXES)
        pictures += map(Picture, own)
        labels += [label] * len(own)
    if not pictures:
        raise FileNotFoundError(f"{field} has no images: allowed are {field}/CLASS/*.png, .jpg, …")
    return pictures, torch.tensor(labels)


def _channels_first(images: np.ndarray) -> Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()


def _images(array: np.ndarray, field: str) -> Tensor:
    if array.dtype != np.uint8 or array.ndim not in (3, 4) or not len(array):
        raise ValueError(
            f"{field} is {array.dtype} of shape {array.shape}: allowed is uint8 (samples, h, w[, channels])"
        )
    return _channels_first(array if array.ndim == 4 else array[..., None])


def _labels(array: np.ndarray, field: str, count: int) -> Tensor:
    if array.dtype.kind not in "iu" or array.shape != (count,) or array.min() < 0:
        raise ValueError(f"{field} is {array.dtype} of shape {array.shape}: allowed are {count} integers from 0 on")
    return torch.from_numpy(array.astype(np.int64))
