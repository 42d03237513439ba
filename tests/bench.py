"""`make bench`: our speed beside a rival's on the same tables, in one run; ratios first.

A line is *ratio, what, ours, the rival's*. Times are the best of several for short calls, one for long ones; a call
before the first is not counted. Nothing here is a test: machines differ, and a slow one is no defect.
"""

import os
import platform
import time
import warnings
from collections.abc import Callable
from itertools import combinations

import numpy as np
import scipy.optimize
import scipy.sparse
import torch
from shapiq import ExactComputer, Game
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LassoCV, lasso_path
from torch import Tensor, nn

from lib import descent, networks, players, sparsest, strengths, subsets, theory
from lib.networks import Cut
from lib.sparsest import sparsest_sampled

Interactions = dict[tuple[str, tuple[int, ...]], float]  # kind and players → strength
N = 10
HIGHS_TABLES = 3  # HiGHS takes seconds a table; its time a table is measured on the first few of each kind


def best(call: Callable[[], object], repeats: int = 5) -> float:
    """Seconds of the fastest of `repeats` calls, after one that is not counted."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def once(call: Callable[[], object]) -> tuple[float, object]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def line(what: str, ours: float, rival: float, name: str, unit: str = "s", note: str = "") -> None:
    ratio = rival / ours
    print(f"{ratio:9.3g} ×  {what:46s} ours {ours:9.3g} {unit:5s} {name} {rival:9.3g} {unit:5s} {note}", flush=True)


def tables(kind: str, count: int, seed: int = 0, n: int = N) -> Tensor:
    """Value tables of the kinds that networks make: (count, 2**n)."""
    draw = torch.Generator().manual_seed(seed)
    states = (torch.arange(2**n)[:, None] >> torch.arange(n) & 1).double()
    if kind == "planted":  # few low-order interactions and some noise
        order = subsets.orders(n)
        i_and, i_or = (torch.randn(count, 2**n, generator=draw, dtype=torch.float64) for _ in range(2))
        keep = torch.rand(count, 2**n, generator=draw) < 0.05 * (order <= 3)
        values = subsets.logical_model(i_and * keep, i_or * keep, torch.zeros(count, dtype=torch.float64))
        return values + 0.01 * torch.randn(count, 2**n, generator=draw, dtype=torch.float64)
    scale = {"untrained": 0.05, "overfitted": 6.0}[kind]
    out = []
    for _ in range(count):
        first = torch.randn(n, 64, generator=draw, dtype=torch.float64) * 1.5
        second = torch.randn(64, 10, generator=draw, dtype=torch.float64) * scale
        hidden = ((states - 0.5) @ first + torch.randn(64, generator=draw, dtype=torch.float64)).relu()
        out.append(players.log_odds(hidden @ second, torch.full((2**n,), 3)))
    return torch.stack(out)


def highs(values: np.ndarray, zeta: float, weights: np.ndarray) -> float:
    """The optimum of Eq. 12 by scipy's HiGHS on the sparse linear program; returns the objective."""
    n = len(values).bit_length() - 1
    inside = scipy.sparse.csr_matrix([[1.0]])
    for _ in range(n):  # T ⊆ S, as a Kronecker power
        inside = scipy.sparse.kron(scipy.sparse.csr_matrix([[1.0, 0.0], [1.0, 1.0]]), inside, format="csr")
    count = len(values) - 1
    a, outside = inside[1:, 1:], inside[::-1][1:, 1:]  # S ⊆ T, and S ⊆ N∖T: OR interactions that do not fire
    one, none = np.ones((count, 1)), np.zeros((1, count))
    fit = scipy.sparse.hstack([a, -a, -outside, outside, one, scipy.sparse.identity(count)])
    total = scipy.sparse.csr_matrix(
        np.hstack([none, none, one.T, -one.T, -np.ones((1, 1)), none])
    )  # t = Σ I_OR: sparse
    cost = np.concatenate([np.tile(weights[1:], 4), np.zeros(1 + count)])
    found = scipy.optimize.linprog(
        cost,
        A_eq=scipy.sparse.vstack([fit, total], format="csc"),
        b_eq=np.append(values[1:] - values[0], 0.0),
        bounds=[(0, None)] * (4 * count) + [(None, None)] + [(-zeta, zeta)] * count,
        method="highs",
    )
    if found.status:
        raise RuntimeError(f"HiGHS: {found.message}")
    return found.fun


def solvers() -> None:
    weights = (1 + 1e-4 * subsets.orders(N).double()).numpy()
    for kind in ("untrained", "overfitted", "planted"):
        values = tables(kind, 50)
        zeta = 0.02 * strengths.swing(values)
        few = range(HIGHS_TABLES)
        single = sum(best(lambda k=k, v=values, z=zeta: sparsest.sparsest(v[k], z), 3) for k in few) / len(few)
        batch, found = once(lambda values=values, zeta=zeta: sparsest.sparsest(values, zeta))
        rival = [once(lambda k=k, v=values, z=zeta: highs(v[k].numpy(), float(z), weights)) for k in few]
        seconds = sum(t for t, _ in rival) / len(rival)
        over = max(float(found.objective[k]) / optimum - 1 for k, (_, optimum) in enumerate(rival))
        note = f"a table; ours is {over:.1e} over its optimum at most"
        line(f"sparsest, {kind}, n = {N}, one table", single, seconds, "HiGHS", note=note)
        line(f"sparsest, {kind}, n = {N}, 50 tables", batch / 50, seconds, "HiGHS", note="a table")
        if kind == "planted":
            single = sum(
                best(lambda k=k, v=values, z=zeta: sparsest.sparsest(v[k], z, method="simplex"), 3) for k in few
            ) / len(few)
            batch, found = once(lambda v=values, z=zeta: sparsest.sparsest(v, z, method="simplex"))
            over = max(float(found.objective[k]) / optimum - 1 for k, (_, optimum) in enumerate(rival))
            line(f"simplex, {kind}, n = {N}, one table", single, seconds, "HiGHS", note=f"{over:.1e} over at most")
            line(f"simplex, {kind}, n = {N}, 50 tables", batch / 50, seconds, "HiGHS", note="a table")
            continue
        five = values[:5]
        seconds, descended = once(lambda v=five, z=zeta: descent.descend(v, z))
        worst = (descended.objective / found.objective[:5]).tolist()
        ours, _ = once(lambda v=five, z=zeta: sparsest.sparsest(v, z))
        note = "5 tables; it ends at " + ", ".join(f"{x:.2f}" for x in worst) + " of the optimum"
        line(f"sparsest, {kind}, n = {N}, 5 tables", ours, seconds, "SGD  ", note=note)


def many_players() -> None:
    """The methods beside each other; the first-order one to 1e-3.

    First what "auto" takes, row generation, beside HiGHS and beside all states at once, in seconds of the wall.
    """
    for kind in ("untrained", "overfitted", "boosted trees", "planted"):
        values = boosted_table(12) if kind == "boosted trees" else tables(kind, 1, n=12)[0]
        zeta = 0.02 * float(strengths.swing(values[None]))
        ours, found = once(lambda v=values, z=zeta: sparsest.sparsest(v, z, 1e-4))
        whole, _ = once(lambda v=values, z=zeta: sparsest.sparsest(v, z, 1e-4, method="interior point"))
        costs = (1 + 1e-4 * subsets.orders(12).double()).numpy()
        rival, optimum = once(lambda v=values, z=zeta, w=costs: highs(v.numpy(), z, w))
        note = f"all states at once {whole:.3g} s; {float(found.objective) / optimum - 1:.1e} over the optimum"
        line(f"auto, {kind}, n = 12", ours, rival, "HiGHS", note=note)
    for n, other, tolerance in ((12, "interior point", 1e-4), (14, "first order", 1e-3), (16, "first order", 1e-3)):
        for kind in ("untrained", "planted"):
            values = tables(kind, 1, n=n)[0]
            zeta = 0.02 * strengths.swing(values[None])
            theirs, found = once(lambda v=values, z=zeta, m=other, t=tolerance: sparsest.sparsest(v, z, t, method=m))
            if kind == "untrained":
                print(f"             {other}, {kind}, n = {n}: {theirs:.3g} s, gap {float(found.gap):.1e}", flush=True)
                continue
            ours, exact = once(lambda v=values, z=zeta: sparsest.sparsest(v, z, method="simplex"))
            note = f"gaps {float(exact.gap):.1e} and {float(found.gap):.1e}"
            line(f"simplex, {kind}, n = {n}", ours, theirs, other, note=note)


def planted_masks(
    n: int, count: int, seed: int = 0, interactions: int = 30, highest: int = 5
) -> tuple[Tensor, Tensor, set, float]:
    """Masks and values of a planted game of orders 1 to `highest`, 2 % noise; its interactions; the noise's deviation.

    Where an interaction comes twice it is planted with the sum.
    """
    draw = np.random.default_rng(seed)
    masks = draw.random((count, n)) < 0.5
    masks[0] = True
    values, planted = np.zeros(count), set()
    for k in range(interactions):
        players = np.sort(draw.choice(n, int(draw.integers(1, highest + 1)), replace=False))
        is_or, strength = k % 2 == 1 and len(players) > 1, draw.standard_normal()
        inside = masks[:, players]
        values += (strength + 0.3 * np.sign(strength)) * (inside.any(1) if is_or else inside.all(1))
        planted.add(("OR" if is_or else "AND", tuple(players.tolist())))
    noise = 0.02 * float(values.std())
    return torch.from_numpy(masks), torch.from_numpy(values + noise * draw.standard_normal(count)), planted, noise


def pairs_lasso(masks: np.ndarray, values: np.ndarray, held_out: np.ndarray) -> tuple[float, int]:
    """The rival: AND interactions of order ≤ 2 by scikit-learn's LASSO; its best R² on masks held out, and how many."""
    first, second = np.triu_indices(masks.shape[1])
    columns = (masks[:, first] & masks[:, second]).astype(float)
    fit = ~held_out
    largest = np.abs(columns[fit].T @ values[fit]).max() / fit.sum()
    _, paths, _ = lasso_path(columns[fit], values[fit], alphas=largest * np.geomspace(1.0, 1e-3, 30))
    error = ((values[held_out, None] - columns[held_out] @ paths) ** 2).sum(0)
    spread = ((values[held_out] - values[held_out].mean()) ** 2).sum()
    best = int(error.argmin())
    return float(1.0 - error[best] / spread), int((paths[:, best] != 0).sum())


def sampled(
    sizes: tuple[tuple[int, int, int | None], ...] = (
        (30, 1000, None),
        (49, 2000, None),
        (100, 2000, None),
        (196, 4000, 3),
    ),
) -> None:
    """More players than a table can have: planted games from sampled masks, beside pairs alone.

    All subsets, or up to the order that is the last of a size, which then is the highest planted. Seconds are those of
    the wall and of the processor, which differ on a busy machine.
    """
    for n, count, cap in sizes:
        masks, values, planted, noise = planted_masks(n, count, highest=cap or 5)
        processor = time.process_time()
        ours, found = once(lambda m=masks, v=values, z=4 * noise, c=cap: sparsest_sampled(m, v, z, c))
        processor = time.process_time() - processor
        held_out = np.arange(count) % 5 == 0
        right = len(planted & {(kind, players) for kind, players, _ in found.interactions()})
        print(
            f"             {found.verdict}, gap {found.gap:.1e}, {len(found.strengths)} interactions with {right} of "
            f"{len(planted)} planted ones, {found.whoseen} subsets seen, strength "
            f"{float(found.strengths.abs().sum()):.4g}, {processor:.3g} s of the processor",
            flush=True,
        )
        if n > 100:
            continue  # the pairs' columns alone would be 600 MB
        rival, (r2, used) = once(lambda m=masks, v=values, h=held_out: pairs_lasso(m.numpy(), v.numpy(), h))
        line(f"sampled, n = {n}, {count} masks", ours, rival, "LASSO ≤ 2", note=f"R² {found.held_out_r2:.4f}, {r2:.4f}")


def boosted_table(n: int, seed: int = 0) -> Tensor:
    """v of all states of gradient-boosted trees that learned a planted function of n columns with noise."""
    draw = np.random.default_rng(seed)
    rows = draw.random((2000, n)) < 0.5
    target = draw.standard_normal(2000) + rows @ draw.standard_normal(n)
    for _ in range(n):
        target += 2.0 * draw.standard_normal() * rows[:, draw.choice(n, 3, replace=False)].all(1)
    trees = GradientBoostingRegressor(max_depth=4, n_estimators=60, random_state=0).fit(rows, target)
    return torch.from_numpy(trees.predict(np.arange(2**n)[:, None] >> np.arange(n) & 1))


def shape(found: Interactions) -> Tensor:
    """A(m) of both signs as shares, orders 1 and 2 as one."""
    a = torch.zeros(max(2, *(len(who) for _, who in found)) + 1, dtype=torch.float64)
    for (_, who), strength in found.items():
        a[max(2, len(who))] += abs(strength)
    return a / a.sum()


def apart(one: Interactions, other: Interactions) -> float:
    """Half the L1 distance of two shapes."""
    shapes = [shape(one), shape(other)]
    size = max(map(len, shapes))
    both = [torch.cat([a, a.new_zeros(size - len(a))]) for a in shapes]
    return float((both[0] - both[1]).abs().sum() / 2)


def on_exact_tables(n: int = 12, share: tuple[float, ...] = (0.02, 0.05, 0.1, 0.25)) -> None:
    """Sampled masks judged where all states are known: R² on all states, top ten, distance of A(m)'s shape.

    The same masks for all. Rivals are AND alone and LASSO of AND up to order 2, with A(m) of what they find, and
    boosted trees, which have no interactions. ProxySPEX draws its own masks and needs lightgbm: it is left out here.
    """
    kinds = {"planted": tables("planted", 1, n=n)[0], "untrained": tables("untrained", 1, n=n)[0],
             "boosted trees": boosted_table(n)}  # fmt: skip
    for kind, values in kinds.items():
        zeta, bias = 0.02 * float((values[-1] - values[0]).abs()), float(values[0])
        states = (torch.arange(2**n)[:, None] >> torch.arange(n) & 1).bool()
        exact = sparsest.sparsest(values, zeta)
        truth = {("AND", s): float(i) for s, i in members(exact.i_and)} | {
            ("OR", s): float(i) for s, i in members(exact.i_or)
        }
        for part in share:
            count = int(part * 2**n)
            chosen = torch.randperm(2**n - 2, generator=torch.Generator().manual_seed(0))[: count - 1] + 1
            chosen = torch.cat([chosen, torch.tensor([2**n - 1])])
            processor = time.process_time()
            found = sparsest_sampled(states[chosen], values[chosen], zeta, bias=bias, tie_break=1e-4)
            processor = time.process_time() - processor
            ours = {(name, who): strength for name, who, strength in found.interactions()}
            rivals = {"AND+OR": (found.predict(states), ours)}
            for name, highest in (("AND alone ≤ 4", 4), ("LASSO ≤ 2", 2)):
                rivals[name] = and_lasso(states, values, chosen, highest)
            trees = GradientBoostingRegressor(max_depth=4, n_estimators=200, random_state=0)
            trees.fit(states[chosen].numpy(), values[chosen].numpy())
            rivals["boosted trees"] = torch.from_numpy(trees.predict(states.numpy())), {}
            said = []
            for name, (h, interactions) in rivals.items():
                r2 = 1.0 - float(((h - values) ** 2).sum() / ((values - values.mean()) ** 2).sum())
                told = f"{name} R² {r2:.4f}"
                if interactions:
                    same = len(strongest(truth) & strongest(interactions))
                    told += f", top ten {same}, TV {apart(truth, interactions):.2f}"
                said.append(told)
            print(f"             {kind}, n = {n}, {count} of {2**n} states, {found.verdict}, held-out R² "
                  f"{found.held_out_r2:.4f}, {processor:.3g} s: {'; '.join(said)}", flush=True)  # fmt: skip


def members(table: Tensor) -> list[tuple[tuple[int, ...], float]]:
    """The players and the strength of a table's interactions over rounding, without that of no player."""
    least = 1e-6 * float(table.abs().max())
    return [(tuple(p for p in range(s.bit_length()) if s >> p & 1), i)
            for s, i in enumerate(table.tolist()) if s and abs(i) > least]  # fmt: skip


def strongest(found: Interactions, count: int = 10) -> set:
    return set(sorted(found, key=lambda key: -abs(found[key]))[:count])


def and_lasso(states: Tensor, values: Tensor, chosen: Tensor, highest: int) -> tuple[Tensor, Interactions]:
    """The rival: AND interactions up to an order by scikit-learn's LASSO, λ cross-validated; h, and what is in it."""
    n = states.shape[1]
    who = [s for k in range(1, highest + 1) for s in combinations(range(n), k)]
    columns = np.stack([states[:, list(s)].all(1).numpy() for s in who], 1).astype(float)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # some of the smallest λ of the path
        fit = LassoCV(alphas=20, eps=1e-4, cv=4, max_iter=2000).fit(columns[chosen], values[chosen].numpy())
    used = {("AND", s): float(c) for s, c in zip(who, fit.coef_, strict=True) if c}
    return torch.from_numpy(fit.predict(columns)), used


def on_the_gpu() -> None:
    """The same tables on a CUDA GPU and on the CPU, by the default; the CPU solves two of the fifty."""
    if not torch.cuda.is_available():
        print("             no CUDA GPU is here: the solver is not timed on one", flush=True)
        return
    for n, count in ((10, 50), (10, 1), (12, 4), (14, 1)):
        values = tables("overfitted", count, n=n)
        zeta = 0.02 * strengths.swing(values)
        there, few = values.cuda(), values[:2]

        def solve(there: Tensor = there, zeta: Tensor = zeta) -> None:
            sparsest.sparsest(there, zeta).objective.cpu()  # which waits for it

        ours = best(solve, 2) / count
        seconds, _ = once(lambda few=few, zeta=zeta: sparsest.sparsest(few, zeta))
        line(f"sparsest on the GPU, n = {n}, {count} at once", ours, seconds / len(few), "CPU  ", note="a table")


def transforms() -> None:
    for n in (10, 12, 16):
        values = torch.randn(2**n, dtype=torch.float64)
        ours = best(lambda values=values: subsets.mobius(values))
        table = values.numpy()

        class Table(Game):
            def __init__(self, n: int, table: np.ndarray):
                super().__init__(n_players=n, normalize=False)
                self.table = table

            def value_function(self, coalitions: np.ndarray) -> np.ndarray:
                return self.table[coalitions @ (1 << np.arange(coalitions.shape[1]))]

        seconds, result = once(lambda n=n, table=table: ExactComputer(Table(n, table), n_players=n)("Moebius", order=n))
        mine = subsets.mobius(values)
        for coalition, position in list(result.interaction_lookup.items())[:500]:
            assert np.isclose(result.values[position], mine[sum(1 << i for i in coalition)]), "the two disagree"
        line(f"Möbius transform, n = {n}", ours, seconds, "shapiq")
    for n in (20, 24):
        values = torch.randn(2**n, dtype=torch.float64)
        ours = best(lambda values=values: subsets.mobius(values), 3)
        copy = best(lambda values=values: values.clone(), 3)
        line(f"Möbius transform, n = {n}, against one copy", ours, copy, "copy  ")


def uncertainty() -> None:
    x = torch.randn(50, 2**N, dtype=torch.float64)
    j = torch.ones(1, 1, dtype=torch.float64)
    for _ in range(N):
        j = torch.kron(torch.tensor([[1.0, 0.0], [1.0, 1.0]], dtype=torch.float64), j)
    c = 2.0 ** subsets.orders(N).double()

    def dense() -> Tensor:
        return torch.linalg.solve(j.T @ j + 2**N * torch.diag(0.01 * c), j.T @ j @ x.T).T

    assert torch.allclose(theory.shrink(x, 0.01), dense())
    line(f"M(δ) I, n = {N}, 50 tables", best(lambda: theory.shrink(x, 0.01)), best(dense), "dense ")


def extraction() -> None:
    """Value tables against the bare forward passes of the head, whose inputs are already there."""
    network = networks.build("vgg4", (1, 32, 32), 10, seed=0).eval()
    wide = Cut(
        nn.Sequential(nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(64, 128, 3, padding=1),
                      nn.ReLU()),
        nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(128, 256, 3, padding=1), nn.ReLU(), nn.Conv2d(256, 256, 3, padding=1),
                      nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 10)),
    ).to(memory_format=torch.channels_last)  # fmt: skip
    for name, net, channels in (("vgg4", network, 1), ("a VGG head, 128 to 256 channels", wide, 3)):
        image = torch.rand(channels, 32, 32)
        with torch.no_grad():
            features = net.stem(image[None])
        regions = players.patch_regions(players.draw_patches(N, 1, 0)[0], features.shape[-2:])
        batch = features.expand(players.STATES, -1, -1, -1).contiguous(memory_format=torch.channels_last)

        def bare(net: Cut = net, batch: Tensor = batch) -> None:
            with torch.no_grad():
                for _ in range(2**N // players.STATES):
                    net.head(batch)

        ours = best(lambda net=net, image=image, regions=regions: players.value_table(net, image, 0, regions), 3)
        line(f"value table, {name}", ours, best(bare, 3), "bare  ")


if __name__ == "__main__":
    device = "cuda" if torch.cuda.is_available() else "cpu"
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__} on {device}\n"
    )
    for part in (solvers, many_players, sampled, on_exact_tables, on_the_gpu, transforms, uncertainty, extraction):
        part()
