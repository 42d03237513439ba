"""One answer for one game: its table, the sparsest interactions with their proof, and what can be read off them."""

from .explanation import Explanation, explain, load

__all__ = ["Explanation", "explain", "load"]
