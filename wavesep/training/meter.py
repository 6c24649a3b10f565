"""Progress of a training run as text, on a terminal or in the log."""

from __future__ import annotations

import logging
import shutil
import sys
import time
from collections.abc import Callable

LIVE = 0.25  # seconds between two updates of the line on a terminal
MINUTE = 60.0  # seconds between two lines in a log
MEASURED = 30.0  # seconds of training before the total time is estimated
LONG = 2 * 3600.0  # seconds; a longer run gets a hint

log = logging.getLogger(__name__)


class Meter:
    """Shows the steps done, the loss and the time left.

    On a terminal, it updates one line of standard error. Else it logs a line every minute.

    Parameters
    ----------
    epochs : int
    steps : int
        Steps of an epoch.
    """

    def __init__(self, epochs: int, steps: int) -> None:
        self._epochs = epochs
        self._steps = steps
        self._terminal = sys.stderr is not None and sys.stderr.isatty()
        self._first: tuple[float, int] | None = None  # time and number of the first step
        self._next = 0.0
        self._total_is_told = False

    def begin(self, done: int) -> None:
        """Report that training begins, or continues after ``done`` steps."""
        at = f"continues after step {done:,}" if done else "begins"
        self._show(f"training {at} of {self._all}: the first step takes longest")

    def step(self, done: int, loss: Callable[[], float]) -> None:
        """Report the steps done, if a report is due; only then call ``loss``."""
        now = time.monotonic()
        if self._first is None:
            self._first = (now, done)  # excludes the time to compile the network
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
        """Clear the line on the terminal, so that other text can be printed."""
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
        log.info("about %s in total%s", span(seconds), hint)

    def _show(self, line: str) -> None:
        if not self._terminal:
            log.info(line)
            return
        self.clear()
        width = shutil.get_terminal_size().columns - 1
        print(line[:width], end="", file=sys.stderr, flush=True)


def span(seconds: float) -> str:
    """Return a duration as text, such as "12 min"."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60:,} h {minutes % 60} min"
