"""Reading audio files, in blocks or in part.

soundfile reads WAV, FLAC, OGG, MP3 and their like; what it does not know (m4a, mp4, webm, opus,
wma, video) is read by PyAV, which brings its own FFmpeg.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import av
import numpy as np
import soundfile

from ..errors import AudioError, EmptyAudioError, TruncatedAudioError
from . import Audio

BLOCK = 65_536  # samples read at a time
INDEXED = {"matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2"}  # FFmpeg's formats that state their length
MP3_FRAME = 1_441  # bytes in the largest frame
MP3_MEMORY = 12 * 1_152  # samples that a decoder must have seen before it is right
SLACK = 0.1  # seconds that a decoder may give less than they state, for its delay


@dataclass(frozen=True)
class AudioInfo:
    """What a file says of its sound.

    Attributes
    ----------
    sample_rate : int
        In Hz.
    channels : int
    samples : int
        In each channel; where the container gives only a duration, an estimate.
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

    def blocks(self) -> Iterator[Audio]:
        """Yield the sound from its start, ``(samples, channels)`` at a time.

        Raises
        ------
        TruncatedAudioError
            After the last whole block, if the file ends before its sound does.
        AudioError
            If a part cannot be decoded.
        """
        ...


@contextmanager
def open_audio(path: str | os.PathLike[str]) -> Iterator[AudioReader]:
    """Open an audio or video file for reading.

    Parameters
    ----------
    path : path

    Yields
    ------
    AudioReader

    Raises
    ------
    AudioError
        If there is no such file, or it holds no sound that can be read.
    EmptyAudioError
        If it holds no samples.
    """
    path = Path(path)
    if not path.is_file():
        raise AudioError(f"no file {path}")
    if path.stat().st_size == 0:
        raise EmptyAudioError(f"{path} is empty")
    try:
        file = soundfile.SoundFile(path)
    except soundfile.LibsndfileError:
        with open_av(path) as reader:
            yield reader
        return
    with file:
        if file.frames == 0:
            raise EmptyAudioError(f"{path} has no samples")
        yield SoundFileReader(path, file)


def audio_info(path: str | os.PathLike[str]) -> AudioInfo:
    """Return what a file says of its sound; raises as `open_audio`."""
    with open_audio(path) as reader:
        return reader.info


def read_audio(path: str | os.PathLike[str]) -> tuple[Audio, int]:
    """Read a whole audio or video file into memory; raises as `open_audio` and its blocks.

    Parameters
    ----------
    path : path

    Returns
    -------
    audio : float32 array, (samples, channels)
    sample_rate : int
        In Hz.
    """
    with open_audio(path) as reader:
        return np.concatenate(list(reader.blocks())), reader.info.sample_rate


def read_part(path: str | os.PathLike[str], start: int, samples: int) -> Audio:
    """Read a part of a file that soundfile knows, and nothing else of it.

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
    try:
        with soundfile.SoundFile(path) as file:
            before = min(start, MP3_MEMORY) if file.format == "MP3" else 0
            file.seek(start - before)
            part: Audio = file.read(before + samples, dtype="float32", always_2d=True)[before:]
    except (soundfile.LibsndfileError, OSError) as error:
        raise AudioError(f"{path} cannot be read: {error}") from error
    if len(part) < samples:
        raise TruncatedAudioError(f"{path} ends after {start + len(part)} samples")
    return part


class SoundFileReader:
    """An audio file that soundfile reads."""

    def __init__(self, path: Path, file: soundfile.SoundFile) -> None:
        self._path = path
        self._file = file
        self.info = AudioInfo(file.samplerate, file.channels, file.frames, bits_of(file.subtype))

    def blocks(self) -> Iterator[Audio]:
        """See `AudioReader`."""
        done = 0
        try:
            for block in self._file.blocks(BLOCK, dtype="float32", always_2d=True):
                done += len(block)
                yield block
        except soundfile.LibsndfileError as error:
            raise AudioError(f"{self._path} is damaged after {done} samples: {error}") from error
        if done < self.info.samples or is_cut(self._path, self._file):
            raise TruncatedAudioError(f"{self._path} is cut short: its end is missing")


def bits_of(subtype: str) -> int:
    """Return 16, 24 or 32 for one of soundfile's subtypes."""
    if subtype in {"FLOAT", "DOUBLE", "PCM_32"}:
        return 32
    return 24 if subtype == "PCM_24" else 16


def is_cut(path: Path, file: soundfile.SoundFile) -> bool:
    """Tell if a file ends before its header or its last page says.

    libsndfile reads such files as far as they go and says so only in its log (WAV, AIFF), or not at
    all (Ogg: RFC 3533, section 6; MP3).
    """
    if file.format == "OGG":
        return not ends_with_last_page(path)
    if file.format == "MP3":
        return is_shorter_than_xing(path)
    return "should be" in file.extra_info


def ends_with_last_page(path: Path) -> bool:
    """Tell if an Ogg file ends with a whole page that is marked as its stream's last."""
    with path.open("rb") as raw:
        raw.seek(max(path.stat().st_size - 65_536, 0))  # a page is smaller than this
        tail = raw.read()
    page = tail[max(tail.rfind(b"OggS"), 0) :]
    if len(page) < 27 or len(page) < 27 + page[26]:
        return False
    size = 27 + page[26] + sum(page[27 : 27 + page[26]])
    return bool(page[5] & 4) and len(page) >= size


def is_shorter_than_xing(path: Path) -> bool:
    """Tell if an MP3 file has fewer bytes than its encoder has written into its first frame.

    The frame holds "Xing" or "Info", flags, the number of frames if flag 1 is set and the number
    of bytes if flag 2 is; it may follow an ID3 tag, whose size is 4 times 7 bits.
    """
    with path.open("rb") as raw:
        head = raw.read(10)
        tag = 0
        if head.startswith(b"ID3"):
            tag = 10 + sum(byte << (7 * (3 - i)) for i, byte in enumerate(head[6:10]))
        raw.seek(tag)
        frame = raw.read(200)
    at = max(frame.find(b"Xing"), frame.find(b"Info"))
    if at < 0 or len(frame) < at + 16 or not frame[at + 7] & 2:
        return False
    at += 12 if frame[at + 7] & 1 else 8
    size = int.from_bytes(frame[at : at + 4], "big")
    return path.stat().st_size < tag + size - MP3_FRAME  # some encoders count one too many


@contextmanager
def open_av(path: Path) -> Iterator[AudioReader]:
    """Open a file with PyAV; see `open_audio`."""
    try:
        container = av.open(str(path), metadata_errors="ignore")
    except (av.FFmpegError, OSError) as error:
        raise AudioError(f"{path} holds no sound that can be read") from error
    with container:
        if not container.streams.audio:
            raise AudioError(f"{path} has no audio track")
        yield AvReader(path, container)


class AvReader:
    """An audio or video file that FFmpeg reads."""

    def __init__(self, path: Path, container: av.container.InputContainer) -> None:
        self._path = path
        self._container = container
        self._stream = container.streams.audio[0]
        if not self._stream.rate or not self._stream.channels:
            raise AudioError(f"{path} holds no sound that can be read")
        # a video's picture may be longer than its sound, and what has no index is only estimated
        own = self._stream.duration
        has_index = container.format.name in INDEXED
        self._exact = has_index and (own is not None or not container.streams.video)
        if own and has_index and self._stream.time_base:
            seconds = float(own * self._stream.time_base)
        else:
            seconds = (container.duration or 0) / av.time_base
        samples = round(seconds * self._stream.rate)
        self.info = AudioInfo(self._stream.rate, self._stream.channels, samples, 16)

    def blocks(self) -> Iterator[Audio]:
        """See `AudioReader`."""
        to_float = av.AudioResampler(format="fltp")
        done = 0
        try:
            for frame in self._container.decode(self._stream):
                for part in to_float.resample(frame):
                    block = np.ascontiguousarray(part.to_ndarray().T, dtype=np.float32)
                    done += len(block)
                    yield block
        except av.FFmpegError as error:
            raise AudioError(f"{self._path} is damaged after {done} samples") from error
        if done == 0:
            raise EmptyAudioError(f"{self._path} has no samples")
        if self._exact and done < self.info.samples - SLACK * self.info.sample_rate:
            raise TruncatedAudioError(f"{self._path} is cut short: its end is missing")
