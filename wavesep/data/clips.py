"""Clips: the audio files of a folder, and random snippets of them."""

from __future__ import annotations

import logging
import math
import os
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import soxr

from ..audio import HIGHEST_RATE, LOWEST_RATE, Audio
from ..audio.base import AudioInfo
from ..audio.checks import MOST_SECONDS, check_channels, check_rate, check_sound, to_number
from ..audio.read import audio_info, read_part
from ..audio.suffixes import is_audio
from ..dsp.channels import to_channels
from ..errors import AudioError, ClipError, OptionError
from .manifest import known_infos

PARTS = 10  # of a snippet, each of which is loud or quiet
QUIET = 0.01  # largest RMS of a quiet part
LISTED = 20  # bad files that the log names one by one

log = logging.getLogger(__name__)


class Clips:
    """The audio files of a folder; only the snippets that are needed are read.

    Files that cannot be opened are left out and named in the log. Damage in the middle of a file is
    found only when that part is read: `read` raises `ClipError`, and the log names the file once.

    Parameters
    ----------
    folder : path
        Searched for audio and video files by their suffixes, with all folders and links below it.
        For a prepared set, the manifest is used and no file is opened. Snippets of uncompressed
        files, FLAC, Ogg Vorbis and MP3 are read in place. Other files are decoded from their
        start, which is slow: keep them in memory, or prepare them.
    names : iterable of str, optional
        Use only these files: paths below the folder, without their suffix. Default: all.
    in_memory : bool
        Keep every decoded file in memory: 21 MB for a minute of stereo at 44.1 kHz.
    strict : bool
        Raise if a file cannot be opened. Default: leave it out.

    Attributes
    ----------
    names : list of str
        Sorted. The stems of one song have the same name in their folders.
    paths : list of Path
        In the same order.
    seconds : float array, (clips,)
        Length of every clip.
    skipped : dict of str to str
        The reason for each file that is left out, by its name.

    Raises
    ------
    AudioError
        If there is no audio file, none can be opened, two have the same name, or a file that the
        manifest names is missing; if ``strict``, also if one cannot be opened.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        names: Iterable[str] | None = None,
        *,
        in_memory: bool = False,
        strict: bool = False,
    ) -> None:
        self.folder = Path(folder)
        found = find_audio(self.folder)
        known = known_infos(self.folder)
        if names is not None:
            wanted = set(names)
            found = {name: path for name, path in found.items() if name in wanted}
        if not found:
            raise AudioError(f"no audio file in {self.folder}")
        infos, self.skipped = open_files(found, known)
        tell_skipped(self.folder, len(found), self.skipped, strict)
        self.names = sorted(infos)
        self.paths = [found[name] for name in self.names]
        self._infos = [infos[name] for name in self.names]
        self._decoded: dict[int, Audio] | None = {} if in_memory else None
        self._faults: dict[int, ClipError] = {}
        self._telling = threading.Lock()
        self.seconds = np.array([info.samples / info.sample_rate for info in self._infos])

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self.names)

    def read(
        self,
        index: int,
        start: float,
        samples: int,
        sample_rate: int,
        channels: int,
        speed: float = 1.0,
    ) -> Audio:
        """Read a snippet of one clip, at any sample rate and number of channels.

        Parameters
        ----------
        index : int
            Place of the clip in `names`.
        start : float
            In seconds; may be negative. Beyond the clip's ends there is silence.
        samples : int
            Length of the snippet at ``sample_rate``.
        sample_rate : int, from 1,000 to 768,000
            In Hz.
        channels : int, from 1 to 64
            Mono is copied to all; any other number of channels is averaged to mono first.
        speed : float, > 0
            Play the clip this many times as fast; its pitch rises by the same factor.

        Returns
        -------
        float32 array, (samples, channels)

        Raises
        ------
        ClipError
            If this part of the file cannot be read, or a sample is NaN, infinite or beyond 100.
        OptionError
            If an argument is out of its range.
        """
        sample_rate, channels = check_rate(sample_rate), check_channels(channels)
        start, samples, speed = check_snippet(start, samples, speed)
        info = self._infos[index]
        first = round(start * info.sample_rate)
        rate = info.sample_rate * speed
        # one sample more than needed, since the resampler rounds the length
        last = first + int(np.ceil((samples + 1) * rate / sample_rate))
        part = np.zeros((last - first, info.channels), np.float32)
        begin, end = max(first, 0), min(last, info.samples)
        if begin < end:
            part[begin - first : end - first] = self._part(index, begin, end)
        if info.channels != channels:
            part = to_channels(part, 1)
        if rate != sample_rate:
            part = soxr.resample(part, rate, sample_rate)
        return to_channels(part[:samples], channels)

    def sounding(self, index: int, start: float, seconds: float) -> float:
        """Return the share of a snippet's ten parts whose RMS is above -40 dB of full scale.

        Raises
        ------
        ClipError
            If this part of the file cannot be read: see `read`.
        """
        info = self._infos[index]
        edges = np.linspace(start, start + seconds, PARTS + 1) * info.sample_rate
        edges = edges.round().astype(int).clip(0, info.samples)
        audio = self._part(index, int(edges[0]), int(edges[-1]))
        parts = [audio[a:b] for a, b in pairwise(edges - edges[0]) if a < b]
        return sum(float(np.sqrt(np.square(part).mean())) > QUIET for part in parts) / PARTS

    def _part(self, index: int, begin: int, end: int) -> Audio:
        """Read samples of a clip at its own sample rate."""
        if self._decoded is None:
            return self._sound(index, begin, end)
        if index in self._faults:
            raise self._faults[index]
        if index not in self._decoded:
            self._decoded[index] = self._sound(index, 0, self._infos[index].samples)
        return self._decoded[index][begin:end]

    def _sound(self, index: int, begin: int, end: int) -> Audio:
        """Read and check samples; log once for each clip that it is damaged."""
        path = self.paths[index]
        try:
            part = read_part(path, begin, end - begin)
            check_sound(part, begin)
        except (AudioError, MemoryError) as error:  # a wrong length may need too much memory
            fault = ClipError(path, str(error))
            with self._telling:
                if index not in self._faults:
                    log.warning("%s; the parts that cannot be read are not used", fault)
                self._faults[index] = fault
            raise fault from error
        return part

    def draw(self, rng: np.random.Generator, without: Collection[Path] = ()) -> int:
        """Draw the index of a clip, with a probability in proportion to its length.

        Parameters
        ----------
        rng : numpy.random.Generator
        without : collection of Path
            Files that are not drawn.

        Raises
        ------
        AudioError
            If no other clip is left.
        """
        weights = self.seconds
        if without:
            weights = weights * [path not in without for path in self.paths]
        if not weights.any():
            raise AudioError(f"no file of {self.folder} can be read: see the log")
        return int(rng.choice(len(self), p=weights / weights.sum()))


def find_audio(folder: Path) -> dict[str, Path]:
    """Return the audio files below a folder by their path without suffix.

    Raises
    ------
    AudioError
        If there is no such folder, or two files have the same name.
    """
    if not folder.is_dir():
        raise AudioError(f"no folder {folder}")
    found: dict[str, Path] = {}
    for place, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not is_litter(name)]
        for file in files:
            path = Path(place, file)
            if not is_audio(path):
                continue
            name = path.relative_to(folder).with_suffix("").as_posix()
            if name in found:
                raise AudioError(f"{found[name]} and {path} have the same name: remove one")
            found[name] = path
    return found


def is_litter(name: str) -> bool:
    """Tell if a file or folder is hidden, or a companion file of macOS."""
    return name.startswith(".") or name == "__MACOSX"


def open_files(
    found: Mapping[str, Path], known: Mapping[Path, AudioInfo]
) -> tuple[dict[str, AudioInfo], dict[str, str]]:
    """Read the headers of the files that are not known yet.

    Returns
    -------
    infos : dict of str to AudioInfo
        By name, of the files that can be used.
    skipped : dict of str to str
        The reason for each of the others, by name.
    """
    infos, skipped = {}, {}
    for name, path in found.items():
        try:
            info = known.get(path.resolve()) or audio_info(path)
            check_info(path, info)
        except AudioError as error:
            skipped[name] = str(error)
        else:
            infos[name] = info
    return infos, skipped


def check_info(path: Path, info: AudioInfo) -> None:
    """Check that a header can belong to a recording.

    Raises
    ------
    AudioError
        If it has no samples, or its sample rate is out of range.
    """
    if info.samples < 1:
        raise AudioError(f"{path} has no samples")
    if not LOWEST_RATE <= info.sample_rate <= HIGHEST_RATE:
        raise AudioError(f"{path} has a sample rate of {info.sample_rate} Hz: it is damaged")


def check_snippet(start: Any, samples: Any, speed: Any) -> tuple[float, int, float]:
    """Return the start of a snippet, its length and its speed as numbers.

    Raises
    ------
    OptionError
        If one of them is not a number or out of its range: see `Clips.read`.
    """
    begin, count, factor = to_number(start), to_number(samples), to_number(speed)
    if not abs(begin) <= MOST_SECONDS:
        raise OptionError(f"start must be a number of seconds, not {start!r}")
    if not (count.is_integer() and count >= 0):
        raise OptionError(f"samples must be a whole number, 0 or more, not {samples!r}")
    if not 0 < factor < math.inf:
        raise OptionError(f"speed must be a number, more than 0, not {speed!r}")
    return begin, int(count), factor


def tell_skipped(folder: Path, count: int, skipped: Mapping[str, str], strict: bool) -> None:
    """Log which files of a folder are left out.

    Raises
    ------
    AudioError
        If all files are left out; if ``strict``, if any is.
    """
    if not skipped:
        return
    first = next(iter(skipped.values()))
    if strict or len(skipped) == count:
        raise AudioError(f"{len(skipped)} of {count} files in {folder} cannot be used: {first}")
    for reason in list(skipped.values())[:LISTED]:
        log.warning("left out: %s", reason)
    if len(skipped) > LISTED:
        log.warning("left out: %d more of %s", len(skipped) - LISTED, folder)


def pairs(*stems: Clips) -> list[tuple[int, ...]]:
    """Return the stems of each song: clips of the same name, as an index for each folder.

    A name that is missing in one of the folders is left out.
    """
    places = [{name: i for i, name in enumerate(clips.names)} for clips in stems]
    names = [name for name in stems[0].names if all(name in place for place in places)]
    return [tuple(place[name] for place in places) for name in names]


def check_targets(stems: Sequence[Clips], targets: int) -> None:
    """Check the number of targets, which are the first stems.

    Raises
    ------
    OptionError
        If no stem is a target, or all stems are.
    """
    if not 1 <= targets < len(stems):
        raise OptionError(
            f"targets={targets} of {len(stems)} stems: it must be from 1 to {len(stems) - 1}"
        )


def split_names(names: Sequence[str], valid_share: float, seed: int) -> tuple[set[str], set[str]]:
    """Divide names at random into those for training and those for validation.

    Parameters
    ----------
    names : sequence of str
        Of songs. The stems of a song share its name, so they stay together.
    valid_share : float, in (0, 1)
        Share of the names for validation. Each side gets at least one.
    seed : int
        The same seed gives the same division.

    Returns
    -------
    training, validation : set of str

    Raises
    ------
    OptionError
        If there are fewer than two names.
    """
    if len(names) < 2:
        raise OptionError(
            f"training and validation need two songs with both stems, not {len(names)}"
        )
    order = np.random.default_rng(seed).permutation(sorted(names))
    count = min(max(round(valid_share * len(order)), 1), len(order) - 1)
    return {str(name) for name in order[count:]}, {str(name) for name in order[:count]}
