"""Audio files: reading and writing in blocks. No signal processing."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Audio: TypeAlias = NDArray[np.float32]  # (samples, channels), in [-1, 1]

LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000  # Hz; other rates are refused as mistakes
TWO_STEMS = ("vocals", "accompaniment")  # the default sources
