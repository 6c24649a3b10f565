"""Prepare folders of vocals and folders of accompaniment, in any audio format.

    python data_prep/folders.py prepared --vocals acapellas/ --accompaniment instrumentals/

Two files of the same name, one in each folder, are the stems of one song and go into the same
split. Other files have no partner. To continue, or to add songs, run the command again; files that
are prepared already stay. The exit code is 1 if a file was skipped. prepared/skipped.csv lists the
skipped files, and why.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from preparing import Song, Sound, add_options, prepare, split_of

from wavesep.audio import TWO_STEMS
from wavesep.audio.read import read_audio
from wavesep.audio.suffixes import is_audio
from wavesep.errors import AudioError


def main() -> int:
    """Read the command line, prepare, return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    for stem in TWO_STEMS:
        parser.add_argument(f"--{stem}", type=Path, nargs="+", default=[], metavar="FOLDER")
    parser.add_argument("--source", help="origin of the files (default: the folder's name)")
    parser.add_argument(
        "--licence", default="not stated", help="licence of the files (default: %(default)s)"
    )
    parser.add_argument(
        "--valid-share",
        type=float,
        default=0.1,
        help="share of songs for validation (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of the splits (default: %(default)s)"
    )
    args = parser.parse_args()
    if not 0 <= args.valid_share < 1:
        parser.error("--valid-share must be at least 0 and less than 1")
    if missing := [f for f in args.vocals + args.accompaniment if not f.is_dir()]:
        parser.error(f"no folder {missing[0]}")
    songs = find_songs(args)
    if not songs:
        parser.error("no audio file is in these folders")
    return prepare(songs, args.out, args.jobs)


def find_songs(args: argparse.Namespace) -> list[Song]:
    """Return the songs of all folders; files of the same name are the stems of one song."""
    songs: list[Song] = []
    files = {stem: find_files(getattr(args, stem)) for stem in TWO_STEMS}
    for name in sorted({name for found in files.values() for name in found}):
        stems = {stem: list(found[name]) for stem, found in files.items() if name in found}
        while stems:  # more than once if a folder has two files of one name
            paths = {stem: found.pop(0) for stem, found in stems.items()}
            stems = {stem: found for stem, found in stems.items() if found}
            source = args.source or next(iter(paths.values())).parent.name
            split = split_of(name, args.valid_share, args.seed)
            load = partial(read_files, paths)
            songs.append(Song(name, split, source, args.licence, load, tuple(paths)))
    return songs


def find_files(folders: list[Path]) -> dict[str, list[Path]]:
    """Return the audio and video files below some folders by their path without suffix."""
    found: dict[str, list[Path]] = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if is_audio(path):
                name = path.relative_to(folder).with_suffix("").as_posix()
                found.setdefault(name, []).append(path)
    return found


def read_files(paths: dict[str, Path]) -> dict[str, Sound]:
    """Decode the stems of a song.

    Raises
    ------
    AudioError
        If one cannot be read or is silent.
    """
    sounds = {stem: read_audio(path) for stem, path in paths.items()}
    for stem, (audio, _) in sounds.items():
        if not audio.any():
            raise AudioError(f"{paths[stem]} is silent")
    return sounds


if __name__ == "__main__":
    sys.exit(main())
