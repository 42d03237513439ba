"""A small book for the tests: made-up results of two experiments, one of images and one of words."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
import xarray as xr

from book.builder import site
from lib import choices, subsets, tables, theory
from lib.choices import ends as choice_ends
from lib.experiments import ROOT

IMAGES, WORDS = "digits-vgg", "sst2-bert-medium"
N = 6  # players
SAMPLES = 6
FEW = 4  # of the samples, solved for other ζ and ties


def make_values(samples=SAMPLES, n=N, seed=0):
    """Value tables (4, samples, 2**n) made of interactions that get fewer and weaker with their order."""
    draw = torch.Generator().manual_seed(seed)
    order = subsets.orders(n)
    made = []
    for k in range(4):
        pair = torch.randn(2, samples, 2**n, generator=draw, dtype=torch.float64) * 0.4 ** (order + k % 2)
        pair *= torch.rand(2, samples, 2**n, generator=draw, dtype=torch.float64) < 0.05 * order
        pair[..., 1] += 0.1  # not nothing of order 1
        pair[..., 0] = 0
        made.append(subsets.logical_model(*pair, torch.randn(samples, generator=draw, dtype=torch.float64)))
    return torch.stack(made)


def make_experiment(folder, players):
    """A folder of results as the pipeline makes it, with what the book reads."""
    sample = np.arange(SAMPLES)
    coords = {"timepoint": list("ABCD"), "sample": sample, "label": ("sample", sample % 2), **players}
    coords["guess"] = ("timepoint", "sample"), np.stack([(sample + k) % 2 for k in range(4)])
    measured = xr.Dataset({"values": (("timepoint", "sample", "subset"), make_values().numpy())}, coords=coords)
    tables.write(measured, folder / "values.nc")
    timepoints = {name: {"epoch": k, "train_loss": 1.0 / (k + 1), "alpha": 0.9} for k, name in enumerate("ABCD")}
    (folder / "metrics.json").write_text(json.dumps({"timepoints": timepoints, "noise": {}}))
    (folder / "figures").mkdir()
    figure, panel = plt.subplots(figsize=(2, 1))
    panel.plot([1, 2])
    figure.savefig(folder / "figures" / "figure-2.png")
    plt.close(figure)


def make_ends(results):
    """What the sweep of choices leaves of a few samples: ζ or none, both ends of the ties, and one level of noise."""
    measured = tables.read(results / "values.nc")["values"].isel(sample=slice(FEW))
    noise = (measured.sel(timepoint=["B"]) + 0.1 * measured.sel(timepoint=["A"]).values).rename(timepoint="noise")
    noise = noise.assign_coords(noise=["parameters 30"])
    known = choices.keep(choices.registry(), limits=("mean",), zeta=(0.0, 0.02))
    solved = choices.solve([measured, noise], known)
    tables.write(choice_ends.ends(solved, 0.02, measured.sample.values, SAMPLES, 0), results / "choices.nc")


def make_training(results):
    """What the pipeline leaves of five checkpoints: strengths, made up, with a decay, a spindle and the losses."""
    draw, epochs, names = np.random.default_rng(1), [0, 1, 3, 8, 20], {"A": 0, "B": 3, "C": 8, "D": 20}
    rows = []
    for k, epoch in enumerate(epochs):
        decay = (8 if k == 0 else 1) * draw.uniform(0.5, 1, (2, N)) * 0.5 ** np.arange(N)
        alpha, beta = 0.8 + 0.05 * k, 0.01 * k
        spindle = theory.spindle(alpha, beta, N).numpy()
        strength = decay + spindle + draw.uniform(0, 0.05, (2, N))
        losses = {"train_loss": 2 / (k + 1), "test_loss": 2 / (k + 1) - 0.1 + 0.1 * k, "loss_gap": -0.1 + 0.1 * k}
        split = {"decay": decay.sum(), "spindle": 2 * spindle.sum(), "spindle_low": 0.0, "spindle_high": 0.1 * (k + 1)}
        order = strength.sum(0) @ np.arange(1, N + 1) / strength.sum()
        fit = {"mean_order": order, "alpha": alpha, "beta": beta, "delta": 0.01, "gamma": 1.0}
        curves = {
            f"{part}{sign}_{m + 1}": values[row, m]
            for part, values in (("", strength), ("decay_", decay))
            for row, sign in enumerate(("plus", "minus"))
            for m in range(N)
        }
        rows.append({"epoch": epoch, **losses, **split, **fit, **curves})
    pd.DataFrame(rows).to_csv(results / "overfitting.csv", index=False, float_format="%.10g")
    (results / "timepoints.json").write_text(json.dumps(names))


def make_results(folder):
    """Results of two experiments; one has claims, three of its notebooks as run, choices.nc and its checkpoints."""
    image = np.random.default_rng(0).integers(0, 256, (4, 1, 16, 16), dtype=np.uint8)  # fewer than there are samples
    patches = np.stack([np.sort(np.random.default_rng(k).permutation(64)[:N]) for k in range(SAMPLES)])
    drawn = {"patch": (("sample", "player"), patches), "image": (("image_sample", "channel", "row", "column"), image)}
    make_experiment(folder / IMAGES, drawn)
    make_ends(folder / IMAGES)
    make_training(folder / IMAGES)
    words = np.array([[f"word{k}-{i}" for i in range(N)] for k in range(SAMPLES)])
    make_experiment(folder / WORDS, {"word": (("sample", "player"), words)})
    claim = {
        "key": "noise_fitted",
        "claim": "the spindle, |A_D − A_B|, grows | a lot",
        "where": "Fig. 4",
        "experiment": IMAGES,
        "statistic": "τ_b",
        "predicted": "≥ 0.5",
        "measured": 0.25,
        "interval": [0.1, 0.4],
        "verdict": "does not hold",
        "note": "",
    }
    rows = [claim, {**claim, "where": "Fig. 10", "measured": None, "interval": None, "verdict": "not measured"}]
    (folder / IMAGES / "claims.json").write_text(json.dumps(rows))
    (folder / IMAGES / "notebooks").mkdir()
    for name in ("generalisation.ipynb", "4_decompose.ipynb", "5_disentangle.ipynb"):
        executed = ROOT / "results" / IMAGES / "notebooks" / name
        (folder / IMAGES / "notebooks" / name).write_bytes(executed.read_bytes())


def make_book(results):
    """The book of these results, in a folder beside them."""
    site.build(results, results.with_name("site"), results.with_name("source"))
    return results.with_name("site")
