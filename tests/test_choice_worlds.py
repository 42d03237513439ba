"""The choices with tables of their own: which tables each level has, on which samples."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from lib.choices import AS_MEASURED, worlds

N, SAMPLES = 3, 6
CHECKPOINTS = [0, 1, 2, 4, 8, 16]
TIMEPOINTS = {"A": 0, "B": 2, "C": 8, "D": 16}


def tables(names, dim, samples, start):
    """Tables that differ everywhere: start, start + 1, …"""
    data = start + np.arange(len(names) * len(samples) * 2**N, dtype=float).reshape(len(names), len(samples), 2**N)
    return xr.DataArray(data, dims=(dim, "sample", "subset"), coords={dim: list(names), "sample": samples})


VALUES = tables("ABCD", "timepoint", list(range(10, 10 + SAMPLES)), 0)


def gaps(**at):
    return pd.Series({epoch: at.get(f"e{epoch}", 0.0) for epoch in range(17)})


def test_b_may_be_any_checkpoint_beside_it_and_the_last_without_a_gap():
    along = tables(CHECKPOINTS, "epoch", [11, 13, 15], 1000)
    gap = gaps(e0=0.0, e1=0.0, e2=0.01, e4=0.02, e8=0.09, e16=1.0)
    choice, found = worlds.times(VALUES, along, TIMEPOINTS | {"C": 12}, gap, most=2)
    assert choice.levels == ("least test loss", "one checkpoint earlier", "one checkpoint later", "by the loss gap")
    for level, epoch in zip(choice.levels, (None, 1, 4, 8), strict=True):
        (own,) = found[level]
        assert own.sample.values.tolist() == [11, 13]
        usual = VALUES.sel(sample=[11, 13])
        expected = usual.sel(timepoint="B") if epoch is None else along.sel(epoch=epoch, sample=[11, 13])
        np.testing.assert_array_equal(own.sel(timepoint="B"), expected)
        np.testing.assert_array_equal(own.sel(timepoint=["A", "C", "D"]), usual.sel(timepoint=["A", "C", "D"]))
    assert worlds.times(VALUES, along, TIMEPOINTS, gap, most=2)[0].levels == choice.levels[:3], "that one is C"
    assert choice.default == "least test loss" and choice.apart and "untrained" not in choice.claims


def test_a_checkpoint_that_has_its_level_already_is_none():
    """The least checkpoint after A has none before it, and that by the gap is the one after it."""
    along = tables(CHECKPOINTS, "epoch", [11], 1000)
    gap = gaps(e2=0.01, e4=0.5, e8=0.5, e16=1.0)
    choice, _ = worlds.times(VALUES, along, TIMEPOINTS | {"B": 1}, gap, most=9)
    assert choice.levels == ("least test loss", "one checkpoint later")
    nowhere = tables(CHECKPOINTS, "epoch", [99], 0)
    assert worlds.times(VALUES, nowhere, TIMEPOINTS, gap, most=9) is None


def alternative(rows, samples=(14, 12)):
    """What `alternatives` writes; rows: (alternative, timepoint, kind, sigma, level)."""
    own = tables(range(len(rows)), "condition", list(samples), 5000).drop_vars("condition")
    columns = zip(("alternative", "timepoint", "kind", "sigma", "level"), zip(*rows, strict=True), strict=True)
    return xr.Dataset({"values": own}, coords={name: ("condition", list(column)) for name, column in columns})


def test_what_is_measured_otherwise_replaces_all_timepoints_of_the_same_samples():
    rows = [("pixels", timepoint, "", 0.0, "pixels, mean colour") for timepoint in "DCBA"]
    rows += [("sign", "B", "inputs", 2.0, "printed")]
    other = alternative(rows)
    choice, found = worlds.measured(VALUES, other, most=5)
    assert choice.levels == (AS_MEASURED, "pixels, mean colour")
    (own,) = found["pixels, mean colour"]
    for k, timepoint in enumerate("DCBA"):
        for sample in (12, 14):
            expected = other["values"][k].sel(sample=sample)
            np.testing.assert_array_equal(own.sel(timepoint=timepoint, sample=sample), expected)
    np.testing.assert_array_equal(found[AS_MEASURED][0], VALUES.sel(sample=[12, 14]))
    assert worlds.measured(VALUES, alternative(rows[-1:]), most=5) is None


def test_other_noise_stands_where_ours_of_the_same_level_does():
    names = ["parameters 3", "parameters 10", "inputs 2", "inputs 4"]
    noise = tables(names, "noise", VALUES.sample.values, 2000).to_dataset(name="values")
    noise = noise.assign_coords(
        kind=("noise", ["parameters", "parameters", "inputs", "inputs"]), sigma=("noise", [3.0, 10.0, 2.0, 4.0])
    )
    rows = [("draws", "B", "parameters", sigma, f"draw {k}") for k in (1, 2) for sigma in (10.0, 3.0)]
    rows += [("sign", "B", "inputs", sigma, "printed") for sigma in (2.0, 4.0)]
    other = alternative(rows)
    choice, found = worlds.draws(VALUES, noise, other, most=1)
    assert choice.levels == ("draw 0", "draw 1", "draw 2")
    trained, own = found["draw 2"]
    assert own.noise.values.tolist() == names[:2] and own.sample.values.tolist() == [12]
    np.testing.assert_array_equal(own.sel(noise="parameters 3"), other["values"][3].sel(sample=[12]))
    np.testing.assert_array_equal(own.sel(noise="parameters 10"), other["values"][2].sel(sample=[12]))
    np.testing.assert_array_equal(trained, VALUES.sel(sample=[12]))
    choice, found = worlds.signs(VALUES, noise, other, 9, "adversarial")
    assert choice.levels == ("adversarial", "printed")
    np.testing.assert_array_equal(found["adversarial"][1], noise["values"][2:].sel(sample=[12, 14]))
    np.testing.assert_array_equal(found["printed"][1].sel(noise="inputs 4", sample=14), other["values"][5, 0])
    with pytest.raises(ValueError, match=r"7\.0\)? is not in list"):
        worlds.draws(VALUES, noise.assign_coords(sigma=("noise", [7.0, 10.0, 2.0, 4.0])), other, 9)


def test_descent_and_the_exact_solver_have_the_same_tables():
    choice, found = worlds.solvers(VALUES, 2)
    assert choice.default == "exact" and choice.levels == ("exact", "descent")
    (own,), (same,) = found.values()
    assert own is same and own.timepoint.values.tolist() == ["A", "B", "D"] and own.sizes["sample"] == 2
