"""Writing stems in blocks. A file gets its final name when it is complete.

While a song is separated, each stem grows as a 32-bit float WAV file that any player can play. Its
path is ``.wavesep-unfinished-XXXXXXXX/STEM.wav`` in the output folder. A log line (INFO) names that
folder. At the end, all stems are converted to their final format. One gain then turns all of them
down if one would clip; this is known only at the end. Then the files get their final names: see
`wavesep.atomic`.
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
LARGEST_WAV = 4_000_000_000  # bytes; larger files need the 64-bit format RF64
PROBE = bytes(65_536)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StemFormat:
    """The file format of stems.

    Attributes
    ----------
    codec : {"wav", "flac", "mp3"}
        mp3 has its highest bit rate: 320 kbit/s if the sample rate allows it.
    bits : {16, 24, 32}
        Bit depth. 32 is float and for wav only. mp3 ignores it.
    sample_rate : int
        In Hz. mp3 supports the rates in `MP3_RATES`, from 8,000 to 48,000.
    channels : int
        At most 8 for flac and 2 for mp3.

    Raises
    ------
    OptionError
        If the codec does not support the others.
    """

    codec: str
    bits: int
    sample_rate: int
    channels: int

    def __post_init__(self) -> None:
        """Raise OptionError if the codec does not support the bit depth, rate or channels."""
        if self.codec not in CODECS:
            raise OptionError(f"no codec {self.codec!r}: choose one of {', '.join(CODECS)}")
        if self.bits not in BITS:
            raise OptionError(f"{self.bits} bits cannot be written: choose 16, 24 or 32 (float)")
        if self.codec == "flac" and (self.bits == 32 or self.channels > 8):
            raise OptionError(
                f"flac holds up to 24 bits and 8 channels, not {self.bits} and {self.channels}: "
                "choose wav"
            )
        if self.codec == "mp3" and (self.channels > 2 or self.sample_rate not in MP3_RATES):
            raise OptionError(
                f"mp3 cannot hold {self.channels} channels at {self.sample_rate} Hz: "
                "choose wav or flac"
            )

    @property
    def is_float(self) -> bool:
        """Whether samples are written as floats; floats do not clip."""
        return self.codec == "wav" and self.bits == 32

    @property
    def largest(self) -> float:
        """The largest sample that does not clip."""
        return float("inf") if self.is_float else 1 - 2.0 ** (1 - self.bits)

    def open(self, path: Path, samples: int) -> soundfile.SoundFile:
        """Open a new file of this format for a number of samples."""
        if self.codec == "mp3":
            options = {"format": "MP3", "bitrate_mode": "CONSTANT", "compression_level": 0.0}
        elif self.codec == "flac":
            options = {"format": "FLAC", "subtype": SUBTYPES[self.bits]}
        else:
            size = samples * self.channels * self.bits // 8
            form = "WAV" if size < LARGEST_WAV else "RF64"
            options = {"format": form, "subtype": SUBTYPES[self.bits]}
        # as bytes, since the name may not be valid UTF-8
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
    """Write the stems of one song. At the end, all files get their final names, or none.

    Parameters
    ----------
    paths : dict of str to Path
        The final path of each stem. The last stem is the mixture minus the others.
    form : StemFormat
    samples : int, >= 0
        Expected number of samples; 0 if it is not known.
    overwrite : bool
        Replace files that exist. They stay unchanged until the new files are complete.
    folder : Path, optional
        The output folder: all final paths are below it. The unfinished stems are written there,
        and files that killed runs left there are removed. Default: the common parent of the paths.
    song : Path, optional
        The stems get its tags and cover: see `tags.copy_tags`. Default: no tags.

    Yields
    ------
    StemWriter

    Raises
    ------
    OutputExistsError
        If a file exists, or appears before the stems are complete, and ``overwrite`` is false.
    DiskFullError
        If the disk is full, or a file is too large for its file system.
    OutputError
        If a folder or a file cannot be written.
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
    """Takes the stems of one song block by block; see `open_stems`.

    Attributes
    ----------
    samples : int
        Number of samples so far.
    gain_db : float, <= 0
        The gain that all stems got against clipping; it is known after `finish`.
    """

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
        # the expected length may be too short, so RF64 is chosen a little early
        self._expected = round(samples * 1.1) or LARGEST_WAV
        self._files: list[soundfile.SoundFile] = []
        self.samples = 0
        self.gain_db = 0.0
        self._peak = 0.0

    def __enter__(self) -> Self:
        """Open the growing files."""
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
        with suppress(soundfile.LibsndfileError):  # an earlier error is more important
            self._close()

    def write(self, stems: dict[str, Audio]) -> None:
        """Append a block to every stem.

        Parameters
        ----------
        stems : dict of str to float32 array, (samples, channels)

        Raises
        ------
        OutputError
            If a file cannot be written: see its subclasses.
        """
        for stem, file, growing in zip(self._paths, self._files, self._growing, strict=True):
            with encoding(self._paths[stem], growing):
                file.write(stems[stem])
            self._peak = max(self._peak, float(np.abs(stems[stem]).max(initial=0)))
        self.samples += len(next(iter(stems.values())))

    def finish(self) -> dict[str, Path]:
        """Convert all stems to their final format, with one gain for all.

        Returns
        -------
        dict of str to Path
            For the name of each complete file in the temporary folder, its final path.

        Raises
        ------
        OutputError
            If a file cannot be written: see its subclasses.
        """
        gain = min(1.0, self._form.largest / self._peak) if self._peak else 1.0
        first = next(iter(self._paths.values()))
        if gain < 1:
            self.gain_db = 20 * float(np.log10(gain))
            log.warning(
                "%s: a stem would clip, so all stems are turned down by %.1f dB",
                first.parent, -self.gain_db,
            )  # fmt: skip
        with encoding(first, *self._growing, *self._whole):
            self._close()
            self._convert(np.float32(gain))
            if self._song:
                whole_stems = dict(zip(self._paths, self._whole, strict=True))
                copy_tags(self._song, whole_stems, self._form.codec)
            for whole, path in zip(self._whole, self._paths.values(), strict=True):
                if soundfile.info(os.fsencode(whole)).frames != self.samples:
                    probe(whole)
                    raise OutputError(f"{path} could not be written in full: check the disk")
                settle(whole)
        return {
            whole.name: path for whole, path in zip(self._whole, self._paths.values(), strict=True)
        }

    def _convert(self, gain: np.float32) -> None:
        """Read the growing files and write them in their final format."""
        with ExitStack() as stack:
            sources = [
                stack.enter_context(soundfile.SoundFile(os.fsencode(path)))
                for path in self._growing
            ]
            files = [
                stack.enter_context(self._form.open(path, self.samples)) for path in self._whole
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
    """Yield a file in blocks."""
    while len(block := file.read(BLOCK, dtype="float32", always_2d=True)):
        yield block


def check_target(path: Path, home: Path, overwrite: bool) -> None:
    """Check in advance, as far as possible, that a file can get its final path.

    Raises
    ------
    OutputExistsError
        If the file exists and ``overwrite`` is false.
    OutputError
        If the path is a folder, its folder cannot be written, or is on another file system.
    """
    with writing(path):
        if path.is_dir():
            raise OutputError(f"{path} is a folder: choose another name")
        if not overwrite and os.path.lexists(path):
            raise exists_error(path)
        folder, device = nearest_folder(path.parent), nearest_folder(home).stat().st_dev
        if not folder.is_dir():
            raise OutputError(f"{path.parent} cannot be made: {folder} is a file")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OutputError(f"{folder} cannot be written: choose a folder that you may write to")
        if folder.stat().st_dev != device:
            raise OutputError(f"{folder} is on another file system than {home}: write to it itself")


def nearest_folder(folder: Path) -> Path:
    """Return a folder if it exists, or else its nearest parent that exists."""
    return next(place for place in (folder, *folder.parents) if os.path.lexists(place))


@contextmanager
def encoding(path: Path, *parts: Path) -> Iterator[None]:
    """Turn the errors of libsndfile into OutputError.

    libsndfile does not report the error of the operating system. So after an error, something is
    appended to the files to find the reason.

    Parameters
    ----------
    path : Path
        The path that the message names.
    *parts : Path
        The files that are being written. They are of no use after an error.

    Raises
    ------
    DiskFullError
        If the disk is full, or a file is too large for its file system.
    OutputError
        If a file cannot be written for another reason.
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
    """Append zeros to a file, to raise the operating system's OSError if there is one."""
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
        In the form that soundfile writes: 24 bits are the upper ones of 32.
    """
    scale = 2.0 ** (bits - 1)
    mixture = np.rint(np.sum(stems, axis=0, dtype=np.float64) * scale)
    rounded = [np.rint(stem * scale) for stem in stems[:-1]]
    rounded.append(mixture - np.sum(rounded, axis=0))
    whole = [np.clip(stem, -scale, scale - 1).astype(np.int32) for stem in rounded]
    return [w.astype(np.int16) if bits == 16 else w << 8 for w in whole]
