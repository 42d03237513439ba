"""Each case of cases.yaml has a test, or a line that says why it has none; the book's page is what the list says."""

import ast
from pathlib import Path

import cases
import pytest

LISTED = cases.known()
EXPECTED = [f"{letter}{k}" for letter, count in {"A": 22, "B": 18, "C": 23}.items() for k in range(1, count + 1)]


def marked() -> dict[str, list[str]]:
    """The tests that bear each number, found in the files' text, so that a test left out of a run counts."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for number in _numbers(node):
                    found.setdefault(number, []).append(f"{path.stem}::{node.name}")
    return found


def _numbers(test: ast.FunctionDef) -> set[str]:
    """The numbers in the marks of a test, or of one set of its parameters: pytest.mark.case(*"C5 C6".split())."""
    found = set()
    for decorator in test.decorator_list:
        if "pytest.mark.case(" in ast.unparse(decorator):
            texts = [node.value for node in ast.walk(decorator) if isinstance(node, ast.Constant)]
            words = [text.split() for text in texts if isinstance(text, str)]
            found |= {word for several in words if set(several) <= set(EXPECTED) for word in several}
    return found


MARKED = marked()


@pytest.mark.parametrize("number", EXPECTED)
def test_a_case_has_a_test_or_says_why_it_has_none(number):
    assert (number in MARKED) != (number in LISTED["untested"]), (
        f"{number} is tested by {MARKED.get(number)}, and cases.yaml has it as {LISTED['untested'].get(number)!r}"
    )


def test_the_list_is_of_these_cases():
    assert cases.numbers(LISTED) == EXPECTED
    assert set(LISTED["untested"]) <= set(EXPECTED) and set(LISTED["partly"]) <= set(EXPECTED)
    assert not set(LISTED["untested"]) & set(LISTED["partly"])


def test_the_books_page_is_what_the_list_says():
    assert cases.PAGE.read_text(encoding="utf-8") == cases.page(LISTED), "python tests/cases.py writes it anew"


def test_a_number_selects_its_tests(pytestconfig, request):
    """The hook of conftest.py, on this very test run."""
    item = next(item for item in request.session.items if item.name == request.node.name)
    assert not {"A1", "C12"} & item.extra_keyword_matches
    bearing = [item for item in request.session.items if item.get_closest_marker("case")]
    for item in bearing:
        numbers = {number for marker in item.iter_markers("case") for number in marker.args}
        assert numbers <= set(EXPECTED) and numbers <= item.extra_keyword_matches, item.name
