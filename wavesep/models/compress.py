"""The layer that networks of spectrograms begin with."""

from __future__ import annotations

from typing import Any

from keras import ops

from .spectrograms import LOUDNESS


def compress(magnitudes: Any, window: int) -> Any:
    """Map the magnitudes of a full-scale sine to 6.9, and those of one of -60 dB to 0.7."""
    return ops.log1p(magnitudes * (LOUDNESS / window))
