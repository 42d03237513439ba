"""Many samples: a folder of explanations, one file a sample, by this process or by many."""

import inspect
import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tqdm.auto import tqdm

from ..explain import Explanation, SampledExplanation, explain, load
from . import workers as many

THERE = "there"
FORBIDDEN = '/\\:*?"<>|\0'  # in names of samples, which become names of files on any system


@dataclass(frozen=True)
class Measured:
    """What `measure` did: the samples done now, those that were there, and those skipped with the reason."""

    folder: Path
    done: tuple[str, ...]
    there: tuple[str, ...]
    skipped: dict[str, str]

    def __repr__(self) -> str:
        lines = [f"{self.folder}: {len(self.done)} measured, {len(self.there)} were there, {len(self.skipped)} skipped"]
        return "\n".join([*lines, *(f"  {name}: {reason}" for name, reason in self.skipped.items())])


def measure(
    games: Mapping[str, Callable] | Iterable[tuple[str, Callable]],
    folder: Path | str,
    zeta: float = 0.02,
    *,
    workers: object = 1,
    progress: bool = True,
    **options: object,
) -> Measured:
    """Explains many games, each into a file of its own, folder/<name>.nc.

    games: a mapping or pairs (name, game). In place of a game there may be a function without parameters that makes
    one, which is called only where the file is not there yet. Games may differ in their number of players.
    zeta and options: as of `explain`, shares of each sample's own |v(N) − v(∅)|.
    workers: 1, this process; more, so many processes of this machine, on one thread each; or a `distributed.Client`,
    whose workers may be other hosts or GPUs and see the same folder. Games are sent to them: a function that makes one
    where it is needed is smaller than a network. What a worker that dies was at is begun anew by another. A script that
    asks for many does so under `if __name__ == "__main__":`, for each process reads it.

    After the first sample it says how long the others take. A file is whole or absent, so that after an interruption
    the same call goes on, and several processes may share a folder: each leaves out what is there when it comes to it,
    so that they best go through the samples in different orders. Samples whose v is NaN or infinite are skipped and
    named; any other error stops. The files of many workers are, byte for byte, those of one process on one thread.

    Raises ValueError for names that are no file names or are there twice, for a folder with other settings, and for
    workers that are neither a number nor a client; ImportError where `distributed` is needed and missing.
    """
    pairs = list(games.items()) if isinstance(games, Mapping) else [(name, game) for name, game in games]
    names = [str(name) for name, _ in pairs]
    _check_names(names)
    folder = Path(folder)
    _check_settings(folder, names, zeta, options)
    left = [(name, game) for name, (_, game) in zip(names, pairs, strict=True) if not (folder / f"{name}.nc").exists()]
    there, done, skipped = [name for name in names if name not in {name for name, _ in left}], [], {}
    one = partial(_one, folder=folder.absolute(), options={"zeta": zeta} | options)
    with many.answers(one, left, workers) as (answers, at_once):
        bar = tqdm(answers, desc="explained", unit="sample", total=len(left), disable=not progress or not left)
        start = time.perf_counter()
        for name, said in bar:
            if said is None:
                done.append(name)
            elif said == THERE:
                there.append(name)
                continue
            else:
                skipped[name] = said
                bar.write(f"{name} is skipped: {said}")
            if len(done) + len(skipped) == 1 and len(left) > 1 and progress:
                bar.write(estimate(time.perf_counter() - start, len(left) - 1, at_once))
    order = {name: place for place, name in enumerate(names)}
    return Measured(folder, *(tuple(sorted(part, key=order.get)) for part in (done, there)), skipped)


def _one(name: str, game: Callable, folder: Path, options: dict) -> str | None:
    """Explains one sample into its file; None, or why there is none."""
    if (folder / f"{name}.nc").exists():  # by another process, meanwhile
        return THERE
    partial = folder / f"{name}.{socket.gethostname()}-{os.getpid()}.part"  # another may be at the same sample
    try:
        explain(_made(game), progress=False, **options).save(partial)
        os.replace(partial, folder / f"{name}.nc")
    except ValueError as error:
        if "NaN or infinite" in str(error):
            return str(error)
        raise ValueError(f"sample {name}: {error}") from error
    return None


def estimate(seconds: float, samples: int, at_once: int = 1) -> str:
    """How long `samples` take if each takes so many seconds and so many are done at once, in words."""
    total = seconds * -(-samples // at_once)
    told = f"{total:.0f} s" if total < 120 else f"{total / 60:.0f} min" if total < 7200 else f"{total / 3600:.1f} h"
    beside = f", {at_once} at once," if at_once > 1 else ""
    return f"the first sample took {seconds:.2g} s; the other {samples} take{beside} about {told} if they are like it"


def explanations(folder: Path | str) -> dict[str, Explanation | SampledExplanation]:
    """All explanations of a folder by the samples' names, in the order of the names. Raises ValueError for none."""
    found = {path.stem: load(path) for path in sorted(Path(folder).glob("*.nc"))}
    if not found:
        raise ValueError(f"{folder} has no explanations: allowed is a folder that measure wrote into")
    return found


def _made(game: Callable) -> Callable:
    """The game itself, or what a function without parameters makes."""
    if getattr(game, "n_players", None) is None and inspect.isfunction(getattr(game, "func", game)):
        try:
            inspect.signature(game).bind()
        except TypeError:
            return game
        return game()
    return game


def _check_names(names: list[str]) -> None:
    for name in names:
        if not name or set(name) & set(FORBIDDEN) or name.startswith(".") or name != name.strip() or os.sep in name:
            raise ValueError(
                f"sample {name!r}: allowed are names that files may have, no dot in front and none of {FORBIDDEN[:-1]}"
            )
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"sample {twice!r} is there twice: allowed are different names")


def _check_settings(folder: Path, names: list[str], zeta: float, options: dict) -> None:
    """Raises ValueError where a file of these samples was made with other settings."""
    asked = {name: parameter.default for name, parameter in inspect.signature(explain).parameters.items()}
    asked |= {"zeta": zeta} | options
    for name in names:
        if (folder / f"{name}.nc").exists():
            own = load(folder / f"{name}.nc").settings
            for field, value in own.items():
                if value != asked[field]:
                    raise ValueError(f"{field} = {asked[field]}: {name} in {folder} was explained with {value}; "
                                     "allowed is the same, or another folder")  # fmt: skip
