"""What each stage depends on, in one file: its notebook's code, what that computes with, its parameters and its inputs.

python -m lib.prepare NAME

writes build/NAME/<notebook>.ipynb for the experiment NAME; DVC runs the stage again if that file changes, and on no
other account but the results that the stage reads.
"""

import ast
import hashlib
import importlib.util
import json
import os
import sys
from pathlib import Path

import numpy as np

from . import closure, experiments, shipped
from .experiments import ROOT, Experiment
from .files import whole

MEASURING = ["1_train", "2_extract", "3_inject", "alternatives"]  # they need the network, and end in value tables
STAGES = [
    *("1_train", "2_extract", "3_inject", "4_decompose", "logical_model", "why_exact", "generalisation", "sparsity"),
    *("5_disentangle", "choices", "determined", "6_figures", "uncertainty", "overfitting", "7_claims"),
]
ON_DEMAND = ["alternatives", "every_choice"]  # stages of the experiments that params.yaml lists under `choices`
METADATA = {  # of every notebook that we write
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
HASHED = 2**28  # bytes of a folder, at most, that are hashed; of a larger one sizes and times are taken


def prepare(name: str, setting: Experiment, notebook: str, root: Path = ROOT) -> dict:
    """The code of a notebook, and in its metadata all else that a stage of the experiment depends on.

    An experiment whose tables were `measured` at a commit has that in place of the code that measures. Raises
    ValueError or OSError, one line, where an input is not there.
    """
    cells = code_of(json.loads((root / "notebooks" / f"{notebook}.ipynb").read_text(encoding="utf-8")))
    code = "\n".join(cell["source"] for cell in cells["cells"])
    fields = used(code)
    parameters = {field: getattr(setting, field) for field in fields}
    if notebook in MEASURING and setting.measured:
        told = f"{name} was measured at the commit {setting.measured}: with measured = null it is measured anew"
        cells = code_of({"cells": [{"cell_type": "code", "source": f"raise ValueError({told!r})"}]})
        cells["metadata"]["companion"] = {"parameters": parameters}
        return cells
    shown = closure.SHOWN if notebook in MEASURING else frozenset()
    inputs = {}
    if "dataset" in fields:
        inputs |= dataset(setting, root)
    if "network" in fields:
        inputs |= network(setting, root)
    if "another_seed" in fields and setting.another_seed:
        inputs |= another_seed(setting, root)
    cells["metadata"]["companion"] = {
        "parameters": parameters,
        "inputs": inputs,
        "code": closure.closure(code, shown, root),
    }
    return cells


def code_of(notebook: dict) -> dict:
    """The code cells alone, without outputs. Only tags are kept of the metadata, and ids are ordinal."""
    cells = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            tags = cell.get("metadata", {}).get("tags")
            cells.append(
                {
                    "cell_type": "code",
                    "execution_count": None,
                    "id": f"cell-{len(cells)}",
                    "metadata": {"tags": list(tags)} if tags else {},
                    "outputs": [],
                    "source": "".join(cell["source"]),  # a string, or its lines
                }
            )
    return {"cells": cells, "metadata": {**METADATA}, "nbformat": 4, "nbformat_minor": 5}


def used(code: str) -> list[str]:
    """The parameters that a notebook uses: as `setting.name`, or by name in what `experiments.settings` shows."""
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "setting":
            found.add(node.attr)
            continue
        targets = getattr(node, "targets", [getattr(node, "target", None)])  # of an assignment
        listed = any(isinstance(target, ast.Name) and target.id == "fields" for target in targets)
        called = node.func if isinstance(node, ast.Call) else None
        by_name = isinstance(called, ast.Attribute) and called.attr == "settings" and isinstance(called.value, ast.Name)
        if listed or by_name and called.value.id == "experiments":
            found |= _strings(node)
    return [field for field in Experiment.model_fields if field in found]


def _strings(node: ast.AST) -> set[str]:
    return {part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)}


def dataset(setting: Experiment, root: Path = ROOT) -> dict[str, str]:
    """What the samples are, where the code does not say it: a hash of the file or folder."""
    name = "data/digits.npz" if setting.dataset == "digits" else setting.dataset
    if name in experiments.DATASETS:
        return {}  # their md5s are in the code
    if setting.dataset == "digits":
        shipped.data(root)  # DVC has a damaged file in data.dvc by now, without a word
    path = root / name
    return {name: _folder(path) if path.is_dir() else _md5(path)}


def network(setting: Experiment, root: Path = ROOT) -> dict[str, str]:
    """What a network of your own is: the code of its module, and its weights."""
    inputs = {}
    if setting.weights.endswith((".pt", ".pth")):
        inputs["weights"] = _md5(root / setting.weights)
    if ":" in setting.network:
        module = setting.network.partition(":")[0]
        try:
            found = importlib.util.find_spec(module)
        except ModuleNotFoundError:
            found = None
        if found is None or not found.origin:
            raise ValueError(f"network = {setting.network!r}: no module {module} below {root.name}/ or installed")
        inputs["network"] = closure.stripped(Path(found.origin).read_text(encoding="utf-8"))
    return inputs


def categories(name: str, setting: Experiment) -> None:
    """Raises ValueError where a category has fewer samples than `category_samples` asks for, of data that are here.

    Published data sets other than the digits are fetched by the training; of them experiments.py knows the sizes alone.
    """
    asked, published = setting.category_samples, set(experiments.DATASETS) - {"digits"}
    if not asked or setting.measured or setting.dataset in published or asked <= _surely(setting):
        return
    from .datasets.categories import smallest  # and torch, which takes seconds

    given = (setting.label_noise, setting.seed, setting.train_samples, setting.test_samples)
    least, which = smallest(setting.dataset, *given)
    if asked > least:
        told = f"params.yaml: experiments.{name}.category_samples = {asked}"
        raise ValueError(f"{told}: allowed are at most {least}, all {which} whose labels are not reset")


def _surely(setting: Experiment) -> int:
    """So many samples of each category there are whichever labels are reset, where all digits are taken; else 0."""
    if setting.dataset != "digits" or setting.train_samples or setting.test_samples:
        return 0
    with np.load(ROOT / "data" / "digits.npz") as arrays:
        train, test = (np.bincount(arrays[f"y_{part}"]).min() for part in ("train", "test"))
    return int(min(train - np.ceil(setting.label_noise * experiments.SIZES["digits"][0]), test))


def another_seed(setting: Experiment, root: Path = ROOT) -> dict[str, str]:
    """The md5 of the value tables of the other training, as dvc.lock has it: they need not be here yet."""
    path = f"results/{setting.another_seed}/values.nc"
    known = shipped.rows(root) if (root / "dvc.lock").exists() else {}
    return {path: known.get(f"extract@{setting.another_seed}", {"outs": {}})["outs"].get(path, "not measured")}


def _folder(root: Path) -> str:
    """A hash of what is in a folder, names that begin with a dot left out."""
    files = sorted(
        Path(folder, file)
        for folder, _, names in os.walk(root)
        for file in names
        if not any(part.startswith(".") for part in Path(folder, file).relative_to(root).parts)
    )
    digest = hashlib.md5(usedforsecurity=False)
    small = sum(file.stat().st_size for file in files) <= HASHED
    for file in files:
        status = file.stat()
        content = _md5(file) if small else f"{status.st_size} {status.st_mtime_ns}"
        digest.update(f"{file.relative_to(root).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def _md5(path: Path) -> str:
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there")
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def main(name: str) -> None:
    shipped.mend()  # of a bare `dvc repro`: DVC reads the rows that it writes anew, but not what it has read by now
    setting = experiments.load(name)
    experiments.running()  # every block is checked, for one with a fault may be the next to run
    folder = ROOT / "build" / name
    folder.mkdir(parents=True, exist_ok=True)
    experiments.results(name).mkdir(parents=True, exist_ok=True)  # where DVC starts the stages
    notebooks = {stage: prepare(name, setting, stage) for stage in dict.fromkeys([*STAGES, *MEASURING, *ON_DEMAND])}
    categories(name, setting)
    for old in set(folder.iterdir()) - {folder / f"{stage}.ipynb" for stage in notebooks}:
        old.unlink()
    for stage, notebook in notebooks.items():
        write(notebook, folder / f"{stage}.ipynb")


def write(notebook: dict, path: Path) -> None:
    """Writes what `prepare` or `code_of` made."""
    with whole(path) as partial:
        partial.write_text(json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:2])
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
