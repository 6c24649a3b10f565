"""Prepare MUSDB18 or MUSDB18-HQ: the vocals, and the sum of the other stems as accompaniment.

    python data_prep/musdb18.py prepared MUSDB18/
    python data_prep/musdb18.py prepared MUSDB18-HQ/

The musdb package divides the songs into training, validation and test. It reads them with FFmpeg's
programs, ffmpeg and ffprobe, which must be installed. To continue, run the same command again.
prepared/skipped.csv lists the songs that could not be read.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from preparing import Song, Sound, add_options, prepare

from wavesep.audio import TWO_STEMS
from wavesep.data.tracks import Track, musdb_tracks
from wavesep.errors import OptionError

LICENCE = "for education and research; song by song on sigsep.github.io/datasets/musdb.html"


def main() -> int:
    """Read the command line, prepare, return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    parser.add_argument("musdb", type=Path, help="folder with train/ and test/")
    args = parser.parse_args()
    try:
        tracks = musdb_tracks(args.musdb)
    except OptionError as error:
        parser.error(str(error))
    if not tracks:
        parser.error(f"{args.musdb} has no songs in train/ and test/")
    songs = [
        Song(track.name, track.subset, "MUSDB18", LICENCE, partial(read_stems, track), TWO_STEMS)
        for track in tracks
    ]
    return prepare(songs, args.out, args.jobs)


def read_stems(track: Track) -> dict[str, Sound]:
    """Return the two stems of a song; `Track.load` raises AudioError."""
    stems = track.load()
    return {stem: (getattr(stems, stem), stems.sample_rate) for stem in TWO_STEMS}


if __name__ == "__main__":
    sys.exit(main())
