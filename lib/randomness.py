"""Random streams: every draw of an experiment comes from its seed and the name of what is drawn."""

import hashlib

import torch
from jaxtyping import Int64
from torch import Tensor


def derived_seed(seed: int, *purpose: str | int) -> int:
    """A seed for one purpose, such as (0, "shuffle", 3); streams of other purposes are independent of it."""
    words = "/".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.sha256(words.encode()).digest()[:7], "big")


def generator(seed: int, *purpose: str | int) -> torch.Generator:
    """A CPU generator for one purpose: the same numbers whatever the device computed on."""
    return torch.Generator().manual_seed(derived_seed(seed, *purpose))


def subset(field: str, count: int, total: int, seed: int, *purpose: str | int) -> Int64[Tensor, "count"]:
    """`count` of 0 to total − 1, drawn for one purpose, ascending.

    Raises ValueError, which names the parameter `field`, if there are fewer.
    """
    if count > total:
        raise ValueError(f"{field} = {count}: there are {total} to draw from")
    return torch.randperm(total, generator=generator(seed, *purpose))[:count].sort().values
