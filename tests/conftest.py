"""Shapes and types in signatures are checked at run time here, and only here."""

import functools
import inspect
from collections import Counter
from collections.abc import Callable

import beartype
import jaxtyping
import pytest
import tqdm.auto  # noqa: F401  here, before a test imports ipykernel: after that bars would be those of a notebook

CHECKED = 20  # calls of each function in each test: a sweep makes a hundred thousand, and their checks take longest
calls = Counter()  # twice for each: its arguments, and what it returns
decorated = {}
decorator = jaxtyping.jaxtyped


def _name(function: Callable) -> tuple[str, str]:
    return function.__module__, function.__qualname__


def typechecker(function: Callable) -> Callable:
    """The function with its arguments checked, in its first CHECKED calls of a test; an int will do for a float."""
    checked, name = beartype.beartype(function, conf=beartype.BeartypeConf(is_pep484_tower=True)), _name(function)

    @functools.wraps(function)
    def counted(*arguments: object, **named: object) -> object:
        calls[name] += 1
        if calls[name] > 2 * CHECKED and name in decorated:
            decorated[name].__no_type_check__ = True  # which jaxtyping asks for at each call
        return checked(*arguments, **named)

    return counted


def jaxtyped(**options: object) -> Callable:
    """What the hook decorates all functions with, less those in a function, which each of its calls would compile."""

    def decorate(found: Callable) -> Callable:
        if "<locals>" in found.__qualname__:
            return found
        checked = decorator(**options)(found)
        if inspect.isfunction(checked):
            decorated[_name(found)] = checked
        return checked

    return decorate


jaxtyping.jaxtyped = jaxtyped
jaxtyping.install_import_hook("lib", f"{__name__}.typechecker")


@pytest.hookimpl(tryfirst=True)  # before its fixtures
def pytest_runtest_setup():
    for name in calls.keys() & decorated.keys():
        decorated[name].__no_type_check__ = False
    calls.clear()


LONGEST = ("notebooks", "faults", "measure", "kernel", "training", "house", "choices", "disentangle", "sparsest")


@pytest.hookimpl(tryfirst=True)  # before pytest deselects
def pytest_collection_modifyitems(items):
    """`pytest -k C12` selects the tests of that case (cases.yaml); -k takes parts of words, so A1 takes A10 too.

    The files that take longest begin first: with a core for each of them, none is left for the end.
    """
    place = {f"test_{name}": k for k, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))
    for item in items:
        for marker in item.iter_markers("case"):
            item.extra_keyword_matches.update(marker.args)


@pytest.fixture(scope="session")
def small_results(tmp_path_factory):
    """A folder of made-up results of two experiments (small_book.py)."""
    import small_book

    folder = tmp_path_factory.mktemp("book") / "results"
    small_book.make_results(folder)
    return folder


@pytest.fixture(scope="session")
def small_book(small_results):
    """The folder of their book."""
    import small_book

    return small_book.make_book(small_results)
