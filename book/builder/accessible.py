"""What the theme and the notebook's renderer leave out for readers with a keyboard or a screen reader."""

import re
from pathlib import Path

REPAIRS = (  # pattern, replacement; each is a finding of axe-core
    (r'<p class="caption" role="heading">', '<p class="caption" role="heading" aria-level="2">'),
    (r'<aside class="sidebar-drawer">', '<aside class="sidebar-drawer" aria-label="pages of the book">'),
    (r'<aside class="toc-drawer([^>]*)">', r'<aside class="toc-drawer\1" aria-label="on this page">'),
    (r"<pre>", '<pre tabindex="0">'),  # what may scroll sideways has to take the focus to be scrolled with keys
    (r'<div class="(equation|table-wrapper)\b', r'<div tabindex="0" class="\1'),
    (r"<figure class=\"align-default\"", '<figure tabindex="0" class="align-default"'),
    (r'<th class="head">(?:<p></p>)?</th>', "<td></td>"),  # a corner of a table is no heading
)


def repaired(html: str) -> str:
    """A page with all repairs.

    >>> repaired("<pre>a = 1</pre>")
    '<pre tabindex="0">a = 1</pre>'
    """
    for pattern, replacement in REPAIRS:
        html = re.sub(pattern, replacement, html)
    return html


def repair(site: Path) -> None:
    """Repairs each page of a site where it lies."""
    for path in site.rglob("*.html"):
        path.write_text(repaired(path.read_text(encoding="utf-8")), encoding="utf-8")
