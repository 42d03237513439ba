"""Injecting non-generalisable representations: noise on the parameters, adversarial noise on the inputs (§2.2.2)."""

import copy

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from .memory import in_parts, part_size
from .networks import Cut, evaluating, full_precision
from .players import log_odds
from .randomness import generator

SIGNS = {"adversarial": -1, "printed": 1}  # of the step along ∇v


@torch.no_grad()
def perturb_parameters(network: Cut, sigma: float, seed: int, relative: bool = True, draw: int = 0) -> Cut:
    """A copy of the network with parameters θ + ε, ε ~ N(0, σ²).

    Choice: the paper's levels cannot be absolute, so σ is in per cent of each tensor's own standard deviation;
    `relative=False` takes it as it is. A seed and a `draw` make one direction, and σ only scales it, so that levels can
    be compared. Raises ValueError for σ < 0 or not finite.
    """
    _check(sigma)
    noisy = copy.deepcopy(network)
    stream = generator(seed, "parameter noise", *([draw] if draw else []))
    for parameter in noisy.parameters():
        noise = torch.randn(parameter.shape, generator=stream).to(parameter)
        scale = sigma / 100 * parameter.std(correction=0) if relative else sigma
        parameter.add_(scale * noise)
    return noisy


@full_precision()
def fgsm(
    network: Cut,
    samples: Float[Tensor, "samples ..."],
    labels: Int64[Tensor, "samples"],
    sigma: float,
    sign: str = "adversarial",
) -> Float[Tensor, "samples ..."]:
    """The samples moved by σ, in units of x, along the sign of the gradient of v (Goodfellow et al. 2015).

    "adversarial" is x − σ · sign(∇ₓ v(x)): v, the log-odds of the true class, falls. "printed" is footnote 8's
    x + σ · sign(∇ₓ v(x)): the network becomes surer. The result is not clipped to the range of pixels. Raises
    ValueError for σ < 0 or not finite, and for another sign.
    """
    _check(sigma)
    if sign not in SIGNS:
        raise ValueError(f"fgsm_sign = {sign!r}: allowed are {', '.join(SIGNS)}")

    def moved(part: Int64[Tensor, "part"]) -> Float[Tensor, "part ..."]:
        x = samples[part].detach().clone().requires_grad_()
        (gradient,) = torch.autograd.grad(log_odds(network(x), labels[part]).sum(), x)
        return (x + SIGNS[sign] * sigma * gradient.sign()).detach()

    size = part_size(len(samples), samples[0].numel(), budget=2**22)
    with evaluating(network):
        return in_parts(moved, torch.arange(len(samples), device=samples.device), size)


def _check(sigma: float) -> None:
    if not 0 <= sigma < float("inf"):
        raise ValueError(f"sigma = {sigma}: allowed are finite values from 0 on")
