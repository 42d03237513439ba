"""The sparsest AND-OR interactions of a value table (Eq. 12), certified, and how far they are determined.

`sparsest_sampled` does it for more players than a table can have, from masks that were measured.
"""

from importlib import import_module

from .attainable import Range, attainable_range
from .methods import TakesLong
from .solve import sparsest
from .table import Sparsest

__all__ = ["Range", "Sampled", "Sparsest", "TakesLong", "attainable_range", "sparsest", "sparsest_sampled"]


def __getattr__(name: str) -> object:
    """What is in `sampled` is imported when asked for: no stage needs it."""
    if name in ("Sampled", "sparsest_sampled"):
        return getattr(import_module(".sampled", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
