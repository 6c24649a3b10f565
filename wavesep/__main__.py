"""The command line as a process: ``wavesep`` and ``python -m wavesep``.

`wavesep.cli.main` is the command line as a function, which any program can call. This module
handles what belongs to the whole process: standard streams, signals and the exit code.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any, NoReturn

SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
PATIENCE = 5.0  # seconds after a signal in which further signals are ignored
BROKEN_PIPE = 141  # the shell's exit code for a program whose output pipe was closed


def run() -> NoReturn:
    """Run the command line and exit.

    After a signal, the exit code is 128 plus the number of the signal.
    """
    open_missing_streams()
    take_signals(leave)
    from .cli import main
    from .cli.console import INTERRUPTED
    from .cli.streams import PatientStream

    stdout, stderr = PatientStream(sys.stdout), PatientStream(sys.stderr)
    replaced: Any = sys
    replaced.stdout, replaced.stderr = stdout, stderr
    stop = Stop()
    try:
        take_signals(stop)
        code = main()
    except SystemExit as end:  # the parser has found a mistake or shown help
        code = end.code if isinstance(end.code, int) else 1
    except KeyboardInterrupt:
        code = INTERRUPTED
    take_signals(leave)
    stdout.flush()
    if stop.number and code == INTERRUPTED:
        stderr.flush()
        os._exit(128 + stop.number)  # all is cleaned up; a normal exit could be interrupted again
    if stdout.fault:
        code = lost_output(stdout.fault)
    stderr.flush()
    for number, stream in ((1, stdout), (2, stderr)):
        if stream.fault:
            discard(number)
    sys.exit(code)


class Stop:
    """A handler that raises KeyboardInterrupt, and not again while that is being handled.

    Attributes
    ----------
    number : int
        Number of the first signal; 0 before it.
    """

    def __init__(self) -> None:
        self.number = 0
        self._last = 0.0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        if self.number and time.monotonic() < self._last + PATIENCE:
            return
        self.number, self._last = self.number or number, time.monotonic()
        raise KeyboardInterrupt


def leave(number: int, frame: FrameType | None) -> None:
    """Exit at once after a signal: there is nothing to clean up at that time."""
    with suppress(OSError):
        os.write(2, b"wavesep: interrupted\n")
    os._exit(128 + number)


def take_signals(handler: Callable[[int, FrameType | None], None]) -> None:
    """Install a handler for the signals that end a process, except for ignored signals."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def open_missing_streams() -> None:
    """Open closed standard streams, so that no other file gets their descriptors."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


def lost_output(fault: OSError) -> int:
    """Print why standard output failed, unless the pipe was closed; return the exit code."""
    if fault.errno == errno.EPIPE:
        return BROKEN_PIPE
    print(f"wavesep: standard output cannot be written: {fault.strerror}", file=sys.stderr)
    return 1


def discard(number: int) -> None:
    """Send the rest of a standard stream nowhere: Python writes it when the process ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)


if __name__ == "__main__":
    run()
