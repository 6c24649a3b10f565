"""The worker process of an overseer, and the lines that they exchange."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from typing import IO, Any

COMMAND = [sys.executable, "-m", "wavesep.catalogue.worker"]


class WorkerProcess:
    """A worker that runs until `end`, or dies before.

    Parameters
    ----------
    settings : dict
        The first line of its input.
    environment : dict
        Its environment variables.
    """

    def __init__(self, settings: dict[str, Any], environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            COMMAND, text=True, encoding="utf-8", env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C reaches the overseer alone
        )  # fmt: skip
        pipes: Any = (self._process.stdin, self._process.stdout)
        self._input: IO[str]
        self._input, output = pipes
        self._answers: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._listener = threading.Thread(target=self._listen, args=(output,))
        self._listener.start()
        self.tell(settings)

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def tell(self, order: dict[str, Any]) -> None:
        """Send a line; if the worker has died, the end of its answers tells it."""
        with suppress(BrokenPipeError):
            self._input.write(json.dumps(order) + "\n")
            self._input.flush()

    def answer(self, seconds: float) -> dict[str, Any] | None:
        """Return its next answer, or None if it has died.

        Raises
        ------
        queue.Empty
            If there is no answer for so many seconds.
        """
        return self._answers.get(timeout=max(seconds, 0))

    def _listen(self, output: IO[str]) -> None:
        with output:
            for line in output:
                self._answers.put(json.loads(line))
        self._answers.put(None)

    def end(self) -> str:
        """Kill it if it still runs, and return how it ended."""
        self._process.kill()
        code = self._process.wait()
        self._listener.join()
        with suppress(BrokenPipeError):
            self._input.close()
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"
