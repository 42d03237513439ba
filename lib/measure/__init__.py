"""Many samples: explained into a folder, by one process or many, and what they say together of overfitting."""

from .folder import Measured, estimate, explanations, measure
from .overfitting import Overfitting, overfitting

__all__ = ["Measured", "Overfitting", "estimate", "explanations", "measure", "overfitting"]
