"""Injecting non-generalisable representations: noise on the parameters, adversarial noise on the inputs (§2.2.2)."""

import copy

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from .memory import in_parts, part_size
from .networks import Cut, evaluating, full_precision
from .players import log_odds
from .randomness import generator


@torch.no_grad()
def perturb_parameters(network: Cut, sigma: float, seed: int, relative: bool = True) -> Cut:
    """A copy of the network with parameters θ + ε, ε ~ N(0, σ²).

    Choice: the paper's levels cannot be absolute, so σ is in per cent of each tensor's own standard deviation;
    `relative=False` takes it as it is. One seed draws one direction, and σ only scales it, so that levels can be
    compared. Raises ValueError for σ < 0 or not finite.
    """
    _check(sigma)
    noisy = copy.deepcopy(network)
    draw = generator(seed, "parameter noise")
    for parameter in noisy.parameters():
        noise = torch.randn(parameter.shape, generator=draw).to(parameter)
        scale = sigma / 100 * parameter.std(correction=0) if relative else sigma
        parameter.add_(scale * noise)
    return noisy


@full_precision()
def fgsm(
    network: Cut, samples: Float[Tensor, "samples ..."], labels: Int64[Tensor, "samples"], sigma: float
) -> Float[Tensor, "samples ..."]:
    """The samples x + σ · sign(∇ₓ v(x)) (footnote 8; Goodfellow et al. 2015), σ in units of x.

    As in the paper's formula the step is along the gradient of v, and the result is not clipped to the range of
    pixels. Raises ValueError for σ < 0 or not finite.
    """
    _check(sigma)

    def moved(part: Int64[Tensor, "part"]) -> Float[Tensor, "part ..."]:
        x = samples[part].detach().clone().requires_grad_()
        (gradient,) = torch.autograd.grad(log_odds(network(x), labels[part]).sum(), x)
        return (x + sigma * gradient.sign()).detach()

    size = part_size(len(samples), samples[0].numel(), budget=2**22)
    with evaluating(network):
        return in_parts(moved, torch.arange(len(samples), device=samples.device), size)


def _check(sigma: float) -> None:
    if not 0 <= sigma < float("inf"):
        raise ValueError(f"sigma = {sigma}: allowed are finite values from 0 on")
