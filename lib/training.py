"""Training: SGD with checkpoints on a logarithmic grid, curves of loss and accuracy, and the timepoints A–D."""

import contextlib
import hashlib
import inspect
import json
import os
import pickle
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from .closure import stripped
from .datasets import Data
from .memory import in_parts, part_size
from .networks import Cut, evaluating, full_precision
from .randomness import derived_seed, generator

SMOOTHING = 5  # epochs in the centred moving average that timepoints are read from
EVALUATED = 10_000  # training samples, at most, of which the curves are; as many as MNIST and CIFAR-10 have for testing
PART = 1024  # samples in a forward pass, at most, when evaluating
UNFINISHED, FINISHED = "unfinished.pt", "finished.json"  # of a training in its folder
COLUMNS = ["epoch", "train_loss", "test_loss", "train_accuracy", "test_accuracy"]


def checkpoint_epochs(epochs: int, count: int) -> list[int]:
    """Epochs after which a checkpoint is kept: 0 (untrained), then a logarithmic grid up to `epochs`.

    At most `count`, fewer where early ones fall together; of no epochs the untrained network alone.

    >>> checkpoint_epochs(96, 8)
    [0, 1, 2, 5, 10, 21, 45, 96]
    """
    if not epochs:
        return [0]
    return [0, *np.unique(np.geomspace(1, epochs, count - 1).round().astype(int)).tolist()]


@full_precision()
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
    noise: float = 0.0,
    precision: str = "float32",
    report: Callable[[str], None] = print,
) -> pd.DataFrame:
    """Trains `network` on the device it is on, by SGD on the cross-entropy; fills `folder` with checkpoints.

    Returns a row an epoch, 0 (untrained) included: epoch, {train,test}_{loss,accuracy}, with losses in nats over
    all test samples and over EVALUATED training samples, drawn once, with the labels as trained on. The order of the
    samples depends on the seed and the epoch alone. `noise` is the σ of Gaussian noise, drawn anew in each step, on
    the prepared training samples, in their units (Theorem 2.3 supposes such noise). With `precision="bfloat16"` the
    forward and backward passes of training are in bfloat16 where the processor has it in hardware; weights, and
    whatever is measured, are always in single precision.

    If `folder` has a training of the same network, data and settings, it goes on after its last epoch, which may be
    the last of all, and ends in the same bytes as if it had never stopped; anything else in it is removed. Raises
    FloatingPointError if the loss is no longer finite, ValueError for a precision or noise that cannot be.
    """
    if precision not in ("float32", "bfloat16"):
        raise ValueError(f"precision = {precision!r}: allowed are float32, bfloat16")
    if not 0 <= noise < float("inf") or noise and not data.side:
        raise ValueError(f"noise = {noise}: allowed are finite values from 0 on, for images; for sentences 0")
    device = next(network.parameters()).device
    x_train, y_train, x_test, y_test = (t.to(device) for t in (data.x_train, data.y_train, data.x_test, data.y_test))
    shown = torch.randperm(len(x_train), generator=generator(seed, "evaluated"))[:EVALUATED].sort().values.to(device)
    kept = set(checkpoint_epochs(epochs, checkpoints))
    optimiser = torch.optim.SGD(network.parameters(), learning_rate, momentum)
    short = precision == "bfloat16" and has_bfloat16(device)
    if precision == "bfloat16" and not short:
        report("precision: this processor has no bfloat16 in hardware, so that the training is in float32")
    threads = torch.get_num_threads()
    settings = (batch_size, learning_rate, momentum, seed, noise, short, threads, device.type)
    run = _fingerprint(network, data, epochs, checkpoints, *settings)
    rows = _resume(folder, run, kept, network, optimiser, report)

    def line(epoch: int, train_loss: float, test_loss: float, train_accuracy: float, test_accuracy: float) -> str:
        return (
            f"epoch {epoch:4d}/{epochs}   loss {train_loss:7.4f} train {test_loss:7.4f} test"
            f"   accuracy {train_accuracy:6.1%} train {test_accuracy:6.1%} test"
        )

    for row in rows:
        if row[0] in kept:
            report(line(*row))
    for epoch in range(len(rows), epochs + 1):
        if epoch:
            order = torch.randperm(len(x_train), generator=generator(seed, "order", epoch)).to(device)
            drawn = derived_seed(seed, "drop", epoch)
            _epoch(network, data, x_train, y_train, order.split(batch_size), optimiser, drawn, noise, short)
        train_loss, train_accuracy = evaluate(network, data, x_train, y_train, shown)
        test_loss, test_accuracy = evaluate(network, data, x_test, y_test)
        if not np.isfinite(train_loss):
            raise FloatingPointError(f"the training loss is {train_loss} after epoch {epoch}: lower learning_rate")
        rows.append((epoch, train_loss, test_loss, train_accuracy, test_accuracy))
        if epoch in kept:
            save_checkpoint(network, checkpoint_path(folder, epoch))
            report(line(*rows[-1]))
        state = {"run": run, "rows": rows, "network": network.state_dict(), "optimiser": optimiser.state_dict()}
        _save(state, folder / UNFINISHED)
    if (folder / UNFINISHED).exists():
        _write(folder / FINISHED, lambda file: file.write(json.dumps({"run": run, "rows": rows}).encode()))
        (folder / UNFINISHED).unlink()
    return pd.DataFrame(rows, columns=COLUMNS)


def has_bfloat16(device: torch.device) -> bool:
    """Whether products of bfloat16 are made in hardware: on a GPU, and on processors with AVX512-BF16 or AMX."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    found = torch.cpu.get_capabilities()
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))


def _epoch(
    network: Cut,
    data: Data,
    x: Tensor,
    y: Tensor,
    batches: Sequence[Tensor],
    optimiser: torch.optim.Optimizer,
    seed: int,
    noise: float,
    short: bool,
) -> None:
    """One pass over the batches, `short`: in bfloat16.

    Dropout and noise are drawn by the seed, so that an epoch does not depend on those before it.
    """
    network.train()
    with torch.random.fork_rng([x.device] if x.is_cuda else []):
        torch.manual_seed(seed)
        for batch in batches:
            optimiser.zero_grad()
            inputs = data.prepare(x[batch])
            if noise:
                inputs = inputs + noise * torch.randn_like(inputs)
            with torch.autocast(x.device.type, torch.bfloat16, enabled=short):
                logits = network(inputs)
            cross_entropy(logits.float(), y[batch]).backward()
            optimiser.step()


@full_precision()
@torch.no_grad()
def evaluate(network: Cut, data: Data, x: Tensor, y: Tensor, index: Tensor | None = None) -> tuple[float, float]:
    """Mean cross-entropy (nats) and accuracy over stored samples (those of `index`), which `data` prepares.

    Leaves the network in evaluation mode.
    """
    network.eval()
    index = torch.arange(len(y), device=x.device) if index is None else index

    def sums(part: Tensor) -> Tensor:
        logits = network(data.prepare(x[part])).double()
        loss = cross_entropy(logits, y[part], reduction="sum")
        return torch.stack([loss, (logits.argmax(1) == y[part]).sum()])[None]

    size = part_size(PART, int(np.prod(data.shape)), budget=2**22)
    loss, correct = (in_parts(sums, index, size).sum(0) / len(index)).tolist()
    return loss, correct


def _resume(
    folder: Path,
    run: str,
    kept: set[int],
    network: Cut,
    optimiser: torch.optim.Optimizer,
    report: Callable[[str], None],
) -> list[tuple]:
    """The rows of a training of the same fingerprint, with the network and the optimiser as they were.

    Where there is none the folder is empty afterwards.
    """
    whole = all(checkpoint_path(folder, epoch).exists() for epoch in kept)
    if whole and (rows := _finished(folder, run)) is not None:
        load_checkpoint(network, checkpoint_path(folder, rows[-1][0]))
        return rows
    path = folder / UNFINISHED
    if path.exists():
        try:
            state = _load(path)
        except ValueError:
            report(f"{path.name} is damaged: the training starts anew")
            state = {"run": None}
        if state["run"] == run:
            network.load_state_dict(state["network"])
            optimiser.load_state_dict(state["optimiser"])
            return state["rows"]
    folder.mkdir(parents=True, exist_ok=True)
    for file in [*folder.glob("epoch-*"), *folder.glob("unfinished*"), *folder.glob(FINISHED)]:
        file.unlink()
    return []


def _finished(folder: Path, run: str) -> list[tuple] | None:
    """The rows of a training that went through to its end, None where there is none of this fingerprint."""
    try:
        found = json.loads((folder / FINISHED).read_text())
        rows = [tuple(row) for row in found["rows"]]
        return rows if found["run"] == run else None
    except (FileNotFoundError, ValueError, LookupError, TypeError):
        return None


def _fingerprint(network: Cut, data: Data, *settings: object) -> str:
    """A hash of all that a training depends on: the network at its start, data, settings, the code here and torch.

    The network is its weights, how its layers print themselves and what they are, and its outputs on a few samples.
    """
    code = stripped(Path(__file__).read_text(encoding="utf-8"))
    digest = hashlib.sha256(repr((settings, torch.__version__, data.side, code, _layers(network))).encode())
    with torch.no_grad(), evaluating(network):
        few = network(data.prepare(data.x_train[:4].to(next(network.parameters()).device))).double()
    digest.update(repr([f"{output:.3g}" for output in few.flatten().tolist()]).encode())
    for tensor in (data.x_train, data.y_train, data.x_test, data.y_test, *network.state_dict().values()):
        digest.update(tensor.detach().cpu().contiguous().numpy())
    return digest.hexdigest()


def _layers(network: Cut) -> tuple[str, list[str]]:
    """What is not in the weights: the layers as they print themselves, and the code of those that are of no library."""
    kinds = {type(module) for module in network.modules()}
    own = [kind for kind in kinds if kind.__module__.split(".")[0] not in ("torch", "torchvision", "transformers")]
    sources = []
    for kind in own:
        with contextlib.suppress(OSError):  # typed at a prompt: then it has no file
            sources.append(stripped(textwrap.dedent(inspect.getsource(kind))))
    return repr(network), sorted(sources)


def checkpoint_path(folder: Path, epoch: int) -> Path:
    return folder / f"epoch-{epoch:05d}.pt"


def save_checkpoint(network: Cut, path: Path) -> None:
    """Writes the weights; the file is either whole or absent."""
    _save(network.state_dict(), path)


def _save(state: dict, path: Path) -> None:
    """Through an open file, for torch names what is inside after a path."""
    _write(path, lambda file: torch.save(state, file))


def _write(path: Path, content: Callable[[BinaryIO], object]) -> None:
    """What `content` writes into a file: on the disk before it gets its name."""
    partial = path.with_suffix(".partial")
    try:
        with open(partial, "wb") as file:
            content(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def load_checkpoint(network: Cut, path: Path) -> Cut:
    """`network` with the weights of the file, in evaluation mode, on the device it is on.

    Raises FileNotFoundError or ValueError, one line, where the file is not there or damaged.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path.name} is not in {path.parent}: `dvc repro` trains the network that it is of")
    network.load_state_dict(_load(path))
    return network.eval()


def _load(path: Path) -> dict:
    """What `_save` wrote, on the CPU. Raises ValueError for a damaged file; one that may not be read stays OSError."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (EOFError, RuntimeError, pickle.UnpicklingError):
        raise ValueError(f"{path} is damaged: remove it, and `dvc repro` trains the network anew") from None


def timepoints(curves: pd.DataFrame, checkpoints: list[int]) -> dict[str, int]:
    """The epochs of A, B, C and D among those of the checkpoints (§2.2.1), from the curves of `train`.

    A is the untrained network. Choice: B is the checkpoint with the least smoothed test loss, D the last, and C
    the one between them whose smoothed loss gap (test less training) is nearest to halfway from B's to D's.
    B leaves two checkpoints behind it for C and D, also where the network does not overfit; the curves show it.
    A network that was not trained is the same at all four. Raises ValueError for two or three checkpoints.
    """
    if len(checkpoints) == 1:
        return dict.fromkeys("ABCD", checkpoints[0])
    if len(checkpoints) < 4:
        raise ValueError(f"checkpoints = {len(checkpoints)}: timepoints A to D need at least 4")
    smooth = curves.set_index("epoch").rolling(SMOOTHING, center=True, min_periods=1).mean()
    gap = smooth["test_loss"] - smooth["train_loss"]
    b = min(checkpoints[1:-2], key=lambda epoch: smooth["test_loss"][epoch])
    d = checkpoints[-1]
    between = [epoch for epoch in checkpoints if b < epoch < d]
    c = min(between, key=lambda epoch: abs(gap[epoch] - (gap[b] + gap[d]) / 2))
    return {"A": 0, "B": b, "C": c, "D": d}
