"""Standard output and standard error whose errors do not stop a command."""

from __future__ import annotations

import io
from contextlib import suppress
from typing import Any, TextIO


class PatientStream:
    """A text stream that stores its first error instead of raising it, and writes nothing after it.

    Such an error is a closed pipe, a full disk or a closed terminal. Letters that the encoding does
    not have are written as escapes.

    Parameters
    ----------
    stream : text stream

    Attributes
    ----------
    fault : OSError or None
        The first error.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.fault: OSError | None = None
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        """Write a text, unless there was an error before."""
        if self.fault is None:
            try:
                self._stream.write(text)
            except OSError as error:
                self.fault = error
        return len(text)

    def flush(self) -> None:
        """Write the buffered text, unless there was an error before."""
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
        """Return any other attribute of the stream."""
        return getattr(self._stream, name)
