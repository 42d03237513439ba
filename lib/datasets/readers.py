"""Readers: each dataset from its files, as bytes or token ids with their labels. The files: downloads.py."""

import csv
import io
import os
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from PIL import Image, ImageOps
from torch import Tensor

from .. import text
from ..experiments import ROOT
from . import downloads

DIGITS = ROOT / "data" / "digits.npz"
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}  # of image files
DAMAGED = (ValueError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error)  # raised for an .npz file


@dataclass(frozen=True)
class Picture:
    """An image file, not read yet; `box` (left, top, right, bottom) is what is cut out of it."""

    path: Path
    box: tuple[float, float, float, float] | None = None
    resize: bool = True  # to the side that is asked for, since others have other sizes


Sentences = list[str] | list[tuple[str, str]]  # or pairs
Part = tuple[Tensor | list[Picture] | Sentences, Tensor]  # the samples for training or for testing, and their labels


def pixels(pictures: list[Picture], side: int | None) -> UInt8[Tensor, "pictures 3 height width"]:
    """The pictures in RGB, resized to side × side pixels (bilinearly, antialiased) unless all have one size anyway.

    They are turned as their EXIF orientation says, and a box is meant after that; 16-bit grey is scaled to 8 bits.
    Choice: alpha is ignored only if fully opaque; otherwise the picture is composited on white. Raises ValueError if
    a side is needed and is None, for a damaged file and for another size where all should have one.
    """
    if side is None and any(picture.resize for picture in pictures):
        raise ValueError("side = None: these images have different sizes, allowed is a number of pixels")

    def read(picture: Picture) -> np.ndarray:
        image = _rgb(picture.path)
        if not picture.resize:
            return np.asarray(image)
        left, top, right, bottom = picture.box or (0, 0, *image.size)
        inside = (left, top, min(right, image.width), min(bottom, image.height))  # some boxes reach beyond
        return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR, inside))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        images = list(pool.map(read, pictures))
    height, width, _ = images[0].shape
    for picture, image in zip(pictures, images, strict=True):
        if image.shape != images[0].shape:
            own = f"{image.shape[1]}×{image.shape[0]}"
            raise ValueError(f"{picture.path} has {own} pixels: allowed are {width}×{height}, as of the first image")
    return _channels_first(np.stack(images))


def _rgb(path: Path) -> Image.Image:
    file = io.BytesIO(path.read_bytes())
    try:
        with Image.open(file) as image:
            image = ImageOps.exif_transpose(image)
    except Exception as error:  # Pillow raises a dozen types for a damaged file
        raise ValueError(f"{path} is damaged or no image: allowed are {_suffixes()}") from error
    if image.mode.startswith("I"):  # I;16, or I with the same range
        return Image.fromarray(np.rint(np.asarray(image).clip(0, 65535) / 257).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return image.convert("RGB")


def from_path(path: Path) -> tuple[Part, Part]:
    """A reader's own data: an .npz file, images in train/CLASS/ and test/CLASS/, or train.tsv and dev.tsv.

    A line of a .tsv is a sentence, or two, and a label from 0 on, between tabs.

    A relative path is below the repository. Names that begin with a dot are skipped. Raises ValueError or
    FileNotFoundError for what cannot be read, and ValueError unless the training labels are all of 0, …, k, k > 0.
    """
    (x_train, y_train), test = _own(path)
    present = set(y_train.tolist())
    if len(present) == 1:
        raise ValueError(f"{path}: all training samples have label {min(present)}: allowed are two classes or more")
    missing = list(islice((str(label) for label in range(max(present)) if label not in present), 10))
    if missing:
        raise ValueError(
            f"{path}: no training sample has label {', '.join(missing)}: labels must be 0…k without gaps, "
            f"here 0 to {len(present) - 1}"
        )
    return (x_train, y_train), test


def _own(path: Path) -> tuple[Part, Part]:
    given, path = path, ROOT / path
    if path.suffix == ".npz":
        return from_arrays(path)
    if (path / "train.tsv").exists():
        return _sentences(path / "train.tsv"), _sentences(path / "dev.tsv")
    if (path / "train").is_dir():
        return _folders(path)
    raise FileNotFoundError(
        f"dataset = {given}: allowed are {', '.join(SETS)}, an .npz file, a folder with train/ and test/, "
        "a folder with train.tsv and dev.tsv"
    )


def from_arrays(path: Path) -> tuple[Part, Part]:
    """Images from an .npz file: x_train, x_test uint8 (samples, h, w[, channels]); y_train, y_test integers.

    Raises FileNotFoundError where there is no such file, ValueError for a damaged file, for arrays of another type or
    shape and for labels below 0. Arrays of Python objects are refused, never unpickled.
    """
    if not path.exists():
        hint = ": `dvc pull` brings it" if path == DIGITS else ""
        raise FileNotFoundError(f"{path.name} is not in {path.parent.name}/{hint}")
    with _open(path) as arrays:
        missing = {"x_train", "y_train", "x_test", "y_test"} - set(arrays.files)
        if missing:
            raise ValueError(f"{path.name}: no array {', '.join(sorted(missing))}; it has {', '.join(arrays.files)}")
        x_train, x_test = (_images(_array(arrays, key, path), f"{path.name}: {key}") for key in ("x_train", "x_test"))
        y_train, y_test = (
            _labels(_array(arrays, f"y_{part}", path), f"{path.name}: y_{part}", len(x))
            for part, x in (("train", x_train), ("test", x_test))
        )
    return (x_train, y_train), (x_test, y_test)


def _mnist() -> tuple[Part, Part]:
    """60,000 and 10,000 grey images of 28×28 pixels (LeCun et al. 1998)."""
    from torchvision.datasets import MNIST  # here: it takes a second and more

    sets = (MNIST(downloads.fetch("mnist"), train) for train in (True, False))
    return tuple((each.data[:, None], each.targets) for each in sets)


def _cifar10() -> tuple[Part, Part]:
    """50,000 and 10,000 images of 32×32 pixels (Krizhevsky 2009): the official files, or cifar10.npz in their place."""
    arrays = downloads.folder() / "cifar10" / "cifar10.npz"
    if arrays.exists():
        return from_arrays(arrays)
    from torchvision.datasets import CIFAR10

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
    raw = path.read_bytes()
    try:
        content = raw.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{path.name}: line {line} has the byte {raw[error.start]:#04x}: allowed is UTF-8") from error
    rows = [row for row in csv.reader(io.StringIO(content, newline=""), delimiter="\t", quoting=csv.QUOTE_NONE) if row]
    rows = rows[1:] if _has_header(rows) else rows
    for number, row in enumerate(rows, 1):
        if not _is_sample(row):
            raise ValueError(f"{path.name}: sample {number} is {row}: allowed are one or two sentences and a label")
    if not rows:
        raise ValueError(f"{path.name} has no sentence")
    if any(len(row) != len(rows[0]) for row in rows):
        raise ValueError(f"{path.name} has single sentences and pairs: allowed is one of the two")
    return [sentence if not second else (sentence, *second) for sentence, *second, _ in rows], torch.tensor(
        [int(label) for *_, label in rows]
    )


def tokenised(sentences: Sentences, length: int) -> tuple[Int64[Tensor, "sentences length"], int]:
    """The ids of sentences or pairs, in BERT's vocabulary; see text.tokenise."""
    return text.tokenise(sentences, _vocabulary(), length)


def _is_sample(row: list[str]) -> bool:
    return len(row) in (2, 3) and row[-1].strip().isdecimal()


def _has_header(rows: list[list[str]]) -> bool:
    """Is the first row sentence and label, or other words (text, class) above nothing but samples?"""
    if not rows or len(rows[0]) not in (2, 3):
        return False
    *sentence, label = (cell.strip().lower() for cell in rows[0])
    return (*sentence, label) == ("sentence", "label") or (
        label[:1].isalpha() and len(rows) > 1 and all(map(_is_sample, rows[1:]))
    )


def _folders(root: Path) -> tuple[Part, Part]:
    names = [folder.name for folder in _visible(root / "train", Path.is_dir)]
    for folder in _visible(root / "test", Path.is_dir):
        if folder.name not in names:
            raise ValueError(f"{root.name}/test/{folder.name}: allowed are the classes in {root.name}/train")
    parts = []
    for part in ("train", "test"):
        pictures, labels = [], []
        for label, name in enumerate(names):
            files = _visible(root / part / name, Path.is_file)
            own = [file for file in files if file.suffix.lower() in SUFFIXES]
            if not own and part == "train":
                raise FileNotFoundError(f"{root.name}/train/{name} has no images: allowed are {_suffixes()}")
            pictures += map(Picture, own)
            labels += [label] * len(own)
        if not pictures:
            field = f"{root.name}/{part}"
            raise FileNotFoundError(f"{field} has no images: allowed are {field}/CLASS/*.png, .jpg, …")
        parts.append((pictures, torch.tensor(labels)))
    return tuple(parts)


def _visible(root: Path, kind: Callable[[Path], bool]) -> list[Path]:
    return sorted(path for path in root.glob("*") if kind(path) and not path.name.startswith("."))


def _suffixes() -> str:
    return ", ".join(sorted(SUFFIXES))


def _channels_first(images: np.ndarray) -> Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()


def _open(path: Path) -> np.lib.npyio.NpzFile:
    try:
        if zipfile.is_zipfile(path):
            return np.load(path, allow_pickle=False)
    except DAMAGED:
        pass
    raise ValueError(f"{path.name} is damaged or no .npz file: allowed is what numpy.savez writes")


def _array(arrays: np.lib.npyio.NpzFile, name: str, path: Path) -> np.ndarray:
    try:
        return np.asarray(arrays[name])
    except DAMAGED as error:
        raise ValueError(f"{path.name}: {name} is damaged or holds objects: allowed are numbers") from error


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
