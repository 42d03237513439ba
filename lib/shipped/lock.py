"""What a kill leaves of DVC's own files: a dvc.lock that is cut, and a list of locks that no process holds."""

import json
import re
import subprocess
import time
from pathlib import Path

import psutil
import yaml

from ..experiments import ROOT
from ..files import whole
from .store import FIRST, LOADER

COPY = Path("build") / "whole-dvc.lock"  # the last dvc.lock that was whole
ROW = re.compile(rb"^  \S.*:\n(?:    .*\n)+", re.MULTILINE)  # of a stage, as DVC writes it


def mend(root: Path = ROOT, seconds: float = 2.0) -> None:
    """Puts the last whole dvc.lock back, with one line, where a kill has cut it: DVC writes it in place.

    The copy is one of `keep`, else that of the last commit; rows that are whole in what was left are newer, and stay.
    What was cut is kept beside the copy. Raises ValueError, one line, where there is neither copy nor commit. A lock
    that is not there is no cut one: DVC makes it.
    """
    first = root / FIRST.replace(".yaml", ".lock")
    if first.exists() and not _rows(_text(first)):
        first.unlink()  # what it has is made anew each time
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
    for path, content in ((cut, text), (root / "dvc.lock", _joined(known, text, root))):
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
    if text and text == known:
        return False
    before, rows = _rows(known), _rows(text) if text.endswith(b"\n") else {}
    gone = [name for name in before if name not in rows]
    if rows and not (gone and gone == list(before)[-len(gone) :]):
        last = list(rows)[-1]
        if rows[last] == before.get(last) or not _lacks(last, rows[last], root):
            return False
    return not rows or text != _committed(root)


def _joined(known: bytes, cut: bytes, root: Path) -> bytes:
    """A whole dvc.lock with the rows of one that was cut: all of its rows but the last are whole, and that may be."""
    blocks, later = ({block.partition(b":\n")[0]: block for block in ROW.findall(text)} for text in (known, cut))
    if later and (last := list(later)[-1]) and blocks.get(last) != later[last]:
        read = _rows(b"stages:\n" + later[last])
        if not read or any(_lacks(name, row, root) for name, row in read.items()):
            del later[last]
    head = known[: known.index(next(iter(blocks.values())))] if blocks else known
    return head + b"".join((blocks | later).values())


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
