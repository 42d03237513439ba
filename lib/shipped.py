"""Tables that ship: copied from store/, by their hashes in dvc.lock, to where the pipeline puts them.

python -m lib.shipped

`dvc pull` does the same for the experiments that params.yaml lists under `run`, and sees no others.
"""

import hashlib
import sys
from pathlib import Path

import yaml

from .experiments import ROOT
from .files import whole


def bring(root: Path = ROOT) -> list[Path]:
    """Copies every table (.nc) that dvc.lock has as a result and store/ holds; the paths of those that are new.

    A file that is there stays as it is. Raises ValueError, and leaves nothing half written, if a copy in the store has
    another hash than dvc.lock says.
    """
    stages = yaml.safe_load((root / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    results = {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs", [])}
    brought = []
    for name, expected in results.items():
        path, kept = root / name, root / "store" / "files" / "md5" / expected[:2] / expected[2:]
        if path.suffix != ".nc" or path.exists() or not kept.exists():
            continue
        content = kept.read_bytes()
        found = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if found != expected:
            raise ValueError(
                f"{kept.relative_to(root)} is damaged: its md5 is {found}; {name} has {expected} in dvc.lock"
            )
        with whole(path) as partial:
            partial.write_bytes(content)
        brought.append(path)
    return brought


if __name__ == "__main__":
    try:
        bring()
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
