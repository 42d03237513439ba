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

from .links import TAG

KATEX = ROOT / "book" / "source" / "katex"
_IN_WORDS = re.compile(r"\\q?quad\s*\\text\{\s*\(Eq\. (\d+)\)\}|\\text\{\s*\(Eq\. (\d+)\)\}")


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
    number = TAG.search(tex)
    identity = f' id="eq-{number[1]}"' if number else ""
    self.body.append(f'<div class="equation"{identity}>{_katex(self).render(tex, display=True)}</div>')
    raise nodes.SkipNode


def _katex(translator) -> Katex:
    app = translator.builder.app
    if not hasattr(app, "katex"):
        app.katex = Katex()
    return app.katex


def _mark_choices(app: Sphinx, doctree: nodes.document, page: str) -> None:
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


def setup(app: Sphinx) -> dict:
    app.add_html_math_renderer("katex", inline_renderers=(_inline, None), block_renderers=(_block, None))
    app.connect("doctree-resolved", _mark_choices)
    return {"parallel_read_safe": True, "parallel_write_safe": False}
