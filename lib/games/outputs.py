"""Outputs: which number v is made of what a network returns."""

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor, nn

from ..players import log_odds

FEW = 16  # outputs: fewer may all be between 0 and 1 by chance
KEYS = ("logits", "out")  # of transformers, of torchvision's segmentation


@dataclass(frozen=True, eq=False)
class Output:
    """v of the output (batch, …) of a network; what it is called, and whether it expects probabilities."""

    name: str
    of: Callable[[Tensor], Tensor]
    classes: bool  # exclusive ones, whose logits are of one softmax
    probabilities: bool

    def __call__(self, out: object) -> Float64[Tensor, " batch"]:
        if not isinstance(out, Tensor):
            raise ValueError(
                f"output = {self.name}: the model returned {type(out).__name__} without logits: allowed is a function"
            )
        return self.of(out)


@dataclass(frozen=True)
class Completion:
    """v = log p/(1 − p) of tokens that a causal language model may go on with, p the product over the tokens."""

    text: str | int  # or the id of a single token
    single: bool

    @property
    def name(self) -> str:
        return f"{'next_token' if self.single else 'completion'}({self.text!r})"


def label(y: int, probabilities: bool = False) -> Output:
    """v = log p/(1 − p) of class y (Eq. 1), from the logits of all classes: y's less the logsumexp of the others.

    With `probabilities` the model returns those, (batch, classes), and v = log p − log(1 − p), which saturates where
    the model is sure. Raises ValueError, when v is computed, for a label out of range, for a single logit, for
    probabilities where logits were promised, and the other way round.
    """
    name = f"label({y})"

    def of(out: Tensor) -> Tensor:
        if out.ndim != 2 or out.shape[1] < 2:
            raise ValueError(
                f"output = {name}: the model returned shape {tuple(out.shape)}: allowed is (batch, classes), "
                "two classes at least; games.logit(k) takes one logit"
            )
        if not 0 <= y < out.shape[1]:
            raise ValueError(f"output = {name}: allowed are 0 to {out.shape[1] - 1}")
        if probabilities:
            check_probabilities(out, name, exclusive=True)
            return _from_probabilities(out[:, y])
        refuse_probabilities(out, name)
        return log_odds(out, torch.full((len(out),), y, device=out.device))

    return Output(name, of, True, probabilities)


def logit(k: int = 0, probabilities: bool = False) -> Output:
    """v = the k-th output: a regression, one logit (k = 0), or one of several independent logits (multi-label).

    With `probabilities` the model returns that of each label on its own, and v = log p − log(1 − p). Raises ValueError,
    when v is computed, for k out of range and for probabilities of classes where logits were promised.
    """
    name = f"logit({k})"

    def of(out: Tensor) -> Tensor:
        out = out[:, None] if out.ndim == 1 else out
        if out.ndim != 2 or not 0 <= k < out.shape[1]:
            least = f", k from 0 to {out.shape[1] - 1}" if out.ndim == 2 else ""
            raise ValueError(
                f"output = {name}: the model returned shape {tuple(out.shape)}: allowed is (batch, outputs){least}"
            )
        if probabilities:
            check_probabilities(out, name, exclusive=False)
            return _from_probabilities(out[:, k])
        refuse_probabilities(out, name, exclusive=True)
        return out[:, k].double()

    return Output(name, of, False, probabilities)


def next_token(token: str | int) -> Completion:
    """v = log p/(1 − p) of the token that a causal language model goes on with.

    `token` is text that is one token, with its blank (" Paris"), or the token's id. Raises ValueError, when it meets
    the tokenizer, for text that is several tokens.
    """
    return Completion(token, True)


def completion(text: str) -> Completion:
    """v = log p/(1 − p) of a text that a causal language model goes on with, p the product over its tokens.

    Choice: the paper gives no output for text that is generated.
    """
    return Completion(text, False)


def completion_odds(logits: Tensor, ids: Tensor) -> Float64[Tensor, " batch"]:
    """log p/(1 − p) of p = ∏ p_t, from the logits (batch, tokens, vocabulary) that precede each of the tokens `ids`.

    Of one token it is `log_odds`. Nothing saturates: log p_t = −softplus(−odds_t), log(1 − p) = log(−expm1(log p)).
    """
    odds = log_odds(logits, ids.expand(len(logits), -1))
    if odds.shape[1] == 1:
        return odds[:, 0]
    log_p = -nn.functional.softplus(-odds).sum(1)
    return log_p - torch.log(-torch.expm1(log_p))


def folded(returned: object) -> object:
    """The logits in what a model returned: the tensor itself, `.logits`, an entry of a dict, the first of a tuple.

    Where there are none, what was returned, for a function of the reader's.
    """
    if isinstance(returned, Tensor):
        return returned
    for key in KEYS:
        found = returned.get(key) if isinstance(returned, Mapping) else getattr(returned, key, None)
        if isinstance(found, Tensor):
            return found
    if isinstance(returned, Mapping) and len(returned) == 1:
        return folded(next(iter(returned.values())))
    if isinstance(returned, tuple | list) and returned and isinstance(returned[0], Tensor):
        return returned[0]
    return returned


def values_of(output: Callable, out: object, rows: int) -> Float64[Tensor, " rows"]:
    """v of what a model returned for `rows` states. Raises ValueError where the output has another shape."""
    values = output(out)
    if isinstance(values, np.ndarray):
        values = torch.from_numpy(values)
    if not isinstance(values, Tensor) or tuple(values.shape) != (rows,):
        what = f"shape {tuple(values.shape)}" if isinstance(values, Tensor) else f"a {type(values).__name__}"
        raise ValueError(f"output returned {what} for {rows} states: allowed is a tensor of shape ({rows},)")
    return values.double()


def check_model(model: nn.Module, output: Output | Completion | Callable) -> None:
    """Raises ValueError where the model says itself that its outputs are not what `output` takes them for."""
    if not isinstance(output, Output):
        return
    kind = getattr(getattr(model, "config", None), "problem_type", None)
    if output.classes and kind in ("multi_label_classification", "regression"):
        raise ValueError(f"output = {output.name}: the model's problem_type is {kind}, whose outputs are no exclusive "
                         "classes: allowed is games.logit(k)")  # fmt: skip
    leaves = [module for module in model.modules() if not next(module.children(), None)]
    if leaves and isinstance(leaves[-1], nn.Softmax | nn.Sigmoid) and not output.probabilities:
        raise ValueError(f"output = {output.name}: the model ends in {type(leaves[-1]).__name__}, so it returns "
                         "probabilities: allowed are logits, or probabilities=True")  # fmt: skip


def refuse_probabilities(out: Tensor, name: str, exclusive: bool = False) -> None:
    """Raises ValueError for rows that are probabilities, for they sum to 1.

    Warns where all outputs are between 0 and 1 without that, as independent probabilities are and logits may be;
    `exclusive` asks for no such warning.
    """
    if out.ndim != 2 or out.shape[1] < 2 or not bool(((out >= 0) & (out <= 1)).all()):
        return
    if bool(((out.double().sum(1) - 1).abs() < 1e-3).all()):
        raise ValueError(f"output = {name}: the outputs are between 0 and 1 with the sum 1, as probabilities are: "
                         "allowed are logits, or probabilities=True")  # fmt: skip
    if not exclusive and out.numel() >= FEW:
        warnings.warn(
            f"output = {name}: all outputs are between 0 and 1; if they are independent probabilities, "
            "games.logit(k, probabilities=True) is right",
            stacklevel=2,
        )


def check_probabilities(out: Tensor, name: str, exclusive: bool) -> None:
    """Raises ValueError unless all are between 0 and 1 and, if exclusive, sum to 1."""
    inside = bool(((out >= 0) & (out <= 1)).all())
    if not inside or exclusive and bool(((out.double().sum(1) - 1).abs() >= 1e-3).any()):
        sums = ", each row with the sum 1" if exclusive else ""
        raise ValueError(f"output = {name}, probabilities=True: the outputs are from {out.min().item():.3g} to "
                         f"{out.max().item():.3g}: allowed are 0 to 1{sums}")  # fmt: skip


def _from_probabilities(p: Tensor) -> Tensor:
    p = p.double()
    return p.log() - torch.log1p(-p)


def scale(out: object) -> float:
    """The last place of the largest output, by its type; 0 for what is no tensor."""
    if not isinstance(out, Tensor) or not out.dtype.is_floating_point or not out.numel():
        return 0.0
    largest = float(out.detach().abs().max())
    return torch.finfo(out.dtype).eps * largest if math.isfinite(largest) else 0.0
