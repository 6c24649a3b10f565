"""The engine of a cluster: Ray Data places the overseers and gives them songs.

Ray restarts what dies, but it does not decide what is done: the output does. Songs travel as names,
and never as samples. This is the only module that imports Ray.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Generator, Iterable
from dataclasses import asdict
from typing import Any

# nothing is reported to anybody; Ray reads this when it is imported
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ.setdefault("RAY_AUTH_MODE", "token")

import ray
from ray.data import ActorPoolStrategy, DataContext

from ..errors import CatalogueError
from .job import Job
from .manifest import Song
from .overseer import Outcome, Overseer

SONGS = 20  # that an overseer gets at a time
MOST_BLOCKS = 20_000  # of songs


class Separating:
    """Separates batches of songs; Ray makes one for each worker and restarts it if it dies."""

    def __init__(self, job: str, store: str, device: str | None, threads: int) -> None:
        self._overseer = Overseer(Job(**json.loads(job)), store, device, threads)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        """Return the outcomes of songs."""
        songs = [Song(**json.loads(text)) for text in batch["song"]]
        return {"outcome": [self.separate(song).to_json() for song in songs]}

    def separate(self, song: Song) -> Outcome:
        """Return the outcome of a song; Ray would try an error again."""
        try:
            return self._overseer.separate(song)
        except CatalogueError as error:
            return Outcome(song=song, facts={}, fatal=str(error))


def ray_outcomes(
    songs: Iterable[Song],
    job: Job,
    store: str,
    *,
    device: str | None,
    workers: int | None,
    threads: int,
    address: str | None,
) -> Generator[Outcome, None, None]:
    """Separate songs on a cluster, and yield how each ended, as they end.

    Parameters
    ----------
    songs : iterable of Song
    job : Job
    store : str
        URL of the output, which all machines can reach.
    device : str, optional
        See `Separator`.
    workers : int, optional
        Default: as many as the cores of the cluster allow.
    threads : int
        Of each worker.
    address : str, optional
        Of the cluster; "auto" is that of this machine. Default: one is started here.

    Raises
    ------
    CatalogueError
        If no worker can start, or Ray fails.
    """
    waiting = [{"song": json.dumps(asdict(song))} for song in songs]
    try:
        start(address, (workers or 1) * threads)
        gpu = bool(device and device.startswith("gpu"))
        if gpu and not ray.cluster_resources().get("GPU"):
            raise CatalogueError("the cluster has no GPU: leave out --device gpu")
        cores = int(ray.cluster_resources().get("CPU", 1)) - 1  # one is for Ray's own tasks
        blocks = min(max(len(waiting) // SONGS, 2 * (workers or cores)), MOST_BLOCKS, len(waiting))
        pool = min(workers or max(cores // threads, 1), len(waiting))
        outcomes = ray.data.from_items(waiting, override_num_blocks=blocks).map_batches(
            Separating,
            batch_size=1,
            fn_constructor_args=(job.to_json(), store, device, threads),
            compute=ActorPoolStrategy(size=pool),
            num_cpus=threads,
            num_gpus=1 if gpu else 0,
        )
        for row in outcomes.iter_rows():
            outcome = Outcome.from_json(row["outcome"])
            if outcome.fatal:
                raise CatalogueError(outcome.fatal)
            yield outcome
    except (ray.exceptions.RayError, ConnectionError) as error:
        raise CatalogueError(f"Ray failed: {str(error).strip().splitlines()[-1]}") from error
    finally:
        ray.shutdown()


def start(address: str | None, needed: int) -> None:
    """Connect to a cluster, or start one on this machine with the cores that are needed."""
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address:
        ray.init(address=address, **quiet)
    else:
        cores = max(os.cpu_count() or 1, needed)
        ray.init(num_cpus=cores + 1, include_dashboard=False, **quiet)
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
