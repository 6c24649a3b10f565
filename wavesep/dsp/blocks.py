"""Sounds that pass in blocks."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np

from ..audio import Audio
from ..errors import EmptyAudioError, NonFiniteAudioError


class BlockQueue:
    """Keeps blocks until they are wanted, in other lengths than they came in."""

    def __init__(self) -> None:
        self._blocks: deque[Audio] = deque()
        self._samples = 0

    def __len__(self) -> int:
        """Return the number of samples in it."""
        return self._samples

    def tap(self, blocks: Iterable[Audio]) -> Iterator[Audio]:
        """Pass blocks on and keep them, too."""
        for block in blocks:
            self._blocks.append(block)
            self._samples += len(block)
            yield block

    def take(self, samples: int) -> Audio:
        """Return the oldest samples, as many as there are up to the number given."""
        parts = []
        while samples and self._blocks:
            block = self._blocks.popleft()
            if len(block) > samples:
                self._blocks.appendleft(block[samples:])
            parts.append(block[:samples])
            samples -= len(parts[-1])
        self._samples -= sum(len(part) for part in parts)
        return np.concatenate(parts)


def checked(blocks: Iterable[Audio]) -> Iterator[Audio]:
    """Pass blocks on, but for a sample that is not finite, or for no samples at all.

    Raises
    ------
    NonFiniteAudioError
        Naming the first such sample.
    EmptyAudioError
    """
    start = 0
    for block in blocks:
        if not np.isfinite(block).all():
            sample, channel = np.argwhere(~np.isfinite(block))[0]
            raise NonFiniteAudioError(
                f"sample {start + sample} of channel {channel} is {block[sample, channel]}, "
                "not a finite number"
            )
        start += len(block)
        yield block
    if not start:
        raise EmptyAudioError("the audio has no samples")


def with_tail(blocks: Iterable[Audio], samples: int, channels: int) -> Iterator[Audio]:
    """Pass blocks on, followed by that many zeros."""
    yield from blocks
    if samples:
        yield np.zeros((samples, channels), np.float32)
