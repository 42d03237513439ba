"""A first-order method for tables of so many players that no factorisation fits.

The linear program is split in two: the unknowns u = (a, o, d) that satisfy the equation, and a copy z that bears
the costs and the box. Peaceman and Rachford's splitting reflects from one to the other, which is Halpern's
iteration if each step is averaged with the point the iteration started from; it restarts where it has made enough
progress, and then weighs the three tables by how far they and their multipliers have moved. The equation is
solved exactly at each step, thanks to the symmetry of the players.

The empty set is an unknown like any other here, but costs nothing in a and is 0 in o and d.

Algorithm: K. Chen, D. Sun, Y. Yuan, G. Zhang, X. Zhao, "HPR-LP: An implementation of an HPR method for solving
linear programming", arXiv 2408.12179, 2024.
"""

import torch
from jaxtyping import Bool
from torch import Tensor

from .batches import all_threads, stop_if_asked
from .program import Program, Solution, spread, subset_sums, superset_sums
from .symmetric_equations import SymmetricEquations

CHECK = 50  # iterations from one certificate to the next
ENOUGH, SOME, LONG = 0.2, 0.8, 0.36  # what makes a restart: residual over the first; then rising; share of all steps
MOVE = 0.8  # how far a restart moves the weights, on a logarithmic scale, to what it has seen
LEAP = 30.0  # and by what factor at most
LEAST, MOST = 1e-4, 1e8  # for the weights never to run away
WEIGHTS = (10.0, 10.0, 100.0)  # to begin with
THREADED = 2**18  # subsets from which on each operation is worth all threads


def bytes_per_sample(n: int) -> int:
    """What one sample takes while it is being solved."""
    return 8 * 80 * 2**n


def solve(program: Program, tolerance: float, max_iterations: int) -> Solution:
    """Solve until objective - bound ≤ tolerance·objective; a sample that gets there leaves the batch."""
    with all_threads(program.g.shape[-1] >= THREADED):
        return _Batch(program).run(tolerance, max_iterations)


class _Batch:
    """The iterates of the samples still active: z and its multipliers, both (samples, 3, subsets).

    `walls`, (samples, 3, subsets) below and above: z of d stays between them, z of a and o is what goes beyond them.
    """

    def __init__(self, program: Program):
        g, order = program.g, program.order
        self.program = program
        self.costs = program.costs.clone()
        self.costs[:, 0, :, order < 1] = 0.0
        self.costs[:, 1, :, order < 2] = torch.inf  # and so stay 0
        self.z = torch.stack([program.c, torch.zeros_like(g), torch.zeros_like(g)], 1)
        self.multipliers = torch.zeros_like(self.z)
        self.anchor = self.z, self.multipliers
        self.rho = g.new_tensor(WEIGHTS).repeat(len(g), 1)
        self.index = torch.arange(len(g), device=g.device)
        self.steps = torch.zeros_like(self.index)  # since the last restart
        self.first = self.last = torch.full_like(program.zeta[:, 0], torch.inf)  # residuals since then
        self.system = SymmetricEquations(g.shape[-1].bit_length() - 1, len(g), g.device)
        box = (program.zeta * (order >= 1))[:, None].repeat(1, 3, 1)  # those of a and o are set with the weights
        self.walls = -box, box
        self.weighed(self.index)
        self.best = Solution.none(program)

    def run(self, tolerance: float, max_iterations: int) -> Solution:
        for iteration in range(max_iterations + 1):
            stop_if_asked()
            p, z, multipliers = self.reflect()
            if iteration % CHECK == 0 or iteration == max_iterations:
                going = self.certify(p, z, multipliers, tolerance, iteration)
                keep = going.nonzero().flatten()
                if len(keep) == 0:
                    break
                if len(keep) < len(going):
                    self.compact(keep)
                    z, multipliers = z[keep], multipliers[keep]
            self.advance(z, multipliers, iteration + 1)
        return self.best

    def reflect(self) -> tuple[Tensor, Tensor, Tensor]:
        """The multiplier of the equation, and what z and its multipliers would be without averaging."""
        rho = self.rho[:, :, None]
        aim = self.z - self.multipliers / rho
        a, o, d = aim.unbind(1)
        p = self.system.solve(self.program.c - a + superset_sums(o) - subset_sums(d))
        target = aim + spread(p) * (2.0 / rho)
        within = torch.clamp(target, *self.walls)
        beyond = target - within
        z = torch.cat([beyond[:, :2], within[:, 2:]], 1)
        return p, z, rho * torch.cat([within[:, :2], beyond[:, 2:]], 1)

    def certify(
        self, p: Tensor, z: Tensor, multipliers: Tensor, tolerance: float, iteration: int
    ) -> Bool[Tensor, " samples"]:
        """Whether samples have still to go on. Both p and the multipliers of a come to be a dual optimum."""
        for dual in (p, multipliers[:, 0]):
            dual = torch.where(self.program.order > 0, dual, 0.0)
            gap = self.best.improve(self.program, self.index, z[:, 1], z[:, 2], dual, iteration)
        return gap > tolerance * self.best.objective[self.index]

    def advance(self, z: Tensor, multipliers: Tensor, iteration: int) -> None:
        """Average with the anchor, or restart from here."""
        rho = self.rho[:, :, None]
        change = (z - self.z).square() * rho + (multipliers - self.multipliers).square() / rho
        residual = change.sum((1, 2)).sqrt()
        self.steps += 1
        self.first = torch.where(self.steps == 1, residual, self.first)
        rising = (residual <= SOME * self.first) & (residual > self.last)
        restart = (residual <= ENOUGH * self.first) | rising | (self.steps >= LONG * iteration)
        restart &= self.steps > 1
        share = (self.steps.double() / (self.steps + 1))[:, None, None]
        now = z, multipliers
        self.z, self.multipliers = (torch.lerp(*ends, share) for ends in zip(self.anchor, now, strict=True))
        rows = restart.nonzero().flatten()
        if len(rows):
            self.z[rows], self.multipliers[rows] = (table[rows] for table in now)
            self.weigh(rows)
            again = restart[:, None, None]
            self.anchor = tuple(torch.where(again, *ends) for ends in zip(now, self.anchor, strict=True))
        self.steps = torch.where(restart, 0, self.steps)
        self.last = torch.where(restart, torch.inf, residual)

    def weigh(self, rows: Tensor) -> None:
        """The multipliers' way over the tables' way, each since the anchor, is the scale between the two."""
        moved, pulled = (
            (now[rows] - before[rows]).norm(dim=2)
            for now, before in zip((self.z, self.multipliers), self.anchor, strict=True)
        )
        rho = self.rho[rows]
        change = torch.where((moved > 0) & (pulled > 0), pulled / moved / rho, 1.0).clamp(1.0 / LEAP, LEAP)
        self.rho[rows] = (rho * change**MOVE).clamp(LEAST, MOST)
        self.weighed(rows)

    def weighed(self, rows: Tensor) -> None:
        """What depends on the weights of these samples."""
        self.system.set(rows, 1.0 / self.rho[rows])
        for part, sign, walls in ((1, -1.0, self.walls[0]), (0, 1.0, self.walls[1])):
            walls[rows, :2] = sign * self.costs[rows, :, part] / self.rho[rows, :2, None]

    def compact(self, keep: Tensor) -> None:
        for name in ("program", "costs", "z", "multipliers", "rho", "index", "steps", "first", "last"):
            setattr(self, name, getattr(self, name)[keep])
        self.anchor, self.walls = (tuple(table[keep] for table in pair) for pair in (self.anchor, self.walls))
        self.system.keep(keep)
