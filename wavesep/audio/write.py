"""Writing stems, in blocks; a file takes its final name only when it is whole.

While a song runs, each stem grows as 32-bit float WAV under the name ``STEM.part.wav``. At its end
the stems are brought into their final format together, since only then it is known whether one of
them would clip and all of them must be turned down.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from ..errors import DiskFullError, OptionError, OutputError, OutputExistsError
from . import Audio
from .read import BLOCK

CODECS = ("wav", "flac", "mp3")
BITS = (16, 24, 32)  # 32 is float
SUBTYPES = {16: "PCM_16", 24: "PCM_24", 32: "FLOAT"}
MP3_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
LARGEST_WAV = 4_000_000_000  # bytes; above it the header needs the 64-bit form, RF64

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
        return soundfile.SoundFile(path, "w", self.sample_rate, self.channels, **options)


@contextmanager
def open_stems(
    paths: dict[str, Path], form: StemFormat, *, samples: int, overwrite: bool = False
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

    Yields
    ------
    StemWriter

    Raises
    ------
    OutputExistsError
        If a file exists and is not to be overwritten.
    DiskFullError
        If there is no room.
    OutputError
        If the folder or a file cannot be made.
    """
    if not overwrite and (existing := [path for path in paths.values() if path.exists()]):
        raise OutputExistsError(f"{existing[0]} exists: give another folder, or overwrite")
    missing = missing_folders(paths)
    writer = StemWriter(paths, form, samples)
    try:
        writer.open()
        yield writer
        writer.finish()
    except BaseException:
        writer.discard()
        for folder in reversed(missing):
            with suppress(OSError):  # another song may have come to use it
                folder.rmdir()
        raise


class StemWriter:
    """Takes the stems of one song block by block; see `open_stems`."""

    def __init__(self, paths: dict[str, Path], form: StemFormat, samples: int) -> None:
        self._paths = paths
        self._form = form
        self._growing = [path.with_name(f"{path.stem}.part.wav") for path in paths.values()]
        self._parts = [path.with_name(f"{path.name}.part") for path in paths.values()]
        # a length that is only estimated may turn out to be more than a plain WAV holds
        self._expected = round(samples * 1.1) or LARGEST_WAV
        self._files: list[soundfile.SoundFile] = []
        self._samples = 0
        self._peak = 0.0

    def open(self) -> None:
        """Make the folders and begin the growing files."""
        floats = replace(self._form, codec="wav", bits=32)
        for path in self._growing:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise OutputError(f"{path.parent} cannot be made: {error.strerror}") from error
            try:
                self._files.append(floats.open(path, self._expected))
            except soundfile.LibsndfileError as error:
                raise OutputError(f"{path.parent} cannot be written: {error}") from error

    def write(self, stems: dict[str, Audio]) -> None:
        """Append a block to every stem: float32 arrays, (samples, channels)."""
        for name, file in zip(self._paths, self._files, strict=True):
            with no_room(self._paths[name]):
                file.write(stems[name])
            self._peak = max(self._peak, float(np.abs(stems[name]).max(initial=0)))
        self._samples += len(next(iter(stems.values())))

    def finish(self) -> None:
        """Bring the stems into their format, with one gain for all, and give them their names."""
        gain = min(1.0, self._form.largest / self._peak) if self._peak else 1.0
        if gain < 1:
            log.warning(
                "%s: a stem would clip, so all stems are turned down by %.1f dB",
                next(iter(self._paths.values())).parent, -20 * np.log10(gain),
            )  # fmt: skip
        self._close()
        with no_room(self._parts[0]), ExitStack() as stack:
            sources = [stack.enter_context(soundfile.SoundFile(path)) for path in self._growing]
            parts = [
                stack.enter_context(self._form.open(path, self._samples)) for path in self._parts
            ]
            for blocks in zip(
                *[source.blocks(BLOCK, dtype="float32", always_2d=True) for source in sources],
                strict=True,
            ):
                stems = [block * np.float32(gain) for block in blocks]
                if self._form.codec != "mp3" and not self._form.is_float:
                    stems = quantise(stems, self._form.bits)
                for part, stem in zip(parts, stems, strict=True):
                    part.write(stem)
        for part, path in zip(self._parts, self._paths.values(), strict=True):
            if soundfile.info(part).frames != self._samples:
                raise DiskFullError(f"{path} could not be written in full: is the disk full?")
        for part, path in zip(self._parts, self._paths.values(), strict=True):
            part.replace(path)
        self.discard()

    def discard(self) -> None:
        """Remove everything that has not got its final name."""
        self._close()
        for path in self._growing + self._parts:
            if path.is_file():
                path.unlink()

    def _close(self) -> None:
        for file in self._files:
            file.close()
        self._files = []


def quantise(stems: list[Audio], bits: int) -> list[NDArray[Any]]:
    """Round stems to integers that still add up to the rounded mixture.

    Parameters
    ----------
    stems : list of float32 array, (samples, channels)
        The last one takes what rounding the others leaves.
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


def missing_folders(paths: dict[str, Path]) -> list[Path]:
    """Return the folders of some files that are not there, the outermost first."""
    folders = {folder for path in paths.values() for folder in path.parents}
    return sorted(folder for folder in folders if not folder.exists())


@contextmanager
def no_room(path: Path) -> Iterator[None]:
    """Turn an error in the middle of writing into DiskFullError."""
    try:
        yield
    except (soundfile.LibsndfileError, OSError) as error:
        raise DiskFullError(f"{path} could not be written in full: is the disk full?") from error
