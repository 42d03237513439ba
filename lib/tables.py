"""Tables: labelled arrays in netCDF files, with the dims timepoint or noise, sample, subset; statistics in JSON."""

import json
import os
from pathlib import Path

import numpy as np
import xarray as xr

from .experiments import ROOT
from .files import whole


def write(table: xr.Dataset, path: Path) -> None:
    """Writes a table; the file is either whole or absent, and equal tables make equal bytes.

    Raises ValueError if a floating-point variable has NaN or infinity: no table of ours may have any; and OSError, one
    line, where the disk is full or does not let it write.
    """
    for name, variable in table.data_vars.items():
        if variable.dtype.kind == "f" and not np.isfinite(variable).all():
            bad = int((~np.isfinite(variable)).sum())
            raise ValueError(f"{path.name}: {name} has {bad} values that are NaN or infinite; none was written")
    packed = {name: {"zlib": True, "shuffle": True} for name, v in table.data_vars.items() if v.ndim}
    with whole(path) as partial:
        reserve(partial, table.nbytes + 2**20)
        table.to_netcdf(partial, engine="h5netcdf", encoding=packed)


def reserve(path: Path, size: int) -> None:
    """Asks the disk for so many bytes, at most, and gives them back. Raises OSError where there are none.

    HDF5 itself ends the process with a segmentation fault where the disk is full.
    """
    with open(path, "wb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)


def write_statistics(statistics: dict, path: Path) -> None:
    """Writes plain JSON, whole or not at all: arrays become lists, numbers that are NaN or infinite null."""

    def plain(value):
        if isinstance(value, dict):
            return {str(key): plain(entry) for key, entry in value.items()}
        if hasattr(value, "tolist"):  # arrays and tensors, of any number of dims
            value = value.tolist()
        if isinstance(value, list | tuple):
            return [plain(entry) for entry in value]
        return None if isinstance(value, float) and not np.isfinite(value) else value

    text = json.dumps(plain(statistics), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with whole(path) as partial:
        partial.write_text(text, encoding="utf-8")


def read(path: Path) -> xr.Dataset:
    """Reads a whole table into memory.

    Raises FileNotFoundError that says which stage makes the file, and OSError, one line, for a damaged one.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: `dvc repro` makes it, `dvc pull` brings it if it ships")
    try:
        with xr.open_dataset(path, engine="h5netcdf") as table:
            return table.load()
    except PermissionError:
        raise
    except (OSError, KeyError, ValueError, RuntimeError) as error:  # HDF5's own sentence tells addresses in the file
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        again = "`dvc pull` brings it if it ships, `dvc repro` makes it anew" if ROOT in path.resolve().parents else ""
        raise OSError(f"{path} is damaged ({reason}): remove it{again and '; ' + again}") from None
