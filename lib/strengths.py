"""How strong the interactions of each order are: salience, A(m)±, the normaliser Z, Jaccard similarity.

Everything here takes the two tables (I_AND, I_OR) over the 2**n subsets, in the units of the output v
(log-odds), with any batch axes before the last, and ignores the entry of the empty set.
"""

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from .checks import require
from .subsets import orders, player_count


def swing(values: Float64[Tensor, "*samples subsets"]) -> Float64[Tensor, ""]:
    """Mean over samples of |v(x) − v(x_∅)|, in the units of v: τ and ζ are shares of it (Section 2.2.1, Appendix D).

    Choice: with the absolute value, which Section 2.2.1 lacks and Table 1 has; without it, outputs of both signs cancel
    and τ may turn negative.

    Raises ValueError for tables with no sample or with non-finite entries.
    """
    player_count(values)
    mean = (values[..., -1] - values[..., 0]).abs().mean()
    require(torch.isfinite(mean), f"swing of {tuple(values.shape)} values", mean.item(), "finite, one sample at least")
    return mean


def merge_singletons(
    i_and: Float64[Tensor, "*batch subsets"], i_or: Float64[Tensor, "*batch subsets"]
) -> tuple[Float64[Tensor, "*batch subsets"], Float64[Tensor, "*batch subsets"]]:
    """The same logical model with every OR interaction of order 1 moved into the AND table.

    AND{i} and OR{i} both fire exactly where player i is present. Choice: their sum is reported as AND.
    Raises ValueError where the two tables differ in shape or have non-finite entries.
    """
    require(i_and.shape == i_or.shape, "shape of i_or", tuple(i_or.shape), f"that of i_and, {tuple(i_and.shape)}")
    for name, table in (("i_and", i_and), ("i_or", i_or)):
        bad = table[~torch.isfinite(table)]
        require(not len(bad), f"{name}, in {len(bad)} places,", bad[:1].tolist(), "finite")
    singleton = orders(player_count(i_and), i_and.device) == 1
    return i_and + i_or * singleton, i_or * ~singleton


def salient(
    i_and: Float64[Tensor, "*batch subsets"],
    i_or: Float64[Tensor, "*batch subsets"],
    threshold: float | Float64[Tensor, "*#batch"],
) -> tuple[Bool[Tensor, "*batch subsets"], Bool[Tensor, "*batch subsets"]]:
    """Ω_AND and Ω_OR (Section 2.2.1) as masks: |I(S)| > threshold, S ≠ ∅, after `merge_singletons`.

    The threshold is one number or one a table. Raises ValueError where it is negative or NaN, and as
    `merge_singletons` does.
    """
    return tuple(_over(table, threshold) for table in merge_singletons(i_and, i_or))


def by_order(
    i_and: Float64[Tensor, "*batch subsets"],
    i_or: Float64[Tensor, "*batch subsets"],
    threshold: float | Float64[Tensor, "*#batch"] = 0.0,
) -> Float64[Tensor, "*batch 2 n"]:
    """A(m),+ at [..., 0, m-1] and A(m),− at [..., 1, m-1], both at least 0, for m = 1…n (Eq. 4).

    Interactions with |I(S)| ≤ threshold are left out, after `merge_singletons`; the threshold is one
    number or one a table. Choice: the minus of A(m),− covers both of its terms, where Eq. 4 prints it
    before the first only.

    Raises ValueError as `salient` does.
    """
    kept = [table * _over(table, threshold) for table in merge_singletons(i_and, i_or)]
    positive = sum(table.clamp(min=0.0) for table in kept)
    negative = sum(table.neg().clamp(min=0.0) for table in kept)
    return _sum_by_order(torch.stack([positive, negative], dim=-2))


def normaliser(
    i_and: Float64[Tensor, "*samples subsets"],
    i_or: Float64[Tensor, "*samples subsets"],
    threshold: float | Float64[Tensor, "*#samples"],
) -> Float64[Tensor, ""]:
    """Z, the mean over samples of Σ_{|S|=1} |I_AND(S)| + |I_OR(S)| over the salient ones (Appendix I.3).

    The order-1 interactions of the two tables are added before their magnitude is taken
    (`merge_singletons`). Dividing I by Z makes networks with outputs of different size comparable.

    Raises ValueError where no interaction of order 1 is salient on any sample (Z would be 0), and as
    `salient` does.
    """
    z = by_order(i_and, i_or, threshold)[..., 0].sum(-1).mean()
    require(z > 0, "Z", z.item(), "above 0, so some sample needs a salient interaction of order 1")
    return z


def jaccard_by_order(
    train: tuple[Float64[Tensor, "train_samples subsets"], Float64[Tensor, "train_samples subsets"]],
    test: tuple[Float64[Tensor, "test_samples subsets"], Float64[Tensor, "test_samples subsets"]],
) -> Float64[Tensor, " n"]:
    """Sim(D_train, D_test) = Σ min / Σ max for each order m = 1…n, in [0, 1] (Definition 2.2, Appendix G).

    `train` and `test` are pairs (I_AND, I_OR). D stacks the positive and the negative parts of all AND and
    OR interactions of order m and averages each entry over the samples, so the players must be the same
    positions in all of them. Choice: an order with no interaction on either side has similarity 1, as any
    distribution has with itself.

    Raises ValueError where the two sides differ in n or one has no sample, and as `merge_singletons` does.
    """
    sizes = train[0].shape[-1], test[0].shape[-1]
    require(sizes[0] == sizes[1], "the number of subsets of test", sizes[1], f"that of train, {sizes[0]}")
    d_train, d_test = _distribution("train", train), _distribution("test", test)
    shared = _sum_by_order(torch.minimum(d_train, d_test)).sum(0)
    joint = _sum_by_order(torch.maximum(d_train, d_test)).sum(0)
    return torch.where(joint > 0, shared / joint.where(joint > 0, 1.0), 1.0)


def _distribution(name: str, pair: tuple[Tensor, Tensor]) -> Float64[Tensor, "4 subsets"]:
    shape = tuple(pair[0].shape)
    require(len(shape) == 2 and shape[0], f"shape of {name}", shape, "(samples, 2**n), samples ≥ 1")
    parts = [sign * table for table in merge_singletons(*pair) for sign in (1.0, -1.0)]
    return torch.stack([part.clamp(min=0.0).mean(0) for part in parts])


def _over(table: Tensor, threshold: float | Tensor) -> Tensor:
    limit = torch.as_tensor(threshold, dtype=table.dtype, device=table.device)
    require((limit >= 0).all(), "threshold", threshold, "at least 0")
    mask = table.abs() > limit[..., None]
    mask[..., 0] = False
    return mask


def _sum_by_order(x: Float64[Tensor, "*batch subsets"]) -> Float64[Tensor, "*batch n"]:
    n = player_count(x)
    order = orders(n, x.device)
    return x @ (order[:, None] == torch.arange(1, n + 1, device=x.device)).to(x.dtype)
