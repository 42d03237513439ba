"""Archives: what the publishers of data sets have, by their md5, and where."""

from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True)
class Archive:
    """A file at its publisher's, and what it becomes; paths are below the folder of downloads."""

    path: str  # where the archive is put
    holds: str  # the file or folder that unpacking it makes
    md5: str
    mirrors: tuple[str, ...]


_CALTECH = "https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz"
_GLUE = "https://dl.fbaipublicfiles.com/glue/data/SST-2.zip"
_HUB = "https://huggingface.co/google-bert/bert-base-uncased/resolve/main/vocab.txt"
_HUB_BEFORE = "https://s3.amazonaws.com/models.huggingface.co/bert/bert-base-uncased-vocab.txt"


@cache
def archives() -> dict[str, list[Archive]]:
    """The archives of each published set, by its name."""
    from torchvision.datasets import CIFAR10, MNIST  # here: it takes a second and more

    raw = "mnist/MNIST/raw"
    return {
        "mnist": [
            Archive(f"{raw}/{name}", f"{raw}/{name[:-3]}", md5, tuple(mirror + name for mirror in MNIST.mirrors))
            for name, md5 in MNIST.resources
        ],
        "cifar10": [
            Archive(f"cifar10/{CIFAR10.filename}", f"cifar10/{CIFAR10.base_folder}", CIFAR10.tgz_md5, (CIFAR10.url,))
        ],
        "cub": [Archive("cub/CUB_200_2011.tgz", "cub/CUB_200_2011", "97eceeb196236b17998738112f37df78", (_CALTECH,))],
        "tiny-imagenet": [
            Archive(
                "tiny-imagenet/tiny-imagenet-200.zip",
                "tiny-imagenet/tiny-imagenet-200",
                "90528d7ca1a48142e341f4ef8d21d0de",
                (
                    "http://cs231n.stanford.edu/tiny-imagenet-200.zip",
                    "https://image-net.org/data/tiny-imagenet-200.zip",
                ),
            )
        ],
        "sst2": [Archive("sst2/SST-2.zip", "sst2/SST-2", "9f81648d4199384278b86e315dac217c", (_GLUE,))],
        "bert": [Archive("bert/vocab.txt", "bert/vocab.txt", "64800d5d8528ce344256daf115d4965e", (_HUB, _HUB_BEFORE))],
    }
