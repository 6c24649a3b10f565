"""Standard output and standard error whose faults do not stop a command."""

from __future__ import annotations

import io
from contextlib import suppress
from typing import Any, TextIO


class PatientStream:
    """A text stream that keeps its first fault instead of raising it, and drops what follows.

    The pipe may be closed, the disk full, the terminal gone. Letters that the encoding does not
    have are written as escapes.

    Parameters
    ----------
    stream : text stream

    Attributes
    ----------
    fault : OSError or None
        The first.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.fault: OSError | None = None
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        """Write a text, if that is possible."""
        if self.fault is None:
            try:
                self._stream.write(text)
            except OSError as error:
                self.fault = error
        return len(text)

    def flush(self) -> None:
        """Write what has been kept back, if that is possible."""
        if self.fault is None:
            try:
                self._stream.flush()
            except OSError as error:
                self.fault = error

    def close(self) -> None:
        """Close the stream."""
        with suppress(OSError):
            self._stream.close()

    def __getattr__(self, name: str) -> Any:
        """Return what else the stream has."""
        return getattr(self._stream, name)
