"""Watches over a worker: starts it, ends it when it hangs, and tries songs again."""

from __future__ import annotations

import json
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Self

from ..errors import CatalogueError
from .job import Job
from .manifest import Song
from .song import circumstances
from .store import Store

log = logging.getLogger(__name__)

COMMAND = [sys.executable, "-m", "wavesep.catalogue.worker"]
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
        self._worker: subprocess.Popen[str] | None = None
        self._answers: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
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
        tell(worker, asdict(song))
        begin, limit = time.monotonic(), FETCH
        while (left := begin + limit - time.monotonic()) > 0:
            try:
                answer = self._answers.get(timeout=left)
            except queue.Empty:
                break
            if answer is None:
                return crashed(worker)
            if "outcome" in answer:
                outcome: dict[str, Any] = answer["outcome"]
                return outcome
            limit = LEAST + max(answer["done"], answer["total"]) / SLOWEST
        self.kill()
        return {"code": "timeout", "message": f"the song took more than {limit:.0f} s"}

    def ready_worker(self) -> subprocess.Popen[str]:
        """Return the worker; start one if there is none.

        Raises
        ------
        CatalogueError
            If it cannot start.
        """
        if self._worker is None or self._worker.poll() is not None:
            self.kill()
            self._worker = self.started()
        return self._worker

    def started(self) -> subprocess.Popen[str]:
        """Return a worker that is ready; see `ready_worker`."""
        worker = subprocess.Popen(
            COMMAND, text=True, encoding="utf-8",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self._environment,
            start_new_session=True,  # Ctrl-C reaches the overseer alone
        )  # fmt: skip
        self._answers = queue.SimpleQueue()
        threading.Thread(target=listen, args=(worker, self._answers), daemon=True).start()
        tell(worker, self._settings)
        try:
            answer = self._answers.get(timeout=START)
        except queue.Empty:
            answer = {"fatal": f"a worker was not ready after {START:.0f} s"}
        if answer is None:
            answer = {"fatal": f"a worker cannot start: {crashed(worker)['message']}"}
        if "fatal" in answer:
            worker.kill()
            raise CatalogueError(answer["fatal"])
        return worker

    def close(self) -> None:
        """End the worker; a song that it works on is given up, without a row about it."""
        self._stop.set()
        self.kill()

    def kill(self) -> None:
        """End the worker if there is one."""
        if self._worker:
            self._worker.kill()
            self._worker.wait()


def tell(worker: subprocess.Popen[str], order: dict[str, Any]) -> None:
    """Send a line to a worker; if it has died, its answers have ended, which tells it."""
    assert worker.stdin
    with suppress(BrokenPipeError):
        worker.stdin.write(json.dumps(order) + "\n")
        worker.stdin.flush()


def listen(
    worker: subprocess.Popen[str], answers: queue.SimpleQueue[dict[str, Any] | None]
) -> None:
    """Read the answers of a worker; None is their end."""
    assert worker.stdout
    for line in worker.stdout:
        answers.put(json.loads(line))
    answers.put(None)


def crashed(worker: subprocess.Popen[str]) -> dict[str, Any]:
    """Return the failure of a song whose worker has died."""
    code = worker.wait()
    cause = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return {"code": "crashed", "message": f"the worker died of this song ({cause})"}
