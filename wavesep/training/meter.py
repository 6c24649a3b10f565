"""Progress of a training run, as text."""

from __future__ import annotations

import logging
import shutil
import sys
import time
from collections.abc import Callable

LIVE = 0.25  # seconds between two states of the line on a terminal
MINUTE = 60.0  # between two lines in a log
MEASURED = 30.0  # seconds of steps, after which the time in all is said
LONG = 2 * 3600.0  # seconds, from which on a hint is given

log = logging.getLogger(__name__)


class Meter:
    """Shows the steps done, the loss and the time left.

    On a terminal, one line of standard error changes. Else the log has a line each minute.

    Parameters
    ----------
    epochs : int
    steps : int
        Of an epoch.
    """

    def __init__(self, epochs: int, steps: int) -> None:
        self._epochs = epochs
        self._steps = steps
        self._terminal = sys.stderr is not None and sys.stderr.isatty()
        self._first: tuple[float, int] | None = None  # when the first step was done, and which
        self._next = 0.0
        self._total_is_told = False

    def begin(self, done: int) -> None:
        """Say that the run begins after so many steps."""
        at = f"goes on after step {done:,}" if done else "begins"
        self._show(f"training {at} of {self._all}: the first step takes longest")

    def step(self, done: int, loss: Callable[[], float]) -> None:
        """Report the steps done if it is time to; only then ask for the loss."""
        now = time.monotonic()
        if self._first is None:
            self._first = (now, done)  # without the time in which the network is compiled
        since, first = self._first
        if not self._total_is_told and now - since > MEASURED:
            self._tell_total((now - since) / (done - first))
        if now < self._next:
            return
        self._next = now + (LIVE if self._terminal else MINUTE)
        epoch = (done - 1) // self._steps + 1
        line = f"step {done:,} of {self._all}, epoch {epoch} of {self._epochs}: loss {loss():.4g}"
        if done > first:
            left = (now - since) / (done - first) * (self._epochs * self._steps - done)
            line += f", {span(left)} left"
        self._show(line)

    def clear(self) -> None:
        """Take the line off the terminal, for another to be written."""
        if self._terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    @property
    def _all(self) -> str:
        return f"{self._epochs * self._steps:,}"

    def _tell_total(self, step_seconds: float) -> None:
        self._total_is_told = True
        seconds = step_seconds * self._epochs * self._steps
        hint = ": fewer steps, smaller batches or a GPU make it shorter" if seconds > LONG else ""
        self.clear()
        log.info("about %s in all%s", span(seconds), hint)

    def _show(self, line: str) -> None:
        if not self._terminal:
            log.info(line)
            return
        self.clear()
        width = shutil.get_terminal_size().columns - 1
        print(line[:width], end="", file=sys.stderr, flush=True)


def span(seconds: float) -> str:
    """Return a length of time as a person says it."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60:,} h {minutes % 60} min"
