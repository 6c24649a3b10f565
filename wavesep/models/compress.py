"""The first operation of all networks of spectrograms."""

from __future__ import annotations

from typing import Any

from keras import ops

from .spectrograms import LOUDNESS


def compress(magnitudes: Any, window: int) -> Any:
    """Compress magnitudes: a full-scale sine becomes 6.9, a sine at -60 dB becomes 0.7."""
    return ops.log1p(magnitudes * (LOUDNESS / window))
