"""Players: which parts of a sample are masked, and the network's output on all 2**n masked states."""

from .patches import draw_patches, patch_regions
from .values import STATES, log_odds, logit, mean_features, rounded, value_table, value_tables

__all__ = [
    "STATES",
    "draw_patches",
    "log_odds",
    "logit",
    "mean_features",
    "patch_regions",
    "rounded",
    "value_table",
    "value_tables",
]
