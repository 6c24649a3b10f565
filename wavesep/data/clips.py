"""Clips: the audio files of a folder, and random snippets read out of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import soxr

from ..audio import Audio
from ..audio.base import AudioInfo
from ..audio.read import audio_info, read_part
from ..audio.suffixes import is_audio
from ..dsp.channels import to_channels
from ..errors import AudioError, OptionError
from .manifest import known_infos

PARTS = 10  # of a snippet, each of which sounds or does not
QUIET = 0.01  # RMS of what does not


class Clips:
    """The audio files of a folder, each read only where a snippet lies.

    Parameters
    ----------
    folder : path
        Searched with everything below it, links too, for audio and video files, by their suffixes.
        Where it is part of a prepared set, the manifest knows them and none is opened. A snippet
        of what is neither uncompressed nor FLAC, Ogg Vorbis or MP3 is decoded from the file's
        start, which is slow: keep such files in memory, or prepare them.
    names : iterable of str, optional
        Take only these files: paths below the folder, without their suffix. Default: all.
    in_memory : bool
        Keep every file once it is decoded: 21 MB for a minute of stereo at 44.1 kHz.

    Attributes
    ----------
    names : list of str
        Sorted; two files of one song have the same name in two folders.
    paths : list of Path
        In the same order.
    seconds : float array, (clips,)
        Length of every clip.

    Raises
    ------
    AudioError
        If no audio file is there, one cannot be opened, two have one name, or a file that the
        manifest names is missing.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        names: Iterable[str] | None = None,
        *,
        in_memory: bool = False,
    ) -> None:
        self.folder = Path(folder)
        found = find_audio(self.folder)
        known = known_infos(self.folder)
        if names is not None:
            wanted = set(names)
            found = {name: path for name, path in found.items() if name in wanted}
        if not found:
            raise AudioError(f"no audio file in {self.folder}")
        self.names = sorted(found)
        self.paths = [found[name] for name in self.names]
        self._infos: list[AudioInfo] = [
            known.get(path.resolve()) or audio_info(path) for path in self.paths
        ]
        self._decoded: dict[int, Audio] | None = {} if in_memory else None
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
        """Read a snippet of one clip, at any rate and number of channels.

        Parameters
        ----------
        index : int
            Of the clip in `names`.
        start : float
            Seconds; may be negative. What lies beyond the clip's ends is silence.
        samples : int
            Length of the snippet at ``sample_rate``.
        sample_rate : int
            In Hz.
        channels : int
            Mono is copied to all; any other number of channels is averaged to mono first.
        speed : float
            Play the clip so many times as fast, and higher by as much.

        Returns
        -------
        float32 array, (samples, channels)

        Raises
        ------
        AudioError
            If the file cannot be read.
        """
        info = self._infos[index]
        first = round(start * info.sample_rate)
        rate = info.sample_rate * speed
        # a sample more than needed, since the resampler rounds the length
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
        """Return the share of a snippet's tenths that are louder than -40 dB of full scale."""
        info = self._infos[index]
        edges = np.linspace(start, start + seconds, PARTS + 1) * info.sample_rate
        edges = edges.round().astype(int).clip(0, info.samples)
        audio = self._part(index, int(edges[0]), int(edges[-1]))
        parts = [audio[a:b] for a, b in pairwise(edges - edges[0]) if a < b]
        return sum(float(np.sqrt(np.square(part).mean())) > QUIET for part in parts) / PARTS

    def _part(self, index: int, begin: int, end: int) -> Audio:
        """Read samples of a clip at its own rate."""
        if self._decoded is None:
            return read_part(self.paths[index], begin, end - begin)
        if index not in self._decoded:
            self._decoded[index] = read_part(self.paths[index], 0, self._infos[index].samples)
        return self._decoded[index][begin:end]

    def draw(self, rng: np.random.Generator) -> int:
        """Draw a clip; every second of sound is equally likely."""
        return int(rng.choice(len(self), p=self.seconds / self.seconds.sum()))


def find_audio(folder: Path) -> dict[str, Path]:
    """Return the audio files below a folder by their path in it without suffix."""
    if not folder.is_dir():
        raise AudioError(f"no folder {folder}")
    found: dict[str, Path] = {}
    for place, _, files in os.walk(folder, followlinks=True):
        for file in files:
            path = Path(place, file)
            if not is_audio(path):
                continue
            name = path.relative_to(folder).with_suffix("").as_posix()
            if name in found:
                raise AudioError(f"{found[name]} and {path} have one name: remove one of them")
            found[name] = path
    return found


def pairs(*stems: Clips) -> list[tuple[int, ...]]:
    """Return the clips that belong to one song: those of the same name, an index for each folder.

    A name that is missing in one of the folders is left out.
    """
    places = [{name: i for i, name in enumerate(clips.names)} for clips in stems]
    names = [name for name in stems[0].names if all(name in place for place in places)]
    return [tuple(place[name] for place in places) for name in names]


def check_targets(stems: Sequence[Clips], targets: int) -> None:
    """Raise OptionError unless the first stems can be targets and one at least is left over."""
    if not 1 <= targets < len(stems):
        raise OptionError(
            f"targets={targets} of {len(stems)} stems: one at least must be, and one must not"
        )


def split_names(names: Sequence[str], valid_share: float, seed: int) -> tuple[set[str], set[str]]:
    """Divide names at random into those for training and those for validation.

    Parameters
    ----------
    names : sequence of str
        Of songs; a name that stands in two folders is divided once.
    valid_share : float, in (0, 1)
        Share of the names for validation; at least one goes each way.
    seed : int
        Same seed, same division.

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
            f"two songs with both stems are needed to keep one for validation, not {len(names)}"
        )
    order = np.random.default_rng(seed).permutation(sorted(names))
    count = min(max(round(valid_share * len(order)), 1), len(order) - 1)
    return {str(name) for name in order[count:]}, {str(name) for name in order[:count]}
