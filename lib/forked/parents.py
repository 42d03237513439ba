"""A process that ends with what started it, which may be killed alone."""

import os
import signal
import threading
import time
from contextlib import suppress

import psutil

SHELLS = {"sh", "bash", "dash", "zsh", "fish", "ksh"}


def end_with_parent(every: float = 0.5) -> None:
    """Sends SIGTERM to this process as soon as the one that started it is gone, which may have been killed alone.

    It is looked for each `every` seconds. Between the two there may be shells, which outlive it.
    """
    begun = _line()
    if _orphaned(begun):
        os.kill(os.getpid(), signal.SIGTERM)
        return

    def watch() -> None:
        while _line() == begun:
            time.sleep(every)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def _line() -> list[int]:
    """The process ids of the parent, and as far as it is a shell that runs one command, of its parent and so on."""
    line = [os.getppid()]
    with suppress(psutil.Error):
        while (process := psutil.Process(line[-1])).name() in SHELLS and "-c" in process.cmdline()[1:]:
            line.append(process.ppid())
    return line


def _orphaned(line: list[int]) -> bool:
    """Whether the parent has gone already: who takes over an orphan is of another session, or the first process."""
    try:
        process = psutil.Process(line[-1])
        if os.getsid(process.pid) != os.getsid(0):
            return True
        return process.pid == 1 and not any("dvc" in word or "python" in word for word in process.cmdline())
    except (psutil.Error, OSError):
        return True
