"""What a page offers to take away: the notebook as run, an experiment's tables (CSV), its figures as drawings (SVG)."""

import shutil
from html import escape
from pathlib import Path

FOLDER = "downloads"  # in the site's static files
KINDS = {".ipynb": "this notebook, as run", ".csv": "{} as a table", ".svg": "{} as a drawing"}


def of_experiment(folder: Path) -> list[Path]:
    """The files of an experiment's results that its page offers: tables first; drawings are not of every clone."""
    return [*sorted(folder.glob("*.csv")), *sorted(folder.glob("figure-*.svg")), *sorted(folder.glob("figures/*.svg"))]


def offer(files: list[Path], static: Path, part: str) -> str:
    """Copies the files to a part of the static files; a line of links for a page one folder down, "" without files."""
    if not files:
        return ""
    links = []
    for path in files:
        target = static / FOLDER / part / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
        words = KINDS[path.suffix].format(path.stem)
        address = f"../_static/{FOLDER}/{part}/{path.name}"
        links.append(f'<a href="{escape(address, quote=True)}" download>{escape(words)}</a>')
    return f'<p class="downloads">Download: {", ".join(links)}.</p>'
