"""The site: its source is put together from book/source and the results; Sphinx with MyST-NB renders it.

Nothing is computed but the numbers that the pages to play with need.
"""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import nbformat
import numpy as np
import torch
import yaml

from lib import experiments, play
from lib.experiments import ROOT
from lib.notebook import ALONE
from lib.prepare import STAGES

from . import accessible, cite, downloads, excerpts, front, matrix, pages, webp

BOOK = ROOT / "book" / "source"
ORDER = {  # of the chapters: the paper's, with their numbers; what is not named here follows
    "logical_model": "0", "1_train": "1", "2_extract": "2", "3_inject": "3", "4_decompose": "4", "why_exact": "4a",
    "sparsity": "4b", "generalisation": "4c", "uncertainty": "4d", "5_disentangle": "5", "choices": "5a",
    "determined": "5b", "6_figures": "6", "overfitting": "6a", "7_claims": "7", "alternatives": "8",
    "every_choice": "8a",
}  # fmt: skip
TO_PLAY = {  # where a chapter leads on the page to play with: a state of it, and what is to be seen there
    "logical_model": ("timepoint=B&part=players", "Switch players off and see which interactions go out"),
    "4_decompose": ("timepoint=D&part=players", "Switch players off and see which interactions go out"),
    "5_disentangle": ("timepoint=D&part=disentangle", "Disentangle D by hand"),
    "determined": ("timepoint=D&delta=0.00001&part=disentangle", "See what is left for the spindle where δ is 0.00001"),
    "uncertainty": ("timepoint=D&delta=0.1&part=disentangle", "See the decay at a larger δ"),
    "6_figures": ("timepoint=B&part=disentangle", "Compare B and D by hand"),
    "overfitting": ("timepoint=B&part=training", "Drag along the training, from B to D"),
}


def collect(results: Path) -> list[str]:
    """The experiments with something to show: folders of `results` with notebooks, figures, metrics or claims.

    Those that params.yaml lists under `run` come first. Raises ValueError if there is none.
    """
    signs = ("notebooks", "figures", "metrics.json", "claims.json", "values.nc")
    found = sorted(path.name for path in results.glob("*/") if any((path / sign).exists() for sign in signs))
    if not found:
        raise ValueError(f"results = {results}: nothing to show in it; `make figures` makes the default experiment's")
    running = experiments.running()
    return sorted(found, key=lambda name: (running.index(name) if name in running else len(running), name))


def assemble(results: Path, source: Path) -> list[str]:
    """Writes the site's source; returns what a reader of the book should be told is missing, a line each."""
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(BOOK, source, ignore=shutil.ignore_patterns("about", "katex", "*.yaml"))
    captions = pages.Captions(yaml.safe_load((BOOK / "figures.yaml").read_text(encoding="utf-8")))
    names = collect(results)
    with_notebooks = [name for name in names if (results / name / "notebooks").is_dir()]
    told = {results / f"{name}.ipynb": None for name in ALONE}  # the other chapters are told on one experiment
    told |= {results / name / "notebooks" / f"{stage}.ipynb": name for name in with_notebooks[:1] for stage in STAGES}
    playable, missing = _write_tables(results, names, source / "_static" / "tables")
    for path, name in told.items():
        if path.exists():
            chapter = pages.chapter(nbformat.read(path, as_version=4), path.stem, name, path, captions)
            pages.number(chapter, ORDER.get(path.stem, ""))
            if name in playable and path.stem in TO_PLAY:
                pages.lead_to_play(chapter, name, *TO_PLAY[path.stem])
            pages.close(chapter, downloads.offer([path], source / "_static", "notebooks"))
            nbformat.write(chapter, _made(source / "chapters" / path.name))
    for name in names:
        page, files = pages.experiment(name, results / name, captions, playable.get(name, ()))
        static = source / "_static"
        tables = [*downloads.write_fits(results / name, static, name), *downloads.of_experiment(results / name)]
        page += f"\n{downloads.offer(tables, static, name)}\n"
        for path in files:
            shutil.copy(path, _made(source / "experiments" / name / path.name))
        _made(source / "experiments" / f"{name}.md").write_text(page, encoding="utf-8")
    downloads.write_all_fits(results, names, source / "_static")
    order = [*ORDER, *(stage for stage in STAGES if stage not in ORDER)]
    chapters = [stage for stage in order if (source / "chapters" / f"{stage}.ipynb").exists()]
    tutorial = with_notebooks[0] if with_notebooks else "none"
    filled = {
        "CHAPTERS": "\n".join(f"chapters/{stage}" for stage in chapters),
        "ALL-CLAIMS": "chapters/claims" if (results / "claims.ipynb").exists() else "",
        "YOUR-NETWORK": "\n".join(
            f"chapters/{name}" for name in ("your_network", "many_players") if (results / f"{name}.ipynb").exists()
        ),
        "EXPERIMENTS": "\n".join(names),
        "OVERVIEW": pages.overview(names),
        "TUTORIAL": tutorial,
        "PICTURE": _picture(results, tutorial),
        "FINDINGS": front.findings(results, tutorial),
        "MENU": pages.menu([*playable]),
        **{
            view.upper(): pages.place(view, [name for name in playable if view in playable[name]], "_static")
            for view in pages.VIEWS
        },
        "SCRIPTS": pages.scripts("_static"),
        "CLAIMS": matrix.matrix(results, names),
        "CHANGELOG": (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
        "CITE": cite.page(cite.citation(), cite.tags()),
    }
    for page in [*source.glob("*.md"), source / "experiments" / "index.md"]:
        text = page.read_text(encoding="utf-8")
        for word, content in filled.items():
            text = text.replace(f"<<{word}>>", content)
        page.write_text(pages.without_dead_links(text, source), encoding="utf-8")
    static = _made(source / "_static" / "play.css").parent
    rows = matrix.gathered({name: results / name / "claims.json" for name in names})
    (static / matrix.CSV).write_text(matrix.table(rows), encoding="utf-8")
    shutil.copytree(BOOK / "katex", static / "katex", ignore=shutil.ignore_patterns("*.js", "README.md"))
    shutil.copy(play.VIEWS / "play.css", static)
    page_script = (play.VIEWS / "page.js").read_text(encoding="utf-8")
    (static / "play.js").write_text(f"(() => {{\n{play.script()}\n{page_script}}})();\n", encoding="utf-8")
    return [*missing, *captions.missing]


def _picture(results: Path, tutorial: str) -> str:
    """The front page's: of the network that shows the story best, or else of the one that is told."""
    name = front.PICTURED if (results / front.PICTURED / "fits.nc").exists() else tutorial
    try:
        setting = experiments.load(name)
    except ValueError:
        return ""
    return front.picture(results / name, f"{name} ({setting.network} on {setting.dataset})")


def render(source: Path, output: Path) -> None:
    """Sphinx's HTML of the source. Raises RuntimeError, with what Sphinx says, on any warning or error."""
    shutil.rmtree(output, ignore_errors=True)
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-q", "-W", "--keep-going", "-d", str(source / ".trees")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([*command, str(source), str(output)], capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"Sphinx: {done.stderr.strip()}")
    for leftover in ("objects.inv", ".buildinfo"):
        (output / leftover).unlink(missing_ok=True)
    webp.convert(output)
    accessible.repair(output)
    excerpts.write(output)


def build(results: Path, output: Path, source: Path) -> list[str]:
    """The whole book in `output`; returns what is missing in it. Raises as `collect` and `render` do."""
    missing = assemble(results, source)
    render(source, output)
    return missing


def _write_tables(results: Path, names: list[str], folder: Path) -> tuple[dict[str, list[str]], list[str]]:
    """A script of tables for each experiment that has them; (the views of those experiments, a line for each without).

    Of experiments that are measured along their training alone, there is no split to play with.
    """
    split = [name for name in names if (results / name / "metrics.json").exists()]
    measured = [name for name in split if (results / name / "values.nc").exists()]
    missing = [f"{name}: no values.nc to play with" for name in split if name not in measured]
    jobs = [(results / name, folder / f"{name}.js") for name in measured]
    workers = min(len(jobs), os.cpu_count() or 1)
    if len(jobs) <= 2 or workers < 2:
        found = [_write_table(*job) for job in jobs]
    else:
        with ProcessPoolExecutor(workers, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
            found = list(pool.map(_write_table, *zip(*jobs, strict=True)))
    return dict(zip(measured, found, strict=True)), missing


def _write_table(results: Path, script: Path) -> list[str]:
    """The script of an experiment's tables; returns the views that it has."""
    fields = play.of_experiment(results, experiments.load(results.name), precision=np.float32)
    _made(script).write_text(play.page_script(results.name, fields), encoding="utf-8")
    return [view for view, packed in fields.items() if packed is not None]


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
