"""The common part of the scripts of this folder: make a prepared set from songs.

A prepared set is a folder with train/, valid/ and test/, or some of these. Each contains vocals/
and accompaniment/ with FLAC files. The stems of a song have the same name. manifest.csv describes
every file. skipped.csv lists the songs that the last run skipped, and why.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import math
import signal
import sys
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from os import cpu_count
from pathlib import Path

import numpy as np
import soundfile
import soxr
from extras import extra
from rich.console import Console
from rich.progress import track

from wavesep.audio import Audio
from wavesep.audio.write import StemFormat, open_stems
from wavesep.data.manifest import MANIFEST, Entry, read_manifest, write_manifest
from wavesep.dsp.channels import to_channels
from wavesep.errors import AudioError, WavesepError

with extra():
    import pyloudnorm

SKIPPED = "skipped.csv"
INTERRUPTED = 130  # the shell's own code for Ctrl-C
SHORTEST = 0.4  # seconds of one block of ITU-R BS.1770: shorter sounds have no loudness

Sound = tuple[Audio, int]  # samples and their rate, in Hz


@dataclass(frozen=True)
class Song:
    """A song to prepare, with both stems or one.

    Attributes
    ----------
    name : str
        Path of its files below the folder of their stem, without suffix.
    split : {"train", "valid", "test"}
    source, licence : str
    load : callable
        Returns the sound of each stem. It is called in another process.
    stems : tuple of str
        The stems that it returns: "vocals", "accompaniment" or both.
    """

    name: str
    split: str
    source: str
    licence: str
    load: Callable[[], dict[str, Sound]]
    stems: tuple[str, ...]

    @property
    def paths(self) -> dict[str, str]:
        """The path of each stem in the set, in Unicode's composed form, for all systems."""
        name = unicodedata.normalize("NFC", self.name)
        return {stem: f"{self.split}/{stem}/{name}.flac" for stem in self.stems}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that all scripts have."""
    parser.add_argument(
        "out", type=Path, help="folder of the prepared set; it is created if it is missing"
    )
    parser.add_argument(
        "-j", "--jobs", type=int, default=cpu_count() or 1, metavar="N",
        help="number of processes (default: one per core)",
    )  # fmt: skip


def prepare(songs: Sequence[Song], out: Path, jobs: int) -> int:
    """Prepare the songs that the set does not have yet, and return the exit code.

    Skipped songs are printed and written to skipped.csv.

    Parameters
    ----------
    songs : sequence of Song
    out : path
        Folder of the set. Files that are there already stay.
    jobs : int, >= 1
        Number of processes.

    Returns
    -------
    int
        0 if the set has every song, 1 if one was skipped, 130 after Ctrl-C. The same command
        continues.

    Raises
    ------
    AudioError
        If the manifest of the set is damaged.
    MemoryError
        If the system killed a process.
    """
    out.mkdir(parents=True, exist_ok=True)
    entries = {entry.path: entry for entry in stored(out)}
    wanted, skipped = distinct(songs)
    missing = [song for song in wanted if not {*song.paths.values()} <= entries.keys()]
    if spared := len(wanted) - len(missing):
        print(f"{spared} songs are there already")
    try:
        store_all(missing, out, jobs, entries, skipped)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on", file=sys.stderr)
        return INTERRUPTED
    finally:
        write_manifest(out, entries.values())
        write_skipped(out, skipped)
    for name, reason in skipped:
        print(f"skipped {name}: {reason}", file=sys.stderr)
    print(f"{out}: {len(entries)} files, {sum(e.seconds for e in entries.values()) / 60:.0f} min")
    return 1 if skipped else 0


def stored(out: Path) -> list[Entry]:
    """Return the entries of a set whose files exist; print which are missing."""
    if not (out / MANIFEST).is_file():
        return []
    entries = read_manifest(out)
    for entry in entries:
        if not (out / entry.path).is_file():
            print(f"{entry.path} is in the manifest but not there", file=sys.stderr)
    return [entry for entry in entries if (out / entry.path).is_file()]


def distinct(songs: Iterable[Song]) -> tuple[list[Song], list[tuple[str, str]]]:
    """Return the songs with distinct files, and the name and fault of each of the others."""
    taken: dict[str, Song] = {}
    kept, complaints = [], []
    for song in songs:
        if other := next((taken[p] for p in song.paths.values() if p in taken), None):
            complaints.append((song.name, f"there is another song of this name, in {other.source}"))
            continue
        taken |= dict.fromkeys(song.paths.values(), song)
        kept.append(song)
    return kept, complaints


def store_all(
    songs: Sequence[Song],
    out: Path,
    jobs: int,
    entries: dict[str, Entry],
    skipped: list[tuple[str, str]],
) -> None:
    """Store songs in several processes; add to ``entries`` and ``skipped`` after each song.

    Raises
    ------
    MemoryError
        If the system killed a process.
    """
    console = Console(stderr=True)
    # a fork may hang because NumPy has threads
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), ignore_interrupts)
    try:
        work: dict[Future[list[Entry]], Song] = {pool.submit(store, s, out): s for s in songs}
        for job in track(as_completed(work), "preparing", len(work), console=console):
            try:
                entries |= {entry.path: entry for entry in job.result()}
                write_manifest(out, entries.values())
            except WavesepError as error:
                skipped.append((work[job].name, str(error)))
    except BrokenProcessPool as error:
        raise MemoryError("a process was killed: take fewer --jobs, and go on") from error
    finally:
        pool.shutdown(cancel_futures=True)


def ignore_interrupts() -> None:
    """Ignore Ctrl-C in this process: only the main process handles it; begun work is finished."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def store(song: Song, out: Path) -> list[Entry]:
    """Write the stems of a song, all or none, and return their entries.

    Raises
    ------
    AudioError
        If a stem cannot be read or has no samples.
    OutputError
        If a file cannot be written.
    """
    sounds, rate = alike(song.load())
    first = next(iter(sounds.values()))
    if not first.size:
        raise AudioError("it has no samples")
    paths = {stem: out / path for stem, path in song.paths.items()}
    form = StemFormat("flac", 16, rate, first.shape[1])
    with open_stems(paths, form, samples=len(first), overwrite=True) as writer:
        writer.write(sounds)
    return [entry_of_file(out, path, stem, song) for stem, path in song.paths.items()]


def alike(sounds: dict[str, Sound]) -> tuple[dict[str, Audio], int]:
    """Convert the stems of a song to the largest of their rates, lengths and channel counts."""
    rate = max(r for _, r in sounds.values())
    channels = max(audio.shape[1] for audio, _ in sounds.values())
    same = {
        stem: to_channels(audio if r == rate else soxr.resample(audio, r, rate), channels)
        for stem, (audio, r) in sounds.items()
    }
    length = max(len(audio) for audio in same.values())
    for stem, audio in same.items():
        if (short := (length - len(audio)) / rate) > SHORTEST:
            print(f"{stem} ends {short:.1f} s before its song: silence follows", file=sys.stderr)
    return {k: np.pad(audio, ((0, length - len(audio)), (0, 0))) for k, audio in same.items()}, rate


def entry_of_file(out: Path, path: str, stem: str, song: Song) -> Entry:
    """Measure a file of the set and return its entry."""
    audio, rate = soundfile.read(out / path, dtype="float32", always_2d=True)
    return Entry(
        path, stem, song.source, song.licence, len(audio) / rate, rate, audio.shape[1],
        round(float(np.abs(audio).max()), 5), loudness(audio, rate),
        hashlib.sha256((out / path).read_bytes()).hexdigest(),
    )  # fmt: skip


def loudness(audio: Audio, sample_rate: int) -> float:
    """Return the integrated loudness in LUFS; -inf if it is not defined."""
    if len(audio) < SHORTEST * sample_rate or not audio.any():
        return -math.inf
    meter = pyloudnorm.Meter(sample_rate)
    # the standard has weights for up to five channels
    return round(float(meter.integrated_loudness(audio[:, :5].astype(float))), 2)


def write_skipped(out: Path, skipped: Iterable[tuple[str, str]]) -> None:
    """Write the songs that this run skipped, and why."""
    with (out / SKIPPED).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("song", "reason"), *skipped])


def split_of(name: str, valid_share: float, seed: int) -> str:
    """Return "valid" for a share of all names and "train" for the others.

    The split depends only on the name and the seed, so it does not change if songs are added.
    """
    digest = hashlib.sha256(f"{seed} {unicodedata.normalize('NFC', name)}".encode()).digest()
    return "valid" if int.from_bytes(digest[:8], "big") < valid_share * 2**64 else "train"
