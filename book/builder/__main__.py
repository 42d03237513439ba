"""The book: the notebooks as run, a page for each experiment and what to play with, as a static site.

python -m book.builder [--results results] [--output build/book]

The source of the site is put together in build/book-source.
"""

import argparse
import json
import sys
import time
import warnings
from pathlib import Path

from lib.experiments import ROOT

from . import readme, site


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m book.builder", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--results", type=Path, default=ROOT / "results", help="the folder with a folder an experiment")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "book", help="where the site goes")
    parser.add_argument("--readme", action="store_true", help="write the measured parts of the README, and no book")
    arguments = parser.parse_args()
    if arguments.readme:
        path = ROOT / "README.md"
        path.write_text(readme.filled(path.read_text(encoding="utf-8"), arguments.results), encoding="utf-8")
        return
    warnings.simplefilter("default")
    start = time.monotonic()
    missing = site.build(arguments.results, arguments.output, arguments.output.with_name("book-source"))
    for line in missing:
        print(f"missing: {line}")
    size = sum(path.stat().st_size for path in arguments.output.rglob("*") if path.is_file()) / 1e6
    print(f"{arguments.output / 'index.html'}: {size:.1f} MB, {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError, RuntimeError, json.JSONDecodeError) as error:
        sys.exit(f"error: {error}")
