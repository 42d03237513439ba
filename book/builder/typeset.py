"""A Sphinx extension: equations typeset at build time, the paper's numbers and words told apart from ours.

Loaded by book/source/conf.py. Every page then shows its equations without a script, and a formula that KaTeX cannot
read stops the build.
"""

import json
import re
from pathlib import Path

from docutils import nodes
from py_mini_racer import MiniRacer
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

from lib.experiments import ROOT

KATEX = ROOT / "book" / "source" / "katex"
EQUATIONS = "paper"  # the page on which each numbered equation of the paper stands
_TAG = re.compile(r"\\tag\{(\d+)\}")
_IN_WORDS = re.compile(r"\\q?quad\s*\\text\{\s*\(Eq\. (\d+)\)\}|\\text\{\s*\(Eq\. (\d+)\)\}")
_MENTION = re.compile(r"\b(Eqs?\. |Equations? )(\d+)((?:(?:, | and | to |–)\d+)*)")


class Katex:
    """TeX → HTML with MathML in it, for those who listen to a page instead of looking at it."""

    def __init__(self, script: Path = KATEX / "katex.min.js"):
        self._engine = MiniRacer()
        self._engine.eval(script.read_text(encoding="utf-8"))

    def render(self, tex: str, display: bool = False) -> str:
        """The HTML of one formula. Raises ExtensionError that shows the formula if KaTeX cannot read it."""
        options = {"displayMode": display, "throwOnError": True, "strict": "ignore"}
        call = f"katex.renderToString({json.dumps(tex)}, {json.dumps(options)})"
        try:
            return self._engine.eval(call)
        except Exception as error:  # the engine's own class for what a script throws differs between its versions
            raise ExtensionError(f"equation {tex!r}: {error}") from None


def numbered(tex: str) -> str:
    r"""The formula with the paper's number as its tag, where the notebook has it in words.

    >>> numbered(r"a = b \qquad\text{(Eq. 9)}")
    'a = b \\tag{9}'
    """
    return _IN_WORDS.sub(lambda found: rf"\tag{{{found[1] or found[2]}}}", tex)


def _inline(self, node: nodes.math) -> None:
    self.body.append(_katex(self).render(node.astext()))
    raise nodes.SkipNode


def _block(self, node: nodes.math_block) -> None:
    tex = numbered(node.astext())
    number = _TAG.search(tex)
    identity = f' id="eq-{number[1]}"' if number else ""
    self.body.append(f'<div class="equation"{identity}>{_katex(self).render(tex, display=True)}</div>')
    raise nodes.SkipNode


def _katex(translator) -> Katex:
    app = translator.builder.app
    if not hasattr(app, "katex"):
        app.katex = Katex()
    return app.katex


def _mark(app: Sphinx, doctree: nodes.document, page: str) -> None:
    _mark_choices(doctree)
    if app.builder.format == "html" and EQUATIONS in app.env.found_docs:
        _link_equations(doctree, app.builder.get_relative_uri(page, EQUATIONS))


def _mark_choices(doctree: nodes.document) -> None:
    """What follows **Our choice:** in its paragraph, up to the next one, becomes a span of its own."""
    for strong in list(doctree.findall(nodes.strong)):
        if strong.astext().lower().rstrip(":") != "our choice" or not strong.astext().endswith(":"):
            continue
        parent = strong.parent
        start = parent.index(strong)
        following = parent.children[start + 1 :]
        end = next((k for k, other in enumerate(following) if isinstance(other, nodes.strong)), len(following))
        ours = nodes.inline("", "", *parent.children[start : start + 1 + end], classes=["ours"])
        parent.children[start : start + 1 + end] = []
        parent.insert(start, ours)


def _link_equations(doctree: nodes.document, target: str) -> None:
    """Each mention of an equation of the paper leads to it."""
    for text in list(doctree.findall(nodes.Text)):
        inside = text.parent
        if isinstance(inside, nodes.literal | nodes.math | nodes.math_block | nodes.reference | nodes.title):
            continue
        if isinstance(inside, nodes.literal_block | nodes.raw | nodes.comment):
            continue
        parts, last = [], 0
        for found in _MENTION.finditer(text):
            parts += [nodes.Text(text[last : found.start()]), _link(found[1] + found[2], target, found[2])]
            for number in re.finditer(r"(\D+)(\d+)", found[3]):
                parts += [nodes.Text(number[1]), _link(number[2], target, number[2])]
            last = found.end()
        if parts:
            inside.replace(text, [*parts, nodes.Text(text[last:])])


def _link(words: str, target: str, number: str) -> nodes.reference:
    return nodes.reference(words, words, internal=True, refuri=f"{target}#eq-{number}", classes=["equation-link"])


def setup(app: Sphinx) -> dict:
    app.add_html_math_renderer("katex", inline_renderers=(_inline, None), block_renderers=(_block, None))
    app.connect("doctree-resolved", _mark)
    return {"parallel_read_safe": True, "parallel_write_safe": False}
