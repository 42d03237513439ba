"""Pages of the book as Markdown and notebooks: chapters, experiments, claims, and where each figure came from."""

import json
import re
import subprocess
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import nbformat
import yaml
from nbformat import NotebookNode

from lib import experiments
from lib.experiments import ROOT

MADE_BY = {  # the stage of dvc.yaml behind each notebook
    "1_train": "train",
    "2_extract": "extract",
    "3_inject": "inject",
    "4_decompose": "decompose",
    "why_exact": "why_exact",
    "5_disentangle": "disentangle",
    "6_figures": "figures",
}
CLAIM_FIELDS = ("claim", "where", "experiment", "statistic", "predicted", "measured", "interval", "verdict")


@dataclass
class Captions:
    """Captions and alternative texts, from book/figures.yaml: by the figure's file name, or by notebook and heading.

    `missing` collects a line for each figure asked for that has none.
    """

    known: dict
    missing: list[str] = field(default_factory=list)

    def of(self, figure: str | None, notebook: str, heading: str, place: int) -> tuple[str, str]:
        """(caption, alternative text) of a figure of the paper, or of the place-th one under a heading."""
        if figure is not None:
            entry, name = self.known["figures"].get(figure), figure
        else:
            listed = self.known["notebooks"].get(notebook, {}).get(heading, [])
            entry, name = listed[place] if place < len(listed) else None, f"{notebook}, “{heading}”, {place + 1}"
        if entry is None:
            self.missing.append(f"figure {name}: no caption in book/figures.yaml")
            return heading, f"Figure of the section “{heading}”"
        return entry["caption"].strip(), entry["alt"].strip()


def commit_of(path: Path) -> str:
    """The abbreviated hash of the last commit that changed a file; "not committed" where there is none."""
    command = ["git", "log", "-1", "--format=%h", "--", str(path)]
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip() or "not committed"
    except OSError:  # no git
        return "not committed"


def parameters_of(stage: str, name: str) -> list[str]:
    """The parameters of an experiment that a stage and those before it depend on, as "field = value"."""
    pipeline = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    names = list(pipeline)
    used: list[str] = []
    for earlier in names[: names.index(stage) + 1]:
        if earlier != "why_exact" or stage == "why_exact":  # nothing follows from it
            for path in pipeline[earlier].get("do", {}).get("params", []):
                used += [path.rsplit(".", 1)[1]] if path.rsplit(".", 1)[1] not in used else []
    setting = experiments.load(name)
    return [f"{field} = {_plain(getattr(setting, field))}" for field in used]


def provenance(name: str, notebook: str, path: Path) -> str:
    """A folded note below a figure: its experiment, parameters, stage, commit, and the command that redraws it."""
    stage = MADE_BY[notebook]
    try:
        parameters = ", ".join(parameters_of(stage, name))
    except ValueError:
        parameters = "not in params.yaml"
    rows = {
        "experiment": name,
        "parameters": parameters,
        "made by": f"stage {stage}@{name} (notebooks/{notebook}.ipynb)",
        "commit": commit_of(path),
        "redraw": f"dvc pull && dvc repro --single-item --force {stage}@{name}",
    }
    code = {"commit", "redraw"}
    lines = "".join(
        f"<dt>{key}</dt><dd>{f'<code>{escape(value)}</code>' if key in code else escape(value)}</dd>"
        for key, value in rows.items()
    )
    return f'<details class="provenance"><summary>How this figure was made</summary><dl>{lines}</dl></details>'


def chapter(notebook: NotebookNode, stem: str, name: str, path: Path, captions: Captions) -> NotebookNode:
    """A notebook as run, to be read: figures with captions and provenance, their code folded, no injected cells."""
    cells, heading, place = [], "", 0
    for cell in notebook.cells:
        if "injected-parameters" in cell.metadata.get("tags", []):
            continue
        if cell.cell_type == "markdown":
            headings = re.findall(r"^#+ (.+)$", cell.source, flags=re.MULTILINE)
            if headings:
                heading, place = headings[-1], 0
            cells.append(cell)
            continue
        kinds = {kind for output in cell.get("outputs", []) for kind in output.get("data", {})}
        if "image/png" in kinds or "text/markdown" in kinds:
            cell.metadata["tags"] = [*cell.metadata.get("tags", []), "hide-input"]
        cells.append(cell)
        if "image/png" in kinds:
            file = re.search(r'"figures" / "([\w-]+)"', cell.source)
            caption, alt = captions.of(file and file[1], stem, heading, place)
            place += file is None
            cell.metadata["mystnb"] = {"image": {"alt": alt}, "figure": {"caption": caption}}
            cells.append(nbformat.v4.new_markdown_cell(provenance(name, stem, path)))
    return nbformat.v4.new_notebook(cells=cells, metadata=notebook.metadata)


def place(view: str, names: list[str], static: str) -> str:
    """Where a page shows a view of the experiments named; without any, a sentence that says so."""
    if not names:
        return "*No experiment has value tables here; `dvc pull` brings those that ship, then `make book` again.*"
    return (
        f'<div class="play-here" data-view="{view}" data-experiments="{" ".join(names)}" '
        f'data-folder="{static}/tables"><p>This part of the page needs JavaScript.</p></div>'
    )


def scripts(static: str) -> str:
    """What a page with views needs once, after the last of them."""
    return f'<script src="{static}/play.js"></script>'


def experiment(name: str, folder: Path, captions: Captions, playable: bool) -> tuple[str, list[Path]]:
    """The page of an experiment, and the files that it shows, to be put in a folder of its name."""
    parts, files = [f"# {name}\n"], []
    try:
        setting = experiments.load(name)
        rows = experiments.settings(setting, *type(setting).model_fields)
        table = _table(["parameter", "value", "meaning"], [(f"`{field}`", *rest) for field, *rest in rows])
        parts.append(f"{setting.network} on {setting.dataset}, {setting.players} players, {setting.samples} samples.\n")
        parts.append(f"## Parameters\n\n{table}\n")
    except ValueError:
        parts.append("*No block of `params.yaml` has this name.*\n")
    if (folder / "metrics.json").exists():
        parts.append(_metrics(json.loads((folder / "metrics.json").read_text(encoding="utf-8"))))
    figures = sorted((folder / "figures").glob("*.png"), key=lambda path: _natural(path.stem))
    if figures:
        parts.append("## Figures\n")
    for path in figures:
        files.append(path)
        caption, alt = captions.of(path.stem, "", path.stem, 0)
        parts.append(f":::{{figure}} {name}/{path.name}\n:alt: {' '.join(alt.split())}\n\n{caption}\n:::\n")
        parts.append(provenance(name, "6_figures", path) + "\n")
    verdicts = _verdicts(folder / "notebooks")
    if verdicts:
        parts.append("## The paper says / we measured / agrees?\n")
        parts += [f"From `{stem}`:\n\n{table}\n" for stem, table in verdicts]
    if playable:
        parts.append("## Disentangle by hand\n\n" + place("disentangle", [name], "../_static") + "\n")
        parts.append("## Switch players off\n\n" + place("players", [name], "../_static") + "\n")
        parts.append(scripts("../_static") + "\n")
    return "\n".join(parts), files


def claims(files: dict[str, Path]) -> str:
    """The claims of all experiments as one table. Raises ValueError for a row without one of the fields."""
    rows = []
    for name, path in files.items():
        for number, row in enumerate(json.loads(path.read_text(encoding="utf-8")) if path.exists() else []):
            absent = [key for key in CLAIM_FIELDS if key not in row]
            if absent:
                raise ValueError(f"{name}/claims.json, row {number}: {', '.join(absent)} missing")
            rows.append(row)
    if not rows:
        return "*No experiment has a table of claims yet (`results/<experiment>/claims.json`).*"
    rows.sort(key=lambda row: (_natural(str(row["where"])), str(row["claim"])))  # the paper's order
    cells = [
        (row["claim"], row["where"], f"[{row['experiment']}](experiments/{row['experiment']}.md)", row["statistic"],
         row["predicted"], row["measured"], _interval(row["interval"]), _verdict(str(row["verdict"])))
        for row in rows
    ]  # fmt: skip
    header = ["claim", "where", "experiment", "statistic", "the paper", "measured", "interval", "verdict"]
    return "{.claims}\n" + _table(header, cells)


def _metrics(metrics: dict) -> str:
    parts = ["## Measured\n"]
    for key, first in (("timepoints", "timepoint"), ("noise", "noise")):
        rows = metrics.get(key) or {}
        columns = list(dict.fromkeys(column for row in rows.values() for column in row))
        table = [(name, *(row.get(column, "") for column in columns)) for name, row in rows.items()]
        if table:
            parts.append(_table([first, *(column.replace("_", " ") for column in columns)], table) + "\n")
    return "\n".join(parts)


def _verdicts(folder: Path) -> list[tuple[str, str]]:
    """(notebook, table) for each notebook whose last output is a table of what agrees."""
    tables = []
    for stem in MADE_BY:
        path = folder / f"{stem}.ipynb"
        if path.exists():
            cells = nbformat.read(path, as_version=4).cells
            outputs = [output for cell in cells for output in cell.get("outputs", [])]
            table = next((o.data["text/markdown"] for o in reversed(outputs) if "text/markdown" in o.get("data", {})), "")
            if "agrees?" in table.partition("\n")[0]:
                tables.append((stem, table))
    return tables


def _table(header: list[str], rows: list[tuple]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    cells = [[_plain(cell).replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _plain(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_plain(item) for item in value) + "]"
    return "null" if value is None else " ".join(str(value).split())


def _interval(ends: list | None) -> str:
    return "" if ends is None else f"{_plain(ends[0])} to {_plain(ends[1])}"


def _verdict(verdict: str) -> str:
    kind = re.match(r"\w+", verdict.lower())
    return f"[{verdict}]{{.verdict .verdict-{kind[0] if kind else 'none'}}}"


def _natural(text: str) -> list:
    """A key that sorts "Fig. 10" after "Fig. 9"."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text)]
