"""One answer for one game: the sparsest interactions with their proof, and what can be read off them."""

from .explanation import Explanation, explain, load
from .sampled import SampledExplanation

__all__ = ["Explanation", "SampledExplanation", "explain", "load"]
