"""Forward passes that leave no trace: a reader's network is run in evaluation mode, in full precision, undisturbed."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..networks import evaluating, full_precision
from .outputs import folded

Inputs = Tensor | dict[str, object]  # with a batch axis


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """A context without gradients, in evaluation mode and full precision; modes and buffers stay as they are."""
    before = [(module, dict(module._buffers)) for module in model.modules() if module._buffers]
    kept = [{name: None if b is None else b.detach().clone() for name, b in own.items()} for _, own in before]
    try:
        with torch.no_grad(), evaluating(model), full_precision():
            yield
    finally:
        with torch.no_grad():
            for (module, own), copies in zip(before, kept, strict=True):
                for name, buffer in own.items():
                    module._buffers[name] = buffer
                    if buffer is not None and not torch.equal(buffer, copies[name]):
                        buffer.copy_(copies[name])


def check_precision(model: nn.Module) -> None:
    """Raises ValueError for parameters in half precision: v would be off by a hundredth, and more in high orders."""
    if half := {p.dtype for p in model.parameters()} & {torch.float16, torch.bfloat16}:
        raise ValueError(f"model has parameters of {half.pop()}: allowed are float32 and float64 (model.float())")


def device_of(model: nn.Module) -> torch.device:
    return next((tensor.device for tensor in (*model.parameters(), *model.buffers())), torch.device("cpu"))


def batch_of_one(model: nn.Module, sample: object) -> Inputs:
    """The sample as the network takes it, on its device.

    A tensor or array has no batch axis and gets one; a dict, as tokenizers return, has one of length 1. Raises
    ValueError for a dict with another batch.
    """
    device = device_of(model)
    if isinstance(sample, Mapping):
        inputs = {k: v.to(device) if isinstance(v, Tensor) else v for k, v in sample.items()}
        for name, value in inputs.items():
            if isinstance(value, Tensor) and value.ndim and len(value) != 1:
                raise ValueError(f"{name} has a batch of {len(value)}: allowed is one sample, a batch of 1")
        return inputs
    return torch.as_tensor(sample)[None].to(device)


def run(model: nn.Module, inputs: Inputs, rows: int = 1) -> object:
    """What the network returns for `rows` copies of its inputs, folded to logits; the inputs stay as they are."""

    def copies(value: object) -> object:
        if not isinstance(value, Tensor):
            return value
        return value.expand(rows, *value.shape[1:]).clone() if value.ndim and len(value) == 1 else value.clone()

    if isinstance(inputs, dict):
        return folded(model(**{name: copies(value) for name, value in inputs.items()}))
    return folded(model(copies(inputs)))


def first_run(model: nn.Module, inputs: Inputs) -> object:
    """`run` on one sample. Raises ValueError, one line, where the network cannot take it."""
    try:
        return run(model, inputs)
    except (RuntimeError, ValueError, TypeError, IndexError, AttributeError) as error:
        given = inputs if isinstance(inputs, dict) else {"sample": inputs[0]}
        shape = {name: tuple(value.shape) for name, value in given.items() if isinstance(value, Tensor)}
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"sample has shapes {shape}, which the model cannot take ({reason}): allowed is one sample as the "
            "model takes "
            "it, a tensor without a batch axis or a dict with a batch of 1"
        ) from error


@dataclass
class Tap:
    """A layer of a network by its name: its output is kept, or replaced, while the network runs."""

    model: nn.Module
    name: str
    calls: int = 0

    def __post_init__(self) -> None:
        modules = dict(self.model.named_modules())
        modules.pop("", None)
        if self.name not in modules:
            import difflib

            close = difflib.get_close_matches(self.name, modules, 5, 0.4) or list(modules)[:5]
            raise ValueError(
                f"layer = {self.name!r}: the model has no such layer; allowed are its modules, {', '.join(close)}"
            )
        self.module = modules[self.name]
        self.kept: Tensor | None = None

    @contextmanager
    def _hooked(self, replacement: Tensor | None) -> Iterator[None]:
        self.calls, self.kept = 0, None

        def hook(module: nn.Module, args: object, out: object) -> object:
            self.calls += 1
            first = out[0] if isinstance(out, tuple | list) else getattr(out, "last_hidden_state", out)
            if not isinstance(first, Tensor):
                raise ValueError(
                    f"layer = {self.name!r} returns {type(first).__name__}: allowed is a layer that returns a tensor"
                )
            self.kept = first.detach().clone() if replacement is None else None  # what follows may write into it
            if replacement is None:
                return None
            if isinstance(out, Tensor):
                return replacement
            if isinstance(out, tuple | list) and type(out) in (tuple, list):
                return type(out)([replacement, *out[1:]])
            raise ValueError(
                f"layer = {self.name!r} returns {type(out).__name__}: allowed is a layer that returns a tensor"
            )

        handle = self.module.register_forward_hook(hook)
        try:
            yield
        finally:
            handle.remove()

    def features(self, inputs: Inputs) -> tuple[Tensor, object]:
        """The layer's output for one sample, without the batch axis, and the network's.

        Raises ValueError for a layer that does not run, runs several times, or has other rows than samples.
        """
        with self._hooked(None):
            out = first_run(self.model, inputs)
        if self.calls != 1:
            times = "does not run" if not self.calls else f"runs {self.calls} times"
            raise ValueError(f"layer = {self.name!r} {times} in a forward pass: allowed is a layer that runs once")
        if not self.kept.ndim or len(self.kept) != 1:
            raise ValueError(f"layer = {self.name!r} makes shape {tuple(self.kept.shape)} of a batch of 1: "
                             "allowed is a layer whose first axis is the batch")  # fmt: skip
        return self.kept[0], out

    def run(self, inputs: Inputs, replacement: Tensor, rows: int) -> object:
        """What the network makes of a replaced output, with `rows` copies of its inputs before the layer."""
        with self._hooked(replacement):
            return run(self.model, inputs, rows)
