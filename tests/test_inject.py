"""Injected noise: its size, its direction, and that the original is left alone."""

import pytest
import torch

from lib import inject, networks
from lib.players import log_odds


@pytest.fixture
def network():
    return networks.build("vgg4", (1, 32, 32), 10, seed=0).double()


def test_parameter_noise_is_a_share_of_each_tensors_spread(network):
    before = [p.clone() for p in network.parameters()]
    noisy = inject.perturb_parameters(network, 10, seed=1)
    for old, same, new in zip(before, network.parameters(), noisy.parameters(), strict=True):
        assert torch.equal(old, same)
        if old.numel() > 2000:
            assert (new - old).std().item() == pytest.approx(0.1 * old.std().item(), rel=0.05)


def test_levels_share_one_direction_drawn_by_the_seed(network):
    (w, weak, strong, other) = (
        next(net.parameters()).detach()
        for net in (network, *(inject.perturb_parameters(network, s, seed) for s, seed in ((1, 0), (3, 0), (1, 1))))
    )
    torch.testing.assert_close(strong - w, 3 * (weak - w))
    assert not torch.allclose(other - w, weak - w)


def test_absolute_noise_and_none(network):
    noisy = inject.perturb_parameters(network, 0.5, seed=0, relative=False)
    assert (noisy.head[-1].weight - network.head[-1].weight).std().item() == pytest.approx(0.5, rel=0.05)
    still = inject.perturb_parameters(network, 0, seed=0)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), still.parameters(), strict=True))


@pytest.mark.parametrize(("sign", "along"), [("adversarial", -1), ("printed", 1)])
def test_fgsm_moves_each_pixel_by_sigma_along_the_gradient_of_v(network, sign, along):
    draw = torch.Generator().manual_seed(0)
    x = torch.rand(2, 1, 32, 32, generator=draw, dtype=torch.float64)
    labels = torch.tensor([3, 7])
    moved = inject.fgsm(network, x, labels, 0.01, sign)
    step = along * (moved - x) / 0.01
    for pixel in [(0, 0, 5, 7), (0, 0, 16, 16), (1, 0, 20, 11), (1, 0, 30, 2)]:  # the gradient by finite differences
        nudge = torch.zeros_like(x)
        nudge[pixel] = 1e-5
        with torch.no_grad():
            slope = (log_odds(network(x + nudge), labels) - log_odds(network(x - nudge), labels))[pixel[0]]
        assert step[pixel].item() == pytest.approx(slope.sign().item())
    assert not moved.requires_grad
    with torch.no_grad():  # to first order v changes by the gradient's absolute sum
        change = log_odds(network(moved), labels) - log_odds(network(x), labels)
    assert (along * change > 0).all()


def test_samples_are_moved_apart_from_each_other(network):
    """So that how many fit the memory at a time does not matter."""
    x, labels = torch.rand(4, 1, 32, 32, dtype=torch.float64), torch.tensor([1, 2, 3, 4])
    together = inject.fgsm(network, x, labels, 0.01)
    for k in range(4):
        torch.testing.assert_close(together[k : k + 1], inject.fgsm(network, x[k : k + 1], labels[k : k + 1], 0.01))


def test_the_adversarial_sign_is_the_default_and_no_other_word_is_taken(network):
    x, labels = torch.rand(1, 1, 32, 32, dtype=torch.float64), torch.tensor([1])
    assert torch.equal(inject.fgsm(network, x, labels, 0.01), inject.fgsm(network, x, labels, 0.01, "adversarial"))
    with pytest.raises(ValueError, match="fgsm_sign = '-': allowed are adversarial, printed"):
        inject.fgsm(network, x, labels, 0.01, "-")


def test_draws_are_independent_and_the_first_is_that_of_the_seed(network):
    noise = [
        torch.cat([(a - b).flatten() for a, b in zip(noisy.parameters(), network.parameters(), strict=True)]).detach()
        for noisy in (inject.perturb_parameters(network, 10, 0, draw=k) for k in range(3))
    ]
    assert torch.equal(noise[0], torch.cat([
        (a - b).flatten()
        for a, b in zip(inject.perturb_parameters(network, 10, 0).parameters(), network.parameters(), strict=True)
    ]).detach())  # fmt: skip
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert abs(torch.corrcoef(torch.stack([noise[a], noise[b]]))[0, 1]) < 0.05


@pytest.mark.parametrize("sigma", [-1.0, float("nan"), float("inf")])
def test_wrong_levels_are_refused(network, sigma):
    with pytest.raises(ValueError, match="sigma"):
        inject.perturb_parameters(network, sigma, seed=0)
