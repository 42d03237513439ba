"""`make figures`: what params.yaml lists under `run`, independent stages side by side.

python -m lib.pipeline [--workers 2]

The stages and what each needs are those of dvc.yaml and lib/dvc.yaml, and DVC runs them, one a process. `dvc repro`
does the same, one stage after the other.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from itertools import chain
from pathlib import Path

from . import experiments, forked, shipped
from .experiments import ROOT
from .files import git

SECONDS = {  # of each stage of the digits, alone on two cores: what is longest starts first
    **{"train": 10, "extract": 32, "inject": 30, "decompose": 91, "logical_model": 10, "why_exact": 35},
    **{"generalisation": 32, "sparsity": 12, "disentangle": 23, "figures": 17, "uncertainty": 14, "determined": 22},
    **{"overfitting": 28, "choices": 46, "claims": 5, "weave": 5, "alternatives": 300, "every_choice": 1500},
}
CHATTER = re.compile(  # of DVC, in the beginnings of its lines
    "Running stage|> |Updating lock|Generating lock|To track the changes|\tgit add|'data.dvc' didn't|To enable auto|"
    "\tdvc config|Use `dvc push`|.*didn't change, skipping"
)


def graph(run: list[str], choices: list[str], root: Path = ROOT) -> dict[str, set[str]]:
    """The stages of DVC, as stage@experiment, and the stages that each needs."""
    made, needs = {}, {}
    for stage, entry in shipped.stages(root).items():
        for name in choices if "choices" in entry["foreach"] else run:
            row = f"{stage}@{name}"
            entries = {kind: entry["do"].get(kind, []) for kind in ("deps", "outs", "plots", "metrics")}
            for kind, items in entries.items():
                paths = (item if isinstance(item, str) else next(iter(item)) for item in items)
                entries[kind] = [shipped.from_root(row, path.replace("${item}", name)) for path in paths]
            needs[row] = entries.pop("deps")
            made |= dict.fromkeys(chain.from_iterable(entries.values()), row)

    def makers(path: str) -> set[str]:
        """The stages that make a file, the folder it is in, or what is in a folder."""
        return {
            row
            for other, row in made.items()
            if path == other or f"{path}/".startswith(f"{other}/") or other.startswith(f"{path}/")
        }

    return {row: set().union(*map(makers, paths)) - {row} for row, paths in needs.items()}


def outdated(needs: dict[str, set[str]], root: Path = ROOT) -> set[str]:
    """The stages that DVC finds changed, and all that need them."""
    command = ["dvc", "--wait-for-lock", "status", "--json"]
    found = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    changed = {row.rpartition(":")[2] for row, why in json.loads(found).items() if why != ["always changed"]}
    stale = changed & needs.keys()  # data.dvc is no stage; those that read it are changed themselves
    while more := {row for row in needs if needs[row] & stale} - stale:
        stale |= more
    return stale


def set_aside(name: str, root: Path = ROOT) -> bool:
    """Removes checkpoints that came with the repository from a clone that has run nothing yet: yours are trained."""
    folder = f"results/{name}/checkpoints"
    if (root / "build" / name).exists() or not (root / folder).is_dir():
        return False
    tracked, changed = (
        git(root, *command, folder) for command in (["ls-files"], ["status", "--porcelain", "--ignored"])
    )
    if not tracked or changed:
        return False
    shutil.rmtree(root / folder)
    return True


# Reads the numbers of process groups, each as it begins and as it ends, and ends those that are left at the end of
# input, which comes when this process is gone, killed or not.
GUARD = "\n".join(
    (
        "import os, signal, sys",
        "groups = set()",
        "for line in sys.stdin:",
        "    groups ^= {int(line)}",
        "for group in groups:",
        "    try:",
        "        os.killpg(group, signal.SIGTERM)",
        "    except ProcessLookupError:",
        "        pass",
    )
)


class Running:
    """DVC at work, each a process group of its own; all of them end when this process does."""

    def __init__(self, root: Path = ROOT):
        self.root = root
        self.environment = dict(os.environ)
        self.processes: set[subprocess.Popen] = set()
        self.stopped = threading.Event()
        self.telling = threading.Lock()
        pipes = {"stdin": subprocess.PIPE, "text": True, "bufsize": 1}
        self.guard = subprocess.Popen([sys.executable, "-c", GUARD], start_new_session=True, **pipes)

    def stage(self, row: str) -> int:
        """Runs one stage, prints what it says with its name before it; its exit status."""
        target = f"{shipped.FIRST}:{row}" if row.startswith("prepare@") else row
        status = self.dvc("--wait-for-lock", "repro", "--single-item", target, said=f"{row.partition('@')[0]:>14} │ ")
        shipped.keep(self.root)
        return status

    def dvc(self, *arguments: str, said: str = "") -> int:
        """Runs DVC and prints what it says, less its chatter, with `said` before it; its exit status."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
        with self.telling:
            process = subprocess.Popen(
                ["dvc", *arguments], cwd=self.root, env=self.environment, start_new_session=True, **pipes
            )
            self.processes.add(process)
            self._tell(process)
        if self.stopped.is_set():  # meanwhile
            self.stop()
        for line in process.stdout:
            if line.strip() and not CHATTER.match(line):
                print(f"{said}{line.rstrip()}", flush=True)
        status = process.wait()
        with self.telling:
            self.processes.discard(process)
            self._tell(process)
        return status

    def _tell(self, process: subprocess.Popen) -> None:
        with suppress(OSError):  # somebody has ended the guard
            self.guard.stdin.write(f"{process.pid}\n")

    def stop(self) -> None:
        self.stopped.set()
        for process in list(self.processes):
            for number in (signal.SIGINT, signal.SIGTERM):
                try:
                    os.killpg(process.pid, number)
                except ProcessLookupError:
                    break


def run(needs: dict[str, set[str]], stale: set[str], workers: int, start: Callable[[str], int]) -> str | None:
    """Runs the stale stages, each when those that it needs are done; the name of one that failed.

    `start` runs one to its end and returns its exit status.
    """
    left, going, begun, done = set(stale), {}, time.monotonic(), 0.0
    seconds = {row: SECONDS.get(row.partition("@")[0], 30) for row in stale}
    failed = None
    with ThreadPoolExecutor(workers) as pool:
        while (left and failed is None) or going:
            ready = [row for row in left if not needs[row] & stale] if failed is None else []
            for row in sorted(ready, key=lambda row: -_longest(row, needs, seconds)):
                if len(going) < workers:
                    going[pool.submit(start, row)] = row
                    left.discard(row)
            finished: set[Future] = wait(going, return_when=FIRST_COMPLETED)[0]
            for future in finished:
                row = going.pop(future)
                if future.result():
                    failed = failed or row
                    continue
                stale = stale - {row}
                done += seconds[row]
                passed = time.monotonic() - begun
                rest = passed / done * sum(seconds[row] for row in stale) / 60
                told = f"about {max(1, round(rest))} min left" if stale else f"all done in {passed / 60:.1f} min"
                print(f"[{len(seconds) - len(stale)}/{len(seconds)}] {row} done; {told}", flush=True)
    return failed


def _longest(row: str, needs: dict[str, set[str]], seconds: dict[str, int]) -> float:
    """Seconds of the longest way from the start of a stage to the end of all that need it."""
    after = (_longest(other, needs, seconds) for other in seconds if row in needs[other])
    return seconds[row] + max(after, default=0)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lib.pipeline", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--workers", type=int, default=min(4, os.cpu_count() or 1), help="stages side by side")
    workers = parser.parse_args().workers
    names = experiments.running()
    shipped.ready()
    needs = graph(names, experiments.choices())
    running = Running()

    def end(number: int, _) -> None:
        running.stop()  # before the threads that wait for the stages are waited for
        print("stopped; the same command goes on from here", file=sys.stderr)
        sys.exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    try:
        with forked.served(ROOT) as found:  # which imports, while DVC looks at what has to run
            running.environment |= found
            for name in names:
                if set_aside(name):
                    print(f"{name}: the network is trained here; git restore results/{name} puts back what ships")
                if running.stage(f"prepare@{name}"):
                    return 1
            stale = outdated(needs)
            if stale:
                print(f"{len(stale)} of {len(needs)} stages have to run, up to {workers} side by side")
                prepared = {f"prepare@{name}" for name in names}
                if failed := run(needs, stale - prepared, workers, running.stage):
                    print(f"{failed} failed; what it said stands above. The same command goes on from there.")
                    return 1
    except BaseException:
        running.stop()
        raise
    status = running.dvc("--wait-for-lock", "repro", "--quiet")
    shipped.keep()
    if not status:
        from .shipped.compared import compare  # its imports take seconds

        compare(names)
    return status


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
