"""A Sphinx extension: a chapter explains a word of glossary.yaml where it first uses it, on hover, focus and tap."""

import re
from functools import cache
from html import escape

import yaml
from docutils import nodes
from sphinx.application import Sphinx

from lib.experiments import ROOT

FILE = ROOT / "book" / "source" / "glossary.yaml"
CHAPTERS = "chapters/"
_CLOSED = (nodes.literal, nodes.literal_block, nodes.reference, nodes.title, nodes.table, nodes.caption, nodes.raw)


@cache
def terms() -> list[dict]:
    """The terms: `text`, a pattern; `formula`, TeX, with its `name`, where it has one; `says`.

    Raises ValueError for another field.
    """
    found = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    for term in found:
        if set(term) not in ({"text", "says"}, {"text", "says", "formula", "name"}):
            raise ValueError(f"glossary.yaml has a term with {sorted(term)}; allowed: text, says; formula with name")
    return found


def _explain(app: Sphinx, doctree: nodes.document, page: str) -> None:
    if app.builder.format != "html" or not page.startswith(CHAPTERS):
        return
    for number, term in enumerate(terms()):
        for node in list(doctree.findall(lambda node: isinstance(node, nodes.Text | nodes.math))):
            if _in_closed(node):
                continue
            if isinstance(node, nodes.math):
                if node.astext().strip() != term.get("formula"):
                    continue
                node.parent.replace(node, _wrapped(node, number, term))
                break
            found = None if isinstance(node.parent, nodes.math | nodes.math_block) else re.search(term["text"], node)
            if found:
                word = _wrapped(nodes.Text(found[0]), number, term)
                node.parent.replace(node, [nodes.Text(node[: found.start()]), *word, nodes.Text(node[found.end() :])])
                break


def _in_closed(node: nodes.Node) -> bool:
    """Whether it stands where no word is explained, or outside of all paragraphs (an output, a comment)."""
    paragraph = False
    while node is not None:
        if isinstance(node, _CLOSED) or "term" in getattr(node, "attributes", {}).get("classes", ()):
            return True
        paragraph |= isinstance(node, nodes.paragraph)
        node = node.parent
    return not paragraph


def _wrapped(word: nodes.Node, number: int, term: dict) -> list[nodes.Node]:
    """The word as a button with its explanation, which a screen reader says as its description."""
    name = f' aria-label="{escape(term["name"])}"' if isinstance(word, nodes.math) else ""  # a formula has none
    opening = f'<span class="term"><button type="button"{name} aria-describedby="term-{number}">'
    closing = f'</button><span class="term-says" role="tooltip" id="term-{number}">{escape(term["says"])}</span></span>'
    return [nodes.raw("", opening, format="html"), word, nodes.raw("", closing, format="html")]


def setup(app: Sphinx) -> dict:
    app.connect("doctree-resolved", _explain)
    return {"parallel_read_safe": True, "parallel_write_safe": False, "env_version": 1}
