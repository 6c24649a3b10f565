"""What every reader of audio files has in common."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from . import Audio

BLOCK = 65_536  # samples read at a time


@dataclass(frozen=True)
class AudioInfo:
    """What a file says of its sound.

    Attributes
    ----------
    sample_rate : int
        In Hz.
    channels : int
    samples : int
        In each channel, as the file states or as it can be estimated; 0 if neither is possible.
        The decoded length may differ; `AudioReader.blocks` gives it.
    bits : int
        Depth of its samples: 16, 24 or 32 (float); 16 for lossy formats.
    """

    sample_rate: int
    channels: int
    samples: int
    bits: int


class AudioReader(Protocol):
    """An open audio file."""

    info: AudioInfo

    def count(self) -> int:
        """Return about how many samples there are, without decoding any."""
        ...

    def blocks(self) -> Iterator[Audio]:
        """Yield the sound from its start, ``(samples, channels)`` at a time, as it is decoded.

        Raises
        ------
        TruncatedAudioError
            After the last good sample, if the file is cut short or damaged behind it.
        EmptyAudioError
            If there are no samples.
        """
        ...


class RawFile(io.FileIO):
    """A file for libsndfile or FFmpeg, opened by Python: its name may be anything.

    If a decoder that reads a damaged header asks for an impossible place, the position stays and
    -1 is returned. An exception would be printed from within the decoder.
    """

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place and return it, or -1."""
        try:
            return super().seek(offset, whence)
        except (OSError, OverflowError):
            return -1
