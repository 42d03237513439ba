"""The house: imports run downward only, lib knows nothing of the book, and the package works outside the repository."""

import ast
import contextlib
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name as canonical

from lib.experiments import ROOT

LIB = ROOT / "lib"
WINGS = {  # of each module directly in lib; a wing may import itself and those in ALLOWED
    "ground": "checks experiments randomness devices memory files tables closure",
    "measure": "datasets networks text training players inject games",
    "solve": "subsets sparsest descent",
    "analyse": "extraction strengths similarity sparsity theory fits disentangle resampling claims identified choices",
    "run": "pictures plots report prepare forked kernel notebook server pipeline launch lab shipped",
    "ask": "explain measure",
    "play": "play",
}
DRAWING = {"pictures", "plots", "report"}  # all of "run" that "ask" may import
ALLOWED = {
    "ground": {"ground"},
    "measure": {"ground", "measure"},
    "solve": {"ground", "solve"},
    "analyse": {"ground", "solve", "analyse"},
    "run": {"ground", "measure", "solve", "analyse", "run"},
    "ask": {"ground", "measure", "solve", "analyse", "run", "ask"},
    "play": {"ground", "solve", "analyse", "play"},
}
WING = {name: wing for wing, names in WINGS.items() for name in names.split()}


def imported(path: Path) -> set[tuple[str, str | None]]:
    """The modules of lib that a file of lib imports: (directly in lib, below it or None)."""
    found = set()
    package = path.parent.relative_to(ROOT).parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*package[: len(package) - node.level + 1], *(node.module or "").split(".")]
            for alias in node.names:
                parts = [part for part in [*base, alias.name] if part][1:]
                found.add((parts[0], parts[1] if len(parts) > 1 else None))
    return found


def test_every_file_directly_in_lib_has_its_place():
    names = {path.stem for path in LIB.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert names - {"__init__", "__pycache__"} == set(WING)
    assert len(list(LIB.glob("*.py"))) <= 34


def test_imports_run_downward_only():
    graph = {name: set() for name in WING}
    for path in LIB.rglob("*.py"):
        name = path.relative_to(LIB).with_suffix("").parts[0]
        if name == "__init__":
            continue
        for target, _ in imported(path):
            assert target in WING, f"{path}: imports {target}"
            assert WING[target] in ALLOWED[WING[name]], f"{path.relative_to(ROOT)} ({WING[name]}) imports {target}"
            if (WING[name], WING[target]) == ("ask", "run"):
                assert target in DRAWING, f"{path.relative_to(ROOT)} (ask) imports {target}"
            graph[name] |= {target} - {name}
    done = set()
    while left := {name for name in graph if name not in done}:
        free = {name for name in left if graph[name] <= done}
        assert free, f"imports in a circle among {sorted(left)}"
        done |= free


def test_nothing_in_lib_imports_itself_by_name_or_the_book():
    for path in LIB.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert not {name.split(".")[0] for name in names} & {"lib", "book", "andor_interactions"}, path


def test_only_those_who_judge_the_rival_use_it():
    for path in LIB.rglob("*.py"):
        used = "descent" in {target for target, _ in imported(path)}
        assert used == (path.relative_to(LIB).as_posix() == "choices/solved.py"), path  # the sweep compares it


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The folder that the wheel was unpacked into, which sees the packages installed here, and no repository."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.rmtree(ROOT / "build" / "lib", ignore_errors=True)  # setuptools would take old modules from there
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder, ROOT]
    subprocess.run(command, check=True, capture_output=True)
    (made,) = folder.glob("*.whl")
    with zipfile.ZipFile(made) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


@pytest.mark.case("B16")
def test_the_wheel_runs_the_example_of_the_readme_outside_the_repository(wheel, tmp_path):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = [block for block in text.split("```python\n") if "explain(" in block.split("```")[0]]
    code = code.split("```")[0]
    check = "import andor_interactions as package; print(package.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(wheel)!r})\n{check}\n{code}\nprint(found)"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(wheel)) and "Explanation: 9 players" in done.stdout


WITHOUT_EXTRAS = """
import sys
import numpy as np
sys.path.insert(0, sys.argv[1])
sys.modules.update(dict.fromkeys(sys.argv[2:]))  # an import of these fails
from andor_interactions import games, measure
from andor_interactions.explain import explain
from andor_interactions.sparsest import sparsest
from andor_interactions.disentangle import disentangle
print(explain(games.table(np.arange(8.0))))
for values in (np.zeros(8), [0.0, 1.0]):
    try:
        sparsest(values, 0.1)
    except ValueError as error:
        print(error)
try:
    measure.measure({"a": games.table(np.arange(8.0))}, "folder", workers=2)
except ImportError as error:
    print(error)
"""


@pytest.mark.case("B5")
def test_the_package_does_without_its_extras(wheel, tmp_path):
    """What the core's own dependencies do not bring cannot be imported, as where nothing else is installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    def closure(left):
        found = set()
        while left:
            needed = Requirement(left.pop())
            if (needed.marker is None or needed.marker.evaluate({"extra": ""})) and canonical(needed.name) not in found:
                found.add(canonical(needed.name))
                with contextlib.suppress(PackageNotFoundError):  # of another system
                    left += requires(needed.name) or []
        return found

    extras = project["optional-dependencies"]
    brought = closure([*project["dependencies"]])
    more = closure([one for part in ("text", "play", "many", "companion") for one in extras[part]]) - brought
    of = {module: {canonical(name) for name in names} for module, names in packages_distributions().items()}
    others = {module for module, names in of.items() if names <= more}
    assert {"transformers", "tokenizers", "anywidget", "distributed", "dvc"} <= others and "yaml" not in others
    command = [sys.executable, "-c", WITHOUT_EXTRAS, wheel, *sorted(others - {"andor_interactions", "lib"})]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Explanation: 3 players" in done.stdout
    for given in ("numpy.ndarray", "builtins.list"):  # asked here, where no types are checked on the way
        assert f"type of values is {given}; allowed: torch.Tensor, by torch.as_tensor(values).double()" in done.stdout
    assert "needs the package distributed; pip install 'andor-interactions[many]' brings it" in done.stdout


@pytest.mark.case("B16", "B17")
def test_the_wheel_has_the_views_and_no_other_top_level_package(wheel):
    tops = {path.name for path in wheel.iterdir() if not path.name.endswith(".dist-info")}
    assert tops == {"andor_interactions"}
    views = {path.name for path in (wheel / "andor_interactions" / "play").iterdir()}
    assert {"theory.js", "players.js", "play.css"} <= views
    modules = {path.relative_to(LIB) for path in LIB.rglob("*.py")}
    assert modules == {path.relative_to(wheel / "andor_interactions") for path in wheel.rglob("*.py")}
