"""Catalogues against ``wavesep separate`` of the same songs."""

from __future__ import annotations

import tempfile
from functools import partial
from itertools import count
from pathlib import Path

from .processes import run, write_song
from .timing import Row, alternate, cores, median, ratio

SONGS, SECONDS = 16, 20  # of the songs
ROUNDS = 3


def catalogue_speed(model: str, device: str) -> list[Row]:
    """Time whole processes in turns: for many songs, and for one that is short."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        album, single = folder / "album", folder / "single"
        for place, songs, seconds in ((album, SONGS, SECONDS), (single, 1, 1)):
            place.mkdir()
            for n in range(songs):
                write_song(place, seconds).rename(place / f"{n}.wav")
        runs = count()

        def start(songs: Path, *options: str) -> None:
            output = ["--model", model, "--device", device, "--out", f"{folder}/{next(runs)}"]
            run(["-m", "wavesep", *options[:1], str(songs), *output, *options[1:]])

        all_cores = ["--workers", str(cores())]
        ways = {
            "separate -j": ("separate", "-j", str(cores())),
            "local": ("catalogue", *all_cores),
            "ray": ("catalogue", "--engine", "ray", *all_cores),
            "local, one worker": ("catalogue", "--workers", "1"),
        }
        functions = {}
        for way, options in ways.items():
            functions[way] = partial(start, album, *options)
            functions[f"{way}: one short song"] = partial(start, single, *options)
        times = alternate(functions, ROUNDS)
    for way in ways:  # the start is no part of the speed
        short = times[f"{way}: one short song"]
        times[way] = [a - b for a, b in zip(times[way], short, strict=True)]
    return [
        {
            "engine": way,
            "songs an hour": 3_600 * SONGS / median(times, way),
            "times separate -j": ratio(times, "separate -j", way),
            "one short song, s": median(times, f"{way}: one short song"),
        }
        for way in ways
    ]
