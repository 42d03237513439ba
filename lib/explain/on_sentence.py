"""Figure 1's drawing for words: interactions on the sentence, each with the words of its players set off."""

import re
from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..games.sentences import places_of
from .picture import Picture
from .upset import DARK

LINE = 76  # characters of a line
GREY = "#9A9A9A"
WIDTH, HEIGHT = 0.088, 0.23  # inches of a character and of a line


def draw(frame: pd.DataFrame, names: Sequence[str], sentence: str | tuple[str, str]) -> Figure:
    """The sentence once for each row of `frame`, with the columns of `Explanation.frame`.

    An interaction's words are white on dark for AND, framed for OR; the other players are dark, all else is grey. Names
    are those of `games.words`: "good (2)" is the second "good". Raises ValueError for a word that is not there.
    """
    whole = sentence if isinstance(sentence, str) else " / ".join(sentence)
    places = {name: place(name, whole) for name in names}
    lines = _lines(whole)
    rows, columns = max(len(frame), 1), max(end - start for start, end in lines)
    depth = len(lines) + 1.6  # of a row, in lines: its title, and a gap
    size = (WIDTH * columns + 0.2, HEIGHT * depth * rows + 0.1)
    figure = Picture(size)
    axes = figure.add_axes((0.1 / size[0], 0, 1 - 0.2 / size[0], 1))
    axes.set(xlim=(0, columns), ylim=(depth * rows, 0))
    axes.set_axis_off()
    if frame.empty:
        axes.text(0, 0.6, "no interaction is above τ", fontsize="small", va="center")
    for row, one in enumerate(frame.itertuples()):
        top = depth * row + 0.6
        mark = "● AND" if one.kind == "AND" else "○ OR"
        axes.text(0, top, f"{mark} {one.value:+.3g}".replace("-", "−"), fontsize="small", va="center")
        for line, (start, end) in enumerate(lines):
            y = top + 1 + line
            for name in one.players:  # a phrase may go over the end of a line
                low, high = (min(max(at, start), end) - start for at in places[name])
                face = DARK if one.kind == "AND" else "none"
                box = Rectangle((low, y - 0.42), high - low, 0.84, facecolor=face, edgecolor=DARK, linewidth=1)
                if low < high:
                    axes.add_patch(box)
            for at in range(start, end):
                owner = next((name for name, (low, high) in places.items() if low <= at < high), None)
                inside = owner in one.players
                colour = "white" if inside and one.kind == "AND" else DARK if owner else GREY
                weight = "bold" if inside else "normal"
                axes.text(at - start + 0.5, y, whole[at], family="monospace", fontsize=9, color=colour, weight=weight,
                          ha="center", va="center_baseline")  # fmt: skip
    return figure


def place(name: str, sentence: str) -> tuple[int, int]:
    """From where to where a player stands in the sentence. Raises ValueError where it does not.

    >>> place("good (2)", "good food, good wine")
    (11, 15)
    """
    numbered = re.fullmatch(r"(.+) \((\d+)\)", name)
    word, which = (numbered[1], int(numbered[2])) if numbered else (name, 1)
    found = places_of(word, sentence)
    if len(found) < which:
        raise ValueError(f"sentence has no {name!r}: allowed is the sentence that was explained")
    return found[which - 1]


def _lines(sentence: str) -> list[tuple[int, int]]:
    """Where each line begins and ends, broken at blanks."""
    lines, start, blank = [], 0, None
    for at, letter in enumerate(sentence):
        if at - start >= LINE:
            end = blank if blank is not None and blank > start else at
            lines.append((start, end))
            start, blank = end + (sentence[end] == " "), None
        if letter == " ":
            blank = at
    return [*lines, (start, len(sentence))]
