"""Tables for readers, in notebooks and in the book."""

from collections.abc import Iterable, Sequence

from IPython.display import Markdown

from .claims import MARKS, Claim


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Markdown:
    """A Markdown table for a notebook; numbers are shown to four digits."""
    return Markdown(markdown(header, rows))


def verdicts(rows: Iterable[Claim]) -> Markdown:
    """The claims that a notebook closes with."""
    header = ["the paper says", "statistic", "predicted", "we measured", "verdict", "note"]
    return table(
        header,
        [
            (f"{row.claim} ({row.where})", row.statistic, row.predicted, row.figures)
            + (f"{MARKS[row.verdict]} {row.verdict}", row.note)
            for row in rows
        ],
    )


def markdown(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The same as text."""
    header, *rows = ([plain(value).replace("|", "\\|") for value in row] for row in (header, *rows))
    return "\n".join(f"| {' | '.join(line)} |" for line in (header, ["---"] * len(header), *rows))


def plain(value: object, digits: int = 4) -> str:
    """A value in one line, as params.yaml would have it; floats to so many digits, with a true minus."""
    if isinstance(value, float):
        return f"{value:.{digits}g}".replace("-", "−")
    if isinstance(value, tuple | list):
        return f"[{', '.join(plain(item) for item in value)}]"
    return "null" if value is None else " ".join(str(value).split())
