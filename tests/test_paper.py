"""The paper's experiments from their real files, each with a small setting through every notebook: `pytest -m paper`.

They need the data sets in downloads/ (or where COMPANION_DOWNLOADS says), and minutes each on a CPU.
"""

import json
import os
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
import torch

from lib import experiments, networks, notebook, prepare, tables, text, training
from lib.datasets import downloads
from lib.experiments import ROOT

pytestmark = pytest.mark.paper

SMALL = {
    "train_samples": 300,
    "test_samples": 100,
    "epochs": 3,
    "checkpoints": 4,
    "batch_size": 32,
    "samples": 2,
    "players": 6,
    "bootstrap": 5,
    "checkpoint_samples": 1,
    "category_samples": 1,
    "nested_samples": 1,
    "reset_samples": 1,
    "nested_players": 7,
}
LARGE = {"train_samples": 48, "test_samples": 16, "batch_size": 16}  # 31 GFLOP for one image of VGG-16
TEXT = {"category_samples": 0, "weights": "scratch", "train_samples": 64, "test_samples": 200}
CHANGES = {
    "cub-vgg13": LARGE,
    "cub-vgg16": LARGE | {"parameter_noise": [10], "input_noise": [8]},
    "tinyimagenet-vgg16": LARGE,
    "sst2-bert-medium": TEXT,
    "sst2-minilm-1000": TEXT,
}
NOISE = {"parameter_noise": [3, 30], "input_noise": [8]}
FILES = {
    "mnist": ["mnist/MNIST/raw/train-images-idx3-ubyte"],
    "cifar10": ["cifar10/cifar10.npz", "cifar10/cifar-10-batches-py"],
    "cub": ["cub/CUB_200_2011"],
    "tiny-imagenet": ["tiny-imagenet/tiny-imagenet-200"],
    "sst2": ["sst2/SST-2"],
}
BLOCKS = experiments._read(experiments.PARAMS)["experiments"]


def setting(name: str) -> dict:
    noise = {field: levels for field, levels in NOISE.items() if BLOCKS[name][field]}
    return SMALL | noise | CHANGES.get(name, {})


PAPERS = {}  # the first block of each dataset and network: the others differ in size and seed alone
for _name, _block in BLOCKS.items():
    PAPERS.setdefault((_block["dataset"], _block["network"]), _name)


@pytest.fixture(scope="module", params=[name for (dataset, _), name in PAPERS.items() if dataset != "digits"])
def run(request, tmp_path_factory):
    """The results of one experiment, all its notebooks run on the small setting: (name, folder)."""
    name, dataset = request.param, BLOCKS[request.param]["dataset"]
    if not any((downloads.folder() / file).exists() for file in FILES[dataset]):
        pytest.skip(f"{dataset} is not in {downloads.folder()}: it is downloaded when the experiment is run")
    folder = Path(os.environ.get("COMPANION_RESULTS") or tmp_path_factory.mktemp("results"))
    for stage in prepare.STAGES:
        code = folder / "code" / f"{stage}.ipynb"
        prepare.write(prepare.code_of(nbformat.read(ROOT / "notebooks" / f"{stage}.ipynb", as_version=4)), code)
        parameters = {"experiment": name, "overrides": setting(name), "folder": str(folder)}
        notebook.run(code, folder / name / "run" / f"{stage}.ipynb", parameters)
    return name, folder / name


def test_the_small_setting_goes_through_all_notebooks(run):
    name, results = run
    own = experiments.load(name, setting(name))
    curves = pd.read_csv(results / "curves.csv")
    assert len(curves) == own.epochs + 1 and np.isfinite(curves).all(axis=None)
    chance = np.log({"mnist": 10, "cifar10": 10, "sst2": 2}.get(own.dataset, 50))
    assert curves["test_loss"].iloc[0] == pytest.approx(chance, rel=0.35), "an untrained network knows no class"
    assert len(json.loads((results / "labels.json").read_text())) == round(own.label_noise * own.train_samples)

    values = tables.read(results / "values.nc")
    assert values["values"].shape == (4, own.samples, 2**own.players)
    assert float(abs(values["values"][:, :, -1] - values["values"][:, :, 0]).min()) > 0, "masking does something"

    metrics = json.loads((results / "metrics.json").read_text())
    levels = len(own.parameter_noise) + len(own.input_noise)
    assert (len(metrics["timepoints"]), len(metrics["noise"])) == (4, levels)
    for row in [*metrics["timepoints"].values(), *metrics["noise"].values()]:
        assert row["worst_gap"] <= own.gap and row["largest_error_over_zeta"] <= 1 + 1e-9
    assert {"figure-2", "figure-5"} <= {path.stem for path in (results / "figures").glob("*.png")}


def test_the_tables_are_the_networks_own_outputs(run):
    """The first and the last state of each table, measured again without any masking code."""
    from lib import datasets, players

    name, results = run
    own = experiments.load(name, setting(name))
    data = datasets.load(own.dataset, own.side, seed=own.seed, test_samples=own.test_samples)
    network = networks.build(own.network, data.shape, data.classes, own.seed)
    values = tables.read(results / "values.nc")
    for timepoint, epoch in json.loads((results / "timepoints.json").read_text()).items():
        training.load_checkpoint(network, training.checkpoint_path(results / "checkpoints", epoch))
        for row, index in enumerate(values.sample.values.tolist()):
            x, label = data.prepare(data.x_test[index][None]), data.y_test[index][None]
            with torch.no_grad():
                features = network.stem(x)
                masked = features.clone()
                if data.side:
                    height, width = features.shape[2:]
                    lines = [[round(size * k / own.grid) for k in range(own.grid + 1)] for size in (height, width)]
                    for patch in values.patch.values[row].tolist():
                        i, j = divmod(patch, own.grid)
                        masked[..., lines[0][i] : lines[0][i + 1], lines[1][j] : lines[1][j + 1]] = 0
                else:
                    masked[0, torch.from_numpy(values.owner.values[row]) >= 0] = text.MASK
                ends = players.log_odds(network.head(torch.cat([masked, features])), label.expand(2))
            found = torch.from_numpy(values["values"].sel(timepoint=timepoint).values[row, [0, -1]])
            torch.testing.assert_close(found, ends, rtol=1e-3, atol=1e-4)


def test_notebooks_have_no_warnings_or_paths_of_this_machine(run):
    for path in sorted((run[1] / "run").glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            assert all(output.get("name") != "stderr" for output in cell.outputs), path.name
        assert str(ROOT) not in path.read_text()
