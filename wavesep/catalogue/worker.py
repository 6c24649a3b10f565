"""A process that separates songs of a catalogue: ``python -m wavesep.catalogue.worker``.

Its first line of input is its settings, each further line a song. It answers in lines of JSON:
``ready`` or ``fatal`` at the start, ``done`` and ``seconds`` while it works on a song, ``outcome``
after it. It ends with its input, so it never outlives the process that has started it.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from ..errors import AudioError, WavesepError
from ..separator import Separator
from .job import Job
from .manifest import Song
from .song import separate_song
from .store import Store

NEWS = 1.0  # seconds between two reports of the progress
Say = Callable[[dict[str, Any]], None]


def main() -> None:
    """Work until the input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no answer
    logging.getLogger("wavesep").setLevel(logging.ERROR)

    def say(answer: dict[str, Any]) -> None:
        print(json.dumps(answer), file=answers, flush=True)

    settings = json.loads(sys.stdin.readline())
    orders: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=receive, args=(orders,), daemon=True).start()
    try:
        job, store = Job(**settings["job"]), Store(settings["store"])
        separator = Separator(
            job.model, precision=job.precision, device=settings["device"],
            threads=settings["threads"],
        )  # fmt: skip
    except WavesepError as error:
        say({"fatal": str(error)})
        return
    say({"ready": True})
    while True:
        song = Song(**json.loads(orders.get()))
        say({"outcome": work(song, job, store, separator, say)})


def receive(orders: queue.SimpleQueue[str]) -> None:
    """Read the input, and end the process with it, even in the middle of a song."""
    for line in sys.stdin:
        orders.put(line)
    os._exit(0)


def work(song: Song, job: Job, store: Store, separator: Separator, say: Say) -> dict[str, Any]:
    """Separate a song; return its facts, or why it failed."""
    last = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() > last + NEWS:
            last = time.monotonic()
            say({"done": done, "total": total})

    try:
        return separate_song(song, job, store, separator, progress)
    except WavesepError as error:
        return failure(error.code, error, permanent=isinstance(error, AudioError))
    except MemoryError as error:
        return failure("too_large", error, permanent=True)
    except Exception as error:  # one song must not end the others
        return failure("internal", error)


def failure(code: str, error: Exception, *, permanent: bool = False) -> dict[str, Any]:
    """Return why a song failed."""
    message = str(error).partition("\n")[0][:500]
    return {"code": code, "message": message or type(error).__name__, "permanent": permanent}


if __name__ == "__main__":
    main()
