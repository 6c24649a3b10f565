"""Prepare DSD100: the vocals, and the sum of the other stems as accompaniment.

    python data_prep/dsd100.py prepared DSD100/

DSD100/ is the folder with Mixtures/ and Sources/. Its Test songs go to prepared/test. A share of
its Dev songs, --valid-share, goes to prepared/valid, the others to prepared/train. To continue, run
the same command again. prepared/skipped.csv lists the songs that could not be read.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

import numpy as np
from preparing import Song, Sound, add_options, prepare, split_of

from wavesep.audio import TWO_STEMS
from wavesep.audio.read import read_audio
from wavesep.errors import AudioError

OTHERS = ("bass", "drums", "other")
LICENCE = (
    "song by song, most CC BY-NC-SA or for research only: see dsd100.xlsx, which comes with it"
)


def main() -> int:
    """Read the command line, prepare, return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    parser.add_argument("dsd100", type=Path, help="folder with Mixtures/ and Sources/")
    parser.add_argument(
        "--valid-share",
        type=float,
        default=0.16,
        help="share of Dev songs for validation (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of the splits (default: %(default)s)"
    )
    args = parser.parse_args()
    folders = sorted((args.dsd100 / "Sources").glob("*/*/"))
    if not folders:
        parser.error(f"{args.dsd100} has no songs in Sources/Dev and Sources/Test")
    songs = []
    for folder in folders:
        dev = folder.parent.name == "Dev"
        split = split_of(folder.name, args.valid_share, args.seed) if dev else "test"
        load, stems = partial(read_sources, folder), TWO_STEMS
        songs.append(Song(folder.name, split, "DSD100", LICENCE, load, stems))
    return prepare(songs, args.out, args.jobs)


def read_sources(folder: Path) -> dict[str, Sound]:
    """Return the vocals of a song, and the sum of the other stems.

    Raises
    ------
    AudioError
        If a stem cannot be read, or they differ in sample rate, length or channels.
    """
    vocals = read_audio(folder / "vocals.wav")
    others = [read_audio(folder / f"{name}.wav") for name in OTHERS]
    if len({(rate, audio.shape) for audio, rate in [vocals, *others]}) > 1:
        raise AudioError(f"the stems in {folder} are not of one rate, length and channels")
    return {"vocals": vocals, "accompaniment": (np.sum([a for a, _ in others], 0), vocals[1])}


if __name__ == "__main__":
    sys.exit(main())
