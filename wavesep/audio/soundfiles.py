"""Files that soundfile reads: uncompressed ones and FLAC whole, some others where a part lies."""

from __future__ import annotations

import re
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
}  # fmt: skip; bytes in a sample that is not compressed
MP3_MEMORY = 12 * 1_152  # samples that a decoder must have seen before it is right
FINE = 256  # samples read at a time before a fault
READ_AHEAD = 8_192  # bytes that libFLAC may have read, or not read, at the end
MOST_SAMPLES = 8_192  # that a byte can hold: silence
# what libsndfile says of the chunk that holds the samples; W64 only states the size of the file
SIZES = re.compile(r"^ *(?:data|SSND|BODY|Data Size|riff) *: (-?\d+) \(should be (\d+)\)", re.M)

FRAMES = re.compile(r"frame count (\d+) does not match value from 'ds64' chunk of (\d+)")  # RF64


@contextmanager
def open_soundfile(path: Path) -> Iterator[SoundFileReader | None]:
    """Open a file with soundfile, or raise AudioError.

    Yields
    ------
    SoundFileReader or None
        None if soundfile does not know the format, or only guesses the length.
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
            file = soundfile.SoundFile(raw)
        except (soundfile.LibsndfileError, TypeError):  # TypeError: named .raw
            yield None
            return
        with file:
            yield SoundFileReader(path, raw, file)


def bits_of(subtype: str) -> int:
    """Return 16, 24 or 32 for one of soundfile's subtypes."""
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
        """Whether libsndfile reads this kind of file to its true end."""
        file = self._file
        if file.format == "FLAC":
            return self._is_likely
        return file.subtype in WIDTHS and file.format != "OGG" and file.frames > 0

    @property
    def can_seek(self) -> bool:
        """Whether libsndfile knows how long this file is, and finds any place in it."""
        if self._file.format == "MP3":
            return mp3_states_length(self._path)
        return self.is_trusted or (self._file.subtype == "VORBIS" and self._is_likely)

    @property
    def _is_likely(self) -> bool:
        """Whether so many samples as the file states can be in it."""
        return 0 < self.info.samples <= MOST_SAMPLES * self._path.stat().st_size

    def count(self) -> int:
        """See `AudioReader`."""
        return self.info.samples

    def part(self, start: int, samples: int) -> Audio:
        """Return a part of a file as far as it is there, or raise AudioError."""
        begin = min(start, self.info.samples)
        if self._file.format == "MP3":
            begin = max(begin - MP3_MEMORY, 0)
        elif self._file.format == "OGG":
            # libsndfile misses the place of what lies in the last page
            page = last_page_samples(self._path)
            begin = 0 if page is None else min(begin, max(self.info.samples - page - 1, 0))
        before = start - begin
        try:
            self._file.seek(begin)
            return self._file.read(before + samples, dtype="float32", always_2d=True)[before:]
        except soundfile.LibsndfileError as error:
            raise AudioError(f"{self._path} cannot be read: {error}") from error

    def blocks(self) -> Iterator[Audio]:
        """See `AudioReader`, also for what it raises."""
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
        """Yield what a faulty FLAC file has behind whole blocks, and raise where the fault is."""
        if done == 0:
            yield from self._beyond(0)
            return
        self._raw.seek(0)
        again = soundfile.SoundFile(self._raw)
        with again, suppress(soundfile.LibsndfileError):
            while again.tell() < done:
                again.read(BLOCK, dtype="float32")
            while len(block := again.read(FINE, dtype="float32", always_2d=True)):
                done += len(block)
                yield block
        raise TruncatedAudioError(f"{self._path} is damaged after {done} samples") from error

    def _unread(self) -> int:
        """Return how many bytes libsndfile has not read."""
        return self._path.stat().st_size - self._raw.tell()

    def _beyond(self, done: int) -> Iterator[Audio]:
        """Yield what PyAV finds in a FLAC file behind the samples that its header states."""
        at = 0
        with open_av(self._path) as reader:
            try:
                for block in reader.blocks():
                    at += len(block)
                    if at > done:
                        yield block[max(done - at, -len(block)) :]
            except TruncatedAudioError:
                if at > done:  # else it is only a tag
                    raise


def is_cut_by_log(file: soundfile.SoundFile) -> bool:
    """Tell if a file states more samples than it has.

    libsndfile reads it as far as it goes, and says so only in its log. A size that is wrong by less
    than a sample takes nothing away, and a size that was not known says nothing.
    """
    width = WIDTHS.get(file.subtype, 1) * file.channels
    sizes = [(int(stated), int(found)) for stated, found in SIZES.findall(file.extra_info)]
    sizes += [(int(s) * width, int(found) * width) for found, s in FRAMES.findall(file.extra_info)]
    return any(is_size(s) and s // width > found // width for s, found in sizes)
