"""Sounds that pass in blocks."""

from __future__ import annotations

from collections import deque

import numpy as np

from ..audio import Audio
from ..errors import NonFiniteAudioError


class BlockQueue:
    """Keeps blocks until they are wanted, in other lengths than they came in."""

    def __init__(self, channels: int) -> None:
        self._channels = channels
        self._blocks: deque[Audio] = deque()
        self._samples = 0

    def __len__(self) -> int:
        """Return the number of samples in it."""
        return self._samples

    def put(self, block: Audio) -> None:
        """Add a block: ``(samples, channels)``."""
        self._blocks.append(block)
        self._samples += len(block)

    def take(self, samples: int) -> Audio:
        """Return the oldest samples, as many as there are up to the number given."""
        parts = [np.zeros((0, self._channels), np.float32)]
        while samples and self._blocks:
            block = self._blocks.popleft()
            if len(block) > samples:
                self._blocks.appendleft(block[samples:])
            parts.append(block[:samples])
            samples -= len(parts[-1])
        self._samples -= sum(len(part) for part in parts)
        return np.concatenate(parts)


def check_finite(block: Audio, start: int) -> None:
    """Raise NonFiniteAudioError on the first sample that is not finite.

    Parameters
    ----------
    block : float32 array, (samples, channels)
    start : int
        Place of the block's first sample in the whole.
    """
    if not np.isfinite(block).all():
        sample, channel = np.argwhere(~np.isfinite(block))[0]
        raise NonFiniteAudioError(
            f"sample {start + sample} of channel {channel} is {block[sample, channel]}, "
            "not a finite number"
        )
