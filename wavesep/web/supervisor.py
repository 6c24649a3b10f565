"""Starts the processes of a server, and starts them again when they end."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time

from .config import Config

log = logging.getLogger(__name__)

# glibc would keep memory for every thread, and requests are answered in many
TUNING = {"MALLOC_ARENA_MAX": "2"}
PAUSES = (0.5, 30.0)  # seconds before a process is started again: at first, and at most
STEADY = 60.0  # seconds after which a process counts as well
PATIENCE = 15.0  # seconds for a process to end
LOOK = 0.2  # seconds between two looks at the processes


class Child:
    """A process that is started again when it ends.

    Parameters
    ----------
    config : Config
    kind : str
        "web" or "worker".
    descriptors : tuple of int
        File descriptors that it inherits; they are its further arguments.
    """

    def __init__(self, config: Config, kind: str, descriptors: tuple[int, ...] = ()) -> None:
        self._kind = kind
        self._environment = TUNING | os.environ | config.to_environment()
        self._descriptors = descriptors
        self._pause = PAUSES[0]
        self._start()

    def _start(self) -> None:
        self._begun = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "wavesep.web.processes", self._kind,
             *map(str, self._descriptors)],
            env=self._environment, stdin=subprocess.PIPE, pass_fds=self._descriptors,
            start_new_session=True,  # Ctrl-C reaches the supervisor alone
        )  # fmt: skip
        self._due: float | None = None

    def tend(self) -> None:
        """Start the process again if it has ended; each time in a row the pause is doubled."""
        code, now = self._process.poll(), time.monotonic()
        if code is None:
            return
        if self._due is None:
            self._release()
            steady = now > self._begun + STEADY
            self._pause = PAUSES[0] if steady else min(2 * self._pause, PAUSES[1])
            self._due = now + self._pause
            log.warning(
                "the %s process ended (%s); a new one starts in %.0f s",
                self._kind, cause_of(code), self._pause,
            )  # fmt: skip
        elif now >= self._due:
            self._start()

    def terminate(self) -> None:
        """Ask the process to end."""
        self._process.terminate()

    def end(self, until: float) -> None:
        """Wait for the end of the process; kill it if it still runs at ``until``."""
        try:
            self._process.wait(max(until - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._release()

    def _release(self) -> None:
        if self._process.stdin:
            self._process.stdin.close()


def cause_of(code: int) -> str:
    """Describe the exit code of a process."""
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def supervise(config: Config, listener: socket.socket, stop: threading.Event) -> None:
    """Run the processes of a server until ``stop`` is set.

    Parameters
    ----------
    config : Config
    listener : socket
        It listens already, so requests wait while the web process is started again.
    stop : threading.Event
    """
    children = [Child(config, "web", (listener.fileno(),))]
    children += [Child(config, "worker") for _ in range(config.workers)]
    try:
        while not stop.wait(LOOK):
            for child in children:
                child.tend()
    finally:
        for child in children:
            child.terminate()
        until = time.monotonic() + PATIENCE
        for child in children:
            child.end(until)
