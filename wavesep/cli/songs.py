"""Finding the songs that are given on the command line."""

from __future__ import annotations

import glob
import os
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..atomic import writing
from ..audio.names import place_of
from ..audio.read import existing
from ..audio.suffixes import is_audio
from ..errors import AudioError, WavesepError

STDIN = "-"
URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
IN_THE_WAY = "use -o DIR, --skip-existing or --overwrite"

Facts = dict[str, Any]  # the report of a song: a line of --json


@dataclass(frozen=True)
class Song:
    """A song to separate.

    Attributes
    ----------
    path : Path
        Its file.
    out : Path
        The folder for its stems.
    name : str
        Its name in messages.
    """

    path: Path
    out: Path
    name: str

    def failed(self, message: object) -> Facts:
        """Return the report of an error, with the song's name instead of its path."""
        return failed(self.name, str(message).replace(str(self.path), self.name))


def failed(name: str, message: object) -> Facts:
    """Return the report of a song that cannot be separated."""
    return {"song": name, "error": str(message)}


def find_songs(words: list[str], out: Path, place: Path) -> tuple[list[Song], list[Facts]]:
    """Return the songs that arguments name, and a report for each argument that names none.

    Parameters
    ----------
    words : list of str
        Files, folders, patterns such as "songs/*.mp3", or "-" for standard input.
    out : Path
        The folder for stems. It gets the same folders as a folder that is searched.
    place : Path
        A folder in which standard input is stored.
    """
    songs, failures = [], []
    for word in dict.fromkeys(words):
        try:
            songs += songs_of(word, out, place)
        except WavesepError as error:
            failures.append(failed(word, error))
    return songs, failures


def songs_of(word: str, out: Path, place: Path) -> list[Song]:
    """Return the songs that one argument names.

    Raises
    ------
    AudioError
        If it names no song.
    """
    if word == STDIN:
        return [Song(keep_stdin(place), out, "stdin")]
    if URL.match(word):
        raise AudioError(f"{word} is an address: download it, then give the file")
    if os.path.isdir(word):
        return songs_in(Path(word), out)
    if re.search(r"[*?[]", word) and not os.path.lexists(word):
        found = [Path(path) for path in sorted(glob.glob(word, recursive=True))]
        if songs := [path for path in found if is_audio(path) and path.is_file()]:
            return [Song(path, out, str(path)) for path in songs]
        raise AudioError(f"no audio file matches {word}")
    path = existing(word)
    return [Song(path, out, str(path))]


def songs_in(folder: Path, out: Path) -> list[Song]:
    """Return the songs in a folder and its folders, except hidden ones and those in ``out``.

    Raises
    ------
    AudioError
        If there are none.
    """
    top, home = folder.resolve(), out.resolve()
    songs = []
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder)
        is_hidden = any(part.startswith(".") for part in inner.parts)
        is_stem = top in home.parents and home in (top / inner).parents
        if is_audio(path) and path.is_file() and not is_hidden and not is_stem:
            songs.append(Song(path, out / inner.parent, str(path)))
    if not songs:
        raise AudioError(f"no audio file in {folder}")
    return songs


def keep_stdin(place: Path) -> Path:
    """Write standard input to a file, because decoders need to seek.

    Raises
    ------
    AudioError
        If it is a terminal, closed or empty.
    OutputError
        If the file cannot be written.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise AudioError("nothing comes from standard input: use wavesep separate - < song.mp3")
    path = place / "stdin"
    with writing(path), path.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return existing(path)


def distinct(
    songs: list[Song], paths_of: Callable[[Song], list[Path]]
) -> tuple[list[Song], list[Facts]]:
    """Return each song once, and a report for each song whose stems would replace other files."""
    different: dict[str, Song] = {}
    for song in songs:
        different.setdefault(place_of(song.path), song)
    kept, failures = [], []
    taken: dict[str, Song] = {}
    for song in different.values():
        places = {place_of(path) for path in paths_of(song)}
        if clashes := [taken[place] for place in places if place in taken]:
            message = f"its stems would replace those of {clashes[0].name}: use another -o DIR"
            failures.append(song.failed(message))
        elif clashes := [different[place] for place in places if place in different]:
            failures.append(
                song.failed(f"its stems would replace the song {clashes[0].name}: use -o DIR")
            )
        else:
            kept.append(song)
            taken |= dict.fromkeys(places, song)
    return kept, failures


def without_stems(
    songs: list[Song], paths_of: Callable[[Song], list[Path]], *, skip: bool
) -> tuple[list[Song], list[Facts]]:
    """Return the songs that have no stems yet, and a report for each of the others.

    Parameters
    ----------
    songs : list of Song
    paths_of : callable
        Returns the paths of the stems of a song.
    skip : bool
        Report a song whose stems all exist as skipped. Otherwise the report is an error, as it
        always is if only some of the stems exist.
    """
    kept, others = [], []
    for song in songs:
        paths = paths_of(song)
        there = [path for path in paths if os.path.lexists(path)]
        if not there:
            kept.append(song)
        elif skip and there == paths:
            others.append({"song": song.name, "skipped": "its stems exist"})
        else:
            others.append(song.failed(f"{there[0]} exists: {IN_THE_WAY}"))
    return kept, others
