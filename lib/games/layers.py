"""Players on any layer of any network: its output is masked there, by a forward hook, and the network runs on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor, nn

from ..memory import in_parts, part_size
from ..players import STATES
from ..players.fitting import MOST, fitting_baseline, fitting_regions
from .coalitions import named
from .game import CLOSE, Game
from .outputs import Completion, Output, check_model, completion_odds, scale, values_of
from .passes import Inputs, Tap, batch_of_one, check_precision, first_run, undisturbed
from .passes import run as run_model

AGREE = 1e-4  # of v, between the two ways to run the layers before


@dataclass(frozen=True, eq=False)
class Background:
    """Samples whose features stand in for those of absent players, one after the other; v is the mean over them."""

    samples: Tensor


def background(samples: np.ndarray | Tensor | Sequence) -> Background:
    """A baseline of several samples, as the network takes them, (samples, …): marginal masking.

    An absent player has the features of another sample, and v is the mean of the outputs over all of `samples`.
    Raises ValueError for none.
    """
    samples = torch.as_tensor(np.stack([np.asarray(s) for s in samples]) if isinstance(samples, list) else samples)
    if samples.ndim < 2 or not len(samples):
        raise ValueError(f"background has shape {tuple(samples.shape)}: allowed is (samples, …), one sample at least")
    return Background(samples)


class Masked:
    """The features of one sample with those of absent players replaced."""

    def __init__(self, features: Tensor, regions: Bool[Tensor, "players *positions"]):
        n = len(regions)
        self.features = features
        self.owner: Int64[Tensor, "*positions"] = torch.where(regions.any(0), regions.long().argmax(0), n)
        self.lead = features.ndim - self.owner.ndim

    def __call__(self, present: Bool[Tensor, "states players"], baseline: Tensor) -> Tensor:
        shown = torch.cat([present, torch.ones_like(present[:, :1])], 1)[:, self.owner]  # no player's is always there
        shown = shown.view(len(present), *[1] * self.lead, *self.owner.shape)
        return torch.where(shown, self.features, baseline)


def at_layer(
    model: nn.Module,
    layer: str | None,
    sample: np.ndarray | Tensor | Mapping | Sequence,
    regions: np.ndarray | Tensor | Sequence,
    output: Output | Completion | Callable,
    baseline: float | int | Tensor | np.ndarray | Background = 0.0,
    axes: Sequence[int] | None = None,
    names: Sequence[str] | None = None,
    states: int = STATES,
) -> Game:
    """The game of one sample whose players are regions of the output of a layer.

    layer: the name of a module (`model.named_modules()`); None is the input itself, a tensor.
    sample: one sample as the network takes it: a tensor or array without a batch axis, or a dict of keyword arguments
    with a batch of 1, as a tokenizer returns.
    regions: booleans (players, positions). Positions are the last axes of the layer's output without its batch axis
    (rows and columns of channels × rows × columns), or the tokens of (tokens, width); or the axes that `axes` names.
    output: `label(y)`, `logit(k)`, `next_token(id)`, or a function of the network's logits (what it returns, where it
    has no logits) that gives v of each row.
    baseline: what absent players' features become: a number, a tensor that broadcasts to the features, or
    `background(samples)`.

    The layers before run on a batch of one for each `states` masked states where the network allows that, which is
    tried out first, and else on copies. The network runs in evaluation mode and full precision; it, its buffers, the
    sample and the reader's settings are afterwards as they were. The game computes on the network's device.

    Raises ValueError for a layer that is not there, that runs several times or not at all; for regions that do not fit,
    fit in two ways or overlap; for a network in half precision; for a sample that the network cannot take; for an
    output that is not what `output` says; and where the network with all players present is not the network
    (`model(sample)`).
    """
    check_precision(model)
    check_model(model, output)
    v_of = _of_tokens(output, sample) if isinstance(output, Completion) else output
    inputs = batch_of_one(model, sample)
    if layer is None and isinstance(inputs, dict):
        raise ValueError("layer = None: a sample that is a dict has several inputs; allowed is a layer's name, such as "
                         "that of the token embeddings, or games.words")  # fmt: skip
    tap = None if layer is None else Tap(model, layer)
    with undisturbed(model):
        features, out = _features(model, tap, inputs)
        places = _places(regions, features, axes)
        baselines = _baselines(model, tap, baseline, features)
    mask = Masked(features, places)
    size = part_size(states, max(features.numel(), out.numel() if isinstance(out, Tensor) else 0))

    def values(present: Tensor, behind: Tensor, expanded: bool) -> Tensor:
        masked = mask(present, behind)
        rows = len(present)
        if tap is None:
            return values_of(v_of, run_model(model, masked, rows), rows)
        return values_of(v_of, tap.run(inputs, masked, rows if expanded else 1), rows)

    n = len(places)
    with undisturbed(model):
        plain = values_of(v_of, out, 1)
        expanded = tap is None or not _runs_once(values, n, baselines[0])
        both = torch.tensor([[True] * n, [False] * n], device=features.device)
        trial = values(both, baselines[0], expanded)
        alone = torch.cat([values(state[None], baselines[0], expanded) for state in both])
    check_alone(plain, trial, alone)

    def play(present: Tensor) -> Tensor:
        present = present.to(features.device)

        def part(rows: Tensor) -> Tensor:
            return sum(values(present[rows], behind, expanded) for behind in baselines) / len(baselines)

        with undisturbed(model):
            none = torch.empty(0, dtype=torch.float64, device=features.device)
            index = torch.arange(len(present), device=features.device)
            return (in_parts(part, index, size) if len(present) else none).cpu()

    return Game(play, named(names, n), CLOSE * scale(out))


def check_alone(plain: Tensor, trial: Tensor, alone: Tensor) -> None:
    """Raises ValueError unless all players present are the model itself, and a state's v is its own in any batch.

    plain: v of the model itself (1,); trial: of all and of no players, in one batch; alone: the same, a batch for each.
    """
    if not bool(((alone[0] - plain).abs() <= AGREE * (1 + plain.abs())).all()):
        raise ValueError(
            f"v = {alone[0].item():.6g} with all players present, {plain.item():.6g} of the model itself: allowed is a "
            "model that gives one sample one output each time"
        )
    if not bool(((trial - alone).abs() <= AGREE * (1 + alone.abs())).all()):
        worst = int((trial - alone).abs().argmax())
        raise ValueError(
            f"v = {trial[worst].item():.6g} of a state in a batch, {alone[worst].item():.6g} alone: allowed is a model "
            "that gives a sample its own output whatever else is in the batch (no batch norm without running "
            "statistics)"
        )


def _of_tokens(output: Completion, sample: object) -> Callable[[Tensor], Tensor]:
    """v of the token after the last, by its id."""
    if not isinstance(output.text, int):
        raise ValueError(f"output = {output.name}: allowed is a token's id; games.words takes text, with a tokenizer")
    attended = sample.get("attention_mask") if isinstance(sample, Mapping) else None
    if isinstance(attended, Tensor) and not bool(attended[..., -1].all()):
        raise ValueError("attention_mask ends in padding: allowed is a sample whose last token is a token")

    def of(out: Tensor) -> Tensor:
        return completion_odds(out[:, -1:], torch.tensor([output.text], device=out.device))

    return of


def _features(model: nn.Module, tap: Tap | None, inputs: Inputs) -> tuple[Tensor, object]:
    """What is masked, without the batch axis, and what the network returns for the sample."""
    return tap.features(inputs) if tap else (inputs[0].clone(), first_run(model, inputs))


def _places(regions: object, features: Tensor, axes: Sequence[int] | None) -> Bool[Tensor, "players *positions"]:
    """The regions over trailing axes of the features, or over all of them."""
    regions = torch.as_tensor(np.asarray(regions) if isinstance(regions, list | tuple) else regions)
    regions = regions.to(features.device)
    positions, shape = tuple(regions.shape[1:]), tuple(features.shape)
    if axes is None:
        if features.ndim == 2 and len(positions) == 1 and shape[0] == shape[1] == positions[0]:
            raise ValueError(
                f"regions are over {positions}, and the features are {shape}, which they fit in two ways: "
                "allowed is axes=(0,), tokens, or axes=(1,), their width"
            )
        tokens = features.ndim == 2 and positions == shape[:1]
        if not tokens and positions != shape[len(shape) - len(positions) :]:
            raise ValueError(
                f"regions are over {positions}, the features are {shape}: allowed are regions over their last axes or, "
                "of (tokens, width), over the tokens; axes=(…) names others"
            )
        return _fitting(regions, features)
    placed = [axis % len(shape) if -len(shape) <= axis < len(shape) else None for axis in axes]
    if None in placed or len(set(placed)) < len(placed) or tuple(shape[axis] for axis in placed) != positions:
        raise ValueError(f"axes = {tuple(axes)}: regions are over {positions}, the features are {shape}: "
                         "allowed are different axes of the features of those sizes")  # fmt: skip
    order = sorted(range(len(placed)), key=placed.__getitem__)
    sizes = [shape[axis] if axis in placed else 1 for axis in range(len(shape))]
    full = regions.permute(0, *(1 + axis for axis in order)).reshape(len(regions), *sizes)
    return _fitting(full.expand(len(regions), *shape), features)


def _fitting(regions: Tensor, features: Tensor) -> Bool[Tensor, "players *positions"]:
    """`fitting_regions` of any number of players: its limit is that of tables over all states."""
    fitting = torch.cat([fitting_regions(part, features) for part in regions.split(MOST)])
    if int(fitting.sum(0).max()) > 1:
        raise ValueError("regions overlap: a position belongs to one player at most")
    return fitting


def _baselines(model: nn.Module, tap: Tap | None, baseline: object, features: Tensor) -> list[Tensor]:
    """What stands in for absent players, one or several, each in the shape of the features."""
    if not isinstance(baseline, Background):
        return [fitting_baseline(torch.as_tensor(baseline), features)]
    found = [_features(model, tap, batch_of_one(model, sample))[0] for sample in baseline.samples]
    wrong = next((f for f in found if f.shape != features.shape), None)
    if wrong is not None:
        raise ValueError(
            f"background has features {tuple(wrong.shape)}: allowed are the sample's, {tuple(features.shape)}"
        )
    return found


def _runs_once(values: Callable, n: int, behind: Tensor) -> bool:
    """Whether the layers before may run on a batch of one: three states agree with those of a whole batch of copies."""
    present = torch.stack([torch.arange(n, device=behind.device) % 2 == 0] * 3)
    present[1], present[2] = True, False
    expected = values(present, behind, True)
    try:
        found = values(present, behind, False)
    except (RuntimeError, ValueError, IndexError, TypeError, AssertionError):
        return False  # a layer that follows takes the batch's size from what came before
    return bool(((found - expected).abs() <= AGREE * (1 + expected.abs())).all())
