"""The tables that ship are what the code of today measures, on the checkpoints that ship."""

import json

import numpy as np
import pytest
import torch

from lib import datasets, experiments, inject, networks, players, shipped, tables, training

# What the tables of the digits were measured on: kernels are chosen by it, and round otherwise.
PROCESSOR = {"architecture": "x86_64", "avx512_bf16": True, "amx_bf16": False, "l2_cache_size": 2**20}


def measure(noise: str | None = None):
    """Some tables of digits-vgg, in the order of the file: at each timepoint, or under noise at B."""
    shipped.bring()
    setting = experiments.load("digits-vgg")
    folder = experiments.results("digits-vgg")
    threads = torch.get_num_threads()
    torch.set_num_threads(setting.threads)
    try:
        expected = tables.read(folder / "values.nc").isel(sample=slice(3, 7))
        data = datasets.load(setting.dataset, setting.side, setting.label_noise, setting.seed)
        samples = data.prepare(data.x_test[expected.sample.values.tolist()])
        labels = torch.from_numpy(expected.label.values)
        network = networks.build(setting.network, data.shape, data.classes, setting.seed)
        shape = network.stem(samples[:1]).shape[-2:]
        regions = players.patch_regions(torch.from_numpy(expected.patch.values), shape, setting.grid)
        epochs = json.loads((folder / "timepoints.json").read_text())
        found = []
        for timepoint, epoch in epochs.items():
            training.load_checkpoint(network, training.checkpoint_path(folder / "checkpoints", epoch))
            if noise is None:
                found.append(players.value_tables(network, samples, labels, regions))
            elif timepoint == "B":
                expected = tables.read(folder / "injected-values.nc").isel(sample=slice(3, 7))
                for kind, sigma in zip(expected.kind.values, expected.sigma.values, strict=True):
                    if kind == "parameters":
                        noisy = inject.perturb_parameters(network, sigma, setting.seed)
                        found.append(players.value_tables(noisy, samples, labels, regions))
                    else:
                        moved = inject.fgsm(network, samples, labels, sigma / 256, setting.fgsm_sign)
                        found.append(players.value_tables(network, moved, labels, regions))
        return players.rounded(torch.stack(found).numpy()), expected["values"].values
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("noise", [None, "B"])
def test_the_code_of_today_gives_the_tables_of_the_digits_again(noise):
    """Byte for byte on the kind of processor that they were measured on, to rounding on others."""
    found, expected = measure(noise)
    largest = np.abs(expected).max(-1, keepdims=True)
    assert found.shape == expected.shape
    assert (np.abs(found - expected) <= 1e-3 * largest).all()
    here = torch.cpu.get_capabilities()
    if all(here.get(name) == value for name, value in PROCESSOR.items()):
        np.testing.assert_array_equal(found, expected)
