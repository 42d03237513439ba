"""Pages of the book as Markdown and notebooks: chapters, experiments, claims."""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from lib import claims as lib_claims
from lib import experiments, launch
from lib.report import markdown

from . import downloads, matrix, narrow, provenance

ABOUT = Path(__file__).parents[1] / "source" / "about"  # what there is to say of an experiment
DRAWN = re.compile(r'(?:/|,) "(figure-[\w-]+)"')  # in a cell's code: the figure that it saves, or names to who does
VIEWS = {
    "disentangle": "Disentangle by hand",
    "training": "Along the training",
    "players": "Switch players off",
}  # what there is to play with, under its heading
LONG = 12  # lines of code: more are folded


@dataclass
class Captions:
    """Captions and alternative texts, by notebook and heading, or by the figure's file name (figures.yaml).

    `missing` collects a line for each figure asked for that has none.
    """

    known: dict
    missing: list[str] = field(default_factory=list)

    def of(self, figure: str | None, notebook: str = "", heading: str = "", place: int = 0) -> tuple[str, str]:
        """(caption, alternative text) of the place-th figure under a heading, or of a figure by its file name."""
        listed = self.known["notebooks"].get(notebook, {}).get(heading, [])
        entry = listed[place] if place < len(listed) else self.known["figures"].get(figure)
        if entry is None:
            self.missing.append(
                f"caption of {figure or f'{notebook}, “{heading}”, {place + 1}'} in book/source/figures.yaml"
            )
            return figure or heading, f"Figure {figure or ''} of {notebook or 'the experiment'}, {heading}"
        return entry["caption"].strip(), " ".join(entry["alt"].split())


def chapter(notebook: NotebookNode, stem: str, name: str | None, path: Path, captions: Captions) -> NotebookNode:
    """A notebook as run, to be read: figures with captions and provenance, their code folded, no injected cells."""
    cells, heading, place = [], "", 0
    for cell in notebook.cells:
        if "injected-parameters" in cell.metadata.get("tags", []):
            continue
        cells.append(cell)
        if cell.cell_type == "markdown":
            headings = re.findall(r"^#+ (.+)$", cell.source, flags=re.MULTILINE)
            if headings:
                heading, place = headings[-1], 0
            continue
        cell.outputs = [output for output in cell.get("outputs", []) if not _is_bare_number(output)]
        kinds = {kind for output in cell.outputs for kind in output.get("data", {})}
        if "image/png" in kinds or "text/markdown" in kinds or cell.source.count("\n") >= LONG:
            cell.metadata["tags"] = [*cell.metadata.get("tags", []), "hide-input"]
        if "image/png" in kinds:
            file = DRAWN.search(cell.source)
            caption, alt = captions.of(file and file[1], stem, heading, place)
            place += 1
            numbered = file and re.match(r"figure-\d", file[1])  # others have one name in two chapters
            known = {"name": file[1]} if numbered else {}  # its id, for mentions of the figure
            cell.metadata["mystnb"] = {"image": {"alt": alt}, "figure": {"caption": caption, **known}}
            results = path.parents[1] if name else path.parent
            numbers = downloads.numbers(file[1] if file else None, results, name or "")
            drawn = narrow.of_figure(file[1] if file else None, results)
            below = [drawn, numbers, provenance.note(name, provenance.stage_of(stem), path)]
            cells.append(nbformat.v4.new_markdown_cell("\n\n".join(filter(None, below))))
    return nbformat.v4.new_notebook(cells=cells, metadata=notebook.metadata)


def number(notebook: NotebookNode, number: str) -> None:
    """Puts a chapter's number before its title, in place of one that the title has; "" leaves the title as it is."""
    first = next((cell for cell in notebook.cells if cell.cell_type == "markdown"), None)
    if number and first:
        first.source = re.sub(r"\A# (?:\d+ · )?", f"# {number} · ", first.source)


def lead_to_play(notebook: NotebookNode, name: str, state: str, words: str) -> None:
    """A last line that leads to the page to play with, at a state of it."""
    address = escape(f"../play.html#experiment={name}&{state}", quote=True)
    close(notebook, f'<p class="to-play">Play: <a href="{address}">{escape(words)}</a>.</p>')


def close(notebook: NotebookNode, line: str) -> None:
    """Puts a line of HTML at the end of a chapter."""
    notebook.cells.append(nbformat.v4.new_markdown_cell(line))


def _is_bare_number(output: NotebookNode) -> bool:
    """What `write_text` returns at the end of a cell: of no use to a reader."""
    return output.get("data", {}).get("text/plain", "").isdigit()


def place(view: str, names: list[str], static: str) -> str:
    """Where a page shows a view of the experiments named; without any, a sentence that says so."""
    if not names:
        return "*No experiment here has the tables for it; `make figures` measures those of the default experiment.*"
    return (
        f'<div class="play-here" data-view="{view}" data-experiments="{" ".join(names)}" '
        f'data-folder="{static}/tables"><p>This part of the page needs JavaScript.</p></div>'
    )


def menu(names: list[str]) -> str:
    """Where the experiment and the timepoint of all views of a page are chosen; "" without an experiment."""
    return '<div class="play-menu" role="group" aria-label="what is shown"></div>' if names else ""


def scripts(static: str) -> str:
    """What a page with views needs once, after the last of them."""
    return f'<script src="{static}/play.js"></script>'


def without_dead_links(text: str, folder: Path) -> str:
    """The text with links to chapters that this book does not have left as words."""

    def kept(link: re.Match) -> str:
        return link[0] if (folder / link[2]).exists() else link[1]

    return re.sub(r"\[([^]]+)\]\((chapters/[^)#]+)\)", kept, text)


def overview(names: list[str]) -> str:
    """A table of the experiments, each with a link to its page."""
    rows = []
    for name in names:
        try:
            setting = experiments.load(name)
            cells = [getattr(setting, field) for field in ("dataset", "network", "epochs", "players", "samples")]
        except ValueError:
            cells = [""] * 5
        rows.append((f"[{name}]({name}.md)", *cells))
    return markdown(["experiment", "dataset", "network", "epochs", "players", "samples"], rows)


def experiment(name: str, folder: Path, captions: Captions, views: Collection[str] = ()) -> tuple[str, list[Path]]:
    """The page of an experiment with these views, and the files that it shows, to be put in a folder of its name."""
    parts, files, parameters = [f"# {name}\n"], [], "*No block of `params.yaml` has this name.*"
    try:
        setting = experiments.load(name)
        parts.append(f"{setting.network} on {setting.dataset}, {setting.players} players, {setting.samples} samples.\n")
        if (told := ABOUT / f"{name}.md").exists():
            parts.append(told.read_text(encoding="utf-8"))
        if took := launch.cost(name):
            parts.append(f"What ships took, on one {took}.\n")
        rows = experiments.settings(setting, *type(setting).model_fields)
        rows = [(f"`{field}`", value, meaning) for field, value, meaning in rows]
        parameters = markdown(["parameter", "value", "meaning"], rows)
    except ValueError:
        pass
    figures = [path for path in folder.rglob("figure-*.png") if path.parent in (folder, folder / "figures")]
    if figures:
        parts.append("## Figures\n")
    unmeasured = {path.stem for path in (folder / "verdicts").glob("*.json") if not _measured(path)}
    for path in sorted(figures, key=lambda path: natural(path.stem)):
        stage = provenance.maker_of(str(path.relative_to(folder)))
        if stage in unmeasured:
            continue  # a picture of empty panels
        files.append(path)
        caption, alt = captions.of(path.stem)
        parts.append(f":::{{figure}} {name}/{path.name}\n:alt: {alt}\n\n{caption}\n:::\n")
        parts.append(narrow.of_figure(path.stem, folder) + "\n")
        parts.append(downloads.numbers(path.stem, folder, name) + "\n")
        parts.append(provenance.note(name, stage, path) + "\n")
    if (folder / "claims.json").exists():
        parts.append("## The paper says / we measured / verdict\n")
        parts.append(claims(matrix.gathered({name: folder / "claims.json"})) + "\n")
    if views:
        parts.append(f"## Play\n\n{menu([name])}\n")
        shown = [(view, heading) for view, heading in VIEWS.items() if view in views]
        parts += [f"### {heading}\n\n{place(view, [name], '../_static')}\n" for view, heading in shown]
        parts.append(scripts("../_static") + "\n")
    if (folder / "metrics.json").exists():
        parts.append(_metrics(json.loads((folder / "metrics.json").read_text(encoding="utf-8"))))
    parts.append(f"## Parameters\n\n{parameters}\n")
    return "\n".join(parts), files


def claims(rows: list[lib_claims.Claim]) -> str:
    """The claims of one experiment as a table, in the paper's order; each row has an anchor for the matrix."""
    order = [*lib_claims.RULES]
    cells = [
        (f'<span id="{matrix.anchor(row)}" class="anchor"></span>{row.claim}', row.where, _verdict(row.verdict))
        + (row.figures, row.note, row.predicted, row.statistic)
        for row in sorted(rows, key=lambda row: order.index(row.key))
    ]
    header = ["claim", "where", "verdict", "measured, 90 % interval", "note", "the paper", "statistic"]
    return "{.claims}\n" + markdown(header, cells)


def _metrics(metrics: dict) -> str:
    """A row for each number, a column for each timepoint or level of noise."""
    parts = ["## Measured\n"]
    for columns in (metrics.get("timepoints"), metrics.get("noise")):
        if columns:
            names = dict.fromkeys(name for values in columns.values() for name in values)
            rows = [(name.replace("_", " "), *(values.get(name, "") for values in columns.values())) for name in names]
            parts.append(markdown(["", *columns], rows) + "\n")
    return "\n".join(parts)


def _measured(path: Path) -> bool:
    """Whether any claim of a file of verdicts was measured."""
    return any(row.measured is not None for row in lib_claims.read(path))


def _verdict(verdict: str) -> str:
    return f"[{lib_claims.MARKS[verdict]} {verdict}]{{.verdict .verdict-{verdict.lower().replace(' ', '-')}}}"


def natural(text: str) -> list:
    """A key that sorts "Fig. 10" after "Fig. 9"."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text)]
