"""One function over many samples: in this process, or on the workers of Dask."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch


@contextmanager
def answers(
    function: Callable[[str, Callable], str | None], pairs: list[tuple[str, Callable]], workers: object
) -> Iterator[tuple[Iterator[tuple[str, str | None]], int]]:
    """(name, what the function said) of each pair as it comes, and how many are done at once.

    workers: 1; a number of processes; or a `distributed.Client`. The first error of a pair is raised; what is not begun
    by then is not begun, and no process where there are no pairs. Raises ValueError for other workers, and ImportError
    where `distributed` is missing.
    """
    if type(workers) is int and (workers == 1 or workers > 1 and not pairs):
        yield ((name, function(name, game)) for name, game in pairs), 1
        return
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise ImportError(
            f"workers = {workers}: needs the package distributed; pip install 'andor-interactions[many]' brings it"
        ) from None
    if isinstance(workers, Client):
        yield _sent(function, pairs, workers), max(1, sum(workers.nthreads().values()))
        return
    if type(workers) is not int or workers < 1:
        raise ValueError(
            f"workers = {workers!r}: allowed are a number of processes, 1 or more, or a distributed.Client"
        )
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        client.run(torch.set_num_threads, 1)
        yield _sent(function, pairs, client), workers


def _sent(function: Callable, pairs: list, client: object) -> Iterator[tuple[str, str | None]]:
    from distributed import KilledWorker, as_completed

    names = {}
    for name, game in pairs:
        # A key of its own each time: Dask would take the answer to an equal key for this one's.
        names[client.submit(function, name, game, pure=False)] = name
    try:
        for future in as_completed(list(names)):
            try:
                yield names[future], future.result()
            except KilledWorker:
                raise RuntimeError(
                    f"sample {names[future]}: each worker that was at it died, most likely for want of memory"
                ) from None
    finally:
        client.cancel(list(names))
