"""What dvc.lock says is what the tree is: code and parameters, files in git, and tables in the store.

An experiment whose tables were measured at an older commit names it in params.yaml.
"""

import hashlib
import json
import subprocess
from functools import cache

import pytest

from lib import experiments, notebook, prepare, shipped
from lib.experiments import ROOT

STAGES = shipped.rows()
TRACKED = set(subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split("\n"))
ROWS = [*STAGES]


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def found(path: str) -> str | None:
    """The hash that DVC gives a file or folder of the tree; None if git has no such thing."""
    inside = sorted(name for name in TRACKED if name.startswith(f"{path}/"))
    if inside:  # a folder is the list of its files
        hashes = {name.removeprefix(f"{path}/"): md5((ROOT / name).read_bytes()) for name in inside}
        listed = [{"md5": value, "relpath": name} for name, value in sorted(hashes.items())]
        return f"{md5(json.dumps(listed, sort_keys=True).encode())}.dir"
    return md5((ROOT / path).read_bytes()) if path in TRACKED else None


load, known_names = cache(experiments.load), cache(experiments.names)


def prepared(path: str) -> str:
    """The hash of what `prepare` writes today for a stage."""
    _, name, notebook = path.split("/")
    written = prepare.prepare(name, load(name), notebook.removesuffix(".ipynb"))
    return md5((json.dumps(written, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode())


@pytest.mark.parametrize("row", ROWS)
def test_a_row_of_the_lock_is_of_the_code_and_the_files_of_today(row):
    stage, _, name = row.partition("@")
    assert name in known_names(), f"{row}: params.yaml has no such experiment"
    for path, known in (STAGES[row]["deps"] | STAGES[row]["outs"]).items():
        if path.startswith("build/"):
            assert known == prepared(path), f"{row} was run on other code or parameters: dvc repro {row}"
        elif found(path) is not None:
            assert known == found(path), f"{row}: {path} is another file than the run read or wrote"


def test_what_the_stages_hand_on_is_what_the_next_ones_read():
    written = {path: (row, known) for row in STAGES for path, known in STAGES[row]["outs"].items()}
    for row in ROWS:
        for path, known in STAGES[row]["deps"].items():
            if path in written and not path.startswith("build/"):
                maker, expected = written[path]
                assert known == expected, f"{row} read another {path} than {maker} wrote last"


def test_the_tables_that_ship_are_in_the_store():
    for row in ROWS:
        for path, known in STAGES[row]["outs"].items():
            if path.endswith(("-values.nc", "/values.nc")):
                kept = ROOT / "store" / "files" / "md5" / known[:2] / known[2:]
                assert kept.exists() and md5(kept.read_bytes()) == known, f"{row}: {path} does not ship"


def test_the_lock_and_the_pipeline_are_small():
    """DVC reads and writes the whole lock at the end of every stage. That of `prepare`, which always runs, is apart."""
    assert not any(row.startswith("prepare@") for row in STAGES)
    assert (ROOT / shipped.FIRST).with_suffix(".lock").stat().st_size <= 10_000
    assert (ROOT / "dvc.lock").stat().st_size <= 200_000
    assert len((ROOT / "dvc.yaml").read_text(encoding="utf-8").splitlines()) <= 300


@pytest.mark.parametrize("name", notebook.ALONE)
def test_a_notebook_of_no_one_experiment_is_of_the_code_and_results_of_today(name):
    made = (ROOT / "results" / f"{name}.md5").read_text().strip()
    assert made == notebook.alone(name), f"python -m lib.notebook alone {name} runs it anew"


def test_a_row_depends_on_the_code_of_its_own_experiment():
    for row in ROWS:
        _, _, name = row.partition("@")
        code = [path for path in STAGES[row]["deps"] if path.startswith("build/")]
        assert all(path.startswith(f"build/{name}/") for path in code), f"{row} depends on {code}"
