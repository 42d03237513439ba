"""Data sets: training and test samples, published ones (fetched on first use) and a reader's own."""

from .data import Data, load, reset_labels

__all__ = ["Data", "load", "reset_labels"]
