"""Writing stems, in blocks; a file gets its final name when it is whole.

While a song is separated, each stem grows as a 32-bit float WAV file that any player can play. Its
path is ``.wavesep-unfinished-XXXXXXXX/STEM.wav`` in the folder of the stems; a log line
(INFO) names that folder. At the end, all stems are converted to their final format together: only
then it is known if one of them would clip, so that all must be turned down. Then they get their
names; see `wavesep.atomic`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import soundfile
from numpy.typing import NDArray

from ..atomic import exists_error, give_names, settle, unfinished, writing
from ..errors import OptionError, OutputError
from . import Audio
from .read import BLOCK
from .tags import copy_tags

CODECS = ("wav", "flac", "mp3")
BITS = (16, 24, 32)  # 32 is float
SUBTYPES = {16: "PCM_16", 24: "PCM_24", 32: "FLOAT"}
MP3_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
LARGEST_WAV = 4_000_000_000  # bytes; above it the header needs the 64-bit form, RF64
PROBE = bytes(65_536)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StemFormat:
    """How stems are written.

    Attributes
    ----------
    codec : {"wav", "flac", "mp3"}
        mp3 at its highest quality, 320 kbit/s where the sample rate allows it.
    bits : {16, 24, 32}
        Depth; 32 is float, which flac does not have, and which mp3 ignores.
    sample_rate : int
        In Hz; mp3 knows those up to 48,000 only.
    channels : int
        flac holds up to 8, mp3 up to 2.

    Raises
    ------
    OptionError
        If the codec cannot hold that.
    """

    codec: str
    bits: int
    sample_rate: int
    channels: int

    def __post_init__(self) -> None:
        """Refuse what the codec cannot hold."""
        if self.codec not in CODECS:
            raise OptionError(f"no codec {self.codec!r}: choose one of {', '.join(CODECS)}")
        if self.bits not in BITS:
            raise OptionError(f"{self.bits} bits cannot be written: choose 16, 24 or 32 (float)")
        if self.codec == "flac" and (self.bits == 32 or self.channels > 8):
            raise OptionError("flac holds up to 24 bits and 8 channels: choose wav")
        if self.codec == "mp3" and (self.channels > 2 or self.sample_rate not in MP3_RATES):
            raise OptionError(
                f"mp3 cannot hold {self.channels} channels at {self.sample_rate} Hz: "
                "choose wav or flac"
            )

    @property
    def is_float(self) -> bool:
        """Whether samples are written as floats, which do not clip."""
        return self.codec == "wav" and self.bits == 32

    @property
    def largest(self) -> float:
        """The largest sample that does not clip."""
        return float("inf") if self.is_float else 1 - 2.0 ** (1 - self.bits)

    def open(self, path: Path, samples: int) -> soundfile.SoundFile:
        """Open a file of this format for that many samples."""
        if self.codec == "mp3":
            options = {"format": "MP3", "bitrate_mode": "CONSTANT", "compression_level": 0.0}
        elif self.codec == "flac":
            options = {"format": "FLAC", "subtype": SUBTYPES[self.bits]}
        else:
            size = samples * self.channels * self.bits // 8
            form = "WAV" if size < LARGEST_WAV else "RF64"
            options = {"format": form, "subtype": SUBTYPES[self.bits]}
        # bytes, since a name need not be UTF-8
        return soundfile.SoundFile(
            os.fsencode(path), "w", self.sample_rate, self.channels, **options
        )


@contextmanager
def open_stems(
    paths: dict[str, Path],
    form: StemFormat,
    *,
    samples: int,
    overwrite: bool = False,
    folder: Path | None = None,
    song: Path | None = None,
) -> Iterator[StemWriter]:
    """Write the stems of one song; all of them get their names at the end, or none.

    Parameters
    ----------
    paths : dict of str to Path
        A file for each stem; the last stem is what the others leave of the mixture.
    form : StemFormat
    samples : int, >= 0
        About how many there will be; 0 if that is not known.
    overwrite : bool
        Replace files that exist; they stay as they are until the new ones are whole.
    folder : Path, optional
        In which all files will be, themselves or in folders of it. The stems grow there, and what
        killed runs have left there is removed. Default: the folder that the files have in common.
    song : Path, optional
        Whose tags and cover the stems get, as far as `tags.copy_tags` does it. Default: none.

    Yields
    ------
    StemWriter

    Raises
    ------
    OutputExistsError
        If a file exists, or appears before the stems are whole, and is not to be overwritten.
    DiskFullError
        If there is no room.
    OutputError
        If the folder or a file cannot be made.
    """
    if folder is None:
        folder = Path(os.path.commonpath([path.parent for path in paths.values()]))
    for path in paths.values():
        check_target(path, folder, overwrite)
    with unfinished(folder) as place:
        log.info("%s: stems grow in %s", next(iter(paths.values())), place)
        with StemWriter(paths, form, samples, place, song) as writer:
            yield writer
            whole = writer.finish()
        give_names(place, whole, overwrite=overwrite)


class StemWriter:
    """Takes the stems of one song block by block; see `open_stems`."""

    def __init__(
        self,
        paths: dict[str, Path],
        form: StemFormat,
        samples: int,
        place: Path,
        song: Path | None = None,
    ) -> None:
        self._paths = paths
        self._form = form
        self._song = song
        self._growing = [place / f"{stem}.wav" for stem in paths]
        self._whole = [place / f"{stem}.whole" for stem in paths]
        # an estimated length may be too short, so leave room for more than a plain WAV holds
        self._expected = round(samples * 1.1) or LARGEST_WAV
        self._files: list[soundfile.SoundFile] = []
        self._samples = 0
        self._peak = 0.0

    def __enter__(self) -> Self:
        """Begin the growing files."""
        floats = replace(self._form, codec="wav", bits=32)
        with ExitStack() as stack:
            stack.callback(self._close)
            for path, growing in zip(self._paths.values(), self._growing, strict=True):
                with encoding(path, growing):
                    self._files.append(floats.open(growing, self._expected))
            stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Close the growing files."""
        with suppress(soundfile.LibsndfileError):  # an error before this one matters more
            self._close()

    def write(self, stems: dict[str, Audio]) -> None:
        """Append a block to every stem: float32 arrays, (samples, channels)."""
        for stem, file, growing in zip(self._paths, self._files, self._growing, strict=True):
            with encoding(self._paths[stem], growing):
                file.write(stems[stem])
            self._peak = max(self._peak, float(np.abs(stems[stem]).max(initial=0)))
        self._samples += len(next(iter(stems.values())))

    def finish(self) -> dict[str, Path]:
        """Convert the stems to their format, with one gain for all, or raise OutputError.

        Returns
        -------
        dict of str to Path
            Of each whole file's name in the folder, the path that it is to get.
        """
        gain = min(1.0, self._form.largest / self._peak) if self._peak else 1.0
        first = next(iter(self._paths.values()))
        if gain < 1:
            gain_db = 20 * float(np.log10(gain))
            log.warning(
                "%s: a stem would clip, so all stems are turned down by %.1f dB",
                first.parent, -gain_db, extra={"gain_db": round(gain_db, 3)},
            )  # fmt: skip
        with encoding(first, *self._growing, *self._whole):
            self._close()
            self._convert(np.float32(gain))
            if self._song:
                whole_stems = dict(zip(self._paths, self._whole, strict=True))
                copy_tags(self._song, whole_stems, self._form.codec)
            for whole, path in zip(self._whole, self._paths.values(), strict=True):
                if soundfile.info(os.fsencode(whole)).frames != self._samples:
                    probe(whole)
                    raise OutputError(f"{path} could not be written in full")
                settle(whole)
        return {
            whole.name: path for whole, path in zip(self._whole, self._paths.values(), strict=True)
        }

    def _convert(self, gain: np.float32) -> None:
        """Read the growing files, and write them in their final format."""
        with ExitStack() as stack:
            sources = [
                stack.enter_context(soundfile.SoundFile(os.fsencode(path)))
                for path in self._growing
            ]
            files = [
                stack.enter_context(self._form.open(path, self._samples)) for path in self._whole
            ]
            for blocks in zip(*map(blocks_of, sources), strict=True):
                stems = [block * gain for block in blocks]
                if self._form.codec != "mp3" and not self._form.is_float:
                    stems = quantise(stems, self._form.bits)
                for file, stem in zip(files, stems, strict=True):
                    file.write(stem)

    def _close(self) -> None:
        while self._files:
            self._files.pop().close()


def blocks_of(file: soundfile.SoundFile) -> Iterator[Audio]:
    """Yield what can be read of a file."""
    while len(block := file.read(BLOCK, dtype="float32", always_2d=True)):
        yield block


def check_target(path: Path, home: Path, overwrite: bool) -> None:
    """Raise OutputError unless a file can get this name, as far as is known beforehand."""
    with writing(path):
        if path.is_dir():
            raise OutputError(f"{path} is a folder: give another name")
        if not overwrite and os.path.lexists(path):
            raise exists_error(path)
        folder, device = nearest_folder(path.parent), nearest_folder(home).stat().st_dev
        if not folder.is_dir():
            raise OutputError(f"{path.parent} cannot be made: {folder} is a file")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OutputError(f"{folder} cannot be written: it is not allowed")
        if folder.stat().st_dev != device:
            raise OutputError(f"{folder} lies on another file system than {home}: write there")


def nearest_folder(folder: Path) -> Path:
    """Return a folder, or the nearest one above it that is there."""
    return next(place for place in (folder, *folder.parents) if os.path.lexists(place))


@contextmanager
def encoding(path: Path, *parts: Path) -> Iterator[None]:
    """Raise OutputError for an error of libsndfile.

    libsndfile does not report the error of the system, so a write is tried again.

    Parameters
    ----------
    path : Path
        What the error is about.
    *parts : Path
        The files that are written, which are lost anyhow.
    """
    try:
        with writing(path):
            yield
    except soundfile.LibsndfileError as error:
        with writing(path):
            for part in parts:
                probe(part)
        raise OutputError(f"{path} cannot be written: {error.error_string}") from error


def probe(part: Path) -> None:
    """Append something to a file, or raise what the system says."""
    with part.open("ab") as file:
        file.write(PROBE)
        file.flush()
        os.fsync(file.fileno())


def quantise(stems: list[Audio], bits: int) -> list[NDArray[Any]]:
    """Round stems to integers that still add up to the rounded mixture.

    Parameters
    ----------
    stems : list of float32 array, (samples, channels)
        The last one takes the remainder of rounding the others.
    bits : {16, 24}

    Returns
    -------
    list of int16 or int32 array
        As soundfile writes them: 24 bits stand at the upper end of 32.
    """
    scale = 2.0 ** (bits - 1)
    mixture = np.rint(np.sum(stems, axis=0, dtype=np.float64) * scale)
    rounded = [np.rint(stem * scale) for stem in stems[:-1]]
    rounded.append(mixture - np.sum(rounded, axis=0))
    whole = [np.clip(stem, -scale, scale - 1).astype(np.int32) for stem in rounded]
    return [w.astype(np.int16) if bits == 16 else w << 8 for w in whole]
