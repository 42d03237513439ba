"""Data: the digits are scikit-learn's, labels are reset as said, wrong files are refused."""

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from lib import datasets
from lib.datasets import readers


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


@pytest.mark.case("C19")
def test_samples_may_be_limited_to_a_draw():
    whole, some = datasets.load("digits"), datasets.load("digits", train_samples=100, test_samples=7, seed=4)
    assert (len(some.x_train), len(some.y_train), len(some.x_test), len(some.y_test)) == (100, 100, 7, 7)
    known = {(x.numpy().tobytes(), int(y)) for x, y in zip(whole.x_train, whole.y_train, strict=True)}
    assert all((x.numpy().tobytes(), int(y)) in known for x, y in zip(some.x_train, some.y_train, strict=True))
    assert not torch.equal(some.y_train, datasets.load("digits", train_samples=100, seed=5).y_train)
    with pytest.raises(ValueError, match="train_samples = 5000: there are 1000 to draw from"):  # case C19
        datasets.load("digits", train_samples=5000)


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
    with pytest.raises(ValueError, match="dev.tsv: sample 1 is .*: allowed are one or two sentences and a label"):
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


@pytest.fixture
def own(tmp_path):
    for part in ("train", "test"):
        draw_image(tmp_path / "own" / part / "cats" / "1.png", 20, (255, 0, 0))
        draw_image(tmp_path / "own" / part / "dogs" / "2.png", 20, (0, 0, 255))
    return tmp_path / "own"


@pytest.mark.case("A19")
def test_hidden_names_in_image_folders_are_skipped(own):
    for part in ("train", "test"):
        draw_image(own / part / ".ipynb_checkpoints" / "1.png", 20, (0, 0, 0))
        (own / part / "cats" / "._1.png").write_bytes(b"of macOS")
    data = datasets.load(str(own), 8)
    assert data.classes == 2 and data.y_train.tolist() == data.y_test.tolist() == [0, 1]


@pytest.mark.case("A19")
def test_wrong_image_folders_are_named(own):
    draw_image(own / "train" / "birds" / "1.tif", 20, (0, 0, 0))
    with pytest.raises(FileNotFoundError, match=r"^own/train/birds has no images: allowed are \.bmp, .*\.webp$"):
        datasets.load(str(own), 8)
    (own / "train" / "birds").rename(own / "test" / "birds")
    with pytest.raises(ValueError, match="^own/test/birds: allowed are the classes in own/train$"):
        datasets.load(str(own), 8)
    (own / "test" / "birds").rename(own / "birds")
    for part in ("train", "test"):
        (own / part / "dogs").rename(own / f"dogs of {part}")
    with pytest.raises(ValueError, match="own: all training samples have label 0: allowed are two classes or more$"):
        datasets.load(str(own), 8)


@pytest.mark.case("A18")
@pytest.mark.parametrize("resize", [False, True])
@pytest.mark.parametrize(
    "image, rgb",
    [
        (Image.fromarray(np.full((4, 4), 257 * 100 + 128, np.uint16)), (100, 100, 100)),
        (Image.fromarray(np.full((4, 4), 257 * 100 + 129, np.uint16)), (101, 101, 101)),
        (Image.fromarray(np.full((4, 4), 65535, np.uint16)), (255, 255, 255)),
        (Image.new("L", (4, 4), 77), (77, 77, 77)),
        (Image.new("RGBA", (4, 4), (10, 20, 30, 255)), (10, 20, 30)),
        (Image.new("RGBA", (4, 4), (10, 20, 30, 0)), (255, 255, 255)),
        (Image.new("RGBA", (4, 4), (0, 255, 0, 51)), (204, 255, 204)),
        (Image.new("LA", (4, 4), (0, 51)), (204, 204, 204)),
    ],
)
def test_pictures_of_every_mode_become_rgb(tmp_path, image, rgb, resize):
    image.save(tmp_path / "1.png")
    pixels = readers.pixels([readers.Picture(tmp_path / "1.png", resize=resize)], 4)
    assert torch.equal(pixels, torch.tensor(rgb, dtype=torch.uint8)[None, :, None, None].expand(1, 3, 4, 4))


@pytest.mark.case("A18")
def test_16_bit_grey_may_come_in_mode_i(tmp_path, monkeypatch):
    """As older versions of Pillow open it; this one can no longer write it."""
    draw_image(tmp_path / "1.png", 2, 0, "L")
    grey = Image.fromarray(np.array([[0, 257 * 100], [257 * 100 + 129, 65535]], np.int32))
    assert grey.mode == "I"
    monkeypatch.setattr(Image, "open", lambda file: grey)
    pixels = readers.pixels([readers.Picture(tmp_path / "1.png", resize=False)], None)
    assert pixels.tolist() == [[[[0, 100], [101, 255]]] * 3]


def test_palettes_cmyk_and_orientation(tmp_path):
    palette = Image.new("P", (2, 1))
    palette.putpalette([9, 9, 9, 40, 50, 60])
    palette.putpixel((1, 0), 1)
    palette.save(tmp_path / "palette.png", transparency=0)
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "cmyk.jpg", quality=100)
    turned = Image.new("RGB", (2, 1), (255, 0, 0))
    turned.putpixel((1, 0), (0, 0, 255))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise: left becomes top
    turned.save(tmp_path / "turned.png", exif=exif)

    def read(name):
        return readers.pixels([readers.Picture(tmp_path / name, resize=False)], None)[0].permute(1, 2, 0)

    assert read("palette.png").tolist() == [[[255, 255, 255], [40, 50, 60]]]
    assert (read("cmyk.jpg").float() - torch.tensor([255.0, 0, 0])).abs().max() < 4
    assert read("turned.png").tolist() == [[[255, 0, 0]], [[0, 0, 255]]]


@pytest.mark.parametrize("kept", [0, 20, 60, 200])
@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "webp"])
def test_a_damaged_image_is_named(own, suffix, kept):
    file = own / "train" / "cats" / f"3.{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (20, 20, 3)).astype(np.uint8)
    Image.fromarray(noise).save(file)
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(ValueError, match=rf"own/train/cats/3.{suffix} is damaged or no image: allowed are \.bmp, .*$"):
        datasets.load(str(own), 8)


def test_pictures_of_different_sizes_are_named(tmp_path):
    draw_image(tmp_path / "1.png", 20, (0, 0, 0))
    draw_image(tmp_path / "2.png", 21, (0, 0, 0))
    pictures = [readers.Picture(tmp_path / name, resize=False) for name in ("1.png", "2.png")]
    with pytest.raises(ValueError, match="2.png has 21×21 pixels: allowed are 20×20, as of the first image$"):
        readers.pixels(pictures, 8)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"y_train": np.array([0, 1, "2", 2], object)}, "own.npz: y_train is damaged or holds objects"),
        ({"x_test": np.array([None, None])}, "own.npz: x_test is damaged or holds objects: allowed are numbers"),
        ({"y_train": np.array([0.0, 1.0, 2.0, 2.0])}, "y_train is float64"),
        ({"y_train": np.array([1, 1, 1, 1])}, "own.npz: all training samples have label 1: allowed are two classes"),
        ({"y_train": np.array([0, 1, 4, 4])}, "own.npz: no training sample has label 2, 3: labels must be 0…k"),
        ({"y_train": np.array([1, 2, 3, 3])}, "no training sample has label 0: labels must be 0…k .*, here 0 to 2$"),
        ({"y_train": np.array([0, 1, 2, 10**12])}, "no training sample has label 3, 4, 5, 6, 7, 8, 9, 10, 11, 12:"),
    ],
)
def test_wrong_arrays_are_named(tmp_path, changes, message):
    good = {
        "x_train": np.zeros((4, 5, 5), np.uint8), "y_train": np.array([0, 1, 2, 2]),
        "x_test": np.zeros((2, 5, 5), np.uint8), "y_test": np.array([0, 1]),
    }  # fmt: skip
    np.savez(tmp_path / "own.npz", **(good | changes))
    with pytest.raises(ValueError, match=message) as error:
        datasets.load(str(tmp_path / "own.npz"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("damage", ["empty", "text", "one array", "half", "contents"])
def test_a_damaged_npz_file_is_named(tmp_path, damage):
    file = tmp_path / "own.npz"
    arrays = {name: np.arange(99, dtype=np.uint8) for name in ("x_train", "y_train", "x_test", "y_test")}
    np.savez_compressed(file, **arrays)
    raw = file.read_bytes()
    if damage == "one array":
        with open(file, "wb") as opened:
            np.save(opened, np.zeros(3))
    else:
        start = raw.index(b"x_train.npy") + 40
        contents = raw[:start] + bytes(20) + raw[start + 20 :]
        changed = {"empty": b"", "text": b"no arrays", "half": raw[: len(raw) // 2], "contents": contents}
        file.write_bytes(changed[damage])
    with pytest.raises(ValueError, match="^own.npz(: x_train)? is damaged or "):
        datasets.load(str(file))


@pytest.fixture
def texts(folder):
    (folder / "bert").mkdir()
    (folder / "bert" / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad", "text"]))
    (folder / "texts").mkdir()
    (folder / "texts" / "dev.tsv").write_text("good\t1\n")
    return folder / "texts"


@pytest.mark.case("B11")
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("header", [b"", b"sentence\tlabel", b"Sentence\tLABEL", b"text\tclass"])
def test_sentences_of_every_editor_are_read(texts, bom, end, header):
    (texts / "train.tsv").write_bytes(bom + end.join([header, b"good\t1", b"bad\t0", b""]))
    data = datasets.load(str(texts))
    words = [[data.vocabulary[k] for k in row if k] for row in data.x_train]
    assert words == [["[CLS]", "good", "[SEP]"], ["[CLS]", "bad", "[SEP]"]] and data.y_train.tolist() == [1, 0]


@pytest.mark.parametrize(
    "content, message",
    [
        (b"good\t1\nb\xe4d\t0\n", "^train.tsv: line 2 has the byte 0xe4: allowed is UTF-8$"),
        (b"good\t1\nbad\t1\n", "texts: all training samples have label 1: allowed are two classes or more$"),
        (b"good\t2\nbad\t0\n", "texts: no training sample has label 1: labels must be 0…k"),
        (b"text\tclass\ngood\tyes\nbad\t0\n", "train.tsv: sample 1 is "),
        (b"good\t-1\nbad\t0\n", "train.tsv: sample 1 is "),
        (b"sentence\tlabel\n", "train.tsv has no sentence"),
    ],
)
def test_wrong_sentences_are_named(texts, content, message):
    (texts / "train.tsv").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        datasets.load(str(texts))
