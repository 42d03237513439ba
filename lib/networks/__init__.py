"""The networks: the paper's by name, or your own; each cut in two where the players are masked."""

from .build import ARCHITECTURES, build
from .cut import Cut, cut_at, evaluating, full_precision
from .sentences import Encoder

__all__ = ["ARCHITECTURES", "Cut", "Encoder", "build", "cut_at", "evaluating", "full_precision"]
