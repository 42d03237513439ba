"""The sparsest AND-OR interactions of masks that were measured, certified over all subsets without listing them."""

from .answer import EACH, TRUSTED, Sampled
from .solve import sparsest_sampled

__all__ = ["EACH", "TRUSTED", "Sampled", "sparsest_sampled"]
