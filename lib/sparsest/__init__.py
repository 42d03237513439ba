"""The sparsest AND-OR interactions of a value table (Eq. 12), certified, and how far they are determined."""

from .attainable import Range, attainable_range
from .solve import sparsest
from .table import Sparsest

__all__ = ["Range", "Sparsest", "attainable_range", "sparsest"]
