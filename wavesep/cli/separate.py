"""``wavesep separate``."""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, TaskID

from ..audio.names import check_template, place_of
from ..audio.read import audio_info
from ..bench.report import printable
from ..engines import ENGINES, PRECISIONS
from ..errors import OptionError, WavesepError
from ..separator import Separator
from .console import add_command, hushed, song_bar

SEPARATE = """Write the vocals and the accompaniment of songs: files of the same rate and length.

  wavesep separate song.mp3
  wavesep separate *.flac -o stems --flac
  wavesep separate film.mp4 --start 60 --duration 10

The stems of song.mp3 are separated/song/vocals.wav and separated/song/accompaniment.wav. Reads
WAV, FLAC, OGG, MP3 and whatever FFmpeg reads, video too. The stems add up to the song. While a
song runs, its stems grow as DIR/.wavesep-unfinished-XXXXXXXX/STEM.wav, which can be played; they
get their names when all are whole. The exit code is 0 if all songs are done, 1 if one is not; the
others are done all the same.
"""


def add_separate(commands: Any) -> None:
    """Add ``wavesep separate``."""
    command = add_command(
        commands, separate, "write the vocals and the accompaniment of songs", SEPARATE
    )
    add = command.add_argument
    add("songs", nargs="*", metavar="SONG", type=Path, help="an audio or video file")
    add("--demo", action="store_true", help="make a short mixture and separate that")
    add("-o", "--out", type=Path, default="separated", metavar="DIR",
        help="where to write (default: %(default)s)")  # fmt: skip
    add("--model", default="vocals", metavar="NAME|FILE",
        help="a file, or a name that wavesep info --all lists; NAME:speeds, NAME:wiener and "
             "NAME+NAME work, too (default: %(default)s)")  # fmt: skip
    add("--two-stems", metavar="SOURCE", help="this source, and all the rest as one stem")
    add("--filename", default="{track}/{stem}.{ext}",
        help="of each stem below DIR (default: %(default)s)")  # fmt: skip
    codec = command.add_mutually_exclusive_group()
    for name, text in (("flac", "lossless, half as large"), ("mp3", "lossy, 320 kbit/s")):
        codec.add_argument(f"--{name}", dest="codec", action="store_const", const=name,
                           default="wav", help=f"write {name}: {text} (default: wav)")  # fmt: skip
    bits = command.add_mutually_exclusive_group()
    for name, depth in (("int16", 16), ("int24", 24), ("float32", 32)):
        bits.add_argument(f"--{name}", dest="bits", action="store_const", const=depth,
                          help=f"{depth} bits a sample (default: as the song)")  # fmt: skip
    add("--start", type=float, default=0.0, metavar="S", help="begin here, in seconds")
    add("--duration", type=float, metavar="S", help="stop after so many seconds")
    add("--keep-truncated", action="store_true",
        help="separate what is good of songs that are cut short or damaged")  # fmt: skip
    add("--device", help='"cpu", "gpu" or "gpu:1" (default: cpu)')
    add("--engine", default="auto",
        help=f"what runs the network: {', '.join(ENGINES)} (default: auto)")  # fmt: skip
    add("--precision", default="auto",
        help=f"of the arithmetic: {', '.join(PRECISIONS)} (default: auto)")  # fmt: skip
    add("-j", "--jobs", type=int, default=1, metavar="N", help="songs at a time (default: 1)")
    add("--overwrite", action="store_true", help="replace stems that exist")


def separate(args: argparse.Namespace, console: Console) -> int:
    """Separate songs, as many as can be; list those that cannot."""
    if args.demo and args.songs:
        raise OptionError("give songs or --demo, not both")
    if not args.demo and not args.songs:
        raise OptionError("give at least one song, or --demo")
    check_template(args.filename)
    if args.jobs < 1:
        raise OptionError("-j must be 1 or more")
    with console.status("loading the model"), hushed():
        separator = Separator(
            args.model, engine=args.engine, precision=args.precision, device=args.device
        )
    songs = [write_demo(args.out)] if args.demo else args.songs
    songs, failures = distinct(songs, partial(paths_of, separator, args))

    stop = threading.Event()
    with song_bar(console) as bar, ThreadPoolExecutor(args.jobs) as pool:
        jobs = {pool.submit(separate_song, separator, s, args, bar, stop): s for s in songs}
        try:
            for job in as_completed(jobs):
                error = job.exception()
                if isinstance(error, WavesepError):
                    song = str(jobs[job])
                    failures.append(str(error) if song in str(error) else f"{song}: {error}")
                elif error is not None:
                    raise error
                else:
                    print(printable(job.result()), flush=True)
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    for failure in failures:
        print(f"wavesep: {printable(failure)}", file=sys.stderr)
    return 1 if failures else 0


def separate_song(
    separator: Separator, song: Path, args: argparse.Namespace, bar: Progress, stop: threading.Event
) -> str:
    """Separate one song and return a line about it."""
    begin = time.perf_counter()
    task: TaskID = bar.add_task(printable(song.name), total=None)

    def report(done: int, total: int) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        bar.update(task, completed=done, total=total)

    try:
        paths = separator.separate_to_file(
            song, args.out, filename=args.filename, codec=args.codec, bits=args.bits,
            start=args.start, duration=args.duration, two_stems=args.two_stems,
            keep_truncated=args.keep_truncated,
            overwrite=args.overwrite or args.demo, progress=report,
        )  # fmt: skip
    finally:
        bar.remove_task(task)
    first = next(iter(paths.values()))
    stem = audio_info(first)
    seconds, spent = stem.samples / stem.sample_rate, time.perf_counter() - begin
    return (
        f"{song} -> {', '.join(str(path) for path in paths.values())} "
        f"({seconds:.1f} s of audio in {spent:.1f} s)"
    )


def paths_of(separator: Separator, args: argparse.Namespace, song: Path) -> list[Path]:
    """Return where the stems of a song go."""
    paths = separator.stem_paths(
        song, args.out, filename=args.filename, codec=args.codec, two_stems=args.two_stems
    )
    return [*paths.values()]


def distinct(
    songs: list[Path], paths_of: Callable[[Path], list[Path]]
) -> tuple[list[Path], list[str]]:
    """Return each song once, and a complaint for each whose stems would replace something else."""
    different: dict[str, Path] = {}
    for song in songs:
        different.setdefault(place_of(song), song)
    kept, complaints = [], []
    taken: dict[str, Path] = {}
    for song in different.values():
        places = {place_of(path) for path in paths_of(song)}
        if clashes := [taken[place] for place in places if place in taken]:
            complaints.append(f"{song}: its stems would have the names of those of {clashes[0]}")
        elif clashes := [different[place] for place in places if place in different]:
            complaints.append(f"{song}: its stems would replace the song {clashes[0]}")
        else:
            kept.append(song)
            taken |= dict.fromkeys(places, song)
    return kept, complaints


def write_demo(folder: Path) -> Path:
    """Write the mixture that --demo separates, and say so."""
    import soundfile

    from ..dsp.demo import demo_song

    path = folder / "demo.wav"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, sum(demo_song()), 44_100)
    except (OSError, soundfile.LibsndfileError) as error:
        raise OptionError(f"{path} cannot be written: {error}") from error
    about = f"no song, so a demo: {path} is 8 s of a synthetic voice over chords and a drum"
    print(printable(about))
    return path
