"""Tables that ship: copied from store/, by their hashes in dvc.lock, to where the pipeline puts them.

python -m lib.shipped           copies them
python -m lib.shipped ready     checks what `dvc pull` and `dvc repro` would take on trust, before they do

`dvc pull` copies the tables of the experiments that params.yaml lists under `run`, and sees no others.
"""

import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path

import psutil
import yaml

from .experiments import ROOT
from .files import whole

COPY = Path("build") / "whole-dvc.lock"  # the last dvc.lock that was whole
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same, many times faster


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
        found = _md5(content)
        if found != expected:
            raise ValueError(
                f"{kept.relative_to(root)} is damaged: its md5 is {found}; {name} has {expected} in dvc.lock"
            )
        with whole(path) as partial:
            partial.write_bytes(content)
        brought.append(path)
    return brought


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


def mend(root: Path = ROOT, seconds: float = 2.0) -> None:
    """Puts the last whole dvc.lock back, with one line, where a kill has cut it: DVC writes it in place.

    The copy is one of `keep`, else that of the last commit. What was cut is kept beside the copy. Raises ValueError,
    one line, where there is neither. A lock that is not there is no cut one: DVC makes it.
    """
    if not (root / "dvc.lock").exists():
        return
    while is_cut(text := _text(root / "dvc.lock"), root):
        time.sleep(seconds)  # another DVC may be in the midst of writing
        if _text(root / "dvc.lock") == text:
            break
    else:
        keep(root)
        return
    known, of = (_text(root / COPY), "last whole copy") if (root / COPY).exists() else (_committed(root), "last commit")
    if not known:
        raise ValueError("dvc.lock is cut: allowed is a whole one; there is no copy here, a fresh clone has one")
    cut = root / COPY.with_name("cut-dvc.lock")
    for path, content in ((cut, text), (root / "dvc.lock", known)):
        with whole(path) as partial:
            partial.write_bytes(content)
    print(f"dvc.lock was cut by a kill: the {of} is put back; what was there is in {cut.relative_to(root)}", flush=True)
    keep(root)


def keep(root: Path = ROOT) -> None:
    """Copies dvc.lock to where `mend` finds it, if it is whole; `make figures` does so after each stage."""
    text = _text(root / "dvc.lock")
    if text and text != _text(root / COPY) and not is_cut(text, root):
        with whole(root / COPY) as partial:
            partial.write_bytes(text)


def is_cut(text: bytes, root: Path = ROOT) -> bool:
    """Whether this dvc.lock is the beginning of what DVC was writing, not the whole of it.

    It is if it does not end in a line's end or is no YAML. Cut at the end of a line it still reads as whole: then the
    last rows of the copy, or of the last commit, are gone, or its own last row lacks a file that dvc.yaml has. DVC
    never takes a row out. What git has put there is whole.
    """
    known = _text(root / COPY) or _committed(root)
    before, rows = _rows(known), _rows(text) if text.endswith(b"\n") else {}
    gone = [name for name in before if name not in rows]
    if rows and not (gone and gone == list(before)[-len(gone) :]):
        last = list(rows)[-1]
        if rows[last] == before.get(last) or not _lacks(last, rows[last], root):
            return False
    return not rows or text != _committed(root)


def _rows(text: bytes) -> dict[str, dict]:
    """The rows of a dvc.lock; none if it is no whole YAML."""
    try:
        content = yaml.load(text, LOADER)
    except yaml.YAMLError:
        return {}
    rows = content.get("stages") if isinstance(content, dict) else None
    return rows if isinstance(rows, dict) and all(isinstance(row, dict) for row in rows.values()) else {}


def _lacks(name: str, row: dict, root: Path) -> bool:
    """Whether a row of dvc.lock has less than dvc.yaml says that its stage reads and writes."""
    stage, _, item = name.partition("@")
    entry = yaml.load((root / "dvc.yaml").read_text(encoding="utf-8"), LOADER)["stages"].get(stage, {})
    entry = entry.get("do", entry)
    listed = [path for kind in ("deps", "outs", "plots", "metrics") for path in entry.get(kind, [])]
    paths = {(path if isinstance(path, str) else next(iter(path))).replace("${item}", item) for path in listed}
    whole_ones = {
        one.get("path")
        for kind in ("deps", "outs")
        for one in row.get(kind) or []
        if {"md5", "size", *(["nfiles"] if str(one.get("md5")).endswith(".dir") else [])} <= set(one)
    }
    return not paths <= whole_ones


def _committed(root: Path) -> bytes:
    """The dvc.lock of the last commit; nothing where git knows none, or there is no git."""
    try:
        done = subprocess.run(["git", "show", "HEAD:./dvc.lock"], cwd=root, capture_output=True)
    except OSError:
        return b""
    return b"" if done.returncode else done.stdout


def _text(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def unblock(root: Path = ROOT, seconds: float = 0.5) -> None:
    """Removes what a killed DVC leaves of its own bookkeeping that the next one would stop at.

    That is its list of who reads and writes which file, if it is cut, or names a process whose number another has now.
    """
    listed = root / ".dvc" / "tmp" / "rwlock"
    if _blocks(listed):
        time.sleep(seconds)  # another DVC may be in the midst of writing
        if _blocks(listed):
            listed.unlink(missing_ok=True)


def _blocks(listed: Path) -> bool:
    try:
        content = json.loads(listed.read_text(encoding="utf-8"))
        entries = [
            *content.get("write", {}).values(),
            *(one for some in content.get("read", {}).values() for one in some),
        ]
        pids, written = {int(entry["pid"]) for entry in entries}, listed.stat().st_mtime
    except FileNotFoundError:
        return False
    except (ValueError, LookupError, TypeError, AttributeError):
        return True
    return bool(pids) and not any(_was_there(pid, written) for pid in pids)


def _was_there(pid: int, when: float) -> bool:
    """Whether the process of this number is at work, and was so at the time, in seconds."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= when + 1.0
    except psutil.NoSuchProcess:
        return False


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
    expected = yaml.safe_load((root / "data.dvc").read_text(encoding="utf-8"))["outs"][0]["md5"]
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


if __name__ == "__main__":
    try:
        ready() if sys.argv[1:] == ["ready"] else bring()
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
