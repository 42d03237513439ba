"""Shapes and types in signatures are checked at run time here, and only here."""

import beartype
import pytest
from jaxtyping import install_import_hook

typechecker = beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))  # an int will do for a float
install_import_hook("lib", f"{__name__}.typechecker")


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
