"""The book's page of what was tried and what comes out, from cases.yaml.

python tests/cases.py    writes book/source/faults.md
"""

from pathlib import Path

import yaml

HERE = Path(__file__).parent
PAGE = HERE.parent / "book" / "source" / "faults.md"
HEAD = """# What happens when …

What was tried on this project, from networks in an unusual state to a kill in the midst of a run, and what comes out.
Each row has a number, and each number its tests: `pytest -k C12` runs those of one. Rows with ○ are not settled, or no
test holds them, and say what is meant to come out; rows with ◐ are settled but for what is said below the table.
"""


def known() -> dict:
    """What is in cases.yaml: letters with their cases, what is untested or only partly right, what was measured."""
    return yaml.safe_load((HERE / "cases.yaml").read_text(encoding="utf-8"))


def numbers(listed: dict) -> list[str]:
    """The numbers of all cases, in order."""
    return [number for letter in "ABC" for number in listed[letter]["cases"]]


def page(listed: dict) -> str:
    """The page, in Markdown."""
    parts = [HEAD]
    for letter in "ABC":
        rows, notes = [], []
        for number, (tried, comes) in listed[letter]["cases"].items():
            comes = f"meant: {comes}" if number in listed["untested"] else comes
            mark = "○" if number in listed["untested"] else "◐" if number in listed["partly"] else "●"
            rows.append(f"| {mark} {number} | {_cell(tried)} | {_cell(comes)} |")
            notes += [
                f"- {mark} {number}: {listed[kind][number]}."
                for kind in ("untested", "partly")
                if number in listed[kind]
            ]
        parts += [f"## {listed[letter]['title']}\n", "| | what was tried | what comes out |\n|---|---|---|", *rows, ""]
        parts += [*notes, ""] if notes else []
    parts.append("## What was measured\n\nBy `make faults`, on two busy cores; none of it is part of `make test`.\n")
    for entry in listed["measured"]:
        parts += [f"### {entry['title']}\n", f"```sh\n{entry['command']}\n```\n", f"{entry['text']}\n"]
    return "\n".join(parts).rstrip() + "\n"


def _cell(text: str) -> str:
    return str(text).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(known()), encoding="utf-8")
