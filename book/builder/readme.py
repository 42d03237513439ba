"""The parts of the README that are measured: the findings and the table of experiments, from results/.

python -m book.builder --readme writes them between the README's marks; a test holds the README to them.
"""

import json
import re
from pathlib import Path

from lib import choices, experiments, launch
from lib.claims import MARKS, VERDICTS, Claim, read, with_minus
from lib.experiments import ROOT
from lib.report import markdown

from .found import beside_others, percent

FINDINGS = (
    "decays",
    "emerged D",
    "returns",
    "noise_spindle inputs",
    "uncertainty",
    "mean_order_tells",
)  # as in choices.json
TIMEPOINTS = "ABCD"


def findings(results: Path, name: str = "digits-vgg") -> str:
    """What was found, a line a claim: on how many experiments it holds, other seeds aside, and how far on one."""
    lines = []
    for label, one, same in beside_others(results, name, FINDINGS):
        count = f"{marked(same)} of {len(same)}{_robust(results, label)}"
        lines.append(
            f"- {one.claim} ({one.where}): {count}; {name} {MARKS[one.verdict]} {one.figures}, {one.statistic}"
        )
    own = read(results / name / "claims.json")
    told = "● holds, ◐ holds weakly, ○ does not hold, · not measured"
    return "\n".join(
        [*lines, f"- All {len(own)} claims on {name}: {marked(own)} ({told}); [with intervals](results/claims.ipynb)."]
    )


def _robust(results: Path, label: str) -> str:
    """On how many experiments a claim holds under 90 % of the combinations of choices or more; "" if none was tried."""
    folders = (path for path in sorted(results.iterdir()) if "-seed-" not in path.name)
    swept = filter(None, map(choices.kept, folders))
    words = [row["word"] for sweep in swept for row in sweep["claims"] if row["claim"] == label and row["measured"]]
    return f", whatever one chooses in {words.count('robustly')} of {len(words)}" if words else ""


def marked(rows: list[Claim]) -> str:
    """How many verdicts there are of each kind, as marks."""
    return " ".join(f"{len(of)} {MARKS[verdict]}" for verdict, of in _by_verdict(rows).items())


def _by_verdict(rows: list[Claim]) -> dict[str, list[Claim]]:
    of = {verdict: [row for row in rows if row.verdict == verdict] for verdict in VERDICTS}
    return {verdict: found for verdict, found in of.items() if found}


def table(results: Path) -> str:
    """The experiments that have results, other seeds of the same aside."""
    rows = []
    for name in experiments.names():
        path, claims = (results / name / f"{part}.json" for part in ("metrics", "claims"))
        if "-seed-" in name or not path.exists() or not claims.exists():
            continue
        setting, at = experiments.load(name), json.loads(path.read_text(encoding="utf-8"))["timepoints"]
        d = at["D"]
        minutes = (launch.cost(name) or "").partition("training ")[2].partition(" min")[0]
        marks = marked([row for row in read(claims) if row.measured is not None])
        rows.append(
            (f"[{name}](results/{name}/figures)", f"{setting.network}, {setting.dataset}", setting.epochs, minutes,
             f"{d['train_accuracy']:.1%} / {d['test_accuracy']:.1%}", f"{d['test_loss'] - d['train_loss']:.2f}",
             ", ".join(percent(at[point], to="–") for point in TIMEPOINTS), marks)
        )  # fmt: skip
    header = ["experiment", "network, data", "epochs", "minutes of training", "accuracy, training / test",
              "loss gap (nats)", "spindle at A, B, C, D, % of ΣA", "claims"]  # fmt: skip
    return markdown(header, rows)


def filled(text: str, results: Path = ROOT / "results") -> str:
    """The README with both parts as results/ has them. Raises ValueError where a mark is missing."""
    for mark, content in (("findings", findings(results)), ("experiments", table(results))):
        pattern = rf"(<!-- {mark}: [^\n]*-->\n).*?(<!-- end -->)"
        text, count = re.subn(pattern, lambda m, c=content: f"{m[1]}{with_minus(c)}\n{m[2]}", text, flags=re.DOTALL)
        if count != 1:
            raise ValueError(f"README.md has {count} marks <!-- {mark}: … -->; allowed: one")
    return text
