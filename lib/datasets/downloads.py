"""Downloads: the publishers' archives, fetched once, verified and unpacked into downloads/.

A set whose files are there is never fetched again, however they came there. COMPANION_DOWNLOADS names another folder.
"""

import gzip
import hashlib
import os
import shutil
import tarfile
import urllib.error
import urllib.request
import zipfile
import zlib
from pathlib import Path

from tqdm import tqdm

from ..experiments import ROOT
from .archives import Archive, archives

TIMEOUT = 30  # seconds without an answer after which a mirror is given up
BLOCK = 2**20  # bytes


def folder() -> Path:
    """Where downloads are: the COMPANION_DOWNLOADS variable, else downloads/ of the repository."""
    return Path(os.environ.get("COMPANION_DOWNLOADS") or ROOT / "downloads")


def fetch(name: str) -> Path:
    """The folder of the set `name`, with its archives fetched, verified and unpacked where they are not yet.

    Raises OSError, one line, where an archive cannot be had; it says which file to put where.
    """
    for archive in archives()[name]:
        target = folder() / archive.holds
        if not target.exists():
            _unpack(_archive(archive), target)
        if not (any(target.iterdir()) if target.is_dir() else target.stat().st_size):
            raise OSError(f"{target} is empty: remove it to have it fetched, or put a whole one")
    return folder() / name


def _archive(archive: Archive) -> Path:
    """The archive, whole and verified: as it lies there, or from the first mirror that has it."""
    path = folder() / archive.path
    if path.exists():
        if _md5(path) != archive.md5:
            raise OSError(f"{path} has the md5 {_md5(path)}, expected is {archive.md5}: remove it, or put a whole one")
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    reasons = []
    for url in archive.mirrors:
        begun = partial.exists()
        try:
            _continue(url, partial)
            if begun and _md5(partial) != archive.md5:  # what had arrived before was of another file
                partial.unlink()
                _continue(url, partial)
        except (urllib.error.URLError, OSError) as error:  # a later attempt goes on from what has arrived
            reasons.append(f"{url}: {getattr(error, 'reason', None) or error}")
            continue
        if (found := _md5(partial)) == archive.md5:
            os.replace(partial, path)
            return path
        partial.unlink()
        reasons.append(f"{url}: has the md5 {found}, expected is {archive.md5}")
    raise OSError(f"{path.name} could not be downloaded ({'; '.join(reasons)}): put it at {path}")


def _continue(url: str, partial: Path) -> None:
    """Appends to `partial` what of the file at `url` is not in it yet."""
    have = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing is left to send: the md5 decides
            return
        raise
    with answer:
        have = have if answer.status == 206 else 0  # a server that cannot resume sends all of it
        left = answer.headers.get("Content-Length")
        total = have + int(left) if left else None
        with open(partial, "ab" if have else "wb") as file, _progress(partial, have, total) as bar:
            while block := answer.read(BLOCK):
                file.write(block)
                bar.update(len(block))
        if total and partial.stat().st_size < total:
            raise OSError(f"the connection ended after {partial.stat().st_size:,} of {total:,} bytes")


def _progress(partial: Path, have: int, total: int | None) -> tqdm:
    return tqdm(desc=partial.stem, initial=have, total=total, unit="B", unit_scale=True, unit_divisor=1024)


def _extract(tar: tarfile.TarFile, folder: Path) -> None:
    """The archive's files and folders, below `folder`. Raises TarError, before any is written, for all else in it."""
    for member in tar.getmembers():
        inside = (folder / member.name).resolve().is_relative_to(folder.resolve())
        if not inside or not (member.isfile() or member.isdir()):
            raise tarfile.TarError(f"{member.name!r} is outside, a link or a device")
    careful = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # Python 3.11 has it from 3.11.4 on
    tar.extractall(folder, **careful)


def _unpack(archive: Path, target: Path) -> None:
    """Makes `target`, whole or not at all, from the archive that holds it."""
    if archive == target:
        return
    partial = target.with_name(f"{target.name}.unpacking")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        if archive.name.endswith((".tgz", ".tar.gz")):
            with tarfile.open(archive) as tar:
                _extract(tar, partial)
        elif archive.suffix == ".zip":
            with zipfile.ZipFile(archive) as zipped:
                zipped.extractall(partial)
        else:
            with gzip.open(archive) as packed, open(partial / target.name, "wb") as file:
                shutil.copyfileobj(packed, file)
        os.replace(partial / target.name, target)
    except (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, EOFError, zlib.error, FileNotFoundError) as error:
        raise OSError(
            f"{archive} cannot be unpacked ({error}): remove it to have it fetched, or put another"
        ) from error
    finally:
        shutil.rmtree(partial)


def _md5(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
