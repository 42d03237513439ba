"""What a stage computes with: the code of its notebook and of every module that it reaches, without what cannot matter.

Comments, docstrings, blank lines and the names of our own modules are left out, so that rewording or moving code redoes
nothing. So is the machinery around a computation, which decides where and when it runs, not what comes out.
"""

import ast
import io
import tokenize
from collections.abc import Iterator, Set
from functools import cache
from pathlib import Path

from .experiments import ROOT

PACKAGE = "lib"
MACHINERY = {"experiments", "checks", "closure", "devices", "files", "tables", "notebook", "datasets.downloads"}
SHOWN = {"plots", "report"}  # how results look


def closure(code: str, without: Set[str] = frozenset(), root: Path = ROOT) -> list[str]:
    """The stripped texts of the modules of ours that `code` imports, those that they import and so on, sorted.

    Modules named in MACHINERY or `without` are not followed. Raises ValueError for a module that is not there.
    """
    found, left = {}, list(_modules(ast.parse(code), "", root))
    while left:
        name = left.pop()
        if name in found or name in MACHINERY | without:
            continue
        found[name], imported = _read(name, root)
        left += imported
    return sorted(text for text in found.values() if text)


@cache
def _read(name: str, root: Path) -> tuple[str, list[str]]:
    """The stripped text of a module, and the modules of ours that it imports."""
    path = _path(name, root)
    source = path.read_text(encoding="utf-8")
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    return stripped(source), list(_modules(ast.parse(source), package, root))


def stripped(source: str) -> str:
    """Python without comments, docstrings, blank lines and imports of our own modules; the same from every Python.

    >>> stripped('def f(x):  # twice\\n    "The double."\\n\\n    return 2 * x\\n')
    'def f(x):\\n    return 2 * x\\n'
    """
    lines = [line.encode() for line in source.splitlines(keepends=True)]
    for first, start, last, end in sorted(_irrelevant(source), reverse=True):
        lines[first : last + 1] = [lines[first][:start] + lines[last][end:]] + [b""] * (last - first)
    kept = (line.decode().rstrip() for line in lines)
    return "".join(f"{line}\n" for line in kept if line)


def _irrelevant(source: str) -> Iterator[tuple[int, int, int, int]]:
    """(line, byte, line, byte) from 0 of the start and the end of what `stripped` leaves out."""
    documented = ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef
    for node in _statements(ast.parse(source)):
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            yield _span(node.body[0])
        elif _is_ours(node):
            yield _span(node)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            before = len(token.line[: token.start[1]].encode())
            yield token.start[0] - 1, before, token.start[0] - 1, before + len(token.string.encode())


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """The module and all statements in it, without what they are made of, which is most of a tree."""
    yield tree
    for body in ("body", "orelse", "finalbody", "handlers", "cases"):
        for node in getattr(tree, body, ()):
            yield from _statements(node)


def _span(node: ast.stmt) -> tuple[int, int, int, int]:
    return node.lineno - 1, node.col_offset, node.end_lineno - 1, node.end_col_offset


def _is_ours(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return node.level > 0 or node.module.split(".")[0] == PACKAGE
    return isinstance(node, ast.Import) and node.names[0].name.split(".")[0] == PACKAGE


def _modules(tree: ast.Module, package: str, root: Path) -> Iterator[str]:
    """The modules of ours that are imported, by their names in the package, in a module that is in `package`."""
    for node in filter(_is_ours, _statements(tree)):
        if isinstance(node, ast.Import):
            yield from (alias.name.removeprefix(f"{PACKAGE}.") for alias in node.names)
            continue
        parts = package.split(".") if package else []
        base = parts[: len(parts) - node.level + 1] if node.level else []
        base += [part for part in (node.module or "").split(".") if part]
        base = base[1:] if not node.level else base
        for alias in node.names:
            whole = ".".join([*base, alias.name])
            yield whole if _exists(whole, root) else ".".join(base)


def _exists(name: str, root: Path) -> bool:
    path = root / PACKAGE / name.replace(".", "/")
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def _path(name: str, root: Path) -> Path:
    path = root / PACKAGE / name.replace(".", "/")
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.exists():
            return candidate
    raise ValueError(f"module = {PACKAGE}.{name}: there is no such file")
