"""Tables: labelled arrays in netCDF files, with the dims timepoint or noise, sample, subset; statistics in JSON."""

import json
import os
from pathlib import Path

import numpy as np
import xarray as xr


def write(table: xr.Dataset, path: Path) -> None:
    """Writes a table; the file is either whole or absent, and equal tables make equal bytes.

    Raises ValueError if a floating-point variable has NaN or infinity: no table of ours may have any.
    """
    for name, variable in table.data_vars.items():
        if variable.dtype.kind == "f" and not np.isfinite(variable).all():
            bad = int((~np.isfinite(variable)).sum())
            raise ValueError(f"{path.name}: {name} has {bad} values that are NaN or infinite; none was written")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    packed = {name: {"zlib": True, "shuffle": True} for name, v in table.data_vars.items() if v.ndim}
    try:
        table.to_netcdf(partial, engine="h5netcdf", encoding=packed)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


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
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def read(path: Path) -> xr.Dataset:
    """Reads a whole table into memory. Raises FileNotFoundError that says which stage makes the file."""
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: `dvc repro` makes it, `dvc pull` brings it if it ships")
    with xr.open_dataset(path, engine="h5netcdf") as table:
        return table.load()
