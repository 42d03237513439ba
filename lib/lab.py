"""What `make lab` solves the first time: the interactions, which do not ship, for it takes minutes.

python -m lib.lab     of the experiments that params.yaml lists under `run`
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from . import experiments
from .experiments import ROOT
from .prepare import code_of, write

MEASURED = ("values", "injected-values")  # what ships
SOLVED = ("interactions", "injected-interactions", "control-interactions")  # what 4_decompose makes of it


def solve(name: str, folder: Path = ROOT / "results") -> list[Path]:
    """Solves the value tables of folder/NAME where one of its interactions is not there; the paths of what is new.

    Nothing else is written, and a table that is there stays: 4_decompose runs on copies, outside of DVC, so that the
    next `make figures` begins as in a fresh clone. Raises RuntimeError if it fails or is interrupted.
    """
    results = folder / name
    lacking = [f"{kind}.nc" for kind in SOLVED if not (results / f"{kind}.nc").exists()]
    if not lacking or not all((results / f"{kind}.nc").exists() for kind in MEASURED):
        return []
    print(f"{name}: {', '.join(lacking)} solved from the value tables, once, within minutes", flush=True)
    (ROOT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="_", dir=ROOT / "build") as own:  # no experiment has such a name
        aside = Path(own)
        (aside / name).mkdir()
        for kind in MEASURED:
            shutil.copy(results / f"{kind}.nc", aside / name)
        source = json.loads((ROOT / "notebooks" / "4_decompose.ipynb").read_text(encoding="utf-8"))
        write(code_of(source), aside / "code" / "4_decompose.ipynb")
        command = [sys.executable, "-m", "lib.notebook", "run", "4_decompose", name]
        going = subprocess.Popen([*command, "--folder", own, "--code", str(aside / "code")], cwd=ROOT)
        try:
            status = going.wait()
        except KeyboardInterrupt:  # it ends by itself, with a line, and its kernel with it
            going.wait()
            raise
        if status:
            raise RuntimeError(f"{name}: not solved; what 4_decompose said stands above")
        for path in lacking:
            os.replace(aside / name / path, results / path)
    return [results / path for path in lacking]


def main() -> int:
    try:
        for name in experiments.running():
            solve(name)
    except (ValueError, OSError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # the notebook has said so
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
