"""Tables: what is written comes back, rounding is as small as it says, and nothing that is not finite gets in."""

import os
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

from lib import files, players, tables
from lib.experiments import ROOT


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


@pytest.fixture
def table():
    return xr.Dataset({"values": (("sample", "subset"), np.random.default_rng(0).normal(size=(20, 256)))})


@pytest.mark.case("C9")
@pytest.mark.parametrize("cut", [0, 2000, 0.5, "flipped"])
def test_a_damaged_table_is_one_line_with_its_file_and_who_makes_it(table, tmp_path, monkeypatch, cut):
    path = tmp_path / "results" / "one" / "values.nc"
    tables.write(table, path)
    content = bytearray(path.read_bytes())
    if cut == "flipped":
        content[len(content) // 2] ^= 255
    else:
        del content[cut if isinstance(cut, int) else int(cut * len(content)) :]
    path.write_bytes(content)
    monkeypatch.setattr(tables, "ROOT", tmp_path)
    with pytest.raises(OSError) as error:
        tables.read(path)
    message = str(error.value)
    assert message.startswith(f"{path} is damaged (") and "\n" not in message
    assert message.endswith("remove it; `dvc pull` brings it if it ships, `dvc repro` makes it anew")


WRITES = """
import resource, signal, sys
from pathlib import Path
import numpy as np, xarray as xr
from lib import tables
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
table = xr.Dataset({"values": ("subset", np.random.default_rng(0).normal(size=2**16))})
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
folder = Path(sys.argv[1])
for write in (
    lambda: tables.write(table, folder / "a.nc"),
    lambda: tables.write_statistics({"a": list(range(10_000))}, folder / "b.json"),
):
    try:
        write()
    except OSError as error:
        print(error)
"""


@pytest.mark.case("C9")
def test_a_disk_that_takes_no_more_is_one_line_and_leaves_nothing(tmp_path):
    """By a limit on the size of files: a real refusal, in the midst of writing. HDF5 would end the process."""
    done = subprocess.run([sys.executable, "-c", WRITES, tmp_path], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"{tmp_path}/{name} cannot be written: File too large" for name in ("a.nc", "b.json")
    ]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.case("C9")
@pytest.mark.parametrize(
    ("number", "said"), [(28, "No space left on device"), (30, "Read-only file system"), (13, "Per")]
)
def test_a_file_that_cannot_be_written_is_named_and_the_one_before_stays(tmp_path, number, said):
    path = tmp_path / "a.json"
    path.write_text("before")
    with pytest.raises(OSError, match=rf"^{path} cannot be written: {said}"), files.whole(path) as partial:
        partial.write_text("half")
        raise OSError(number, os.strerror(number))
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"] and path.read_text() == "before"
    with pytest.raises(OSError, match="of another kind"), files.whole(path):
        raise OSError("of another kind")
