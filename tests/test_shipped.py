"""Tables that ship come whole, once, and from nowhere but the store."""

import hashlib

import pytest
import yaml

from lib import shipped
from lib.experiments import ROOT


@pytest.fixture
def repository(tmp_path):
    """A dvc.lock of two experiments: two tables in the store, one that is not, and a notebook."""
    outs = {}
    for name, stored in (
        ("a/values.nc", True),
        ("b/values.nc", True),
        ("b/interactions.nc", False),
        ("a/x.ipynb", True),
    ):
        content = name.encode()
        md5 = hashlib.md5(content).hexdigest()
        if stored:
            kept = tmp_path / "store" / "files" / "md5" / md5[:2] / md5[2:]
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(content)
        outs[f"results/{name}"] = {"path": f"results/{name}", "md5": md5}
    stages = {
        "prepare": {"cmd": "…"},
        "extract@a": {"outs": [*outs.values()][:1]},
        "all@b": {"outs": [*outs.values()][1:]},
    }
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump({"stages": stages}, sort_keys=False))
    return tmp_path


def test_all_tables_of_the_store_come_and_nothing_else(repository):
    brought = shipped.bring(repository)
    assert [str(path.relative_to(repository)) for path in brought] == ["results/a/values.nc", "results/b/values.nc"]
    assert sorted(path for path in (repository / "results").rglob("*") if path.is_file()) == brought
    assert brought[1].read_bytes() == b"b/values.nc"
    assert shipped.bring(repository) == []


def test_a_table_that_is_there_stays(repository):
    own = repository / "results" / "a" / "values.nc"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"my own")
    assert len(shipped.bring(repository)) == 1
    assert own.read_bytes() == b"my own"


def test_a_damaged_copy_is_refused_by_name(repository):
    kept = next((repository / "store").rglob(hashlib.md5(b"b/values.nc").hexdigest()[2:]))
    kept.write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"is damaged: .* results/b/values.nc has"):
        shipped.bring(repository)
    assert [path.name for path in (repository / "results").rglob("*.*")] == ["values.nc"]  # of a


def test_value_tables_of_every_experiment_with_claims_ship():
    lock = yaml.safe_load((ROOT / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    for claims in sorted((ROOT / "results").glob("*/claims.json")):
        (md5,) = (
            out["md5"] for out in lock[f"extract@{claims.parent.name}"]["outs"] if out["path"].endswith("/values.nc")
        )
        assert (ROOT / "store" / "files" / "md5" / md5[:2] / md5[2:]).exists(), claims.parent.name
