"""Kills at random moments of a small pipeline, each followed by the same command again; `make faults` runs it.

python tests/faults.py [--moments 50] [--first 1] [--seed 0]
python tests/faults.py --places     instead: the pipeline in unusual places, and whether it makes the same bytes there

SIGKILL and SIGTERM, of the whole process group and of DVC alone, under `make figures` and under `dvc repro`. Prints a
line for each: what was left, and whether the bytes are those of an undisturbed run. Ends with 1 if one is not as it
should be.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

from lib import experiments, shipped
from lib.experiments import ROOT

NAME = "digits-vgg"
STAGES = ("prepare", "train", "extract", "generalisation", "uncertainty")  # the last two side by side
SMALL = {
    **{"epochs": 3, "samples": 2, "players": 4, "checkpoints": 4, "bootstrap": 5, "train_samples": 300, "threads": 1},
    **{"checkpoint_samples": 1, "category_samples": 1, "nested_samples": 1, "nested_players": 5, "reset_samples": 1},
    **{"parameter_noise": [], "input_noise": [], "alternatives": [], "test_samples": 200, "another_seed": None},
}
COMMANDS = {"make figures": [sys.executable, "-m", "lib.pipeline", "--workers", "2"], "dvc repro": ["dvc", "repro"]}
MARK = "COMPANION_FAULTS"  # in the environment of all that is started here
ENDS = 15.0  # seconds after a kill in which all has to be gone


@dataclass
class Moment:
    """A kill and what came of it."""

    command: str
    number: signal.Signals
    alone: bool  # DVC alone, else its group
    after: float  # seconds
    at_work: str = ""  # what DVC was at
    seconds: float = 0.0  # until no process was left
    cut: bool = False  # dvc.lock
    partial: int = 0  # files left half written until the next run
    faults: str = ""

    def add(self, faults: Iterable[str]) -> None:
        """Tells faults beside those that are there."""
        self.faults = "; ".join([*filter(None, [self.faults]), *faults])


class Small:
    """A small pipeline in a folder of its own: the stages STAGES of one experiment, as fast as they can be.

    `stages` may be fewer. The folder is what of the repository they need, with a git of its own.
    """

    def __init__(self, folder: Path, stages: tuple[str, ...] = STAGES, setting: dict | None = None):
        self.folder, self.stages = folder, stages
        self.environment = {
            **os.environ,
            MARK: str(folder),
            "PYTHONPATH": str(folder),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "OMP_WAIT_POLICY": "passive",
        }
        own = experiments.load(NAME, SMALL | (setting or {})).model_dump(mode="json")
        self.params = {"run": [NAME], "choices": [], "device": "cpu", "common": {}, "experiments": {NAME: own}}
        self.lay()

    def lay(self) -> None:
        """Makes the folder anew."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for name in ("lib", "notebooks"):  # with what is compiled there, which costs seconds
            shutil.copytree(ROOT / name, self.folder / name)
        (self.folder / ".dvc").mkdir()
        for name in ("dvc.lock", "data.dvc", ".dvcignore", ".gitignore", ".dvc/config", ".dvc/.gitignore"):
            shutil.copy(ROOT / name, self.folder / name)
        whole = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
        text = yaml.safe_dump({"stages": {name: whole[name] for name in self.stages if name in whole}}, sort_keys=False)
        (self.folder / "dvc.yaml").write_text(text, encoding="utf-8")
        text = yaml.safe_dump(self.params, sort_keys=False, allow_unicode=True)
        (self.folder / "params.yaml").write_text(text, encoding="utf-8")
        shutil.copytree(ROOT / "data", self.folder / "data")
        listed = yaml.safe_load((ROOT / "data.dvc").read_text(encoding="utf-8"))["outs"][0]["md5"]
        kept = Path("store") / "files" / "md5" / listed[:2] / listed[2:]
        (self.folder / kept).parent.mkdir(parents=True)
        shutil.copy(ROOT / kept, self.folder / kept)
        git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "gc.auto=0"]
        for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "as it ships"]):
            subprocess.run([*git, *command], cwd=self.folder, check=True)

    def start(self, command: str, inside: list[str] | None = None) -> subprocess.Popen:
        """Starts a command as a group of its own, inside another if asked; what it says goes to build/said.txt."""
        (self.folder / "build").mkdir(exist_ok=True)
        with open(self.folder / "build" / "said.txt", "ab") as said:
            return subprocess.Popen(
                [*(inside or []), *COMMANDS[command]], cwd=self.folder, env=self.environment, stdout=said, stderr=said,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip

    def said(self) -> str:
        return (self.folder / "build" / "said.txt").read_text(encoding="utf-8", errors="replace")

    def left(self) -> list[psutil.Process]:
        """All processes that were started here and are at work."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.pid != os.getpid() and process.environ().get(MARK) == str(self.folder):
                    found += [process] if process.status() != psutil.STATUS_ZOMBIE else []
            except psutil.Error:
                continue
        return found

    def contents(self) -> dict[str, bytes]:
        """What a run makes: results, what stages depend on, and dvc.lock; lists of what git ignores are DVC's own."""
        files = [*(self.folder / "results").rglob("*"), *(self.folder / "build" / NAME).rglob("*")]
        files = [path for path in files if path.is_file() and path.name != ".gitignore"]
        named = {str(path.relative_to(self.folder)): path.read_bytes() for path in files}
        return named | {"dvc.lock": (self.folder / "dvc.lock").read_bytes()}

    def partial(self) -> list[Path]:
        return [path for path in self.folder.rglob("*.partial*") if ".git" not in path.parts]


def dvc_at_work(small: Small) -> list[psutil.Process]:
    """The processes of DVC itself."""
    found = []
    for process in small.left():
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        if any(Path(word).name == "dvc" for word in words[:2]):
            found.append(process)
    return found


def disturb(small: Small, moment: Moment, undisturbed: dict[str, bytes]) -> Moment:
    """Runs to the moment, kills, sees what is left, and runs the same command again."""
    small.lay()
    kill(small, moment)
    complete(small, moment, undisturbed)
    return moment


def kill(small: Small, moment: Moment) -> None:
    """Runs from what is there to the moment, kills, and sees what is left; the faults that come of it."""
    going = small.start(moment.command)
    time.sleep(moment.after)
    targets = dvc_at_work(small)
    words = [" ".join(target.cmdline()[1:]) for target in targets if target.is_running()]
    moment.at_work = words[0].partition(" ")[2] if words else "nothing of DVC"
    if moment.alone:
        for target in targets[:1]:
            target.send_signal(moment.number)
        if not targets:
            going.send_signal(moment.number)
    else:
        try:
            os.killpg(going.pid, moment.number)
        except ProcessLookupError:
            moment.at_work = "at its end"
    begun = time.monotonic()
    rest = small.left()
    while rest and time.monotonic() - begun < ENDS + 600 * (moment.alone and moment.command == "make figures"):
        going.poll()
        rest = small.left()
        time.sleep(0.05)
    moment.seconds = time.monotonic() - begun
    moment.add(f"left at work: {' '.join(process.cmdline())[:80]}" for process in rest)
    for process in rest:
        process.kill()
    going.wait(ENDS)  # as a shell does; unreaped it would count as alive for DVC's own locks
    moment.cut = shipped.is_cut((small.folder / "dvc.lock").read_bytes(), small.folder)
    moment.partial = len(small.partial())


def complete(small: Small, moment: Moment, undisturbed: dict[str, bytes]) -> None:
    """Runs the same command to its end; the faults that come of it."""
    status = small.start(moment.command).wait(900)
    moment.add([f"the same command again ended with {status}"] if status else [])
    found = small.contents()
    different = sorted(name for name in {**found, **undisturbed} if found.get(name) != undisturbed.get(name))
    moment.add([f"other bytes: {', '.join(different[:5])}"] if different else [])
    moment.add(f"half written: {path.relative_to(small.folder)}" for path in small.partial())
    moment.add(f"left at work after all: {process.pid}" for process in small.left())


def undisturbed(small: Small, commands: Iterable[str] = COMMANDS) -> tuple[dict[str, bytes], dict[str, float]]:
    """What a run makes that nothing disturbs, and the seconds it takes by each command. Raises if they differ."""
    made, took = {}, {}
    for command in commands:
        small.lay()
        begun = time.monotonic()
        status = small.start(command).wait(900)
        took[command] = time.monotonic() - begun
        if status:
            raise RuntimeError(f"{command} ended with {status}:\n{small.said()[-2000:]}")
        made[command] = small.contents()
    first, *others = made.values()
    for other in others:
        if different := [name for name in {**first, **other} if first.get(name) != other.get(name)]:
            raise RuntimeError(f"the commands make other bytes of {', '.join(different)}")
    return first, took


def moments(count: int, seed: int, took: dict[str, float]) -> list[Moment]:
    """Kinds in turn, and for each a moment drawn from the time that an undisturbed run takes."""
    draw = random.Random(seed)
    kinds = [
        (command, number, alone)
        for alone in (False, True)
        for number in (signal.SIGKILL, signal.SIGTERM)
        for command in COMMANDS
    ]
    chosen = [kinds[k % len(kinds)] for k in range(count)]
    return [Moment(command, number, alone, draw.uniform(0.0, took[command])) for command, number, alone in chosen]


def _unusual(folder: Path) -> dict[str, tuple[str, dict[str, str], list[str]]]:
    """Places by what is unusual in them: the name of the clone, the environment, and what the command runs in."""
    spec = folder / "jupyter" / "kernels" / "python3" / "kernel.json"
    spec.parent.mkdir(parents=True)
    argv = ["/bin/false", "{connection_file}"]
    spec.write_text(json.dumps({"argv": argv, "display_name": "Python 3", "language": "python"}))
    style = folder / "matplotlibrc"
    style.write_text("figure.facecolor: black\nfont.size: 30\nsavefig.dpi: 20\n")
    home = folder / "home"
    home.mkdir()
    turkish = folder / "locales" / "tr_TR.UTF-8"  # where i in capitals is İ; seldom installed
    turkish.parent.mkdir()
    subprocess.run(["localedef", "-i", "tr_TR", "-f", "UTF-8", str(turkish)], check=True)
    read_only = ["unshare", "--mount", "sh", "-c", f'mount -t tmpfs -o ro none {home} && exec "$@"', "sh"]
    return {
        "a path with blanks and é": ("a b é", {}, []),
        "LC_ALL=C": ("c", {"LC_ALL": "C"}, []),
        "LC_ALL=tr_TR.UTF-8": ("tr", {"LC_ALL": "tr_TR.UTF-8", "LOCPATH": str(turkish.parent)}, []),
        "HOME that is read-only": ("home-ro", {"HOME": str(home)}, read_only),
        "a reader's matplotlibrc": ("rc", {"MATPLOTLIBRC": str(style)}, []),
        "another kernel `python3`": ("kernel", {"JUPYTER_PATH": str(spec.parents[2])}, []),
        "no network, no loopback": ("offline", {}, ["unshare", "--net"]),
        "no git": ("zip", {}, []),
    }


def places(folder: Path, command: str = "make figures") -> int:
    """Prints a line for each place; 1 if the bytes are others in one."""
    small = Small(folder / "plain")
    if status := small.start(command).wait(900):
        raise RuntimeError(f"{command} ended with {status}:\n{small.said()[-2000:]}")
    expected, failed = small.contents(), False
    for what, (name, environment, inside) in _unusual(folder).items():
        small = Small(folder / name)
        small.environment |= environment
        if what == "no git":
            shutil.rmtree(small.folder / ".git")
        status = small.start(command, inside).wait(900)
        found = small.contents()
        different = sorted(name for name in {**found, **expected} if found.get(name) != expected.get(name))
        came = f"ended with {status}: {small.said()[-300:]}" if status else f"other bytes: {different[:5]}"
        print(f"{what}: {came if status or different else 'the same bytes'}", flush=True)
        failed = failed or bool(status or different)
    return int(failed)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python tests/faults.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--moments", type=int, default=50)
    parser.add_argument("--first", type=int, default=1, help="the moment to begin with, after a run that was stopped")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--places", action="store_true", help="unusual places instead of kills")
    asked = parser.parse_args()
    if not 1 <= asked.first <= asked.moments:
        parser.error(f"--first {asked.first}: allowed are 1 to {asked.moments}, the moments")
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        if asked.places:
            return places(Path(folder))
        small = Small(Path(folder) / "small")
        made, took = undisturbed(small)
        told = ", ".join(f"{command} {seconds:.0f} s" for command, seconds in took.items())
        print(f"undisturbed: {told}; {len(made)} files, byte for byte the same by either")
        print(
            f"{'':3} {'command':12} {'signal':8} {'of':6} {'after':>7} {'gone in':>8} cut partial  at work → what came"
        )
        failed = cuts = 0
        slowest = 0.0
        drawn = moments(asked.moments, asked.seed, took)[asked.first - 1 :]
        for k, moment in enumerate(drawn, start=asked.first):
            disturb(small, moment, made)
            print(
                f"{k:3} {moment.command:12} {moment.number.name:8} {'dvc' if moment.alone else 'group':6} "
                f"{moment.after:5.1f} s {moment.seconds:6.1f} s {'cut' if moment.cut else '·':>3} {moment.partial:7}  "
                f"{moment.at_work[:40]} → {moment.faults or 'same bytes'}",
                flush=True,
            )
            if moment.faults:
                print("    " + "\n    ".join(small.said().splitlines()[-12:]), flush=True)
            failed, cuts = failed + bool(moment.faults), cuts + moment.cut
            slowest = max(slowest, moment.seconds)
        print(
            f"{len(drawn)} moments: {len(drawn) - failed} with the same bytes, {cuts} with dvc.lock cut, "
            f"all processes gone after {slowest:.1f} s at most"
        )
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
