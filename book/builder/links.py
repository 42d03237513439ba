"""A Sphinx extension: mentions become links, of equations, figures and notebooks; equations lead back to their uses.

An equation stands on paper.md. A figure is one of the same page if it is there, or else of a chapter; a notebook's name
leads to its chapter. What has no target in this book stays as words.
"""

import re
from collections.abc import Callable, Container
from pathlib import PurePosixPath

from docutils import nodes
from docutils.transforms import Transform
from sphinx.application import Sphinx

EQUATIONS = "paper"  # the page on which each numbered equation of the paper stands
CHAPTERS = "chapters/"
TAG = re.compile(r"\\tag\{(\d+)\}")
_EQUATION = re.compile(r"\b(Eqs?\. |Equations? )(\d+)((?:(?:, | and | to |–)\d+)*)")
_FIGURE = re.compile(r"\b(Figs?\. |Figures? )(\d+[a-c]?)((?:(?:, | and | to |–)\d+[a-c]?)*)")
_NOTEBOOK = re.compile(r"(?:notebooks/|results/)?(\w+?)(\.ipynb)?")
_CLOSED = (nodes.literal, nodes.math, nodes.math_block, nodes.reference, nodes.title, nodes.literal_block, nodes.raw)


class FiguresFirst(Transform):
    """A named figure has its name as its id, also where a heading (“Figure 6”) had taken it: that gets another."""

    default_priority = 800  # before Sphinx collects the labels and the tables of contents

    def apply(self, **_: object) -> None:
        for figure in self.document.findall(nodes.figure):
            for name in figure["names"]:
                heading = self.document.ids.get(name)
                if name in figure["ids"] or not isinstance(heading, nodes.section):
                    continue
                other = f"about-{name}"
                heading["ids"] = [other if own == name else own for own in heading["ids"]]
                figure["ids"] = [name]
                known = {words: other for words, own in self.document.nameids.items() if own == name}
                self.document.nameids.update({**known, name: name})
                self.document.ids.update({name: figure, other: heading})


def mark(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """All of it, on one page whose references are resolved."""
    if app.builder.format != "html":
        return
    own = _name_figures(doctree)

    def relative(target: str) -> str:
        return app.builder.get_relative_uri(page, target)

    def equation(number: str) -> str:
        return f"{relative(EQUATIONS)}#eq-{number}" if EQUATIONS in app.env.found_docs else ""

    def figure(number: str) -> str:
        known = app.env.get_domain("std").anonlabels
        if here := called(number, own):
            return f"#{here}"
        name = called(number, known)
        return f"{relative(known[name][0])}#{known[name][1]}" if name else ""

    _link(doctree, _EQUATION, equation, "equation-link")
    _link(doctree, _FIGURE, figure, "figure-link")
    _link_notebooks(doctree, page, app.env.found_docs, relative)
    if page == EQUATIONS:
        _lead_back(doctree, _uses(app), app.env.titles, relative)


def called(number: str, names: Container[str]) -> str:
    """The figure of a number among those that are there; of one in parts, without a letter, the first; "" if none."""
    return next((name for name in (f"figure-{number}", f"figure-{number}a") if name in names), "")


def _name_figures(doctree: nodes.document) -> set[str]:
    """Each figure whose picture is a file figure-….png has that name as its id; all such ids of the page."""
    for figure in doctree.findall(nodes.figure):
        for image in figure.findall(nodes.image):
            name = PurePosixPath(image["uri"]).stem
            if name.startswith("figure-") and name not in figure["ids"]:
                figure["ids"].insert(0, name)  # the first is the id of the element
    return {name for figure in doctree.findall(nodes.figure) for name in figure["ids"] if name.startswith("figure-")}


def _link(doctree: nodes.document, mention: re.Pattern, address: Callable[[str], str], kind: str) -> None:
    """Each number in a mention ("Eqs. 6 to 9") becomes a link where `address` knows one; the first with its word."""

    def linked(words: str, number: str) -> nodes.Node:
        target = address(number)
        return (
            nodes.reference(words, words, internal=True, refuri=target, classes=[kind]) if target else nodes.Text(words)
        )

    for text in list(doctree.findall(nodes.Text)):
        inside = text.parent
        if isinstance(inside, (*_CLOSED, nodes.comment)) or _within(text, nodes.reference) or _names_itself(text):
            continue
        parts, last = [], 0
        for found in mention.finditer(text):
            parts += [nodes.Text(text[last : found.start()]), linked(found[1] + found[2], found[2])]
            for number in re.finditer(r"(\D+)(\d+[a-c]?)", found[3]):
                parts += [nodes.Text(number[1]), linked(number[2], number[2])]
            last = found.end()
        if parts:
            inside.replace(text, [*parts, nodes.Text(text[last:])])


def _within(node: nodes.Node, kind: type) -> bool:
    while node is not None and not isinstance(node, kind):
        node = node.parent
    return node is not None


def _names_itself(text: nodes.Text) -> bool:
    """Whether it is the bold start of a caption, "**Figure 2.**"."""
    return isinstance(text.parent, nodes.strong) and isinstance(text.parent.parent, nodes.caption)


def _link_notebooks(doctree: nodes.document, page: str, pages: set[str], relative: Callable[[str], str]) -> None:
    """`5_disentangle`, notebooks/play.ipynb and the like; a bare word such as `choices` only in a chapter."""
    for literal in list(doctree.findall(nodes.literal)):
        found = _NOTEBOOK.fullmatch(literal.astext())
        if not found or _within(literal, nodes.reference) or _within(literal, nodes.title):
            continue
        target, sure = CHAPTERS + found[1], found[2] or found[1][0].isdigit() or page.startswith(CHAPTERS)
        if sure and target in pages and target != page:
            link = nodes.reference("", "", internal=True, refuri=relative(target), classes=["notebook-link"])
            literal.parent.replace(literal, link)
            link += literal


def _uses(app: Sphinx) -> dict[str, list[str]]:
    """The chapters that mention an equation, in the order of the book, by its number."""
    order = [page for page in app.env.toctree_includes.get("index", []) if page.startswith(CHAPTERS)]
    uses: dict[str, list[str]] = {}
    for page in order:
        for text in app.env.get_doctree(page).findall(nodes.Text):
            for found in _EQUATION.finditer(text):
                numbers = [found[2], *re.findall(r"\d+", found[3])]
                if re.search(r" to |–", found[3]) and len(numbers) == 2:
                    numbers = [str(k) for k in range(int(numbers[0]), int(numbers[1]) + 1)]
                for number in numbers:
                    if page not in uses.setdefault(number, []):
                        uses[number].append(page)
    return uses


def _lead_back(doctree: nodes.document, uses: dict, titles: dict, relative: Callable[[str], str]) -> None:
    """Below each equation, the chapters that use it."""
    for block in list(doctree.findall(nodes.math_block)):
        number = TAG.search(block.astext())
        pages = uses.get(number[1], []) if number else []
        if not pages:
            continue
        line = nodes.paragraph("", "Used in ", classes=["used-in"])
        for k, page in enumerate(pages):
            words = titles[page].astext()
            line += [
                *([nodes.Text("; ")] if k else []),
                nodes.reference(words, words, internal=True, refuri=relative(page)),
            ]
        block.parent.insert(block.parent.index(block) + 1, line)


def setup(app: Sphinx) -> dict:
    app.add_transform(FiguresFirst)
    app.connect("doctree-resolved", mark)
    return {"parallel_read_safe": True, "parallel_write_safe": False}
