"""The descent against automatic differentiation with dense matrices, and against the optimum."""

import pytest
import torch

from lib import subsets
from lib.descent import descend
from lib.sparsest import sparsest


def tables(n: int, samples: int) -> torch.Tensor:
    return torch.randn(samples, 2**n, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def dense_descent(v: torch.Tensor, zeta: float, rate: float, steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The same in the plainest way: torch's SGD, gradients by autograd, transforms as matrices."""
    identity = torch.eye(len(v), dtype=torch.float64)
    to_and, to_or = subsets.and_interactions(identity).mT, subsets.or_interactions(identity).mT
    gamma, delta = (torch.zeros_like(v).requires_grad_() for _ in range(2))
    optimiser = torch.optim.SGD([gamma, delta], rate, momentum=0.9)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = rate * 0.1 ** (step / (steps - 1))
        half = (v - delta) / 2
        loss = (to_and @ (half + gamma)).abs().sum() + (to_or @ (half - gamma)).abs().sum()
        optimiser.zero_grad()
        loss.backward()
        delta.grad[0] = 0.0
        optimiser.step()
        with torch.no_grad():
            delta.clamp_(-zeta, zeta)
    return gamma.detach(), delta.detach()


def test_matches_the_plain_descent() -> None:
    values = tables(5, 2)
    found = descend(values, 0.1, learning_rate=1e-3, iterations=50)
    for k in range(2):
        gamma, delta = dense_descent(values[k], 0.1, 1e-3, 50)
        torch.testing.assert_close(found.delta[k], delta)
        i_or = subsets.or_interactions((values[k] - delta) / 2 - gamma)
        several = subsets.orders(5) >= 2
        torch.testing.assert_close(found.i_or[k, several], i_or[several])


def test_ends_above_the_optimum_and_feasible() -> None:
    values = tables(6, 3)
    found = descend(values, 0.05, learning_rate=1e-3, iterations=2000)
    exact = sparsest(values, 0.05)
    h = subsets.logical_model(found.i_and, found.i_or, values[:, 0])
    torch.testing.assert_close(h, values - found.delta)
    assert (found.delta.abs() <= 0.05).all() and (found.iterations == 2000).all()
    assert (found.objective >= exact.lower_bound).all() and (found.objective <= 1.5 * exact.objective).all()
    assert (found.lower_bound == 0).all() and (found.gap == 1).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"momentum": 1.0}, "momentum is 1.0"),
        ({"zeta": -1.0}, r"zeta is \[-1.0\]"),
    ],
)
def test_bad_arguments_are_named(arguments: dict, message: str) -> None:
    good = {"values": torch.zeros(8, dtype=torch.float64), "zeta": 0.0}
    with pytest.raises(ValueError, match=message):
        descend(**(good | arguments))
