"""A stage runs in a process that `lib.server` forks, where there is one: it has imported everything, once.

The stage's own process then only hands on its arguments, its environment, its three files and signals, and ends with
the status of the other. Each end of the line between the two notices when the other is gone.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from .parents import end_with_parent

SERVER = "COMPANION_SERVER"  # the variable with the path of the server's socket
NOTEBOOK_ENVIRONMENT = {  # of every notebook
    "TQDM_DISABLE": "1",  # a progress bar would be another output each time
    # Threads that spin are many times slower on a busy machine. Small letters, for in Turkish I is no capital of i.
    "OMP_WAIT_POLICY": "passive",
    # Tables of some megabytes come and go. By default glibc takes each from the system and gives it back, page by page.
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
}
LONGEST = 80  # bytes of a folder's path in which a socket may lie: the system allows some hundred with its name
BEGUN = b"+"  # what the server sends once the stage's process is there; then its status, as text


@contextmanager
def served(root: Path) -> Iterator[dict[str, str]]:
    """The variables with which stages find a server, which is there until the end; none where fork is not safe."""
    if sys.platform != "linux":
        yield {}
        return
    with folder("server-") as place, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{place}/socket")
        listener.listen()
        command = [sys.executable, "-m", "lib.server", str(listener.fileno())]
        environment = {**os.environ, **NOTEBOOK_ENVIRONMENT, "PYTHONOPTIMIZE": ""}
        pipes = {"stdin": subprocess.PIPE, "pass_fds": [listener.fileno()], "start_new_session": True}
        server = subprocess.Popen(command, cwd=root, env=environment, **pipes)
        listener.close()  # else who asks would wait for ever for a server that is gone
        try:
            yield {SERVER: f"{place}/socket"}
        finally:
            server.stdin.close()
            server.terminate()  # it may be importing still
            server.wait()


def folder(prefix: str) -> tempfile.TemporaryDirectory:
    """A new folder for temporary files with a path so short that a socket may lie in it."""
    short = None if len(os.fsencode(tempfile.gettempdir())) <= LONGEST else "/tmp"
    return tempfile.TemporaryDirectory(prefix=prefix, dir=short, ignore_cleanup_errors=True)


def elsewhere() -> None:
    """Runs this command in a process of the server and ends with its status; comes back if there is no server."""
    environment = dict(os.environ)
    stage = environment.pop("DVC_STAGE", None)  # what started the stage is looked for here
    status = run(sys.argv[1:], environment, ended=end_with_parent if stage else lambda: None)
    if status is not None:
        sys.exit(status)


def run(arguments: list[str], environment: dict[str, str], ended: Callable[[], None] = lambda: None) -> int | None:
    """The status of `python -m lib.notebook` with these arguments; None if there is no server.

    `ended` is called once signals are handed on.
    """
    connection = socket.socket(socket.AF_UNIX) if SERVER in os.environ and hasattr(socket, "AF_UNIX") else None
    if connection is None:
        return None
    with connection:
        asked = {"arguments": arguments, "environment": environment, "folder": os.getcwd()}
        try:
            connection.connect(os.environ[SERVER])
            send(connection, asked, (0, 1, 2))
            if connection.recv(1) != BEGUN:
                return None
        except OSError:
            return None

        def hand_on(number: int, frame: FrameType | None) -> None:
            with suppress(OSError):  # it is gone
                connection.send(bytes([number]))

        before = {}
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as a shell's background job has it
                before[number] = signal.signal(number, hand_on)
        ended()
        try:
            status = int(connection.recv(16) or -signal.SIGKILL)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    if status < 0:
        with suppress(OSError):
            print(f"error: the process of the stage ended with {signal.Signals(-status).name}", file=sys.stderr)
    return status if status >= 0 else 128 - status


def send(connection: socket.socket, message: dict, files: tuple[int, ...]) -> None:
    """Sends a message with open files."""
    text = json.dumps(message).encode()
    socket.send_fds(connection, [len(text).to_bytes(4, "big")], files)
    connection.sendall(text)


def receive(connection: socket.socket, most: int = 8) -> tuple[dict, list[int]] | None:
    """What `send` sent, the files as open here; None if the other end is gone."""
    size, files, _, _ = socket.recv_fds(connection, 4, most)
    text = b""
    length = int.from_bytes(size, "big")
    while size and len(text) < length and (part := connection.recv(length - len(text))):
        text += part
    return (json.loads(text), files) if size and len(text) == length else None
