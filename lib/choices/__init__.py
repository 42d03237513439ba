"""What the verdicts depend on: claims under every combination of the choices that the paper leaves open.

The paper does not say, or not clearly, how much noise ζ may be removed, which of equally sparse interactions count,
whose interactions I* is, and more. Each such choice is a `Choice` with its levels. `solve` decomposes the value tables
once for each extraction; all else is arithmetic on the interactions: `sweep` judges each claim by lib/claims under
every combination of the levels that can touch it, `block` does so for a choice with tables of its own, `summary` says
in which share of the combinations a claim holds and which choice moves it most. (A multiverse analysis, S. Steegen et
al., Perspectives on Psychological Science 2016; its picture is the specification curve, U. Simonsohn et al., Nature
Human Behaviour 2020.) A share of combinations is no probability: it counts what could have been done, each way alike.
"""

from . import worlds
from .kept import kept
from .registry import (
    AS_MEASURED,
    CLAIMS,
    FITTED,
    OPTIMA,
    OTHER_SEED,
    Choice,
    alpha_range,
    apart,
    keep,
    registry,
    registry_of,
)
from .solved import DESCENT, EXACT, OTHER, Extracted, descended, solve
from .summary import RATIOS, by_level, counted, in_words, shades, summary
from .sweep import block, sweep, together

__all__ = [
    "AS_MEASURED",
    "CLAIMS",
    "DESCENT",
    "EXACT",
    "FITTED",
    "OPTIMA",
    "OTHER",
    "OTHER_SEED",
    "RATIOS",
    "Choice",
    "Extracted",
    "alpha_range",
    "apart",
    "block",
    "by_level",
    "counted",
    "descended",
    "in_words",
    "keep",
    "kept",
    "registry",
    "registry_of",
    "shades",
    "solve",
    "summary",
    "sweep",
    "together",
    "worlds",
]
