"""Another sample rate, block by block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import soxr

from ..audio import Audio

QUALITY = "VHQ"


def resample_blocks(
    blocks: Iterable[Audio], in_rate: int, out_rate: int, channels: int
) -> Iterator[Audio]:
    """Resample a sound as a stream: the same samples as at once, in linear phase, without delay.

    Parameters
    ----------
    blocks : iterable of float32 array, (samples, channels)
    in_rate, out_rate : int
        In Hz. If they are equal, the blocks come out as they are.
    channels : int

    Yields
    ------
    float32 array, (samples, channels)
    """
    if in_rate == out_rate:
        yield from blocks
        return
    stream = soxr.ResampleStream(in_rate, out_rate, channels, dtype="float32", quality=QUALITY)
    for block in blocks:
        if len(out := stream.resample_chunk(np.ascontiguousarray(block))):
            yield out
    rest = stream.resample_chunk(np.zeros((0, channels), np.float32), last=True)
    if len(rest):
        yield rest


def tail(in_rate: int, out_rate: int) -> int:
    """Return how many zeros to add to a sound so that resampling there and back loses no sample.

    A resampler rounds the length of what it gives, so up to one sample of the lower rate is lost.
    """
    return 0 if in_rate == out_rate else -(-2 * in_rate // out_rate)
