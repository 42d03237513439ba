"""Games: anything with players, as a function of who is present. One noun for every network, table and black box.

A game is game(present: Bool[states, players]) -> Float[states], numpy or torch, nothing more. Games of shapiq are that
as they are; what is here makes one of a network, a sentence, a row of a table or values at hand.
"""

from .coalitions import table
from .game import Game, count, on_masks, value_table, with_rounding
from .layers import Background, at_layer, background
from .outputs import Completion, Output, completion, label, logit, next_token
from .places import patches, regions, tokens
from .rows import rows
from .sentences import words

__all__ = [
    "Background",
    "Completion",
    "Game",
    "Output",
    "at_layer",
    "background",
    "completion",
    "count",
    "label",
    "logit",
    "next_token",
    "on_masks",
    "patches",
    "regions",
    "rows",
    "table",
    "tokens",
    "value_table",
    "with_rounding",
    "words",
]
