"""Notebooks as stages of the pipeline: equal inputs give equal bytes, and prose may change freely.

python -m lib.notebook run 1_train NAME     its code run for the experiment NAME → results/NAME/run/, with its md5
python -m lib.notebook weave NAME           prose and outputs together → results/NAME/notebooks/; summary.json
python -m lib.notebook alone NAME           one of no one experiment → results/NAME.ipynb, with its inputs' md5
"""

if __name__ == "__main__":
    from .forked import elsewhere

    elsewhere()  # before what takes seconds to import

import argparse
import base64
import hashlib
import json
import logging
import os
import re
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import nbformat
import papermill
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError

from . import experiments, forked, kernel, shipped
from .closure import SHOWN, closure
from .experiments import ROOT
from .files import whole
from .pictures import smaller
from .prepare import MEASURING, METADATA, ON_DEMAND, STAGES, code_of
from .prepare import write as write_code
from .tables import write_statistics

ALONE = {  # notebooks of no one experiment, and what they read in the folders of all
    "claims": ("claims.json", "choices.json", "every-choice.json", "fits.nc", "overfitting.csv", "run/2_extract.md5"),
    "your_network": (),
    "many_players": (),
}
KERNELS_FILE = re.compile(r"\S*ipykernel_\d+[/\\]\d+\.py:(\d+):")  # in a warning


def weave(source: NotebookNode, executed: NotebookNode) -> NotebookNode:
    """The prose of `source` with the code and outputs of `executed`, which ran `code_of(source)`.

    The cell that papermill injects, with the parameters as they were, comes after the cell of the defaults.
    Raises ValueError if the code differs.
    """
    ran = iter(executed.cells)
    woven = []
    for cell in source.cells:
        if cell.cell_type != "code":
            woven.append(cell)
            continue
        result = next(ran, None)
        if result is not None and "injected-parameters" in result.metadata.get("tags", []):
            woven.append(result)
            result = next(ran, None)
        if result is None or result.source != cell.source:
            raise ValueError(f"the executed notebook is of other code, from the cell {cell.source[:60]!r} on")
        woven.append(result)
    return _normal(woven)


def digest(notebook: NotebookNode) -> str:
    """The md5 of a notebook's code and outputs; prose and where it stands do not count."""
    code = nbformat.writes(_normal([cell for cell in notebook.cells if cell.cell_type == "code"]))
    return hashlib.md5(code.encode(), usedforsecurity=False).hexdigest()


def weave_all(results: Path, sources: Path) -> None:
    """results/notebooks: today's prose with the outputs of the runs that results/run/*.md5 names.

    These are in results/run, where they ran on this machine, or else in what was woven before. Where they are in
    neither, one line says so, and the notebook has its code alone.
    """
    for name in [*STAGES, *(name for name in ON_DEMAND if (results / "run" / f"{name}.md5").exists())]:
        ran = (results / "run" / f"{name}.md5").read_text().strip()
        source = nbformat.read(sources / f"{name}.ipynb", as_version=4)
        candidates = (results / folder / f"{name}.ipynb" for folder in ("run", "notebooks"))
        known = (nbformat.read(path, as_version=4) for path in candidates if path.exists())
        executed = next((found for found in known if digest(found) == ran), None)
        if executed is None:
            print(f"{results.name}: the outputs of {name} are not here; dvc repro -f -s runs it again")
            executed = nbformat.from_dict(code_of(source))
        executed.cells = [cell for cell in executed.cells if cell.cell_type == "code"]
        write(weave(source, executed), results / "notebooks" / f"{name}.ipynb")


def summary(results: Path) -> None:
    """Writes results/summary.json: of metrics.json the spindle's share of ΣA at each timepoint.

    That is what `dvc metrics show` and `dvc exp show` print, a line for each experiment or run: DVC makes a column of
    each number.
    """
    metrics = json.loads((results / "metrics.json").read_text(encoding="utf-8"))["timepoints"]
    write_statistics(
        {"spindle": {name: row["spindle_share"] for name, row in metrics.items()}}, results / "summary.json"
    )


def alone(name: str, root: Path = ROOT) -> str:
    """The md5 of all that a notebook of no one experiment shows: its code, and what it reads in results/."""
    source = json.loads((root / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))
    code = "\n".join(cell["source"] for cell in code_of(source)["cells"])
    found = hashlib.md5("".join([code, *closure(code, SHOWN, root)]).encode(), usedforsecurity=False)
    for read in ALONE[name]:
        for path in sorted((root / "results").glob(f"*/{read}")):
            found.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return found.hexdigest()


def run(source: Path, output: Path, parameters: dict) -> None:
    """Runs a notebook with its working directory at the root of the repository; `output` is whole or absent.

    What the cells print shows in the terminal as they run. Raises ValueError for a parameter the notebook
    does not have, and RuntimeError, one line, if another process runs it, a cell fails or the kernel is killed; the
    notebook up to there is then kept in build/failed/. Its `digest` is beside it, as .md5.
    """
    known = papermill.inspect_notebook(str(source))
    for name in parameters:
        if name not in known:
            raise ValueError(f"parameter = {name!r}: {source.name} has {', '.join(known)}")
    os.environ.update(forked.NOTEBOOK_ENVIRONMENT)
    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # what it logs is said below, in one line
    partial = output.with_suffix(".partial.ipynb")
    output.parent.mkdir(parents=True, exist_ok=True)
    with kernel.only_one(output) as held, forked.folder("kernel-") as folder:
        manager = kernel.kernel(Path(folder), held)
        try:
            papermill.execute_notebook(
                str(source),
                str(partial),
                parameters,
                kernel_name="python3",
                kernel_manager_class=manager,
                cwd=str(ROOT),
                record_timing=False,
                progress_bar=False,
                stdout_file=sys.stdout,
                extra_arguments=["--log-level=50"],  # at its end a kernel logs an interrupt as an error of its own
            )
            executed = _normal(nbformat.read(partial, as_version=4).cells)
            write(executed, output)
            with whole(output.with_suffix(".md5")) as file:
                file.write_text(f"{digest(executed)}\n")
        except PapermillExecutionError as error:
            where = _kept(partial, output)
            raise RuntimeError(f"{source.stem}: {error.ename}: {error.evalue} (all of it in {where})") from None
        except DeadKernelError:
            told = _killed(nbformat.read(partial, as_version=4).cells, manager.ended)
            raise RuntimeError(f"{source.stem}: {told} (up to there in {_kept(partial, output)})") from None
        finally:
            partial.unlink(missing_ok=True)


def _kept(partial: Path, output: Path) -> Path:
    """Moves a notebook that failed to build/failed/; where it is from the root."""
    failed = ROOT / "build" / "failed" / f"{output.parent.parent.name}-{output.name}"
    failed.parent.mkdir(parents=True, exist_ok=True)
    os.replace(partial, failed)
    return failed.relative_to(ROOT)


def _killed(cells: list[NotebookNode], status: int | None) -> str:
    """In which cell the kernel ended, how, and the likely cause."""
    code = [cell for cell in cells if cell.cell_type == "code"]
    begun = [k for k, cell in enumerate(code) if cell.metadata.get("papermill", {}).get("start_time")]
    place = begun[-1] if begun else 0
    line = code[place].source.strip().partition("\n")[0][:60] if code else ""
    if status == -signal.SIGKILL or status is None:
        how = (
            "was killed, most likely for want of memory: allowed are fewer samples or players, or a smaller batch_size"
        )
    else:
        name = signal.Signals(-status).name if status < 0 else f"status {status}"
        how = f"ended with {name}"
    return f"in code cell {place + 1} ({line}) the kernel {how}"


def _normal(cells: list[NotebookNode]) -> NotebookNode:
    """A notebook of these cells with nothing in it that changes from run to run: ordinal ids, tags, no timings."""
    normal = []
    for number, cell in enumerate(cells):
        fields = {"source": cell.source, "id": f"cell-{number}"}
        if cell.metadata.get("tags"):
            fields["metadata"] = {"tags": list(cell.metadata["tags"])}
        if cell.cell_type != "code":
            normal.append(nbformat.v4.new_markdown_cell(**fields))
            continue
        outputs = _tidy(cell.outputs)
        normal.append(nbformat.v4.new_code_cell(**fields, outputs=outputs, execution_count=cell.execution_count))
    return nbformat.v4.new_notebook(cells=normal, metadata=METADATA)


def _tidy(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Printed lines arrive in chunks that depend on timing; one chunk a stream is left of each run of them.

    Images are made smaller. A warning names the line of its cell, not the kernel's file, which no two runs share.
    """
    joined = []
    for output in outputs:
        last = joined[-1] if joined else None
        if last and output.output_type == last.output_type == "stream" and output.name == last.name:
            last.text += output.text
            continue
        if "image/png" in output.get("data", {}):
            picture = smaller(base64.b64decode(output.data["image/png"]))
            output.data["image/png"] = base64.b64encode(picture).decode()
        joined.append(output)
    for output in joined:
        if output.output_type == "stream":
            output.text = KERNELS_FILE.sub(r"line \1 of the cell:", output.text)
    return joined


def write(notebook: NotebookNode, path: Path) -> None:
    with whole(path) as partial:
        nbformat.write(notebook, partial)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lib.notebook", description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run")
    running.add_argument("notebook", choices=[*dict.fromkeys([*STAGES, *MEASURING, *ON_DEMAND])])
    running.add_argument("experiment")
    running.add_argument("--folder", default="results", help="where to read and write")
    running.add_argument("--overrides", type=json.loads, default={}, help="settings to change, as JSON")
    running.add_argument("--code", type=Path, help="the folder of what prepare wrote, if not build/EXPERIMENT")
    commands.add_parser("alone").add_argument("notebook", choices=ALONE)
    commands.add_parser("weave").add_argument("experiment")
    arguments = parser.parse_args()
    sources = ROOT / "notebooks"
    if arguments.command == "alone":
        name = arguments.notebook
        if ALONE[name]:
            shipped.bring()  # the tables of all experiments, without which its figures would be empty
        code, executed = (ROOT / "build" / "alone" / part / f"{name}.ipynb" for part in ("code", "run"))
        source = nbformat.read(sources / f"{name}.ipynb", as_version=4)
        write_code(code_of(source), code)
        run(code, executed, {})
        write(weave(source, nbformat.read(executed, as_version=4)), ROOT / "results" / f"{name}.ipynb")
        with whole(ROOT / "results" / f"{name}.md5") as file:
            file.write_text(f"{alone(name)}\n")
        return
    if arguments.command == "weave":
        results = experiments.results(arguments.experiment)
        weave_all(results, sources)
        summary(results)
        return
    experiments.load(arguments.experiment, arguments.overrides)  # a wrong parameter stops here, before anything starts
    results = experiments.results(arguments.experiment, arguments.folder, arguments.overrides)
    defaults = {"overrides": {}, "folder": "results"}
    changed = {name: getattr(arguments, name) for name, value in defaults.items() if getattr(arguments, name) != value}
    run(
        (arguments.code or ROOT / "build" / arguments.experiment) / f"{arguments.notebook}.ipynb",
        results / "run" / f"{arguments.notebook}.ipynb",
        {"experiment": arguments.experiment, **changed},
    )


def ended(command: Callable[[], None]) -> None:
    """Runs a command; what stops it is one line, and the status of the process.

    A stage of DVC ends with it: DVC may be killed alone, and a notebook that goes on would write beside the next run.
    """
    kernel.end_at_signals()
    try:
        if "DVC_STAGE" in os.environ:
            forked.end_with_parent()
        command()
    except (ValueError, OSError, RuntimeError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        with suppress(OSError):  # who reads it may be gone
            print("interrupted; nothing of this stage is written, the same command goes on from here", file=sys.stderr)
            sys.stdout.flush()
        os._exit(130)  # else messages to the kernel, which is gone, are waited for at the end: 10 s


if __name__ == "__main__":
    ended(main)
