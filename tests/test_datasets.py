"""Data: the digits are scikit-learn's, labels are reset as said, wrong files are refused."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from lib import datasets


def test_the_digits_are_those_of_scikit_learn():
    original = load_digits()
    order = np.random.default_rng(0).permutation(1797)
    with np.load(datasets.ARRAYS["digits"][0]) as arrays:
        images = np.concatenate([arrays["x_train"], arrays["x_test"]])
        labels = np.concatenate([arrays["y_train"], arrays["y_test"]])
    assert len(images) == 1797
    np.testing.assert_array_equal(images, np.rint(original.images * 255 / 16)[order])
    np.testing.assert_array_equal(labels, original.target[order])


def test_images_are_resized_to_grey_values_from_0_to_1():
    data = datasets.load("digits")
    assert data.x_train.shape == (1000, 1, 32, 32) and data.x_test.shape == (797, 1, 32, 32)
    assert data.x_train.min() == 0 and data.x_train.max() == 1
    assert data.classes == 10 and not len(data.reset)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 1.0])
def test_reset_labels_are_the_share_asked_for_all_wrong_and_of_every_other_class(share):
    true, noisy = datasets.load("digits"), datasets.load("digits", share, seed=3)
    changed = (true.y_train != noisy.y_train).nonzero().flatten()
    assert torch.equal(changed, noisy.reset) and len(changed) == round(1000 * share)
    assert torch.equal(true.y_test, noisy.y_test) and torch.equal(true.x_train, noisy.x_train)
    if share == 1.0:  # a tenth of 1000 samples has each true class; its 9 other labels are all drawn
        shift = (noisy.y_train - true.y_train) % 10
        assert torch.bincount(shift, minlength=10)[1:].min() > 60


def test_the_seed_alone_decides_which_labels():
    once, again, other = (datasets.load("digits", 0.1, seed) for seed in (1, 1, 2))
    assert torch.equal(once.y_train, again.y_train)
    assert not torch.equal(once.reset, other.reset)


def test_wrong_input_is_named(tmp_path):
    with pytest.raises(ValueError, match="label_noise = 1.5: allowed are 0 to 1"):
        datasets.load("digits", 1.5)
    with pytest.raises(ValueError, match="dataset = 'mnst'"):
        datasets.load("mnst")
    with pytest.raises(FileNotFoundError, match="own.npz"):
        datasets.from_arrays(tmp_path / "own.npz", 32)

    def write(**changes):
        good = {
            "x_train": np.zeros((4, 5, 5), np.uint8), "y_train": np.array([0, 1, 2, 2]),
            "x_test": np.zeros((2, 5, 5), np.uint8), "y_test": np.array([0, 1]),
        }  # fmt: skip
        np.savez(tmp_path / "own.npz", **{k: v for k, v in (good | changes).items() if v is not None})
        return datasets.from_arrays(tmp_path / "own.npz", 8)

    assert write().classes == 3
    with pytest.raises(ValueError, match="no array y_test"):
        write(y_test=None)
    with pytest.raises(ValueError, match="x_train is float64"):
        write(x_train=np.zeros((4, 5, 5)))
    with pytest.raises(ValueError, match=r"y_train is int64 of shape \(3,\): allowed are 4 integers"):
        write(y_train=np.array([0, 1, 2]))
    with pytest.raises(ValueError, match="y_test has label 3: allowed are 0 to 2"):
        write(y_test=np.array([0, 3]))
