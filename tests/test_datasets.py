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


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("COMPANION_DOWNLOADS", str(tmp_path))
    return tmp_path


def draw_image(path, side, colour, mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (side, side), colour).save(path)


def test_mnist_is_read_from_its_official_files(folder):
    raw = folder / "mnist" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part, count in (("train", 5), ("t10k", 3)):
        pixels, labels = np.arange(count * 784, dtype=np.uint8), bytes(range(count))
        header = np.array([0x803, count, 28, 28], ">i4").tobytes()
        (raw / f"{part}-images-idx3-ubyte").write_bytes(header + pixels.tobytes())
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(np.array([0x801, count], ">i4").tobytes() + labels)
    data = datasets.load("mnist", 32)
    assert data.x_train.shape == (5, 1, 28, 28) and data.y_test.tolist() == [0, 1, 2] and data.shape == (1, 32, 32)
    assert torch.equal(data.x_train[1].flatten(), torch.arange(784, 1568).to(torch.uint8))


def test_cifar10_may_come_as_arrays(folder):
    (folder / "cifar10").mkdir()
    x, y = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3)).astype(np.uint8), np.array([0, 1, 2, 1])
    np.savez(folder / "cifar10" / "cifar10.npz", x_train=x, y_train=y, x_test=x[:2], y_test=y[:2])
    data = datasets.load("cifar10", 32)
    assert torch.equal(data.x_train, torch.from_numpy(x).permute(0, 3, 1, 2))
    torch.testing.assert_close(data.prepare(data.x_test), data.x_test / 255)


def test_birds_are_cut_to_their_boxes_and_split_officially(folder):
    root = folder / "cub" / "CUB_200_2011"
    for name, inside in (("001.A/a.jpg", (255, 0, 0)), ("002.B/b.jpg", (0, 255, 0)), ("002.B/c.jpg", (0, 0, 255))):
        draw_image(root / "images" / name, 60, (255, 255, 255))
        with Image.open(root / "images" / name) as image:
            image.paste(Image.new("RGB", (30, 20), inside), (16, 24))
            image.save(root / "images" / name, quality=100, subsampling=0)
    (root / "images.txt").write_text("1 001.A/a.jpg\n2 002.B/b.jpg\n3 002.B/c.jpg\n")
    (root / "image_class_labels.txt").write_text("1 1\n2 2\n3 2\n")
    (root / "train_test_split.txt").write_text("1 1\n2 1\n3 0\n")
    (root / "bounding_boxes.txt").write_text("".join(f"{k} 16.0 24.0 30.0 20.0\n" for k in (1, 2, 3)))
    data = datasets.load("cub", 16)
    assert data.x_train.shape == (2, 3, 16, 16) and data.classes == 2
    assert data.y_train.tolist() == [0, 1] and data.y_test.tolist() == [1]
    assert (data.x_train[0].float().mean((1, 2)) - torch.tensor([255.0, 0, 0])).abs().max() < 8, "no white is left"
    assert (data.x_test[0].float().mean((1, 2)) - torch.tensor([0.0, 0, 255])).abs().max() < 8
    with pytest.raises(ValueError, match="side = None"):
        datasets.load("cub")


def test_tiny_imagenet_is_every_fourth_class_of_its_sorted_names(folder):
    root = folder / "tiny-imagenet" / "tiny-imagenet-200"
    names = [f"n{k:08d}" for k in range(1000, 1200)]
    for k, name in enumerate(names[3::4]):  # only these are on the disk; the list of names is whole
        draw_image(root / "train" / name / "images" / f"{name}_0.JPEG", 64, 5 * k, "L")
        draw_image(root / "val" / "images" / f"val_{k}.JPEG", 64, 5 * k, "L")
    root.joinpath("wnids.txt").write_text("\n".join(reversed(names)))
    lines = [f"val_{k}.JPEG\t{name}\t0\t0\t63\t63" for k, name in enumerate(names[3::4])]
    (root / "val" / "val_annotations.txt").write_text("\n".join([*lines, f"val_99.JPEG\t{names[0]}\t0\t0\t63\t63"]))
    data = datasets.load("tiny-imagenet", 224)
    assert data.x_train.shape == data.x_test.shape == (50, 3, 64, 64) and data.shape == (3, 224, 224)
    assert torch.equal(data.y_train, torch.arange(50)) and torch.equal(data.y_test, torch.arange(50))
    assert (data.x_train[:, 0, 0, 0].float() - 5 * torch.arange(50)).abs().max() <= 2


def test_sentences_of_sst2_are_read_with_their_labels(folder):
    (folder / "bert").mkdir()
    (folder / "bert" / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "good", "bad", '"']))
    (folder / "sst2" / "SST-2").mkdir(parents=True)
    for part in ("train", "dev"):
        (folder / "sst2" / "SST-2" / f"{part}.tsv").write_text('sentence\tlabel\na "good \t1\nbad\t0\n')
    data = datasets.load("sst2")
    assert data.y_train.tolist() == [1, 0] and data.side is None and data.shape == data.x_train.shape[1:]
    assert [data.vocabulary[k] for k in data.x_test[0] if k] == ["[CLS]", "a", '"', "good", "[SEP]"]
    assert torch.equal(data.prepare(data.x_test), data.x_test)
    (folder / "sst2" / "SST-2" / "dev.tsv").write_text("good\tyes\n")
    with pytest.raises(ValueError, match="dev.tsv: sample 1 is .*: allowed is a sentence, a tab, a label"):
        datasets.load("sst2")


def test_a_readers_own_images_and_sentences(folder, tmp_path):
    own = tmp_path / "own"
    for part in ("train", "test"):
        draw_image(own / part / "cats" / "1.png", 20, (255, 0, 0))
        draw_image(own / part / "dogs" / "2.jpg", 33, (0, 0, 255))
        (own / part / "dogs" / "notes.md").write_text("no image")
    data = datasets.load(str(own), 24)
    assert data.x_train.shape == (2, 3, 24, 24) and data.y_train.tolist() == [0, 1] and data.classes == 2
    (own / "test" / "dogs" / "2.jpg").unlink()
    (own / "test" / "cats" / "1.png").unlink()
    with pytest.raises(FileNotFoundError, match="own/test has no images"):
        datasets.load(str(own), 24)
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "train.tsv").write_text("good\t1\n")
    (tmp_path / "bert").mkdir()
    (tmp_path / "bert" / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good"]))
    with pytest.raises(FileNotFoundError, match="dev.tsv is not there"):
        datasets.load(str(tmp_path / "texts"))
