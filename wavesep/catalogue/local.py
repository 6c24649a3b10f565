"""The engine of one machine: a few workers, each with an overseer in a thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable

from .job import Job
from .manifest import Song
from .overseer import Outcome, Overseer


def local_outcomes(
    songs: Iterable[Song],
    job: Job,
    store: str,
    *,
    device: str | None,
    workers: int,
    threads: int | None,
) -> Generator[Outcome, None, None]:
    """Separate songs on this machine, and yield how each ended, as they end.

    Parameters
    ----------
    songs : iterable of Song
    job : Job
    store : str
        URL of the output.
    device, threads : optional
        See `Separator`; of each worker.
    workers : int, >= 1

    Raises
    ------
    CatalogueError
        If no worker can start.
    """
    overseers = [Overseer(job, store, device, threads) for _ in range(workers)]
    outcomes: queue.SimpleQueue[Outcome | Exception | None] = queue.SimpleQueue()
    waiting, lock, stop = iter(songs), threading.Lock(), threading.Event()

    def next_song() -> Song | None:
        with lock:
            return None if stop.is_set() else next(waiting, None)

    def oversee(overseer: Overseer) -> None:
        try:
            while song := next_song():
                outcomes.put(overseer.separate(song))
        except Exception as error:  # it is raised where the outcomes are read
            outcomes.put(error)
        finally:
            outcomes.put(None)

    for overseer in overseers:
        threading.Thread(target=oversee, args=(overseer,), daemon=True).start()
    working = workers
    try:
        while working:
            outcome = outcomes.get()
            if isinstance(outcome, Exception):
                raise outcome
            if outcome is None:
                working -= 1
            else:
                yield outcome
    finally:
        stop.set()
        for overseer in overseers:
            overseer.close()
