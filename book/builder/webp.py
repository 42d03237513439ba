"""Pictures of the site as WebP without loss: every pixel as it was, in three quarters of the bytes of a PNG."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

PICTURES = "_images"  # where Sphinx puts them


def convert(site: Path) -> None:
    """Replaces each PNG that Sphinx has copied, and what the pages name it."""
    found = sorted((site / PICTURES).glob("*.png"))
    with ThreadPoolExecutor() as pool:
        list(pool.map(_convert, found))
    for page in site.rglob("*.html"):
        html = page.read_text(encoding="utf-8")
        page.write_text(re.sub(rf"({PICTURES}/[^\"?]+)\.png\b", r"\1.webp", html), encoding="utf-8")


def _convert(path: Path) -> None:
    with Image.open(path) as picture:
        picture.save(path.with_suffix(".webp"), lossless=True, quality=50, method=4)
    path.unlink()
