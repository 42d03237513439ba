"""Text of the pages for the search, which shows what it finds in its sentence, from a disk too (no page is fetched)."""

import json
import re
from html import unescape
from pathlib import Path

SCRIPTS = '<script src="_static/excerpts.js"></script><script src="_static/search-excerpts.js"></script>'
_ARTICLE = re.compile(r'<article role="main"[^>]*>(.*?)</article>', re.DOTALL)
_UNSEEN = re.compile(r'<(script|style|svg|math|pre|details)\b.*?</\1>|<span class="term-says".*?</span>', re.DOTALL)


def text_of(html: str) -> str:
    """The words of a page's article; code, folds, explanations and the second writing of a formula aside.

    >>> text_of('<article role="main"><h1>A</h1> <pre>x = 1</pre><p>a &lt; b</p></article>')
    'A a < b'
    """
    article = _ARTICLE.search(html)
    bare = re.sub(r"<[^>]+>", " ", _UNSEEN.sub(" ", article[1] if article else ""))
    return re.sub(r" ([,.;:)])", r"\1", " ".join(unescape(bare).replace("¶", " ").split()))


def write(site: Path) -> None:
    """The texts of all pages as a script of the search page, which gets it."""
    found = {}
    for path in sorted(site.rglob("*.html")):
        if text := text_of(path.read_text(encoding="utf-8")):
            found[path.relative_to(site).as_posix()] = text
    script = f"window.pageTexts = {json.dumps(found, ensure_ascii=False)};\n"
    (site / "_static" / "excerpts.js").write_text(script, encoding="utf-8")
    page = site / "search.html"
    page.write_text(page.read_text(encoding="utf-8").replace("</body>", f"{SCRIPTS}</body>"), encoding="utf-8")
