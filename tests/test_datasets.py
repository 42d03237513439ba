"""Data: the digits are scikit-learn's, labels are reset as said, wrong files are refused."""

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from lib import datasets, readers


def test_the_digits_are_those_of_scikit_learn():
    original = load_digits()
    order = np.random.default_rng(0).permutation(1797)
    with np.load(readers.DIGITS) as arrays:
        images = np.concatenate([arrays["x_train"], arrays["x_test"]])
        labels = np.concatenate([arrays["y_train"], arrays["y_test"]])
    assert len(images) == 1797
    np.testing.assert_array_equal(images, np.rint(original.images * 255 / 16)[order])
    np.testing.assert_array_equal(labels, original.target[order])


def test_images_are_stored_as_bytes_and_prepared_as_grey_values_from_0_to_1():
    data = datasets.load("digits", 32)
    assert data.x_train.shape == (1000, 1, 8, 8) and data.x_train.dtype == torch.uint8 and len(data.x_test) == 797
    batch = data.prepare(data.x_train)
    assert batch.shape == (1000, *data.shape) == (1000, 1, 32, 32)
    assert batch.min() == 0 and batch.max() == 1
    assert data.classes == 10 and not len(data.reset)
    assert torch.equal(batch[3:5], data.prepare(data.x_train[3:5])), "a sample is prepared alone"


@pytest.mark.parametrize("side", [4, 5, 8, 16, 31])
def test_images_are_resized_as_pillow_does(side):
    """Pillow's bilinear filter, computed in floating point; antialiased where the image shrinks."""
    data = datasets.load("digits", side)
    image = data.x_test[7, 0].float()
    resized = Image.fromarray(image.numpy()).resize((side, side), Image.Resampling.BILINEAR)
    expected = torch.from_numpy(np.asarray(resized).copy()) / 255
    torch.testing.assert_close(data.prepare(data.x_test[7:8])[0, 0], expected, rtol=1e-5, atol=1e-5)


def test_samples_may_be_limited_to_a_draw():
    whole, some = datasets.load("digits"), datasets.load("digits", train_samples=100, test_samples=7, seed=4)
    assert (len(some.x_train), len(some.y_train), len(some.x_test), len(some.y_test)) == (100, 100, 7, 7)
    known = {(x.numpy().tobytes(), int(y)) for x, y in zip(whole.x_train, whole.y_train, strict=True)}
    assert all((x.numpy().tobytes(), int(y)) in known for x, y in zip(some.x_train, some.y_train, strict=True))
    assert not torch.equal(some.y_train, datasets.load("digits", train_samples=100, seed=5).y_train)
    assert len(datasets.load("digits", train_samples=5000).x_train) == 1000


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 1.0])
def test_reset_labels_are_the_share_asked_for_all_wrong_and_of_every_other_class(share):
    true, noisy = datasets.load("digits"), datasets.load("digits", 8, share, seed=3)
    changed = (true.y_train != noisy.y_train).nonzero().flatten()
    assert torch.equal(changed, noisy.reset) and len(changed) == round(1000 * share)
    assert torch.equal(true.y_test, noisy.y_test) and torch.equal(true.x_train, noisy.x_train)
    if share == 1.0:  # a tenth of 1000 samples has each true class; its 9 other labels are all drawn
        shift = (noisy.y_train - true.y_train) % 10
        assert torch.bincount(shift, minlength=10)[1:].min() > 60


def test_the_seed_alone_decides_which_labels():
    once, again, other = (datasets.load("digits", 8, 0.1, seed) for seed in (1, 1, 2))
    assert torch.equal(once.y_train, again.y_train)
    assert not torch.equal(once.reset, other.reset)


def test_wrong_input_is_named(tmp_path):
    with pytest.raises(ValueError, match="label_noise = 1.5: allowed are 0 to 1"):
        datasets.load("digits", 8, 1.5)
    with pytest.raises(FileNotFoundError, match="dataset = mnst: allowed are digits, mnist, .*an .npz file, a folder"):
        datasets.load("mnst")
    with pytest.raises(FileNotFoundError, match="own.npz"):
        datasets.load(str(tmp_path / "own.npz"))

    def write(**changes):
        good = {
            "x_train": np.zeros((4, 5, 5), np.uint8), "y_train": np.array([0, 1, 2, 2]),
            "x_test": np.zeros((2, 5, 5), np.uint8), "y_test": np.array([0, 1]),
        }  # fmt: skip
        np.savez(tmp_path / "own.npz", **{k: v for k, v in (good | changes).items() if v is not None})
        return datasets.load(str(tmp_path / "own.npz"), 8)

    assert write().classes == 3
    with pytest.raises(ValueError, match="no array y_test"):
        write(y_test=None)
    with pytest.raises(ValueError, match="x_train is float64"):
        write(x_train=np.zeros((4, 5, 5)))
    with pytest.raises(ValueError, match=r"y_train is int64 of shape \(3,\): allowed are 4 integers"):
        write(y_train=np.array([0, 1, 2]))
    with pytest.raises(ValueError, match="test samples have label 3: allowed are 0 to 2"):
        write(y_test=np.array([0, 3]))
