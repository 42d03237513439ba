"""Where a figure came from: its stage, the parameters and the commit behind it, and the command that redraws it."""

import json
import os
import re
from collections.abc import Iterator
from functools import cache
from html import escape
from itertools import chain
from pathlib import Path

import yaml

from lib import experiments, prepare
from lib.experiments import ROOT
from lib.files import git
from lib.prepare import STAGES
from lib.report import plain


def commit_of(path: Path) -> str:
    """The abbreviated hash of the last commit that changed a file; "not committed" where there is none."""
    return _commits(ROOT).get(os.path.relpath(path.absolute(), ROOT), "not committed")


@cache
def _commits(root: Path) -> dict[str, str]:
    """The last commit of each file of the history, by its path from the folder; empty where there is no git.

    git is asked once: a call for each of hundreds of figures would take longer than all the rest of a page.
    """
    log = git(root, "-c", "core.quotePath=false", "log", "--format=%x00%h", "--name-only", "--no-renames", "--relative")
    found: dict[str, str] = {}
    for entry in (log or b"").decode().split("\0")[1:]:
        commit, *files = entry.split("\n")
        for name in filter(None, files):
            found.setdefault(name, commit)
    return found


@cache
def _pipeline() -> dict[str, dict]:
    """The stages of dvc.yaml that run for each experiment, in its order."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    return {name: stage["do"] for name, stage in stages.items() if "foreach" in stage}


def stage_of(notebook: str) -> str:
    """The stage of dvc.yaml that runs a notebook: 5_disentangle is run by disentangle."""
    return re.sub(r"^\d+_", "", notebook)


def _outputs() -> Iterator[tuple[str, str]]:
    """(stage, path in an experiment's folder) for each output of the stages."""
    for name, stage in _pipeline().items():
        for out in chain.from_iterable(stage.get(kind, []) for kind in ("outs", "plots", "metrics")):
            yield name, (out if isinstance(out, str) else next(iter(out)))


def maker_of(file: str) -> str:
    """The stage that writes a file of an experiment's folder, by its path in there; "" if none does."""
    return next((name for name, path in _outputs() if file == path or file.startswith(f"{path}/")), "")


def redrawing(name: str) -> str:
    """The command that brings results up to date in a clone, records them in dvc.lock and weaves notebooks.

    Tables that were measured at an older commit are read by the code of that commit.
    """
    try:
        measured = experiments.load(name).measured
    except ValueError:  # no block of params.yaml has this name
        measured = None
    return (f"git checkout {measured} && " if measured else "") + f"make paper RUN={name}"


@cache
def parameters_of(stage: str, name: str) -> str:
    """The parameters of an experiment that a stage and those it builds on depend on, as "field = value, …"."""
    stages, used = [stage], set()
    for step in stages:  # grows as it goes
        described = _pipeline().get(step, {})
        if notebook := next((known for known in STAGES if stage_of(known) == step), None):
            content = json.loads((ROOT / "notebooks" / f"{notebook}.ipynb").read_text(encoding="utf-8"))
            used |= set(prepare.used("\n".join(cell["source"] for cell in prepare.code_of(content)["cells"])))
        makers = {maker_of(path) for path in described.get("deps", [])}
        stages += sorted(makers - {""} - set(stages))
    setting = experiments.load(name)
    fields = [field for field in type(setting).model_fields if field in used]
    return ", ".join(f"{field} = {plain(getattr(setting, field))}" for field in fields)


def note(name: str | None, stage: str, path: Path) -> str:
    """A folded note below a figure: its experiment, parameters, stage, commit, and the command that redraws it.

    `name` is None for a figure over all experiments, which `make claims` draws.
    """
    if name is None:
        rows = {"experiment": "all that have results", "made by": "notebooks/claims.ipynb"}
        command = "make claims"
    else:
        rows = {"experiment": name, "parameters": _parameters(stage, name), "made by": f"stage {stage}@{name}"}
        command = redrawing(name)
    rows |= {"commit": commit_of(path), "redraw": command}
    code = {"commit", "redraw"}
    lines = "".join(
        f"<dt>{key}</dt><dd>{f'<code>{escape(value)}</code>' if key in code else escape(value)}</dd>"
        for key, value in rows.items()
    )
    return f'<details class="provenance"><summary>How this figure was made</summary><dl>{lines}</dl></details>'


def _parameters(stage: str, name: str) -> str:
    try:
        return parameters_of(stage, name)
    except ValueError:
        return "no block of params.yaml has this name"
