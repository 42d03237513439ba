"""What ships in store/: tables copied by their hashes in dvc.lock, and whether store/ and data/ are sound."""

import hashlib
import json
import posixpath
from pathlib import Path

import yaml

from ..experiments import ROOT
from ..files import whole

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same, many times faster
FIRST = "lib/dvc.yaml"  # of the stage `prepare`, with a lock of its own


def from_root(row: str, path: str) -> str:
    """A path of dvc.yaml or dvc.lock, from the root: stages but `prepare` work in the folder of their experiment."""
    stage, _, name = row.partition("@")
    return path if stage == "prepare" else posixpath.normpath(f"results/{name}/{path}")


def stages(root: Path = ROOT) -> dict[str, dict]:
    """The stages of the two pipeline files, `prepare` first, each as DVC reads it."""
    read = (yaml.load((root / name).read_text(encoding="utf-8"), LOADER)["stages"] for name in (FIRST, "dvc.yaml"))
    return {name: stage for some in read for name, stage in some.items()}


def rows(root: Path = ROOT) -> dict[str, dict[str, dict[str, str]]]:
    """What dvc.lock has of each stage@experiment: `deps` and `outs`, the md5 of each by its path from the root."""
    stages = yaml.load((root / "dvc.lock").read_text(encoding="utf-8"), LOADER)["stages"]
    return {
        row: {
            kind: {from_root(row, item["path"]): item["md5"] for item in stage.get(kind, [])}
            for kind in ("deps", "outs")
        }
        for row, stage in stages.items()
    }


def bring(root: Path = ROOT) -> list[Path]:
    """Copies every table (.nc) that dvc.lock has as a result and store/ holds; the paths of those that are new.

    A file that is there stays as it is. Raises ValueError, and leaves nothing half written, if a copy in the store has
    another hash than dvc.lock says.
    """
    brought = []
    results = {path: md5 for row in rows(root).values() for path, md5 in row["outs"].items()}
    for name, expected in results.items():
        path, kept = root / name, root / "store" / "files" / "md5" / expected[:2] / expected[2:]
        if path.suffix != ".nc" or path.exists() or not kept.exists():
            continue
        content = kept.read_bytes()
        found = _md5(content)
        if found != expected:
            raise ValueError(
                f"{kept.relative_to(root)} is damaged: its md5 is {found}; {name} has {expected} in dvc.lock"
            )
        with whole(path) as partial:
            partial.write_bytes(content)
        brought.append(path)
    return brought


def sound(root: Path = ROOT) -> None:
    """Raises ValueError for files of store/ whose md5 is not their name: DVC copies them all the same."""
    folder = root / "store" / "files" / "md5"
    damaged = [
        path
        for path in sorted(folder.glob("[0-9a-f][0-9a-f]/*"))
        if _md5(path.read_bytes()) != path.parent.name + path.name.removesuffix(".dir")
    ]
    if damaged:
        more = f" and {len(damaged) - 1} more" if len(damaged) > 1 else ""
        raise ValueError(
            f"{damaged[0].relative_to(root).as_posix()}{more}: damaged, the md5 is not the name; allowed is the "
            "file as it ships, which `git restore store` puts back, or a fresh copy of the repository"
        )


def data(root: Path = ROOT) -> None:
    """Raises ValueError where a file in data/ is not the one that data.dvc names: DVC would take it for a new one."""
    expected = yaml.load((root / "data.dvc").read_text(encoding="utf-8"), LOADER)["outs"][0]["md5"]
    kept = root / "store" / "files" / "md5" / expected[:2] / expected[2:]
    if not kept.exists():
        raise ValueError(
            f"data.dvc names {expected}, which is not in store/, so that data/ is not what ships: "
            "`git restore data.dvc` and then `dvc checkout data.dvc` put it back"
        )
    for entry in json.loads(kept.read_text(encoding="utf-8")):
        path = root / "data" / entry["relpath"]
        if path.exists() and (found := _md5(path.read_bytes())) != entry["md5"]:
            raise ValueError(
                f"data/{entry['relpath']} is damaged: its md5 is {found}, data.dvc says {entry['md5']}; "
                "`rm -r data` and then `dvc pull data.dvc` brings it as it ships"
            )


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
