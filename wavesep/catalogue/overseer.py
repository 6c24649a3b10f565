"""Watches over a worker: starts it, ends it when it hangs, and tries songs again."""

from __future__ import annotations

import json
import os
import queue
import threading
import time
from dataclasses import asdict, dataclass
from typing import Any, Self

from ..errors import CatalogueError
from .job import Job
from .manifest import Song
from .process import WorkerProcess
from .song import circumstances
from .store import Store

MOST_TRIES = 3
PAUSES = (2.0, 8.0)  # seconds before the second try and before the third
START = 300.0  # seconds in which a worker must be ready
FETCH = 600.0  # seconds in which a song must be fetched and begun
LEAST, SLOWEST = 120.0, 22_050  # a song may take LEAST seconds, and one for SLOWEST samples
THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How the work on a song ended.

    Attributes
    ----------
    song : Song
    facts : dict
        What the marker says, or the reason of the failure as ``code`` and ``message``.
    fatal : str
        Why no song can be separated; empty if that is not so.
    """

    song: Song
    facts: dict[str, Any]
    fatal: str = ""

    @property
    def failed(self) -> bool:
        """Whether the song failed for good."""
        return "code" in self.facts

    def to_json(self) -> str:
        """Return the outcome as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return an outcome that was written by `to_json`."""
        known = json.loads(text)
        return cls(song=Song(**known.pop("song")), **known)


class Overseer:
    """Separates songs in a worker process of its own.

    Parameters
    ----------
    job : Job
    store : str
        URL of the output.
    device : str, optional
        See `Separator`.
    threads : int, optional
        Threads of the worker. Default: one for each core.
    """

    def __init__(self, job: Job, store: str, device: str | None, threads: int | None) -> None:
        self._settings = {
            "job": asdict(job), "store": store, "device": device, "threads": threads,
        }  # fmt: skip
        self._store = Store(store)
        self._environment = {"TF_CPP_MIN_LOG_LEVEL": "3"} | os.environ
        self._environment |= dict.fromkeys(THREADS, str(threads or os.cpu_count()))
        self._worker: WorkerProcess | None = None
        self._stop = threading.Event()

    def separate(self, song: Song) -> Outcome:
        """Separate a song; try again what may pass. Failures become rows of the output.

        Raises
        ------
        CatalogueError
            If a worker cannot start.
        """
        while True:
            facts = self.once(song)
            if "code" not in facts or self._stop.is_set():
                return Outcome(song=song, facts=facts)
            tries = 1 + self._store.failures(song.name)
            final = facts.pop("permanent", False) or tries >= MOST_TRIES
            facts |= {"id": song.id, "uri": song.uri, "tries": tries, **circumstances()}
            self._store.mark_failed(song.name, facts, final=final, tries=tries)
            if final:
                return Outcome(song=song, facts=facts)
            self._stop.wait(PAUSES[min(tries, len(PAUSES)) - 1])

    def once(self, song: Song) -> dict[str, Any]:
        """Try a song once; return its facts, or why it failed."""
        worker = self.ready_worker()
        worker.tell(asdict(song))
        begin, limit = time.monotonic(), FETCH
        try:
            while answer := worker.answer(begin + limit - time.monotonic()):
                if "outcome" in answer:
                    outcome: dict[str, Any] = answer["outcome"]
                    return outcome
                limit = LEAST + max(answer["done"], answer["total"]) / SLOWEST
        except queue.Empty:
            worker.end()
            return {"code": "timeout", "message": f"the song took more than {limit:.0f} s"}
        return {"code": "crashed", "message": f"the worker died of this song ({worker.end()})"}

    def ready_worker(self) -> WorkerProcess:
        """Return the worker; start one if there is none that runs.

        Raises
        ------
        CatalogueError
            If it cannot start.
        """
        if self._worker and self._worker.is_alive:
            return self._worker
        if self._worker:
            self._worker.end()
        self._worker = WorkerProcess(self._settings, self._environment)
        try:
            answer = self._worker.answer(START)
        except queue.Empty:
            answer = {"fatal": f"a worker was not ready after {START:.0f} s"}
        if answer is None:
            answer = {"fatal": f"a worker cannot start ({self._worker.end()})"}
        if "fatal" in answer:
            self.close()
            raise CatalogueError(answer["fatal"])
        return self._worker

    def close(self) -> None:
        """End the worker; a song that it works on is given up, without a row about it."""
        self._stop.set()
        if self._worker:
            self._worker.end()
