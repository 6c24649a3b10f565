"""Songs whose stems are known, in the usual folder layouts."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..audio import TWO_STEMS, Audio
from ..audio.checks import check_sound
from ..audio.read import read_audio
from ..audio.suffixes import is_audio
from ..errors import AudioError, ClipError, OptionError
from .clips import find_audio, is_litter, open_files
from .manifest import known_infos

if TYPE_CHECKING:
    import musdb

MUSDB_SOURCES = ("vocals", "drums", "bass", "other")
SUBSETS = ("train", "valid", "test")
MIXTURES = ("mixture", "mix")  # names of files that are not stems


@dataclass(frozen=True)
class Stems:
    """A song: its mixture and its stems, ``(samples, channels)`` each."""

    mixture: Audio
    vocals: Audio
    accompaniment: Audio
    sample_rate: int


@dataclass(frozen=True)
class Track:
    """A song that is read when it is needed.

    Attributes
    ----------
    name : str
    subset : {"train", "valid", "test", ""}
        Empty if the folder has no subsets.
    load : callable
        Returns the `Stems`, or raises AudioError.
    """

    name: str
    subset: str
    load: Callable[[], Stems]


def find_tracks(
    folder: str | os.PathLike[str], subset: str | None = None, *, strict: bool = False
) -> list[Track]:
    """Find the songs of a folder, and open their files as a check.

    If a file of a song cannot be used, `Track.load` raises AudioError with the reason.

    Parameters
    ----------
    folder : path
        One of

        * MUSDB18 or MUSDB18-HQ;
        * a folder with ``vocals/`` and ``accompaniment/``: files of the same name are the stems of
          one song;
        * a prepared set, which has these two in ``train/``, ``valid/`` and ``test/``;
        * a folder of songs: ``SONG/vocals.wav`` and the other stems beside it. A file called
          mixture or mix is not a stem; case does not matter.
    subset : {"train", "valid", "test"}, optional
        Default: "test" if the folder has it, else all.
    strict : bool
        Raise if a file cannot be opened. Files of MUSDB18 are not checked.

    Returns
    -------
    list of Track

    Raises
    ------
    AudioError
        If there are no songs; if ``strict``, also if a file cannot be opened.
    OptionError
        If the folder is MUSDB18's and FFmpeg, which reads it, is missing.
    """
    folder = Path(folder)
    if any(folder.glob("*/*.stem.mp4")) or any(folder.glob("*/*/mixture.wav")):
        tracks = musdb_tracks(folder)
    elif parts := [part for part in SUBSETS if (folder / part / "vocals").is_dir()]:
        tracks = [
            track
            for part in parts
            if subset in (None, part)
            for track in paired_tracks(folder / part, part, strict)
        ]
    elif (folder / "vocals").is_dir():
        tracks = paired_tracks(folder, "", strict)
    else:
        tracks = song_tracks(folder, strict)
    if subset is None and any(track.subset == "test" for track in tracks):
        subset = "test"
    tracks = [track for track in tracks if subset in (None, track.subset)]
    if not tracks:
        raise AudioError(f"no song with vocals and other stems in {folder}")
    return tracks


def musdb_tracks(folder: Path) -> list[Track]:
    """Return the songs of MUSDB18 or MUSDB18-HQ; musdb divides them into subsets.

    Raises
    ------
    OptionError
        If FFmpeg is missing.
    """
    if not (shutil.which("ffmpeg") and shutil.which("ffprobe")):
        raise OptionError(
            "musdb needs ffmpeg and ffprobe: install FFmpeg (on Debian, apt install ffmpeg)"
        )
    import musdb  # it fails without these two

    database = musdb.DB(root=str(folder), is_wav=any(folder.glob("*/*/mixture.wav")))
    held_back = database.setup["validation_tracks"]
    return [
        Track(
            track.name,
            "valid" if track.subset == "train" and track.name in held_back else track.subset,
            partial(read_musdb, track),
        )
        for track in database
    ]


def read_musdb(track: musdb.MultiTrack) -> Stems:
    """Read a song with musdb.

    Raises
    ------
    AudioError
        If a stem is missing or cannot be read.
    """
    if lacking := [name for name in MUSDB_SOURCES if name not in track.sources]:
        raise AudioError(f"{track.name} has no {', '.join(lacking)}")
    try:
        targets = [track.targets[name].audio for name in TWO_STEMS]
        sounds = [np.asarray(sound, np.float32) for sound in (track.audio, *targets)]
    except (OSError, RuntimeError, ValueError, Warning) as error:
        raise AudioError(f"{track.path} cannot be read: {error}") from error
    samples = min(map(len, sounds))
    mixture, vocals, accompaniment = (sound[:samples] for sound in sounds)
    return Stems(mixture, vocals, accompaniment, int(track.rate))


def paired_tracks(folder: Path, subset: str, strict: bool) -> list[Track]:
    """Return the songs that have files of the same name in ``vocals/`` and ``accompaniment/``.

    A file that cannot be opened counts as a song that cannot be read, with or without a partner.
    """
    bad: dict[str, str] = {}
    found = []
    for stem in TWO_STEMS:
        files = find_audio(folder / stem)
        bad |= open_files(files, known_infos(folder / stem))[1]
        found.append(files)
    check_strict(folder, bad, strict)
    vocals, rest = found
    loads = {
        name: partial(summed, vocals[name], [rest[name]]) for name in vocals if name in rest
    } | {name: partial(refuse, reason) for name, reason in bad.items()}
    return [Track(name, subset, loads[name]) for name in sorted(loads)]


def song_tracks(folder: Path, strict: bool) -> list[Track]:
    """Return the songs of a folder in which each song is a folder of stems."""
    tracks = []
    for path in sorted(folder.glob("*/")):
        if is_litter(path.name) or "vocals" not in (stems := named_stems(path)):
            continue
        bad = open_files(stems, {})[1]
        check_strict(folder, bad, strict)
        load = partial(refuse, next(iter(bad.values()))) if bad else partial(read_song, path)
        tracks.append(Track(path.name, "", load))
    return tracks


def check_strict(folder: Path, bad: Mapping[str, str], strict: bool) -> None:
    """Check that all files of a folder can be opened, if ``strict``.

    Raises
    ------
    AudioError
        If ``strict`` and a file is bad.
    """
    if bad and strict:
        more = f", and {len(bad) - 1} more in {folder}" if len(bad) > 1 else ""
        raise AudioError(f"{next(iter(bad.values()))}{more}")


def refuse(reason: str) -> Stems:
    """Report why a song cannot be read, in the place of its stems.

    Raises
    ------
    AudioError
        Always.
    """
    raise AudioError(reason)


def named_stems(folder: Path) -> dict[str, Path]:
    """Return the stems of a song, without its mixture, by their names in lower case."""
    stems = {path.stem.lower(): path for path in sorted(folder.iterdir()) if is_audio(path)}
    return {name: path for name, path in stems.items() if name not in MIXTURES}


def read_song(folder: Path) -> Stems:
    """Read a song that is a folder of stems.

    Raises
    ------
    AudioError
        If it has only vocals, or its stems cannot be read or added: see `summed`.
    """
    stems = named_stems(folder)
    others = [path for name, path in stems.items() if name != "vocals"]
    if not others:
        raise AudioError(f"{folder} has vocals but no other stem")
    return summed(stems["vocals"], others)


def summed(vocals: Path, others: list[Path]) -> Stems:
    """Read the stems whose sum is the mixture; shorter ones are padded with silence.

    Raises
    ------
    AudioError
        If one cannot be read, or they differ in sample rate or number of channels.
    """
    sounds = [read_sound(path) for path in (vocals, *others)]
    if len({(rate, audio.shape[1]) for audio, rate in sounds}) > 1:
        raise AudioError(f"{vocals} and other stems differ in sample rate or channels: convert one")
    samples = max(len(audio) for audio, _ in sounds)
    first, *rest = (np.pad(audio, ((0, samples - len(audio)), (0, 0))) for audio, _ in sounds)
    accompaniment: Audio = np.sum(rest, axis=0, dtype=np.float32)
    return Stems(first + accompaniment, first, accompaniment, sounds[0][1])


def read_sound(path: Path) -> tuple[Audio, int]:
    """Read a whole file.

    Raises
    ------
    ClipError
        If it cannot be read, or a sample is NaN, infinite or beyond 100.
    """
    try:
        audio, rate = read_audio(path)
        check_sound(audio, 0)
    except AudioError as error:
        raise ClipError(path, str(error)) from error
    return audio, rate
