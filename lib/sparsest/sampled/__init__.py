"""The sparsest AND-OR interactions of masks that were measured, certified over all subsets without listing them."""

from .answer import Sampled
from .solve import sparsest_sampled

__all__ = ["Sampled", "sparsest_sampled"]
