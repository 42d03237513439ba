"""Tables in batches that the machine can hold, on all of its cores."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import torch
from torch import Tensor

from .. import subsets

FEW = 8  # tables of a part on a CPU, so that caches hold them
THREADED = 1024  # rows of a matrix above which its factorisation is worth all threads
_HERE = threading.local()  # of a worker: the event that asks it to stop, and its share of the threads


class Stopped(Exception):
    """Raised inside a part whose result nobody waits for any more."""


def in_batches(
    work: Callable[[Tensor, Tensor], tuple[Tensor, ...]],
    values: Tensor,
    zeta: Tensor,
    bytes_per_sample: Callable[[int], int],
    workers: int | None = None,
    most: int = FEW,
) -> list[Tensor]:
    """work(values, zeta) on parts of the samples, its results joined along them.

    On a GPU as many samples at once as fit. On a CPU `most`, and one thread for each such part: most
    operations are so short that threads inside them would be woken in vain, and lose a lot where another process has
    the other cores. Where parts are fewer than cores, `all_threads` has the others. `workers`: parts at once, at most;
    unless given as many as there are threads. Raises MemoryError if not even one sample fits.

    Where the caller is interrupted, or a part fails, the others end at their next `stop_if_asked`.
    """
    n, device = subsets.player_count(values), values.device
    workers = 1 if values.is_cuda else min(torch.get_num_threads(), workers or torch.get_num_threads())
    most = len(values) if values.is_cuda else most
    step = _samples_at_once(n, bytes_per_sample(n), len(values), most, workers, device)
    parts = list(zip(values.split(step), zeta.split(step), strict=True))
    stop = threading.Event()

    def work_on(part: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
        _HERE.stop, _HERE.threads = stop, max(1, workers // len(parts))
        return work(*part)

    with _workers(workers) as pool:
        try:
            results = list(pool.map(work_on, parts))
        except BaseException:
            stop.set()  # before the pool waits for its threads
            raise
    return [torch.cat(field) for field in zip(*results, strict=True)]


def stop_if_asked() -> None:
    """Raises Stopped in a worker that has been asked to stop. Solvers call it wherever much work is still to come."""
    stop = getattr(_HERE, "stop", None)
    if stop is not None and stop.is_set():
        raise Stopped


@contextlib.contextmanager
def all_threads(worth: bool) -> Iterator[None]:
    """With a worker's share of the threads where that is worth waking them: for operations of many milliseconds."""
    before = torch.get_num_threads()
    torch.set_num_threads(getattr(_HERE, "threads", before) if worth else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def _workers(count: int) -> Iterator[ThreadPoolExecutor]:
    """Each on one thread, but for what asks for more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        # Each thread has a number of its own, which begins as the number of cores.
        with ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(before)


def free_memory(device: torch.device) -> int:
    """Bytes that can still be allocated there."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available


def _samples_at_once(n: int, each: int, samples: int, most: int, workers: int, device: torch.device) -> int:
    free = free_memory(device)
    if samples and each > free:
        needed, there = each / 2**30, free / 2**30
        raise MemoryError(f"{n} players need {needed:.1f} GiB a table; {there:.1f} GiB are free on {device}")
    return max(1, min(most, -(-samples // workers), int(0.8 * free / each / workers)))
