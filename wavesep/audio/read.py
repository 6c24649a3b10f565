"""Reading audio files, in blocks or in part.

The length of a file is the length of its decoded audio, whatever its header states. soundfile reads
uncompressed files and FLAC. PyAV reads all other files, because libsndfile estimates the length of
some MP3 files, reads only one link of a chained Ogg file and seeks to wrong positions in Opus.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import AudioError, EmptyAudioError, TooLongError, TruncatedAudioError
from . import Audio
from .av_files import open_av
from .base import BLOCK as BLOCK
from .base import AudioInfo as AudioInfo
from .base import AudioReader
from .soundfiles import open_soundfile

log = logging.getLogger(__name__)


@contextmanager
def open_audio(path: str | os.PathLike[str], track: int | None = None) -> Iterator[AudioReader]:
    """Open an audio or video file for reading.

    Parameters
    ----------
    path : path
    track : int, >= 1, optional
        Audio track of a file that has several. Default: the track flagged as default, or else the
        first.

    Yields
    ------
    AudioReader

    Raises
    ------
    AudioError
        If the file does not exist, or contains no audio that can be read.
    EmptyAudioError
        If the file is empty.
    OptionError
        If the file has no such track.
    """
    path = existing(path)
    with ExitStack() as stack:
        own = stack.enter_context(open_soundfile(path))
        if own and own.is_trusted and track in (None, 1):
            yield own
            return
        try:
            reader: AudioReader = stack.enter_context(open_av(path, track))
        except AudioError:
            if own is None:
                raise
            reader = own
        yield reader


def audio_info(path: str | os.PathLike[str], track: int | None = None) -> AudioInfo:
    """Return the sample rate, channels, length and bit depth of a file; see `open_audio`.

    If a file does not state its length, such as an MP3 file without a Xing header, its packets are
    counted, but not decoded.

    Raises
    ------
    AudioError
        See `open_audio`.
    EmptyAudioError
        If there are no samples.
    OptionError
        If the file has no such track.
    """
    path = existing(path)
    with open_soundfile(path) as own:
        if own and own.can_seek and track in (None, 1):
            return own.info
    with open_audio(path, track) as reader:
        info = replace(reader.info, samples=reader.count())
    if not info.samples:
        raise EmptyAudioError(f"{path} has no samples")
    return info


def read_audio(path: str | os.PathLike[str], track: int | None = None) -> tuple[Audio, int]:
    """Read a whole audio or video file into memory.

    Parameters
    ----------
    path : path
    track : int, >= 1, optional
        See `open_audio`.

    Returns
    -------
    audio : float32 array, (samples, channels)
    sample_rate : int
        In Hz.

    Raises
    ------
    AudioError
        If the file cannot be read to its end: see its subclasses.
    OptionError
        If the file has no such track.
    """
    with open_audio(path, track) as reader:
        return np.concatenate(list(reader.blocks())), reader.info.sample_rate


def read_part(path: str | os.PathLike[str], start: int, samples: int) -> Audio:
    """Read a part of a file: the same samples as in the whole file.

    Uncompressed files, FLAC, Ogg Vorbis and MP3 files that state their length are read from the
    start of the part. All other files are decoded from their own start, which takes longer. Beyond
    their end the part is filled with silence, because their length is only an estimate.

    Parameters
    ----------
    path : path
    start : int, >= 0
        First sample of the part.
    samples : int, >= 0
        Length of the part.

    Returns
    -------
    float32 array, (samples, channels)

    Raises
    ------
    AudioError
        If the part cannot be read: see its subclasses.
    """
    path = Path(path)
    with open_soundfile(path) as own:
        can_seek = own is not None and own.can_seek
        if own and can_seek:
            part = own.part(start, samples)
            if len(part) == samples:
                return part
    with open_audio(path) as reader:  # there may be more samples than the file states
        part = part_of(reader.blocks(), start, samples)
    if can_seek and len(part) < samples:
        raise TruncatedAudioError(f"{path} ends after {start + len(part)} samples")
    return np.pad(part, ((0, samples - len(part)), (0, 0)))


def limited(
    blocks: Iterable[Audio], path: str | os.PathLike[str], sample_rate: int, most_seconds: float
) -> Iterator[Audio]:
    """Yield the blocks of a file.

    Raises
    ------
    TooLongError
        If they are longer than ``most_seconds``.
    """
    left = most_seconds * sample_rate
    for block in blocks:
        left -= len(block)
        if left < 0:
            raise TooLongError(f"{path} is longer than {most_seconds:g} s")
        yield block


def good_blocks(reader: AudioReader) -> Iterator[Audio]:
    """Yield the blocks of a file up to the first damage, with a warning in the log there."""
    try:
        yield from reader.blocks()
    except TruncatedAudioError as error:
        log.warning("%s: the rest is left out", error)


def part_of(blocks: Iterable[Audio], start: int, samples: int) -> Audio:
    """Return the samples of a part, or as many as there are before the end or the first damage."""
    at = 0
    parts = []
    with suppress(TruncatedAudioError):
        for block in blocks:
            parts.append(block[max(start - at, 0) : max(start + samples - at, 0)])
            at += len(block)
            if at >= start + samples:
                break
    return np.concatenate(parts)


def existing(path: str | os.PathLike[str]) -> Path:
    """Check that a file exists and is not empty, and return its path.

    Raises
    ------
    AudioError
        If it does not exist or cannot be read.
    EmptyAudioError
        If it is empty.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise AudioError(f"no file {path}")
        if path.stat().st_size == 0:
            raise EmptyAudioError(f"{path} is empty")
    except (OSError, ValueError) as error:
        if isinstance(error, AudioError):
            raise
        raise AudioError(f"{path} cannot be read: {error}") from error
    return path
