"""Tables: what is written comes back, rounding is as small as it says, and nothing that is not finite gets in."""

import numpy as np
import pytest
import xarray as xr

from lib import players, tables


@pytest.mark.parametrize("scale", [1e-9, 1.0, 37.5, 1e12])
def test_rounding_is_within_half_a_step_of_the_largest(scale):
    values = scale * np.random.default_rng(0).normal(size=(5, 3, 64))
    rounded = players.rounded(values)
    largest = np.abs(values).max(-1, keepdims=True)
    assert (np.abs(rounded - values) <= 2.0**-20 * largest).all()
    assert not (rounded == values).all()
    np.testing.assert_array_equal(players.rounded(rounded), rounded)


def test_rounding_leaves_zeros_and_empty_tables():
    np.testing.assert_array_equal(players.rounded(np.zeros((2, 8))), np.zeros((2, 8)))
    assert players.rounded(np.empty((0, 3, 8))).shape == (0, 3, 8)


def test_a_table_comes_back_and_equal_ones_make_equal_bytes(tmp_path):
    table = xr.Dataset({"values": (("sample", "subset"), np.random.default_rng(0).normal(size=(3, 16)))})
    for name in ("one.nc", "two.nc"):
        tables.write(table, tmp_path / name)
    xr.testing.assert_identical(tables.read(tmp_path / "one.nc"), table)
    assert (tmp_path / "one.nc").read_bytes() == (tmp_path / "two.nc").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"one.nc", "two.nc"}


def test_what_is_not_finite_is_refused_and_nothing_is_left(tmp_path):
    table = xr.Dataset({"values": ("subset", [1.0, np.nan, np.inf])})
    with pytest.raises(ValueError, match="values has 2 values that are NaN or infinite"):
        tables.write(table, tmp_path / "bad.nc")
    assert not list(tmp_path.iterdir())


def test_a_missing_table_says_who_makes_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="dvc repro"):
        tables.read(tmp_path / "none.nc")
