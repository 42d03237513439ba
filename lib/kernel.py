"""The kernel of a notebook: of this interpreter, one at a time for each output, and gone when what started it is."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import psutil
from ipykernel.kernelspec import make_ipkernel_cmd
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

from .experiments import ROOT

LONGEST = 80  # bytes of a folder's path in which a socket may lie: the system allows some hundred with its name
WAIT = 10.0  # seconds for which a kernel may outlive its notebook: it looks for it once a second
SHELLS = {"sh", "bash", "dash", "zsh", "fish", "ksh"}
FONTS = ROOT / "build" / "matplotlib"  # matplotlib's list of them, in a folder that can be written to, as HOME may not
AT_WORK: set[int] = set()  # kernels of this process


class Kernel(AsyncKernelManager):
    """A kernel of this interpreter, in an environment of its own, whatever is installed or set for Jupyter around it.

    It is reached over a socket in a folder, not over the network, whose loopback may be down. `ended` is the status
    that its process ended with, None while it is at work.
    """

    folder: Path  # for the socket and for IPython's settings: its own in each subclass, of `kernel`
    held: tuple[int, ...]  # files that stay open until the kernel is gone, too
    ended: int | None = None

    def __init__(self, **options: object):
        super().__init__(**options)
        if os.name != "nt":
            self.transport = "ipc"
        self.connection_file = str(self.folder / "kernel.json")

    @property
    def kernel_spec(self) -> KernelSpec:
        """Of this Python; figures come out as PNG, without a reader's IPython profile, and assert holds."""
        environment = {
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            "IPYTHONDIR": str(self.folder / "ipython"),
            "MPLCONFIGDIR": str(FONTS),
            "PYTHONOPTIMIZE": "",
        }
        return KernelSpec(
            argv=make_ipkernel_cmd(), display_name="Python 3", language="python", env=environment, resource_dir=""
        )

    async def _async_launch_kernel(self, kernel_cmd: list[str], **options: object) -> None:
        if self.held:
            options["pass_fds"] = self.held
        await super()._async_launch_kernel(kernel_cmd, **options)
        AT_WORK.add(self.provisioner.pid)

    async def _async_is_alive(self) -> bool:
        if self.provisioner is not None:
            type(self).ended = await self.provisioner.poll()
        return await super()._async_is_alive()

    is_alive = _async_is_alive


def kernel(folder: Path, held: tuple[int, ...] = ()) -> type[Kernel]:
    """The class of a kernel with its socket in `folder`; papermill makes it.

    The list of fonts is made first, once: a kernel that makes it says so in its notebook, if that takes some seconds.
    """
    if not any(FONTS.glob("fontlist-*.json")):
        FONTS.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "MPLCONFIGDIR": str(FONTS)}
        subprocess.run([sys.executable, "-c", "import matplotlib.font_manager"], env=environment, capture_output=True)
    return type("Kernel", (Kernel,), {"folder": folder, "held": held})


@contextmanager
def only_one(
    output: Path, folder: Path = ROOT / "build" / "running", seconds: float = WAIT
) -> Iterator[tuple[int, ...]]:
    """Holds what one process at a time may hold for an output; yields the file to be held by its kernel as well.

    Waits for a kernel that outlives a notebook which was killed. Raises RuntimeError, one line, if another process
    holds it for longer. Where the system has no such locks (Windows) nobody is kept out.
    """
    try:
        import fcntl
    except ImportError:
        yield ()
        return
    digest = hashlib.md5(str(output.absolute()).encode(), usedforsecurity=False).hexdigest()[:8]
    experiment = output.parent.parent.name
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f"{experiment}-{output.stem}-{digest}", "a") as file:
        until = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    told = f"{output.stem} of {experiment} is being run by another process: allowed is one at a time"
                    raise RuntimeError(told) from None
                time.sleep(0.1)
        yield (file.fileno(),)


def end_at_signals() -> None:
    """From now on SIGTERM and Ctrl-C end the kernel at once, and raise KeyboardInterrupt here, once."""

    def end(number: int, frame: FrameType | None) -> None:
        for signalled in (signal.SIGINT, signal.SIGTERM):  # one is enough: the next would interrupt the cleaning up
            signal.signal(signalled, lambda *_: None)  # with SIG_IGN Python says so of one that has come already
        for pid in AT_WORK:
            with suppress(psutil.Error):
                process = psutil.Process(pid)
                if process.ppid() == os.getpid():  # else it has ended, and its number is another's
                    process.kill()
        late = threading.Timer(5.0, os._exit, [1])
        late.daemon = True
        late.start()
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as a shell's background job has it
            signal.signal(number, end)


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
