"""What ships, and what DVC needs before it starts.

python -m lib.shipped           copies the tables that ship, by their hashes in dvc.lock, to where stages look
python -m lib.shipped ready     checks what `dvc pull` and `dvc repro` would take on trust, before they do

`dvc pull` copies the tables of the experiments that params.yaml lists under `run`, and sees no others.
"""

from pathlib import Path

from ..experiments import ROOT
from ..files import whole
from .lock import COPY, is_cut, keep, mend, unblock
from .store import FIRST, bring, data, from_root, rows, sound, stages

__all__ = [
    "COPY",
    "FIRST",
    "bring",
    "data",
    "from_root",
    "is_cut",
    "keep",
    "mend",
    "ready",
    "rows",
    "sound",
    "stages",
    "unblock",
]


def ready(root: Path = ROOT) -> None:
    """Makes DVC run outside of git and after a kill.

    Raises ValueError, one line, for a damaged file of store/ or data/.
    """
    outside_git(root)
    mend(root)
    unblock(root)
    sound(root)
    data(root)


def outside_git(root: Path = ROOT) -> None:
    """Tells DVC to do without git where there is none, as in a ZIP of the repository; with git, to use it again.

    Said in .dvc/config.local, which is no part of the repository.
    """
    path, content = root / ".dvc" / "config.local", "[core]\n    no_scm = true\n"
    with_git = any((folder / ".git").exists() for folder in (root, *root.parents))
    if not with_git and not path.exists():
        with whole(path) as partial:
            partial.write_text(content, encoding="utf-8")
    elif with_git and path.exists() and path.read_text(encoding="utf-8") == content:
        path.unlink()
