"""Files that soundfile reads: uncompressed files and FLAC, and parts of some others."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import soundfile

from ..errors import AudioError, EmptyAudioError, TruncatedAudioError
from . import Audio
from .av_files import open_av
from .base import BLOCK, AudioInfo, RawFile
from .endings import is_mpeg, is_size, last_page_samples, mp3_states_length

WIDTHS = {
    "PCM_S8": 1,
    "PCM_U8": 1,
    "ULAW": 1,
    "ALAW": 1,
    "PCM_16": 2,
    "PCM_24": 3,
    "PCM_32": 4,
    "FLOAT": 4,
    "DOUBLE": 8,
}  # fmt: skip; bytes of an uncompressed sample
MP3_MEMORY = 12 * 1_152  # samples that a decoder needs before its output is exact
FINE = 256  # samples read at a time just before damage
READ_AHEAD = 8_192  # bytes that libFLAC may leave unread at the true end of a file
MOST_SAMPLES = 8_192  # samples in a byte of the file, at most: compressed silence
# the log of libsndfile on the chunk of the samples; W64 states the size of the file only
SIZES = re.compile(r"^ *(?:data|SSND|BODY|Data Size|riff) *: (-?\d+) \(should be (\d+)\)", re.M)

FRAMES = re.compile(r"frame count (\d+) does not match value from 'ds64' chunk of (\d+)")  # RF64


@contextmanager
def open_soundfile(path: Path) -> Iterator[SoundFileReader | None]:
    """Open a file with soundfile.

    Yields
    ------
    SoundFileReader or None
        None if soundfile does not know the format, or only estimates the length.

    Raises
    ------
    AudioError
        If the file cannot be opened.
    """
    try:
        raw = RawFile(path)
    except (OSError, ValueError) as error:
        raise AudioError(f"{path} cannot be read: {error}") from error
    with raw:
        if is_mpeg(path) and not mp3_states_length(path):
            yield None
            return
        try:
            file = open_raw(raw)
        except soundfile.LibsndfileError:
            yield None
            return
        with file:
            yield SoundFileReader(path, raw, file)


def open_raw(raw: RawFile) -> soundfile.SoundFile:
    """Open a file by its descriptor: Ctrl-C is lost in calls of libsndfile to Python's files.

    On Windows, libsndfile has descriptors of its own, so it calls Python's file there.
    """
    return soundfile.SoundFile(raw if sys.platform == "win32" else raw.fileno(), closefd=False)


def bits_of(subtype: str) -> int:
    """Return the bit depth of one of soundfile's subtypes: 16, 24 or 32 (float)."""
    if subtype in {"FLOAT", "DOUBLE", "PCM_32"}:
        return 32
    return 24 if subtype == "PCM_24" else 16


class SoundFileReader:
    """An audio file that soundfile reads."""

    def __init__(self, path: Path, raw: RawFile, file: soundfile.SoundFile) -> None:
        self._path = path
        self._raw = raw
        self._file = file
        bits = bits_of(file.subtype)
        self.info = AudioInfo(file.samplerate, file.channels, file.frames, bits)

    @property
    def is_trusted(self) -> bool:
        """Whether libsndfile reads this file to its true end."""
        file = self._file
        if file.format == "FLAC":
            return self._is_likely
        return file.subtype in WIDTHS and file.format != "OGG" and file.frames > 0

    @property
    def can_seek(self) -> bool:
        """Whether libsndfile knows the length of this file and can seek in it exactly."""
        if self._file.format == "MP3":
            return mp3_states_length(self._path)
        return self.is_trusted or (self._file.subtype == "VORBIS" and self._is_likely)

    @property
    def _is_likely(self) -> bool:
        """Whether the file is large enough for the number of samples that it states."""
        return 0 < self.info.samples <= MOST_SAMPLES * self._path.stat().st_size

    def count(self) -> int:
        """See `AudioReader`."""
        return self.info.samples

    def part(self, start: int, samples: int) -> Audio:
        """Return the samples of a part, or as many as there are before the end.

        Raises
        ------
        AudioError
            If the part cannot be read.
        """
        begin = min(start, self.info.samples)
        if self._file.format == "MP3":
            begin = max(begin - MP3_MEMORY, 0)
        elif self._file.format == "OGG":
            # libsndfile seeks to wrong positions in the last page
            page = last_page_samples(self._path)
            begin = 0 if page is None else min(begin, max(self.info.samples - page - 1, 0))
        before = start - begin
        try:
            self._file.seek(begin)
            return self._file.read(before + samples, dtype="float32", always_2d=True)[before:]
        except soundfile.LibsndfileError as error:
            raise AudioError(f"{self._path} cannot be read: {error}") from error

    def blocks(self) -> Iterator[Audio]:
        """Yield the audio in blocks: see `AudioReader`.

        Raises
        ------
        TruncatedAudioError
            After the last good sample, if the file is cut short or damaged after it.
        EmptyAudioError
            If there are no samples.
        """
        done = 0
        try:
            while len(block := self._file.read(BLOCK, dtype="float32", always_2d=True)):
                done += len(block)
                yield block
        except soundfile.LibsndfileError as error:
            yield from self._until_fault(done, error)
        if done < self.info.samples or is_cut_by_log(self._file):
            raise TruncatedAudioError(f"{self._path} is cut short: only {done} samples are there")
        if self._file.format == "FLAC" and self._unread() > READ_AHEAD:
            yield from self._beyond(done)
        elif done == 0:
            raise EmptyAudioError(f"{self._path} has no samples")

    def _until_fault(self, done: int, error: Exception) -> Iterator[Audio]:
        """Yield the good samples of a damaged FLAC file after whole blocks, then raise an error."""
        if done == 0:
            yield from self._beyond(0)
            return
        self._raw.seek(0)
        again = open_raw(self._raw)
        with again, suppress(soundfile.LibsndfileError):
            while again.tell() < done:
                again.read(BLOCK, dtype="float32")
            while len(block := again.read(FINE, dtype="float32", always_2d=True)):
                done += len(block)
                yield block
        raise TruncatedAudioError(f"{self._path} is damaged after {done} samples") from error

    def _unread(self) -> int:
        """Return the number of bytes that libsndfile has not read."""
        return self._path.stat().st_size - self._raw.tell()

    def _beyond(self, done: int) -> Iterator[Audio]:
        """Yield the samples that PyAV finds in a FLAC file after those that its header states."""
        at = 0
        with open_av(self._path) as reader:
            try:
                for block in reader.blocks():
                    at += len(block)
                    if at > done:
                        yield block[max(done - at, -len(block)) :]
            except TruncatedAudioError:
                if at > done:  # otherwise the rest is a tag
                    raise


def is_cut_by_log(file: soundfile.SoundFile) -> bool:
    """Return whether a file states more samples than it has.

    libsndfile reads such a file to its end and reports the difference only in its log. A difference
    of less than a sample loses nothing. A placeholder for an unknown size is ignored.
    """
    width = WIDTHS.get(file.subtype, 1) * file.channels
    sizes = [(int(stated), int(found)) for stated, found in SIZES.findall(file.extra_info)]
    sizes += [(int(s) * width, int(found) * width) for found, s in FRAMES.findall(file.extra_info)]
    return any(is_size(s) and s // width > found // width for s, found in sizes)
