"""What is kept of the other extractions is what lib/ computes, to the digits kept; its splits are those of Eq. 9."""

import numpy as np
import pytest
import torch
import xarray as xr
from small_book import make_values

from lib import choices, strengths, tables, theory
from lib.choices import ends as choice_ends
from lib.disentangle import disentangle

N, SAMPLES, TAU = 6, 5, 0.02
CONDITIONS = [*"ABCD", "parameters 30"]


@pytest.fixture(scope="module")
def solved():
    values = make_values(SAMPLES, N, seed=1)
    at = xr.DataArray(values.numpy(), dims=("timepoint", "sample", "subset"), coords={"timepoint": list("ABCD")})
    noise = (at[1:2] + 0.2 * at[:1].values).rename(timepoint="noise").assign_coords(noise=CONDITIONS[4:])
    known = choices.keep(choices.registry(), limits=("mean",), zeta=(0.0, 0.02))
    return choices.solve([at, noise], known)


@pytest.fixture(scope="module")
def table(solved):
    return choice_ends.ends(solved, TAU, range(10, 10 + SAMPLES), 50, 7)


def test_strengths_and_decays_are_libs_to_three_digits(solved, table):
    assert table.condition.values.tolist() == CONDITIONS and table.attrs == {"tau": TAU, "of": 50, "seed": 7}
    assert table.sample.values.tolist() == [10, 11, 12, 13, 14]
    for (zeta, ties, _), found in solved.items():
        at = table.sel(zeta=zeta, ties=ties)
        for name in CONDITIONS:
            pair, swing = found.of(name), found.swing[CONDITIONS.index(name)]
            ours = strengths.by_order(*pair, TAU * float(swing.mean()))
            np.testing.assert_allclose(at.strength.sel(condition=name), ours, rtol=3e-4, atol=1e-9)
            np.testing.assert_allclose(at.swing.sel(condition=name), swing, rtol=3e-4)
            for delta in table.delta.values[::7]:
                ours = theory.decay(*pair, float(delta), 1.0).mean(0)
                np.testing.assert_allclose(at.decay.sel(condition=name, delta=delta), ours, rtol=3e-4, atol=1e-9)
    assert (table.delta.values[0], table.delta.values[-1]) == pytest.approx((1e-6, 10.0))
    both = [float(table.strength.sel(zeta=0.0, ties=ties, order=1).sum()) for ties in ("low", "high")]
    assert both[1] < 0.9 * both[0], "ties to high orders leave less at order 1"


@pytest.mark.parametrize("reference", choice_ends.REFERENCES)
def test_splits_are_those_of_equation_9(solved, table, reference):
    bounds = {"alpha_range": (0.5, 1.5), "delta_range": (1e-3, 10.0)}
    found = choice_ends.splits(table, reference, 1e-3, (0.5, 1.5))
    whose = {"self": CONDITIONS, "converged": ["D"] * 5, "undisturbed": [*"ABCDB"]}[reference]
    for ties in choice_ends.TIES:
        one = solved[0.0, ties, "mean"]
        for name, star in zip(CONDITIONS, whose, strict=True):
            at = found.sel(zeta=0.0, ties=ties, condition=name)
            swing = one.swing[CONDITIONS.index(name if len(name) == 1 else "B")].mean()
            tau = TAU * float(one.swing[CONDITIONS.index(name)].mean())
            a = strengths.by_order(*one.of(name), tau) / swing
            ours = disentangle(a, *(x / swing for x in one.of(star)), **bounds)
            assert float(at.total) == pytest.approx(float(a.mean(0).sum()), rel=1e-3)
            assert float(at.relative_residual) == pytest.approx(ours.relative_residual, rel=0.02, abs=2e-3)
            assert float(at.share) == pytest.approx(ours.spindle_share, abs=0.05)  # five samples hold it loosely
            np.testing.assert_allclose(at.decay + at.spindle + at.residual, at.strength, atol=1e-9)
            assert float(at.spindle.sum()) == pytest.approx(float(at.spindle_strength), abs=1e-9)
            assert float(at.decay.sum()) == pytest.approx(float(at.decay_strength), abs=1e-9)
            left = float((at.residual**2).sum() / (at.strength**2).sum()) ** 0.5
            assert left == pytest.approx(float(at.relative_residual), rel=0.02, abs=2e-3)


def test_a_higher_least_delta_leaves_no_less_to_the_residual(table):
    left = [choice_ends.splits(table, delta_min=least).relative_residual.values for least in (1e-6, 1e-3, 1e-1)]
    assert (left[0] <= left[1] + 1e-9).all() and (left[1] <= left[2] + 1e-9).all() and (left[0] < left[2]).any()


def test_a_planted_spindle_is_found_and_nothing_salient_is_no_spindle(table):
    planted = table.copy(deep=True)
    hump = theory.spindle(1.0, 1.0, N).numpy()
    planted["strength"][:] = hump * float(table.strength.max())
    found = choice_ends.splits(planted, delta_min=1e-2)
    assert float(found.share.min()) > 0.95
    planted["strength"][:] = 0.0
    found = choice_ends.splits(planted)
    assert not found.share.any() and all(np.isfinite(found[name]).all() for name in found)


def test_the_table_is_small_and_goes_through_a_file(table, tmp_path):
    tables.write(table, tmp_path / "choices.nc")
    xr.testing.assert_equal(tables.read(tmp_path / "choices.nc"), table)
    assert table.strength.dtype == table.decay.dtype == np.float32
    numbers = torch.from_numpy(table.decay.values).view(torch.int32)
    assert not (numbers & (1 << 23 - choice_ends.BITS) - 1).any(), "the last bits are 0, which zlib packs"


def test_what_cannot_be_is_refused_by_name(solved, table):
    with pytest.raises(ValueError, match="number of samples is 2; allowed: 5, as many as were solved"):
        choice_ends.ends(solved, TAU, [0, 1], 50, 0)
    with pytest.raises(ValueError, match="tau is -1"):
        choice_ends.ends(solved, -1, range(SAMPLES), 50, 0)
    low = {key: found for key, found in solved.items() if key[1] == "low"}
    with pytest.raises(ValueError, match="low and high ties for each ζ"):
        choice_ends.ends(low, TAU, range(SAMPLES), 50, 0)
    with pytest.raises(ValueError, match="reference is 'mine'; allowed: self, converged, undisturbed"):
        choice_ends.splits(table, "mine")
