"""The kernel of a notebook: of this interpreter, one at a time for each output, and gone when what started it is."""

import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import psutil
from ipykernel import kernelapp
from ipykernel.kernelspec import make_ipkernel_cmd
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

from . import forked
from .experiments import ROOT

WAIT = 10.0  # seconds for which a kernel may outlive its notebook: it looks for it once a second
FONTS = ROOT / "build" / "matplotlib"  # matplotlib's list of them, in a folder that can be written to, as HOME may not
ENVIRONMENT = {  # of a kernel, whatever is set around it
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "MPLCONFIGDIR": str(FONTS),
    "PYTHONOPTIMIZE": "",
}
AT_WORK: set[int] = set()  # kernels of this process
RESERVED: list["Reserved"] = []  # what the next one will be, in a process that `lib.server` forked


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
        own = {**ENVIRONMENT, "IPYTHONDIR": str(self.folder / "ipython")}
        return KernelSpec(
            argv=make_ipkernel_cmd(), display_name="Python 3", language="python", env=own, resource_dir=""
        )

    async def _async_launch_kernel(self, kernel_cmd: list[str], **options: object) -> None:
        if RESERVED:
            process = RESERVED.pop()
            process.start(kernel_cmd, options["env"], str(options.get("cwd", ROOT)), self.held)
            self.provisioner.process = process
            self.provisioner.pid = self.provisioner.pgid = process.pid
        else:
            if self.held:
                options["pass_fds"] = self.held
            await super()._async_launch_kernel(kernel_cmd, **options)
        AT_WORK.add(self.provisioner.pid)

    async def _async_is_alive(self) -> bool:
        if self.provisioner is not None:
            type(self).ended = await self.provisioner.poll()
        return await super()._async_is_alive()

    is_alive = _async_is_alive


class Reserved:
    """A process that waits to become a kernel, with as much of subprocess.Popen as Jupyter uses."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int, connection: socket.socket):
        self.pid, self.connection, self.returncode = pid, connection, None

    def start(self, command: list[str], environment: dict[str, str], folder: str, held: tuple[int, ...]) -> None:
        """It becomes the kernel of `command`, python -m ipykernel_launcher with its options."""
        options = [*command[command.index("ipykernel_launcher") + 1 :], f"--IPKernelApp.parent_handle={os.getpid()}"]
        forked.send(self.connection, {"options": options, "environment": environment, "folder": folder}, held)
        self.connection.close()

    def poll(self) -> int | None:
        return self._waited(os.WNOHANG)

    def wait(self) -> int:
        return self._waited(0)

    def _waited(self, how: int) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, how)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def reserved() -> bool:
    """Forks the process that the next kernel will be, before there are threads: False here, True at the kernel's end.

    It waits until it is started, and ends with this process.
    """
    here, there = socket.socketpair()
    pid = os.fork()
    if pid:
        there.close()
        RESERVED.append(Reserved(pid, here))
        return False
    here.close()
    received = forked.receive(there)
    if received is None:
        os._exit(0)
    there.close()
    command, held = received
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for file in held:
        os.set_inheritable(file, False)
    os.environ.clear()
    os.environ.update(command["environment"])
    os.chdir(command["folder"])
    if sys.path[0] == os.getcwd():
        del sys.path[0]  # as ipykernel_launcher does it
    kernelapp.launch_new_instance(command["options"])
    return True


def kernel(folder: Path, held: tuple[int, ...] = ()) -> type[Kernel]:
    """The class of a kernel with its socket in `folder`; papermill makes it."""
    fonts()
    return type("Kernel", (Kernel,), {"folder": folder, "held": held})


def fonts() -> None:
    """Makes matplotlib's list of fonts, once: a kernel that makes it says so in its notebook, if it takes seconds."""
    if not any(FONTS.glob("fontlist-*.json")):
        FONTS.mkdir(parents=True, exist_ok=True)
        own = {**os.environ, "MPLCONFIGDIR": str(FONTS)}
        subprocess.run([sys.executable, "-c", "import matplotlib.font_manager"], env=own, capture_output=True)


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
