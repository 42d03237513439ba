"""Files that are whole or absent."""

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

REFUSED = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EFBIG,
}  # by the disk, or the rights to it


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to, which gets its name when all is written; nothing is left if that fails.

    Raises OSError, one line with the file, where the system does not let it write: a full disk, a folder that may not
    be written to.
    """
    partial = path.with_suffix(".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        os.replace(partial, path)
    except OSError as error:
        if error.errno not in REFUSED:
            raise
        raise type(error)(f"{path} cannot be written: {os.strerror(error.errno)}") from None
    finally:
        with suppress(OSError):  # a folder that may not be written to has none
            partial.unlink(missing_ok=True)


def git(root: Path, *command: str) -> bytes | None:
    """What git prints; None where it fails, as in a folder that it does not know, and where there is no git."""
    try:
        done = subprocess.run(["git", *command], cwd=root, capture_output=True)
    except OSError:
        return None
    return None if done.returncode else done.stdout
