"""Resampling, block by block."""

from __future__ import annotations

from functools import cache

import numpy as np
import soxr

from ..audio import Audio

QUALITY = "VHQ"
PROBE_BLOCK = 16  # samples
PROBE_BLOCKS = 10_000


class Resampler:
    """Resamples a sound as a stream: the samples equal those of the whole sound, without delay.

    Parameters
    ----------
    in_rate, out_rate : int
        In Hz. If they are equal, the blocks are returned unchanged.
    channels : int
    """

    def __init__(self, in_rate: int, out_rate: int, channels: int) -> None:
        self._channels = channels
        self._stream = None
        if in_rate != out_rate:
            self._stream = soxr.ResampleStream(
                in_rate, out_rate, channels, dtype="float32", quality=QUALITY
            )

    def push(self, block: Audio) -> Audio:
        """Go on with the sound: ``(samples, channels)``; return what is ready."""
        if self._stream is None:
            return block
        resampled: Audio = self._stream.resample_chunk(np.ascontiguousarray(block))
        return resampled

    def flush(self) -> Audio:
        """End the sound and return the rest."""
        nothing = np.zeros((0, self._channels), np.float32)
        if self._stream is None:
            return nothing
        rest: Audio = self._stream.resample_chunk(nothing, last=True)
        return rest


def tail(in_rate: int, out_rate: int) -> int:
    """Return how many zeros to add to a sound so that resampling there and back loses no sample.

    A resampler rounds the length of its output, so up to one sample of the lower rate is lost.
    """
    return 0 if in_rate == out_rate else -(-2 * in_rate // out_rate)


@cache
def lag(in_rate: int, out_rate: int) -> int:
    """Return the largest number of samples, at ``in_rate``, that a `Resampler` holds back.

    The number is measured: soxr holds back the length of its filter and gives its output in
    blocks. `soxr.ResampleStream.delay` returns only the samples held back at the moment.
    """
    if in_rate == out_rate:
        return 0
    resampler = Resampler(in_rate, out_rate, 1)
    silence = np.zeros((PROBE_BLOCK, 1), np.float32)
    given = 0
    held = 0.0
    for i in range(1, PROBE_BLOCKS + 1):
        given += len(resampler.push(silence))
        held = max(held, i * PROBE_BLOCK - given * in_rate / out_rate)
    return int(held) + 2 * PROBE_BLOCK
