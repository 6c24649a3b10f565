"""What the command line says of errors."""

from __future__ import annotations

import logging

from ..errors import WavesepError

log = logging.getLogger(__name__)


def reason(error: Exception) -> str:
    """Return what one line says of an error; the log (DEBUG) has the traceback of a foreign one."""
    if isinstance(error, WavesepError):
        return str(error)
    log.debug("a fault of wavesep", exc_info=error)
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    text = f"{type(error).__name__}: {error}".partition("\n")[0]
    return f"{text} (a fault of wavesep: WAVESEP_DEBUG=1 shows where)"
