"""Generalisation power by order (Definition 2.2), beside what it is within one set of samples and by chance."""

import torch
from jaxtyping import Float64
from torch import Tensor

from .checks import require
from .strengths import by_order, jaccard_by_order
from .subsets import player_count

Pair = tuple[Tensor, Tensor]  # (I_AND, I_OR), each (samples, 2**n)


def similarity(train: Pair, test: Pair, least: float = 0.0) -> Float64[Tensor, " n"]:
    """Sim(D_train, D_test) for each order m = 1…n, NaN for orders with nothing to compare.

    Those are the orders whose A(m), mean over samples and both signs together, is at most `least` on both sides, in
    log-odds. Raises ValueError as `jaccard_by_order` does.
    """
    found = jaccard_by_order(train, test)
    strength = torch.stack([by_order(*side).sum(-2).mean(0) for side in (train, test)]).amax(0)
    return found.where(strength > least, torch.nan)


def relabelled(pair: Pair, draw: torch.Generator) -> Pair:
    """The same interactions with the players of each sample renamed at random: what they have in common is chance.

    Orders, signs, magnitudes, and which of a sample's interactions share players, all stay.
    """
    samples, n = len(pair[0]), player_count(pair[0])
    names = torch.stack([torch.randperm(n, generator=draw) for _ in range(samples)])
    member = torch.arange(2**n)[:, None] >> torch.arange(n) & 1  # (2**n, n)
    renamed = ((member * 2 ** names[:, None]).sum(-1)).to(pair[0].device)  # (samples, 2**n)
    return tuple(table.gather(-1, renamed) for table in pair)


def with_controls(
    train: Pair, test: Pair, size: int, repeats: int, draw: torch.Generator, least: float = 0.0
) -> dict[str, Float64[Tensor, " n"]]:
    """Four similarities by order between groups of `size` samples, each the mean over `repeats` random draws.

    "train and test": a group of either set. "train and train", "test and test": two groups of one set that share no
    sample; what is less than 1 there is not for want of generalisation, but because samples differ and are few.
    "chance": as the first, with the players of the test samples `relabelled`. NaN as in `similarity`.

    Raises ValueError unless both sets have 2 · size samples at least, and size and repeats are 1 at least.
    """
    count = min(len(train[0]), len(test[0]))
    require(1 <= size <= count // 2, "size", size, f"1 to {count // 2}, half of the smaller set")
    require(repeats >= 1, "repeats", repeats, "at least 1")
    found = {"train and test": [], "train and train": [], "test and test": [], "chance": []}
    for _ in range(repeats):
        (a, b), (c, d) = (_two_groups(pair, size, draw) for pair in (train, test))
        for curves, sides in zip(found.values(), ((a, c), (a, b), (c, d), (a, relabelled(c, draw))), strict=True):
            curves.append(similarity(*sides, least))
    return {name: torch.stack(curves).nanmean(0) for name, curves in found.items()}


def between(
    train: Pair, test: Pair, size: int, repeats: int, draw: torch.Generator, least: float = 0.0
) -> Float64[Tensor, " n"]:
    """Similarity by order between `size` training and as many test samples, the mean over `repeats` random draws."""
    curves = [similarity(*(_group(pair, size, draw) for pair in (train, test)), least) for _ in range(repeats)]
    return torch.stack(curves).nanmean(0)


def _group(pair: Pair, size: int, draw: torch.Generator) -> Pair:
    chosen = torch.randperm(len(pair[0]), generator=draw)[:size].to(pair[0].device)
    return tuple(table[chosen] for table in pair)


def _two_groups(pair: Pair, size: int, draw: torch.Generator) -> tuple[Pair, Pair]:
    both = _group(pair, 2 * size, draw)
    return tuple(table[:size] for table in both), tuple(table[size:] for table in both)
