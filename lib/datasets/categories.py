"""How many samples the smallest category has, known from labels alone, before anything is trained."""

from pathlib import Path

import torch

from ..randomness import subset
from .data import Data, reset_labels
from .readers import SETS, from_path

COMPARED = 10  # categories at most (Claim 1)


def smallest(
    name: str, label_noise: float, seed: int, train_samples: int | None, test_samples: int | None
) -> tuple[int, str]:
    """How many samples of a category can be taken, and which samples of which category are the fewest.

    The arguments are those of `load`, and so are the draws; training samples whose labels are reset do not count.
    Images of a folder are not read. Raises as `load` does.
    """
    (_, y_train), (_, y_test) = SETS[name]() if name in SETS else from_path(Path(name))
    classes = int(y_train.max()) + 1
    labels = []
    for y, field, count, purpose in (
        (y_train, "train_samples", train_samples, "training samples"),
        (y_test, "test_samples", test_samples, "test samples"),
    ):
        labels.append(y[subset(field, len(y) if count is None else count, len(y), seed, purpose)])
    none = torch.empty(0, dtype=torch.int64)
    train, test = labels
    data = reset_labels(Data(train[:, None], train, test[:, None], test, none, classes), label_noise, seed)
    kept = torch.ones(len(train), dtype=torch.bool)
    kept[data.reset] = False
    counts = {
        f"{part} samples of category {category}": int((y == category).sum())
        for category in range(min(COMPARED, classes))
        for part, y in (("training", train[kept]), ("test", test))
    }
    fewest = min(counts, key=counts.get)
    return counts[fewest], fewest
