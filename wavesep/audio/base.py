"""The interface of all readers of audio files."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from . import Audio

BLOCK = 65_536  # samples read at a time


@dataclass(frozen=True)
class AudioInfo:
    """What a file states about its audio.

    Attributes
    ----------
    sample_rate : int
        In Hz.
    channels : int
    samples : int
        In each channel: stated by the file, or else estimated; 0 if neither is possible. The
        decoded length may differ; `AudioReader.blocks` gives it.
    bits : int
        Bit depth: 16, 24 or 32 (float); 16 for lossy formats.
    """

    sample_rate: int
    channels: int
    samples: int
    bits: int


class AudioReader(Protocol):
    """An open audio file."""

    info: AudioInfo

    def count(self) -> int:
        """Return the approximate number of samples, without decoding any."""
        ...

    def blocks(self) -> Iterator[Audio]:
        """Decode the audio from its start and yield it in blocks, ``(samples, channels)``.

        Raises
        ------
        TruncatedAudioError
            After the last good sample, if the file is cut short or damaged after it.
        EmptyAudioError
            If there are no samples.
        """
        ...


class RawFile(io.FileIO):
    """A file that Python opens for libsndfile or FFmpeg, so that it may have any name.

    FFmpeg may seek to an impossible position if it reads a damaged header. The position then does
    not change and -1 is returned. FFmpeg's binding would print an exception.
    """

    def seek(self, offset: int, whence: int = 0) -> int:
        """Seek to a position and return it, or return -1 if that is impossible."""
        try:
            return super().seek(offset, whence)
        except (OSError, OverflowError):
            return -1
