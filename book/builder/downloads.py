"""What a page offers to take away: the notebook as run, an experiment's tables (CSV, JSON)."""

import io
import shutil
from html import escape
from pathlib import Path

import pandas as pd
import xarray as xr

from lib import tables

FOLDER = "downloads"  # in the site's static files
KINDS = {".ipynb": "this notebook, as run", ".csv": "{} as a table", ".json": "{} as JSON"}
FITS = "fits.csv"  # made of fits.nc, for the site alone
ALL = "all-experiments"  # the part of the site's downloads with FITS of all experiments in one
OVER_ALL = ("figure-8", "figure-9")  # what is drawn of it
NUMBERS = {  # what is drawn, by figure, where a file has it
    "figure-1": ("logical-model.json",),
    "figure-2": ("curves.csv", FITS),
    **dict.fromkeys(("figure-3", "figure-4a", "figure-4b", "figure-4c", "figure-5"), (FITS,)),
    "figure-6": ("generalisation.json",),
    "figure-7": ("uncertainty.json",),
    "figure-sparsity": ("sparsity.json",),
    "figure-choices": ("choices.json",),
    "figure-every-choice": ("every-choice.json",),
    "figure-overfitting": ("overfitting.csv", "overfitting.json"),
}


def of_experiment(folder: Path) -> list[Path]:
    """The files of an experiment's results that its page offers: tables first."""
    named = {name for files in NUMBERS.values() for name in files if name.endswith(".json")} | {"claims.json"}
    documents = [path for path in sorted(folder.glob("*.json")) if path.name in named]
    return [*sorted(folder.glob("*.csv")), *documents]


def fits_table(path: Path) -> str:
    """fits.nc as CSV: a row for each condition, sign and order, with A(m)±, its split (Eq. 9) and what emerged (Eq. 5).

    In units of Z. `low` and `high` are the ends of the central 90 % over resampled samples, where there are any.
    """
    fits = tables.read(path)
    columns = {name: fits[name] for name in ("strength", "decay", "spindle", "residual")}
    for name in ("decay", "spindle"):
        if f"{name}_interval" in fits:
            ends = fits[f"{name}_interval"]
            columns |= {f"{name}_{end}": ends.isel(end=k, drop=True) for k, end in enumerate(("low", "high"))}
    for name in ("emerged", "emerged_spindle"):
        if name in fits:
            columns[name] = fits[name].rename(emergence="condition").reindex(condition=fits.condition)
    plain = xr.Dataset({name: column.reset_coords(drop=True) for name, column in columns.items()})
    return plain.to_dataframe(dim_order=["condition", "sign", "order"]).to_csv(float_format="%.6g")


def write_fits(folder: Path, static: Path, part: str) -> list[Path]:
    """The table of an experiment's fits in a part of the static files; without fits.nc, none."""
    if not (folder / "fits.nc").exists():
        return []
    path = _made(static / FOLDER / part / FITS)
    path.write_text(fits_table(folder / "fits.nc"), encoding="utf-8")
    return [path]


def write_all_fits(results: Path, names: list[str], static: Path) -> None:
    """The tables of the fits of these experiments as one, with the experiment in its first column."""
    parts = [
        pd.read_csv(io.StringIO(fits_table(results / name / "fits.nc"))).assign(experiment=name)
        for name in names
        if (results / name / "fits.nc").exists()
    ]
    if parts:
        whole = pd.concat(parts).set_index("experiment")
        whole.to_csv(_made(static / FOLDER / ALL / FITS), float_format="%.6g", lineterminator="\n")


def offer(files: list[Path], static: Path, part: str) -> str:
    """Copies the files to a part of the static files; a line of links for a page one folder down, "" without files."""
    for path in files:
        target = _made(static / FOLDER / part / path.name)
        if target != path:
            shutil.copy(path, target)
    return _line("Download", {path.name: KINDS[path.suffix].format(path.stem) for path in files}, part)


def numbers(figure: str | None, folder: Path, part: str) -> str:
    """Below a figure: links to the files with its numbers, which `offer` brings; "" where none of them is there.

    Those of a figure over all experiments are of `write_all_fits`, and `folder` has all results.
    """
    if figure in OVER_ALL and any(folder.glob("*/fits.nc")):
        return _line("Numbers", {FITS: f"{FITS} of all experiments"}, ALL)
    made_of = {FITS: "fits.nc"}
    there = [name for name in NUMBERS.get(figure, ()) if (folder / made_of.get(name, name)).exists()]
    return _line("Numbers", {name: name for name in there}, part)


def _line(title: str, words: dict[str, str], part: str) -> str:
    links = [
        f'<a href="{escape(f"../_static/{FOLDER}/{part}/{name}", quote=True)}" download>{escape(said)}</a>'
        for name, said in words.items()
    ]
    return f'<p class="downloads">{title}: {", ".join(links)}.</p>' if links else ""


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
