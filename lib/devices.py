"""Where to compute, chosen once."""

import torch


def choose_device(name: str) -> torch.device:
    """The device for `name`: auto (a CUDA GPU where there is one), cpu, cuda or cuda:k. Raises ValueError."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = name.partition(":")
    count = torch.cuda.device_count()
    if name == "cpu" or kind == "cuda" and count and (not index or index.isdecimal() and int(index) < count):
        return torch.device(name)
    gpus = ", ".join(["cuda", *(f"cuda:{k}" for k in range(count))]) if count else "no CUDA GPU is here"
    raise ValueError(f"device = {name!r}: allowed are auto, cpu ({gpus})")
