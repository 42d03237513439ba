"""How to cite the companion and its paper, its licence and its versions: from CITATION.cff and the tags of git."""

import subprocess
from pathlib import Path

import yaml

from lib.experiments import ROOT


def citation(path: Path = ROOT / "CITATION.cff") -> dict:
    """The file's fields. Raises ValueError where one that the page shows is missing."""
    fields = yaml.safe_load(path.read_text(encoding="utf-8"))
    for name in ("title", "version", "license", "references"):
        if not fields.get(name):
            raise ValueError(f"{path.name} has no {name}; needed: title, version, license, references")
    return fields


def page(fields: dict, tags: list[tuple[str, str, str]]) -> str:
    """The text below the heading. `tags`: (name, date, subject) of each version, newest first."""
    paper = fields["references"][0]
    authors = " and ".join(f"{one['family-names']}, {one['given-names']}" for one in paper["authors"])
    number = next(one["value"] for one in paper["identifiers"]).partition(":")[2]
    changes = "\n".join(f"- **{name}** ({date}): {subject}" for name, date, subject in tags)
    return f"""Cite the paper where you use its theory, and this companion, with its version, where you use its code
or its numbers.

```bibtex
@misc{{cheng{paper["year"]}revisiting,
  title  = {{{paper["title"]}}},
  author = {{{authors}}},
  year   = {{{paper["year"]}}},
  eprint = {{{number}}}, archivePrefix = {{arXiv}},
}}
@software{{companion,
  title   = {{{fields["title"]}}},
  author  = {{{{{fields["authors"][0]["name"]}}}}},
  version = {{{fields["version"]}}},
}}
```

## Licence

{fields["license"]}, for the code and for what it measured; the text is in `LICENSE`. The data sets have licences of
their own.

## Versions

This book is of version **{fields["version"]}**; [what has changed](changelog.md).

{changes}
"""


def tags() -> list[tuple[str, str, str]]:
    """(name, date, subject) of the repository's tags, newest first; none without git."""
    form = "%(refname:short)\t%(creatordate:short)\t%(subject)"
    command = ["git", "tag", "--sort=-creatordate", f"--format={form}"]
    try:
        said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout
    except OSError:
        return []
    return [tuple(line.split("\t", 2)) for line in said.splitlines()]
