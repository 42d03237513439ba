"""Tables: labelled arrays in netCDF files, with the dims timepoint or noise, sample, subset; statistics in JSON."""

import json
from pathlib import Path

import numpy as np
import xarray as xr

from .files import whole


def write(table: xr.Dataset, path: Path) -> None:
    """Writes a table; the file is either whole or absent, and equal tables make equal bytes.

    Raises ValueError if a floating-point variable has NaN or infinity: no table of ours may have any.
    """
    for name, variable in table.data_vars.items():
        if variable.dtype.kind == "f" and not np.isfinite(variable).all():
            bad = int((~np.isfinite(variable)).sum())
            raise ValueError(f"{path.name}: {name} has {bad} values that are NaN or infinite; none was written")
    packed = {name: {"zlib": True, "shuffle": True} for name, v in table.data_vars.items() if v.ndim}
    with whole(path) as partial:
        table.to_netcdf(partial, engine="h5netcdf", encoding=packed)


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
    """Reads a whole table into memory. Raises FileNotFoundError that says which stage makes the file."""
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: `dvc repro` makes it, `dvc pull` brings it if it ships")
    with xr.open_dataset(path, engine="h5netcdf") as table:
        return table.load()
