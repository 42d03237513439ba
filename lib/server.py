"""One process that imports what the notebooks need, once, and forks each stage and its kernel, on Linux.

python -m lib.server FILE     by `forked.served`; FILE is the number of its socket; it ends with its input

A kernel then starts in a fraction of a second, and each is a fresh copy. No thread has been started by then, no GPU
been touched: a copy would have neither.
"""

import ast
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import threading
import time
from contextlib import suppress

from . import forked, kernel, notebook, prepare
from .experiments import ROOT

LOOKED = 0.05  # seconds between two looks at whether a stage has ended


def imported() -> None:
    """Imports all modules that the stages' notebooks import; what cannot be, the notebook says itself."""
    for name in dict.fromkeys([*prepare.STAGES, *prepare.MEASURING]):
        cells = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
        for cell in cells:
            for node in ast.walk(ast.parse("".join(cell["source"]))) if cell["cell_type"] == "code" else ():
                modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and not node.level:
                    modules = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
                for module in modules:
                    if _alone():  # who needs this may have been killed meanwhile
                        _end(0)
                    with suppress(ImportError):
                        importlib.import_module(module)


def _alone() -> bool:
    """Whether the input has ended: what started this process is gone."""
    return sys.stdin in select.select([sys.stdin], [], [], 0)[0]


def asked(listener: socket.socket) -> dict | None:
    """Forks a process for each command. Comes back there, with the command; and here at the end of input, with None."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them here
    gc.collect()
    gc.freeze()  # so that collecting garbage copies no page of what is shared
    while True:
        if sys.stdin in select.select([listener, sys.stdin], [], [])[0]:
            return None
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return _begun(connection)
        connection.close()


def _begun(connection: socket.socket) -> dict:
    """Forks the stage's process, and comes back there; here, hands on signals to it and its status to who asked."""
    received = forked.receive(connection)
    if received is None:
        os._exit(1)
    command, files = received
    pid = os.fork()
    if pid == 0:
        connection.close()
        os.setsid()
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        return command
    for file in files:
        os.close(file)
    _watch(pid, connection)
    os._exit(0)


def _watch(pid: int, connection: socket.socket) -> None:
    connection.sendall(forked.BEGUN)
    there = True
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            with suppress(OSError):
                connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
            return
        if not there:
            time.sleep(LOOKED)
        elif select.select([connection], [], [], LOOKED)[0]:
            try:
                signals = connection.recv(16)
            except OSError:
                signals = b""
            there = bool(signals)
            for number in signals or (signal.SIGTERM,):  # who asked may have been killed
                os.kill(pid, number)


def main() -> None:
    listener = socket.socket(fileno=int(sys.argv[1]))
    kernel.fonts()
    os.environ.update(kernel.ENVIRONMENT)
    imported()
    torch = sys.modules["torch"]
    if threading.active_count() > 1 or torch.cuda.is_initialized():
        sys.exit("error: a module of the notebooks starts threads or touches the GPU when it is imported")
    command = asked(listener)
    if command is None:
        _end(0)
    # From here on this is the process of a stage.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(command["environment"])
    os.chdir(command["folder"])
    places = command["environment"].get("PYTHONPATH", "").split(os.pathsep)
    sys.path[1:1] = [place for place in places if place and place not in sys.path]
    sys.argv = [str(notebook.__file__), *command["arguments"]]
    _end(_status())


def _status() -> int:
    """Runs the stage, or in the process that was reserved its kernel; what its process ends with."""
    try:
        if not kernel.reserved():
            notebook.ended(notebook.main)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    return 0


def _end(status: int) -> None:
    """Ends this process at once: to take down all that was imported costs seconds, and nothing of it is open."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # who reads it may be gone
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
