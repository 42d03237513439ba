"""All claims on all experiments: a matrix of marks, each a link to its row, and the rows themselves as a CSV file."""

import csv
import io
import re
from html import escape
from pathlib import Path

from lib import choices, claims, experiments
from lib.claims import MARKS, Claim

CSV = "claims.csv"
NETWORKS = {
    "vgg": "VGG-",
    "resnet": "ResNet-",
    "lenet": "LeNet",
    "alexnet": "AlexNet",
    "bert": "BERT",
    "minilm": "MiniLM",
}
DATASETS = {"digits": "digits", "mnist": "MNIST", "cifar10": "CIFAR-10", "cub": "CUB", "tiny-imagenet": "Tiny ImageNet",
            "sst2": "SST-2"}  # fmt: skip


def gathered(files: dict[str, Path]) -> list[Claim]:
    """The rows of all claims.json that are there. Raises ValueError for a file of other rows."""
    rows = []
    for name, path in files.items():
        try:
            rows += claims.read(path) if path.exists() else []
        except (TypeError, KeyError) as error:
            raise ValueError(f"{name}/claims.json has rows that are no claims: {error}") from None
    return rows


def anchor(row: Claim) -> str:
    """The id of a claim's row on an experiment's page."""
    return "claim-" + re.sub(r"[^a-z0-9]+", "-", f"{row.key} {row.claim} {row.where}".lower()).strip("-")


def label(row: Claim) -> str:
    """The claim's name in choices.json: its key, with the later timepoint or the kind of noise."""
    if row.key == "emerged":
        return f"emerged {row.where[-1]}"
    kind = next((kind for kind in ("parameters", "inputs") if f"noise on the {kind}" in row.claim), "")
    return f"{row.key} {kind}".strip()


def named(experiment: str) -> str:
    """An experiment in words: "VGG-11, CIFAR-10"."""
    try:
        setting = experiments.load(experiment)
    except ValueError:
        return experiment
    network = re.sub(r"^[a-z]+", lambda m: NETWORKS.get(m[0], m[0]), setting.network)
    return f"{network}, {DATASETS.get(setting.dataset, setting.dataset)}"


def matrix(results: Path, names: list[str]) -> str:
    """The claims as a table of HTML, a column an experiment, other seeds of the same aside.

    Its second layer, behind a switch, is the share of the combinations of choices in which a claim holds
    (`choices.kept`). Each cell is a link to the row on the experiment's page.
    """
    rows = gathered({name: results / name / "claims.json" for name in names if "-seed-" not in name})
    if not rows:
        return "*No experiment has a table of claims yet (`results/<experiment>/claims.json`).*"
    columns = list(dict.fromkeys(row.experiment for row in rows))
    cells = {(row.claim, row.where, row.experiment): row for row in rows}
    shares = {name: _shares(results / name) for name in columns}
    order = [*claims.RULES]
    known = dict.fromkeys((row.claim, row.where, row.key) for row in rows)
    about = sorted(known, key=lambda one: order.index(one[2]))
    sections = list(dict.fromkeys(_section(where) for _, where, _ in about))
    lines, band = [], None
    for claim, where, _ in sorted(about, key=lambda one: sections.index(_section(one[1]))):
        if (section := _section(where)) != band:
            lines.append(
                f'<tr class="band"><th scope="colgroup" colspan="{len(columns) + 2}">{escape(section)}</th></tr>'
            )
            band = section
        own = [cells.get((claim, where, name)) for name in columns]
        measured = [row for row in own if row is not None and row.measured is not None]
        held = sum(row.verdict == "holds" for row in measured)
        count = f"{held} of {len(measured)}" if measured else "–"
        shown = "".join(_cell(row, shares[name]) for row, name in zip(own, columns, strict=True))
        lines.append(f'<tr><th scope="row">{_words(claim)}</th><td class="count">{count}</td>{shown}</tr>')
    heads = "".join(
        f'<th scope="col"><a href="experiments/{name}.html"><span>{escape(named(name))}</span></a></th>'
        for name in columns
    )
    legend = ", ".join(f"{MARKS[verdict]} {verdict}" for verdict in claims.VERDICTS)
    return "\n".join(
        [
            '<div class="matrix-here">',
            '<p><input type="checkbox" id="matrix-shares"> <label for="matrix-shares">Show in how many percent of all '
            "combinations of choices each claim holds, where they were tried</label></p>",
            '<div class="matrix-scroll" tabindex="0" role="region" aria-label="claims by experiment">',
            '<table class="matrix">',
            f"<caption>{legend}; at the default of every choice</caption>",
            f'<thead><tr><th scope="col">claim</th><th scope="col">holds in</th>{heads}</tr></thead><tbody>',
            *lines,
            "</tbody></table></div></div>",
        ]
    )


def _section(where: str) -> str:
    """What rows are put together by: "Fig. 2" of "Fig. 2, B"."""
    return re.sub(r", [A-Z].*", "", where)


def _cell(row: Claim | None, shares: dict[str, float]) -> str:
    if row is None:
        return "<td></td>"
    share = shares.get(label(row))
    told = f"{row.verdict}: {row.figures}, {row.statistic}" if row.measured is not None else row.note or row.verdict
    layer = "" if share is None else f"{100 * share:.0f}"
    link = f"experiments/{row.experiment}.html#{anchor(row)}"
    kind = row.verdict.replace(" ", "-")
    return (
        f'<td><a class="verdict-{kind}" href="{link}" title="{escape(told, quote=True)}" '
        f'aria-label="{escape(f"{named(row.experiment)}: {told}", quote=True)}">'
        f'<span class="mark">{MARKS[row.verdict]}</span><span class="share">{layer or "–"}</span></a></td>'
    )


def _words(text: str) -> str:
    """Text as HTML; a name with an underscore, as in A_C, has a subscript."""
    return re.sub(r"(\w)_(\w)", r"\1<sub>\2</sub>", escape(text))


def _shares(folder: Path) -> dict[str, float]:
    sweep = choices.kept(folder) or {"claims": []}
    return {row["claim"]: row["share"] for row in sweep["claims"] if row["measured"]}


def table(rows: list[Claim]) -> str:
    """All rows as CSV, with the ends of the intervals in columns of their own."""
    out = io.StringIO()
    fields = ["experiment", "where", "claim", "verdict", "measured", "low", "high", "predicted", "statistic", "note"]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(fields)
    for row in rows:
        ends = dict(zip(("low", "high"), row.interval or ("", ""), strict=True))
        writer.writerow([ends[name] if name in ends else getattr(row, name) for name in fields])
    return out.getvalue()
