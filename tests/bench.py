"""`make bench`: our speed beside a rival's on the same tables, in one run; ratios first.

python tests/bench.py [networks random_networks solvers many_players on_the_gpu transforms uncertainty extraction]

Without names all parts. A line is *ratio, what, ours, the rival's*. Times are the best of several for short calls, one
for long ones; a call before the first is not counted. Nothing here is a test: machines differ, and a slow one is no
defect.
"""

import argparse
import math
import os
import platform
import time
from collections.abc import Callable

import numpy as np
import scipy.optimize
import scipy.sparse
import torch
from rival_shapiq import shapiq
from sklearn.ensemble import GradientBoostingRegressor
from torch import Tensor, nn

from lib import descent, experiments, networks, players, sparsest, strengths, subsets, theory
from lib import tables as files
from lib.networks import Cut

N = 10
HIGHS_TABLES = 3  # HiGHS takes seconds a table; its time a table is measured on the first few of each kind
PATIENCE = 120.0  # seconds of one table after which HiGHS is stopped: its ratio is then at least the one printed


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
    """Value tables of the kinds that networks and trees make: (count, 2**n)."""
    if kind == "boosted trees":
        return torch.stack([boosted_table(n, seed + k) for k in range(count)])
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
    """The optimum of Eq. 12 by scipy's HiGHS on the sparse linear program; NaN where it was stopped."""
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
        options={"time_limit": PATIENCE},
    )
    if found.status == 1:  # of scipy: a limit was reached
        return math.nan
    if found.status:
        raise RuntimeError(f"HiGHS: {found.message}")
    return found.fun


def networks_of_digits() -> None:
    """Tables of the digits' network that ships, certified to 1e-7: the default, all states at once, and HiGHS."""
    folder = experiments.results("digits-vgg")
    measured = files.read(folder / "values.nc")["values"]
    nested = torch.from_numpy(files.read(folder / "nested-values.nc")["values"].values)
    kinds = {f"digits at {name}": torch.from_numpy(measured.sel(timepoint=name).values) for name in "ABCD"}
    kinds |= {"digits at B, nested": nested[:, -(2**11) :], "digits at B, all nested": nested}
    for kind, values in kinds.items():
        n = subsets.player_count(values)
        zeta = 0.02 * strengths.swing(values)
        weights = (1 + 1e-4 * subsets.orders(n).double()).numpy()
        single = sum(best(lambda v=v, z=zeta: sparsest.sparsest(v, z), 2) for v in values[:HIGHS_TABLES]) / HIGHS_TABLES
        batch, found = once(lambda v=values, z=zeta: sparsest.sparsest(v, z))
        whole, _ = once(lambda v=values, z=zeta: sparsest.sparsest(v, z, method="interior point"))
        note = f"a table; gaps up to {float(found.gap.max()):.1e}"
        what = f"{kind}, n = {n}"
        line(f"{what}, {len(values)} at once", batch / len(values), whole / len(values), "all states", note=note)
        if n > 11:  # HiGHS would take minutes a table
            own = [once(lambda v=v: sparsest.sparsest(v, 0.02 * strengths.swing(v[None])))[0] for v in values]
            print(f"             {what}, ζ of its own swing, one: {min(own):.2g} to {max(own):.2g} s", flush=True)
            continue
        rival = [once(lambda v=v, z=zeta, w=weights: highs(v.numpy(), float(z), w)) for v in values[:HIGHS_TABLES]]
        seconds = sum(t for t, _ in rival) / len(rival)
        over = max(float(found.objective[k]) / optimum - 1 for k, (_, optimum) in enumerate(rival))
        line(f"{what}, one", single, seconds, "HiGHS", note=f"a table; {over:.1e} over its optimum at most")
        line(f"{what}, {len(values)} at once", batch / len(values), seconds, "HiGHS", note="a table")


def solvers() -> None:
    weights = (1 + 1e-4 * subsets.orders(N).double()).numpy()
    for kind in ("untrained", "overfitted", "planted", "boosted trees"):
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
        if kind in ("planted", "boosted trees"):
            continue
        five = values[:5]
        seconds, descended = once(lambda v=five, z=zeta: descent.descend(v, z))
        worst = (descended.objective / found.objective[:5]).tolist()
        ours, _ = once(lambda v=five, z=zeta: sparsest.sparsest(v, z))
        note = "5 tables; it ends at " + ", ".join(f"{x:.2f}" for x in worst) + " of the optimum"
        line(f"sparsest, {kind}, n = {N}, 5 tables", ours, seconds, "SGD  ", note=note)


def random_networks() -> None:
    """The default alone, a table of 12 to 16 players at a time: rivals take minutes to hours there."""
    for n, tolerance in ((12, 1e-4), (14, 1e-4), (16, 1e-3)):
        for kind in ("untrained", "overfitted", "boosted trees", "planted"):
            values = tables(kind, 1, n=n)[0]
            zeta = 0.02 * float(strengths.swing(values[None]))
            seconds, found = once(lambda v=values, z=zeta, t=tolerance: sparsest.sparsest(v, z, t))
            print(f"             {kind}, n = {n}: {seconds:.3g} s, gap {float(found.gap):.1e}", flush=True)


def many_players() -> None:
    """The methods beside each other; the first-order one to 1e-3.

    First what "auto" takes, row generation or for planted tables the simplex, beside HiGHS and beside all states at
    once, in seconds of the wall.
    """
    for kind in ("untrained", "overfitted", "boosted trees", "planted"):
        values = tables(kind, 1, n=12)[0]
        zeta = 0.02 * float(strengths.swing(values[None]))
        ours, found = once(lambda v=values, z=zeta: sparsest.sparsest(v, z, 1e-4))
        whole, _ = once(lambda v=values, z=zeta: sparsest.sparsest(v, z, 1e-4, method="interior point"))
        costs = (1 + 1e-4 * subsets.orders(12).double()).numpy()
        rival, optimum = once(lambda v=values, z=zeta, w=costs: highs(v.numpy(), z, w))
        over = float(found.objective) / optimum - 1
        note = f"all states at once {whole:.3g} s; "
        note += "HiGHS was stopped there" if math.isnan(over) else f"{over:.1e} over the optimum"
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


def boosted(n: int, seed: int = 0) -> Callable[[np.ndarray], np.ndarray]:
    """Gradient-boosted trees that learned a planted function of n zeros and ones, with noise: rows → outputs."""
    draw = np.random.default_rng(seed)
    rows = draw.random((2000, n)) < 0.5
    target = draw.standard_normal(2000) + rows @ draw.standard_normal(n)
    for _ in range(n):
        target += 2.0 * draw.standard_normal() * rows[:, draw.choice(n, 3, replace=False)].all(1)
    return GradientBoostingRegressor(max_depth=4, n_estimators=60, random_state=0).fit(rows, target).predict


def boosted_table(n: int, seed: int = 0) -> Tensor:
    """v of all states of boosted trees."""
    return torch.from_numpy(boosted(n, seed)(np.arange(2**n)[:, None] >> np.arange(n) & 1))


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
        rival, mine = shapiq(values.numpy()), subsets.mobius(values).numpy()
        assert np.allclose(rival.strengths, mine[rival.coalitions]), "the two disagree"
        line(f"Möbius transform, n = {n}", ours, rival.seconds, "shapiq", note=rival.version)
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
    minilm = networks.build("minilm", (24,), 2, seed=0).eval()
    words = torch.randint(1000, 2000, (24,), generator=torch.Generator().manual_seed(0))  # ids, none of them padding
    places = torch.arange(24) == 2 * torch.arange(N)[:, None] + 1

    def passes() -> None:
        with torch.no_grad():
            for _ in range(2**N // players.STATES):
                minilm.head(words.expand(players.STATES, -1))

    ours = best(lambda: players.value_table(minilm, words, 0, places), 2)
    line("value table, a transformer, 24 tokens", ours, best(passes, 2), "bare  ")


PARTS = {
    "networks": networks_of_digits,
    **{
        part.__name__: part
        for part in (random_networks, solvers, many_players, on_the_gpu, transforms, uncertainty, extraction)
    },
}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python tests/bench.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="part", help=f"all unless named: {', '.join(PARTS)}")
    asked = parser.parse_args().parts or list(PARTS)
    if unknown := [name for name in asked if name not in PARTS]:
        parser.error(f"part is {unknown[0]!r}; allowed: {', '.join(PARTS)}")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__} on {device}\n"
    )
    for name in asked:
        PARTS[name]()
