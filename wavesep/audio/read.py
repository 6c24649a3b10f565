"""Reading audio files, in blocks or in part.

The stems of a song are as long as its decoded sound, whatever a header states. soundfile reads
uncompressed files. PyAV reads everything else, since libsndfile only estimates the length
of some MP3 files, reads one link of a chained Ogg file and misses places in Opus.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import AudioError, EmptyAudioError, TruncatedAudioError
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
        Audio track of a file that has several. Default: the one flagged default, else the first.

    Yields
    ------
    AudioReader

    Raises
    ------
    AudioError
        If there is no such file, or it holds no sound that can be read.
    EmptyAudioError
        If it is empty.
    OptionError
        If it has no such track.
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
    """Return what a file says of its sound; see `open_audio`, also for what it raises.

    A file that does not say how long it is, such as an MP3 file without a Xing header, is read
    through and its packets are counted; none is decoded.
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
        See `open_audio`, which also tells what is raised, as its blocks do.

    Returns
    -------
    audio : float32 array, (samples, channels)
    sample_rate : int
        In Hz.
    """
    with open_audio(path, track) as reader:
        return np.concatenate(list(reader.blocks())), reader.info.sample_rate


def read_part(path: str | os.PathLike[str], start: int, samples: int) -> Audio:
    """Read a part of a file: the samples that the whole has there.

    Uncompressed files, FLAC, Ogg Vorbis and MP3 files that state their length are read where the
    part lies. All others are decoded from their start, which takes longer. Beyond their end there
    is silence, since their length is only estimated.

    Parameters
    ----------
    path : path
    start : int, >= 0
        First sample.
    samples : int, >= 0

    Returns
    -------
    float32 array, (samples, channels)

    Raises
    ------
    AudioError
        If the part cannot be read.
    """
    path = Path(path)
    with open_soundfile(path) as own:
        can_seek = own is not None and own.can_seek
        if own and can_seek:
            part = own.part(start, samples)
            if len(part) == samples:
                return part
    with open_audio(path) as reader:  # there may be more than is stated
        part = part_of(reader.blocks(), start, samples)
    if can_seek and len(part) < samples:
        raise TruncatedAudioError(f"{path} ends after {start + len(part)} samples")
    return np.pad(part, ((0, samples - len(part)), (0, 0)))


def good_blocks(reader: AudioReader) -> Iterator[Audio]:
    """Yield the blocks of a file as far as they are good, and warn if that is not to its end."""
    try:
        yield from reader.blocks()
    except TruncatedAudioError as error:
        log.warning("%s: the rest is left out", error)


def part_of(blocks: Iterable[Audio], start: int, samples: int) -> Audio:
    """Return the samples from a start on, as far as there are any before a fault."""
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
    """Return the path of a file, or raise AudioError if there is none or it is empty."""
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
