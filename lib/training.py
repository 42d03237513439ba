"""Training: SGD with checkpoints on a logarithmic grid, curves of loss and accuracy, and the timepoints A–D."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from lib.datasets import Data
from lib.networks import Cut
from lib.randomness import generator

SMOOTHING = 5  # epochs in the centred moving average that timepoints are read from


def checkpoint_epochs(epochs: int, count: int) -> list[int]:
    """Epochs after which a checkpoint is kept: 0 (untrained), then a logarithmic grid up to `epochs`.

    At most `count`, fewer where early ones fall together.

    >>> checkpoint_epochs(96, 8)
    [0, 1, 2, 5, 10, 21, 45, 96]
    """
    return [0, *np.unique(np.geomspace(1, epochs, count - 1).round().astype(int)).tolist()]


def train(
    network: Cut,
    data: Data,
    folder: Path,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    momentum: float,
    checkpoints: int,
    seed: int,
    report: Callable[[str], None] = print,
) -> pd.DataFrame:
    """Trains `network` on the device it is on, by SGD on the cross-entropy; fills `folder` with checkpoints.

    Returns a row an epoch, 0 (untrained) included: epoch, {train,test}_{loss,accuracy}, with losses in nats over
    the whole of both sets, the training labels as trained on. The order of the samples depends on the seed and
    the epoch alone. Raises FloatingPointError if the loss is no longer finite.
    """
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    device = next(network.parameters()).device
    x_train, y_train, x_test, y_test = (t.to(device) for t in (data.x_train, data.y_train, data.x_test, data.y_test))
    folder.mkdir(parents=True, exist_ok=True)
    kept = set(checkpoint_epochs(epochs, checkpoints))
    optimiser = torch.optim.SGD(network.parameters(), learning_rate, momentum)
    rows = []
    for epoch in range(epochs + 1):
        if epoch:
            order = torch.randperm(len(x_train), generator=generator(seed, "order", epoch)).to(device)
            for batch in order.split(batch_size):
                optimiser.zero_grad()
                cross_entropy(network(x_train[batch]), y_train[batch]).backward()
                optimiser.step()
        train_loss, train_accuracy = evaluate(network, x_train, y_train)
        test_loss, test_accuracy = evaluate(network, x_test, y_test)
        if not np.isfinite(train_loss):
            raise FloatingPointError(f"the training loss is {train_loss} after epoch {epoch}: lower learning_rate")
        rows.append((epoch, train_loss, test_loss, train_accuracy, test_accuracy))
        if epoch in kept:
            save_checkpoint(network, checkpoint_path(folder, epoch))
            report(
                f"epoch {epoch:4d}/{epochs}   loss {train_loss:7.4f} train {test_loss:7.4f} test"
                f"   accuracy {train_accuracy:6.1%} train {test_accuracy:6.1%} test"
            )
    return pd.DataFrame(rows, columns=["epoch", "train_loss", "test_loss", "train_accuracy", "test_accuracy"])


@torch.no_grad()
def evaluate(network: Cut, x: Tensor, y: Tensor, batch_size: int = 1024) -> tuple[float, float]:
    """Mean cross-entropy (nats) and accuracy over all samples."""
    loss = correct = 0.0
    for inputs, labels in zip(x.split(batch_size), y.split(batch_size), strict=True):
        logits = network(inputs)
        loss += cross_entropy(logits.double(), labels, reduction="sum").item()
        correct += (logits.argmax(1) == labels).sum().item()
    return loss / len(y), correct / len(y)


def checkpoint_path(folder: Path, epoch: int) -> Path:
    return folder / f"epoch-{epoch:05d}.pt"


def save_checkpoint(network: Cut, path: Path) -> None:
    """Writes the weights; the file is either whole or absent."""
    partial = path.with_suffix(".partial")
    torch.save(network.state_dict(), partial)
    os.replace(partial, path)


def load_checkpoint(network: Cut, path: Path) -> Cut:
    """`network` with the weights of the file, in evaluation mode, on the device it is on."""
    weights = torch.load(path, map_location="cpu", weights_only=True)
    network.load_state_dict(weights)
    return network.eval()


def timepoints(curves: pd.DataFrame, checkpoints: list[int]) -> dict[str, int]:
    """The epochs of A, B, C and D among those of the checkpoints (§2.2.1), from the curves of `train`.

    A is the untrained network. Choice: B is the checkpoint with the least smoothed test loss, D the last, and C
    the one between them whose smoothed loss gap (test less training) is nearest to halfway from B's to D's.
    B leaves two checkpoints behind it for C and D, also where the network does not overfit; the curves show it.
    Raises ValueError for fewer than four checkpoints.
    """
    if len(checkpoints) < 4:
        raise ValueError(f"checkpoints = {len(checkpoints)}: timepoints A to D need at least 4")
    smooth = curves.set_index("epoch").rolling(SMOOTHING, center=True, min_periods=1).mean()
    gap = smooth["test_loss"] - smooth["train_loss"]
    b = min(checkpoints[1:-2], key=lambda epoch: smooth["test_loss"][epoch])
    d = checkpoints[-1]
    between = [epoch for epoch in checkpoints if b < epoch < d]
    c = min(between, key=lambda epoch: abs(gap[epoch] - (gap[b] + gap[d]) / 2))
    return {"A": 0, "B": b, "C": c, "D": d}
