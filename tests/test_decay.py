"""The fit of the decay alone: planted δ and γ come back, nothing on the whole range is better, bad input is refused."""

import pytest
import torch

from lib import theory
from lib.fits import fit_decay


@pytest.fixture
def tables():
    draw = torch.Generator().manual_seed(0)
    return [torch.randn(3, 64, generator=draw, dtype=torch.float64) for _ in range(2)]


@pytest.mark.parametrize(("delta", "gamma"), [(2e-5, 0.7), (1e-3, 1.0), (0.3, 2.5)])
def test_planted_parameters_come_back(tables, delta, gamma):
    strength = theory.decay(*tables, delta, gamma).mean(0)
    found = fit_decay(strength, *tables)
    assert found.delta == pytest.approx(delta, rel=1e-4) and found.gamma == pytest.approx(gamma, rel=1e-4)
    assert found.r_squared == pytest.approx(1) and found.relative_error < 1e-5 and not found.on_edge
    torch.testing.assert_close(found.curve, strength, rtol=1e-4, atol=1e-6)


def test_no_delta_is_better(tables):
    strength = torch.rand(2, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = fit_decay(strength, *tables)
    error = (strength - found.curve).square().sum()
    deltas = torch.logspace(-6, 1, 1000, dtype=torch.float64)
    curves = theory.decay(*(table[:, None] for table in tables), deltas, 1.0).mean(0)  # (deltas, 2, n)
    gamma = (curves * strength).sum((-2, -1)) / curves.square().sum((-2, -1))
    others = (strength - gamma[:, None, None] * curves).square().sum((-2, -1))
    assert len(others) == 1000 and (error <= others * (1 + 1e-9)).all()


def test_more_shrinkage_than_allowed_ends_at_the_edge(tables):
    found = fit_decay(theory.decay(*tables, 0.5, 1.0).mean(0), *tables, delta_range=(1e-6, 1e-2))
    assert found.on_edge and found.delta == pytest.approx(1e-2)


def test_bad_input_is_refused(tables):
    with pytest.raises(ValueError, match="delta_range"):
        fit_decay(torch.ones(2, 6, dtype=torch.float64), *tables, delta_range=(0.0, 1.0))
    with pytest.raises(ValueError, match="strength is"):
        fit_decay(torch.zeros(2, 6, dtype=torch.float64), *tables)
