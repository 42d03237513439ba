"""Random streams: every draw of an experiment comes from its seed and the name of what is drawn."""

import hashlib

import torch


def derived_seed(seed: int, *purpose: str | int) -> int:
    """A seed for one purpose, such as (0, "shuffle", 3); streams of other purposes are independent of it."""
    words = "/".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.sha256(words.encode()).digest()[:7], "big")


def generator(seed: int, *purpose: str | int) -> torch.Generator:
    """A CPU generator for one purpose: the same numbers whatever the device computed on."""
    return torch.Generator().manual_seed(derived_seed(seed, *purpose))
