"""Error messages of the command line."""

from __future__ import annotations

import logging

from ..errors import WavesepError

log = logging.getLogger(__name__)


def reason(error: Exception) -> str:
    """Return an error as one line; the traceback of an unexpected error is logged (DEBUG)."""
    if isinstance(error, WavesepError):
        return str(error)
    log.debug("a bug in wavesep", exc_info=error)
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    text = f"{type(error).__name__}: {error}".partition("\n")[0]
    return f"{text} (a bug in wavesep: set WAVESEP_DEBUG=1 to see where)"
