"""Sounds whose pitch is known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE = 16_000


def harmonics(f0: NDArray[np.float64], count: int = 20) -> NDArray[np.float32]:
    """Return a sound of equal harmonics whose fundamental frequency, in Hz, is given by sample."""
    phase = 2 * np.pi * np.cumsum(f0) / RATE
    tones = [np.sin(k * phase) * (k * f0 < RATE / 2) for k in range(1, count + 1)]
    return np.asarray(np.sum(tones, axis=0) * 0.05, np.float32)
