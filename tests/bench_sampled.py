"""`make bench`, second part: more players than a table can have, and sampled masks judged where all states are known.

Every rival has the same masks in the same run. ProxySPEX (L. Butler et al., 2025, as shapiq has it) draws its own, so
that its masks are everybody's where all states are known.
"""

import time
import warnings
from itertools import combinations

import numpy as np
import torch
from bench import boosted, boosted_table, line, once, tables
from rival_shapiq import shapiq
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LassoCV, lasso_path
from torch import Tensor, nn

from lib import datasets, games, sparsest, subsets
from lib.experiments import ROOT
from lib.sparsest import sparsest_sampled
from lib.sparsest.sampled import TRUSTED
from lib.tables import read

Interactions = dict[tuple[str, tuple[int, ...]], float]  # kind and players → strength
REAL = ("digits-vgg", "cifar10-vgg11", "sst2-minilm-1000")  # experiments whose tables of 12 players are judged


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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # some of the smallest λ
        _, paths, _ = lasso_path(columns[fit], values[fit], alphas=largest * np.geomspace(1.0, 1e-3, 30))
    error = ((values[held_out, None] - columns[held_out] @ paths) ** 2).sum(0)
    spread = ((values[held_out] - values[held_out].mean()) ** 2).sum()
    best = int(error.argmin())
    return float(1.0 - error[best] / spread), int((paths[:, best] != 0).sum())


def beside_pairs(
    what: str, masks: Tensor, values: Tensor, zeta: float, cap: int | None = None, bias: float = 0.0, note: str = ""
) -> None:
    """Prints what ours found and in which time, of the wall and of the processor, beside LASSO of pairs."""
    processor = time.process_time()
    ours, found = once(lambda: sparsest_sampled(masks, values, zeta, cap, bias=bias))
    processor = time.process_time() - processor
    print(
        f"             {what}: {found.verdict}, gap {found.gap:.1e}, {len(found.strengths)} interactions"
        f"{note and note(found)}, {found.subsets_seen} subsets seen, strength {float(found.strengths.abs().sum()):.4g} "
        f"≥ {found.lower_bound:.4g}, {ours:.3g} s, {processor:.3g} s of the processor",
        flush=True,
    )
    if masks.shape[1] > 100:
        return  # the pairs' columns alone would be 600 MB
    held_out = np.arange(len(masks)) % 5 == 0
    rival, (r2, _) = once(lambda: pairs_lasso(masks.numpy(), values.numpy() - bias, held_out))
    line(what, ours, rival, "LASSO ≤ 2", note=f"R² {found.held_out_r2:.4f}, {r2:.4f}")


def planted_games() -> None:
    """All subsets, or up to the order that is the last of a size, which then is the highest planted."""
    for n, count, cap in ((30, 1000, None), (49, 2000, None), (100, 2000, None), (196, 4000, 3)):
        masks, values, planted, noise = planted_masks(n, count, highest=cap or 5)

        def right(found: sparsest.Sampled, planted: set = planted) -> str:
            same = planted & {(kind, players) for kind, players, _ in found.interactions()}
            return f" with {len(same)} of {len(planted)} planted ones"

        beside_pairs(f"planted, n = {n}, {count} masks", masks, values, 4 * noise, cap, note=right)


def small_cnn(n: int) -> games.Game:
    """A small CNN trained on the digits; the players are n of 36 patches of its first layer's output."""
    torch.manual_seed(0)
    digits = datasets.load("digits", 28)
    x, y = digits.prepare(digits.x_train), digits.y_train
    network = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1),
                            nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16 * 49, 10))  # fmt: skip
    optimizer = torch.optim.Adam(network.parameters(), 2e-3)
    for batch in [part for _ in range(10) for part in torch.randperm(len(x)).split(50)]:
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(x[batch]), y[batch]).backward()
        optimizer.step()
    image, label = digits.prepare(digits.x_test[:1])[0], int(digits.y_test[0])
    return games.at_layer(
        network.eval(), "0", image, games.patches((28, 28), grid=6, chosen=range(n)), games.label(label)
    )


def real_games(n: int = 30, count: int = 1000) -> None:
    """Thirty players of boosted trees and of a CNN, all subsets; ζ is 2 % of the swing."""
    masks = torch.rand(count, n, generator=torch.Generator().manual_seed(0)) < 0.5
    masks[0] = True
    predict, network = boosted(n), small_cnn(n)
    for name, game in (
        ("boosted trees", lambda m: torch.from_numpy(predict(m.numpy().astype(float)))),
        ("a CNN", lambda m: network(m).double()),
    ):
        values, bias = game(masks), float(game(torch.zeros(1, n, dtype=torch.bool))[0])
        zeta = 0.02 * abs(float(values[0]) - bias)
        beside_pairs(f"{name}, n = {n}, {count} masks", masks, values, zeta, bias=bias)


def proxyspex(states: Tensor, values: Tensor, count: int) -> tuple[Tensor, Tensor, Interactions, str]:
    """The states that it asked for, its h on all states, its interactions, and the version of shapiq."""
    found = shapiq(values.numpy(), count)
    ands = dict(zip(found.coalitions.tolist(), found.strengths.tolist(), strict=True))
    table = torch.zeros(len(values), dtype=torch.float64)
    table[torch.from_numpy(found.coalitions)] = torch.from_numpy(found.strengths)
    players = {who: tuple(p for p in range(states.shape[1]) if who >> p & 1) for who in ands}
    interactions = {("AND", players[who]): i for who, i in ands.items() if who and abs(i) > 1e-9}
    return torch.from_numpy(found.asked), subsets.zeta(table), interactions, found.version


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


def members(table: Tensor) -> list[tuple[tuple[int, ...], float]]:
    """The players and the strength of a table's interactions over rounding, without that of no player."""
    least = 1e-6 * float(table.abs().max())
    return [(tuple(p for p in range(s.bit_length()) if s >> p & 1), i)
            for s, i in enumerate(table.tolist()) if s and abs(i) > least]  # fmt: skip


def interactions_of(exact: sparsest.Sparsest) -> Interactions:
    """Of one table."""
    ands, ors = members(exact.i_and), members(exact.i_or)
    return {("AND", who): i for who, i in ands} | {("OR", who): i for who, i in ors}


def strongest(found: Interactions, count: int = 10) -> set:
    return set(sorted(found, key=lambda key: -abs(found[key]))[:count])


def known_tables(n: int) -> dict[str, Tensor]:
    """Tables with all their states: made up, boosted trees, and those of networks where such ship (12 players)."""
    made_up = ("planted", "untrained") if n <= 12 else ("planted",)  # with more players the truth takes too long
    kinds = {kind: tables(kind, 1, n=n)[0] for kind in made_up}
    kinds["boosted trees"] = boosted_table(n)
    for name in REAL:
        path = ROOT / "results" / name / "nested-values.nc"
        if path.exists() and (values := torch.from_numpy(read(path)["values"].values)).shape[-1] == 2**n:
            kinds[name] = values[0]
    return kinds


def on_exact_tables(n: int = 12, share: tuple[float, ...] = (0.02, 0.05, 0.1, 0.25), tolerance: float = 1e-7) -> None:
    """Sampled masks judged where all states are known: R² on all states, top ten, distance of A(m)'s shape."""
    for kind, values in known_tables(n).items():
        zeta, bias = 0.02 * float((values[-1] - values[0]).abs()), float(values[0])
        states = (torch.arange(2**n)[:, None] >> torch.arange(n) & 1).bool()
        truth = interactions_of(sparsest.sparsest(values, zeta, tolerance))
        for part in share:
            chosen, h, ands, version = proxyspex(states, values, int(part * 2**n))
            rivals = {f"ProxySPEX {version}": (h, ands)}
            chosen = torch.cat([chosen[chosen > 0], chosen.new_tensor([2**n - 1])]).unique()
            processor = time.process_time()
            found = sparsest_sampled(states[chosen], values[chosen], zeta, bias=bias, tie_break=1e-4)
            processor = time.process_time() - processor
            ours = {(name, who): strength for name, who, strength in found.interactions()}
            for name, highest in (("AND alone ≤ 4", 4), ("LASSO ≤ 2", 2)):
                rivals[name] = and_lasso(states, values, chosen, highest)
            boosted = GradientBoostingRegressor(max_depth=4, n_estimators=200, random_state=0)
            boosted.fit(states[chosen].numpy(), values[chosen].numpy())
            rivals["boosted trees"] = torch.from_numpy(boosted.predict(states.numpy())), {}
            said = []
            for name, (h, interactions) in {"AND+OR": (found.predict(states), ours), **rivals}.items():
                r2 = 1.0 - float(((h - values) ** 2).sum() / ((values - values.mean()) ** 2).sum())
                told = f"{name} R² {r2:.4f}"
                if interactions:
                    same = len(strongest(truth) & strongest(interactions))
                    told += f", top ten {same}, TV {apart(truth, interactions):.2f}"
                said.append(told)
            print(f"             {kind}, n = {n}, {len(chosen)} of {2**n} states, {found.verdict}, held-out R² "
                  f"{found.held_out_r2:.4f}, {processor:.3g} s: {'; '.join(said)}", flush=True)  # fmt: skip


def trusted_or_not(n: int = 12, share: tuple[float, ...] = (0.1, 0.25, 0.4)) -> None:
    """Whether A(m) that may be trusted is right, and what the two conditions keep out: tables of networks that ship.

    A line for each table and share of its states, then the largest distance with both conditions and with R² alone.
    """
    states = (torch.arange(2**n)[:, None] >> torch.arange(n) & 1).bool()
    by_both, by_r2 = [], []
    for path in sorted((ROOT / "results").glob("*/nested-values.nc")):
        tables_of = torch.from_numpy(read(path)["values"].values)
        if not len(tables_of):
            continue
        values = tables_of[0]
        zeta, bias = 0.02 * float((values[-1] - values[0]).abs()), float(values[0])
        truth = interactions_of(sparsest.sparsest(values, zeta, 1e-5))
        draw = torch.Generator().manual_seed(0)
        for part in share:
            some = torch.randperm(2**n - 2, generator=draw)[: int(part * 2**n) - 1] + 1
            chosen = torch.cat([some, torch.tensor([2**n - 1])])
            found = sparsest_sampled(states[chosen], values[chosen], zeta, bias=bias, tie_break=1e-4)
            off = apart(truth, {(kind, who): strength for kind, who, strength in found.interactions()})
            by_both += [off] * found.orders_trusted
            by_r2 += [off] * (found.certified and found.held_out_r2 >= TRUSTED)
            print(f"             {path.parent.name}, {found.masks} of {2**n} states, {found.verdict}: R² "
                  f"{found.held_out_r2:.4f}, {found.masks / found.matter:.1f} masks an interaction, TV {off:.3f}, "
                  f"{found.doubt or 'trusted'}", flush=True)  # fmt: skip
    for what, of in (("R² and masks an interaction", by_both), ("R² alone", by_r2)):
        print(f"             trusted by {what}: {len(of)}, at most {max(of, default=0.0):.3f} off", flush=True)


if __name__ == "__main__":
    planted_games()
    real_games()
    on_exact_tables()
    on_exact_tables(16, (0.02, 0.05), 1e-3)
    trusted_or_not()
