"""Memory: a function of many samples, run on as many at a time as the GPU holds."""

from collections.abc import Callable

import torch
from torch import Tensor


def in_parts(function: Callable[[Tensor], Tensor], index: Tensor, size: int) -> Tensor:
    """`function` on consecutive parts of `index`, `size` long, joined along the first axis.

    A part that does not fit the memory of the GPU is halved, and so are those after it. If `function` treats its
    samples apart, the result depends on the size of the parts by rounding alone. Raises torch.OutOfMemoryError if
    one sample alone is too large.
    """
    results, start = [], 0
    while start < len(index):
        part = index[start : start + size]
        try:
            results.append(function(part))
            start += len(part)
            continue
        except torch.OutOfMemoryError:
            if len(part) == 1:
                raise
        size = len(part) // 2  # after the except block, which holds on to the tensors of the attempt
        torch.cuda.empty_cache()
    return torch.cat(results)


def part_size(most: int, elements: int, budget: int = 2**27) -> int:
    """How many samples of `elements` numbers each to try at a time: `most`, fewer where together they pass `budget`.

    Arbitrary: 2**27 single-precision numbers are half a GiB, and a layer needs a few times that.
    """
    return max(1, min(most, budget // elements))
