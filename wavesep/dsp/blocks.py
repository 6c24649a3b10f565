"""A queue of blocks of sound."""

from __future__ import annotations

from collections import deque

import numpy as np

from ..audio import Audio


class BlockQueue:
    """Stores blocks and returns their samples in blocks of other lengths."""

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
