"""Linear systems that treat all players alike, solved exactly in a basis made for them.

K = x I + y ZᵀZ + t ZZᵀ, with Z the sums over subsets and x, y, t positive numbers, is a sum of n-th Kronecker
powers of 2×2 matrices. By Schur-Weyl duality there is one orthogonal basis, that of coupled spins, in which all
such powers fall into blocks: for each spin k/2 a block of k + 1 rows, the same block as often as the spin occurs.
Here the players are split in two halves, each with its basis; a pair of spins (k, l) then has a dense block
of (k + 1)(l + 1) rows, at most (n/2 + 1)², and a solve is a change of basis, a small product for each pair of
spins, and the way back: no more work than some transforms of the lattice.
"""

import functools
from dataclasses import dataclass

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from .. import subsets

Z_TRANSPOSED_Z = ((2.0, 1.0), (1.0, 1.0))  # the 2×2 factors of these powers
Z_Z_TRANSPOSED = ((1.0, 1.0), (1.0, 2.0))


@dataclass(frozen=True)
class Half:
    """The spin basis of some players, and the two powers in it."""

    basis: Float64[Tensor, "subsets subsets"]  # in the columns, spin after spin, copy after copy
    copies: dict[int, int]  # how often each spin k/2 occurs, by k
    first: dict[int, Tensor]  # ZᵀZ's block for each k
    second: dict[int, Tensor]  # ZZᵀ's


@functools.lru_cache(maxsize=16)
def _half(n: int, device: torch.device) -> Half:
    spins = _coupled(n)

    def blocks(factor: subsets.Factor) -> dict[int, Tensor]:
        states = {k: u[:, 0].mT.contiguous() for k, u in spins.items()}  # any copy does
        return {k: (u @ subsets.kronecker_power(u, factor).mT).to(device) for k, u in states.items()}

    basis = torch.cat([u.flatten(1) for u in spins.values()], 1).to(device)
    copies = {k: u.shape[1] for k, u in spins.items()}
    return Half(basis, copies, blocks(Z_TRANSPOSED_Z), blocks(Z_Z_TRANSPOSED))


def _coupled(n: int) -> dict[int, Float64[Tensor, "subsets copies states"]]:
    """Orthonormal states of each spin k/2 by k; a state's last index counts its players in the subset, less the
    fewest. Player by player: spin 1/2 raises or lowers each spin, with Clebsch and Gordan's coefficients."""
    spins = {0: torch.ones(1, 1, 1, dtype=torch.float64)}
    for _ in range(n):
        coupled: dict[int, list[Tensor]] = {}
        for k, u in spins.items():
            t = torch.arange(k + 2, dtype=torch.float64)
            without, with_it = ((k + 1 - t) / (k + 1)).sqrt(), (t / (k + 1)).sqrt()
            zero = torch.zeros_like(u[..., :1])
            low, high = torch.cat([u, zero], -1), torch.cat([zero, u], -1)
            coupled.setdefault(k + 1, []).append(torch.cat([without * low, with_it * high]))
            if k > 0:
                lowered = torch.cat([-with_it * low, without * high])[..., 1:-1]
                coupled.setdefault(k - 1, []).append(lowered)
        spins = {k: torch.cat(parts, 1) for k, parts in coupled.items()}
    return spins


@dataclass(frozen=True)
class Pairs:
    """Where the entries of a table in both bases lie when they are sorted by pairs of spins."""

    sorted: Int64[Tensor, " subsets"]
    back: Int64[Tensor, " subsets"]
    shapes: dict[tuple[int, int], tuple[int, int]]  # copies and states of each pair, by (k, l)


@functools.lru_cache(maxsize=16)
def _pairs(n: int, device: torch.device) -> Pairs:
    low, high = _half(n // 2, device), _half(n - n // 2, device)
    places = torch.arange(2**n, device=device).view(len(high.basis), len(low.basis))
    parts, shapes = [], {}
    rows = places.split([count * (k + 1) for k, count in high.copies.items()])
    for (k, count), row in zip(high.copies.items(), rows, strict=True):
        blocks = row.split([number * (m + 1) for m, number in low.copies.items()], 1)
        for (m, number), block in zip(low.copies.items(), blocks, strict=True):
            parts.append(block.reshape(count, k + 1, number, m + 1).transpose(1, 2).flatten())
            shapes[k, m] = count * number, (k + 1) * (m + 1)
    together = torch.cat(parts)
    return Pairs(together, together.argsort(), shapes)


class SymmetricEquations:
    """Solves K p = r for a batch of samples, each with its own three numbers."""

    def __init__(self, n: int, samples: int, device: torch.device):
        self.low, self.high = _half(n // 2, device), _half(n - n // 2, device)
        self.pairs = _pairs(n, device)
        self.inverses = {
            spins: torch.zeros(samples, states, states, dtype=torch.float64, device=device)
            for spins, (_, states) in self.pairs.shapes.items()
        }

    def set(self, rows: Tensor, weights: Float64[Tensor, "rows 3"]) -> None:
        """x, y and t of these samples."""
        for (k, m), inverse in self.inverses.items():
            first = torch.kron(self.high.first[k], self.low.first[m])
            second = torch.kron(self.high.second[k], self.low.second[m])
            x, y, t = weights[:, :, None, None].unbind(1)
            identity = torch.eye(len(first), dtype=first.dtype, device=first.device)
            inverse[rows] = torch.linalg.inv(x * identity + y * first + t * second)

    def keep(self, rows: Tensor) -> None:
        self.inverses = {spins: inverse[rows] for spins, inverse in self.inverses.items()}

    def solve(self, right: Float64[Tensor, "samples subsets"]) -> Float64[Tensor, "samples subsets"]:
        samples, low, high, pairs = len(right), self.low.basis, self.high.basis, self.pairs
        turned = (high.mT @ right.view(samples, len(high), len(low)) @ low).view(right.shape)
        sizes = [copies * states for copies, states in pairs.shapes.values()]
        parts = turned.index_select(1, pairs.sorted).split(sizes, 1)
        solved = [
            (part.view(samples, *shape) @ inverse).flatten(1)
            for part, shape, inverse in zip(parts, pairs.shapes.values(), self.inverses.values(), strict=True)
        ]
        turned = torch.cat(solved, 1).index_select(1, pairs.back).view(samples, len(high), len(low))
        return (high @ turned @ low.mT).view(right.shape)
