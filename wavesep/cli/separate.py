"""``wavesep separate``."""

from __future__ import annotations

import argparse
import json
import logging
import math
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.progress import Progress

from ..atomic import write_whole
from ..audio.names import check_template
from ..engines import ENGINES, PRECISIONS
from ..errors import OptionError
from ..separator import Separator
from .console import add_command, hushed, printable, song_bar
from .faults import reason
from .songs import STDIN, Facts, Song, distinct, find_songs, without_stems

log = logging.getLogger("wavesep")

DEMO = 'ten seconds of "Lithium" by Software-Entwicklungskit, CC0'
SEPARATE = """Write the vocals and the accompaniment of songs. The stems have the sample rate
and the length of the song, and they add up to it. All formats that FFmpeg reads
work: WAV, FLAC, OGG, MP3, video and others.

  wavesep separate song.mp3
  wavesep separate music/ -o stems --flac
  wavesep separate "music/*.mp3" --skip-existing
  wavesep separate film.mp4 --track 2 --start 1:30 --duration 20
  curl URL | wavesep separate - --json

The stems of song.mp3 are separated/song/vocals.wav and
separated/song/accompaniment.wav. SONG is a file, a folder, a pattern in
quotes, or "-" for standard input. A folder is searched with all folders in it,
and DIR gets the same folders. The stems get the tags of the song. flac and mp3
files also get its cover.

Unfinished stems are DIR/.wavesep-unfinished-XXXXXXXX/STEM.wav and can be
played; -v prints their folder. All stems get their final names when they are
complete. If a song fails, the others are still separated. The exit code is 0 if
all songs succeeded, and 1 if one failed.
"""


def add_separate(commands: Any) -> None:
    """Add ``wavesep separate``."""
    command = add_command(
        commands, separate, "write the vocals and the accompaniment of songs", SEPARATE
    )
    add = command.add_argument
    add("songs", nargs="*", metavar="SONG", help="a file, a folder, a pattern in quotes, or -")
    add("--demo", action="store_true", help=f"separate {DEMO}")
    add_part(command.add_argument_group("part of a song"))
    add_output(command.add_argument_group("output"))
    add_model(command.add_argument_group("model"))
    add_talk(command.add_argument_group("messages"))


def add_part(group: Any) -> None:
    """Add the options that choose a part of a song."""
    add = group.add_argument
    add("--start", type=seconds, default=0.0, metavar="TIME",
        help="start of the part: seconds, m:s or h:m:s (default: 0)")  # fmt: skip
    add("--duration", type=seconds, metavar="TIME",
        help="length of the part (default: to the end of the song)")  # fmt: skip
    add("--track", type=int, metavar="N",
        help="audio track of a video (default: the one flagged as default, else 1)")  # fmt: skip
    add("--keep-truncated", action="store_true",
        help="of songs that are cut short or damaged, separate the good part")  # fmt: skip


def add_output(group: Any) -> None:
    """Add the options that choose the files to write."""
    add = group.add_argument
    add("-o", "--out", type=Path, default="separated", metavar="DIR",
        help="output folder (default: %(default)s)")  # fmt: skip
    add("--filename", default="{track}/{stem}.{ext}",
        help="path of each stem below DIR (default: %(default)s)")  # fmt: skip
    add_form(group)
    there = group.add_mutually_exclusive_group()
    there.add_argument("--overwrite", action="store_true", help="replace stems that exist")
    there.add_argument("--skip-existing", action="store_true",
                       help="skip songs whose stems exist")  # fmt: skip


def add_form(group: Any) -> None:
    """Add the options that choose the form of the stems."""
    add = group.add_argument
    add("--two-stems", metavar="SOURCE", help="write this source, and all others as one stem")
    codec = group.add_mutually_exclusive_group()
    for name, text in (("flac", "lossless, about half the size"), ("mp3", "lossy, 320 kbit/s")):
        codec.add_argument(f"--{name}", dest="codec", action="store_const", const=name,
                           default="wav", help=f"write {name}: {text} (default: wav)")  # fmt: skip
    bits = group.add_mutually_exclusive_group()
    for name, depth in (("int16", 16), ("int24", 24), ("float32", 32)):
        bits.add_argument(f"--{name}", dest="bits", action="store_const", const=depth,
                          help=f"{depth} bits per sample (default: as the song)")  # fmt: skip


def add_model(group: Any) -> None:
    """Add the options that choose the model, its precision and its device."""
    add = group.add_argument
    add("--model", default="vocals", metavar="NAME|FILE",
        help="a model file, or a name from wavesep info --all; also NAME:speeds, NAME:wiener and "
             "NAME+NAME (default: %(default)s)")  # fmt: skip
    add("--device",
        help='"cpu", "gpu" or "gpu:1" (default: cpu; with Keras, its choice)')  # fmt: skip
    add("--engine", default="auto",
        help=f"library that runs the network: {', '.join(ENGINES)} (default: auto)")  # fmt: skip
    add("--precision", default="auto",
        help=f"precision of the arithmetic: {', '.join(PRECISIONS)} (default: auto)")  # fmt: skip
    add("--threads", type=int, metavar="N",
        help="threads of OpenVINO (default: one for each core)")  # fmt: skip
    add("-j", "--jobs", type=int, default=1, metavar="N", help="parallel songs (default: 1)")


def add_talk(group: Any) -> None:
    """Add the options that choose the messages."""
    talk = group.add_mutually_exclusive_group()
    talk.add_argument("-q", "--quiet", action="store_true", help="only warnings and errors")
    talk.add_argument("-v", "--verbose", action="store_true",
                      help="also print the folder of the unfinished stems")  # fmt: skip
    group.add_argument("--json", action="store_true",
                       help="a line of JSON for each song: its stems or its error")  # fmt: skip


def seconds(text: str) -> float:
    """Convert a time, written as seconds, m:s or h:m:s, to seconds.

    Raises
    ------
    argparse.ArgumentTypeError
        If the text is not such a time.
    """
    try:
        *wholes, last = text.split(":")
        parts = [*map(int, wholes), float(last)]
    except ValueError:
        parts = []
    is_time = 1 <= len(parts) <= 3 and all(0 <= part < math.inf for part in parts)
    if not is_time or any(part >= 60 for part in parts[1:]):
        raise argparse.ArgumentTypeError(f"{text} is not a time: write 90, 1:30 or 0:01:30")
    return float(sum(part * 60**i for i, part in enumerate(reversed(parts))))


def separate(args: argparse.Namespace, console: Console) -> int:
    """Separate songs, and print the errors of those that failed at the end.

    Raises
    ------
    OptionError
        If options are invalid, or exclude each other.
    ModelFileError
        If the model cannot be read.
    """
    check_options(args)
    if args.verbose:
        log.setLevel(min(log.getEffectiveLevel(), logging.INFO))
    keeps_stdin = STDIN in args.songs
    with TemporaryDirectory(prefix="wavesep-") if keeps_stdin else nullcontext("") as place:
        untold: list[Facts] = []
        if args.demo:
            songs = [write_demo(args)]
        else:
            songs, untold = find_songs(args.songs, args.out, Path(place))
        told = [tell(facts, args) for facts in untold]
        if songs:
            told += separate_songs(songs, args, console)
    failures = [line_of(facts) for facts in told if "error" in facts]
    for failure in failures:
        print(f"wavesep: {printable(failure)}", file=sys.stderr)
    return 1 if failures else 0


def check_options(args: argparse.Namespace) -> None:
    """Check the options that argparse cannot check.

    Raises
    ------
    OptionError
        If one is invalid, or options exclude each other.
    """
    if args.demo and args.songs:
        raise OptionError("give songs or --demo, not both")
    if not args.demo and not args.songs:
        raise OptionError("give at least one song, or --demo")
    check_template(args.filename)
    if args.jobs < 1:
        raise OptionError("-j must be 1 or more")


def separate_songs(songs: list[Song], args: argparse.Namespace, console: Console) -> list[Facts]:
    """Separate songs, and print and return a report of each.

    Raises
    ------
    OptionError, ModelFileError
        See `Separator`.
    KeyboardInterrupt
        If the user interrupts; the songs that are being separated are stopped.
    """
    with nullcontext() if args.quiet else console.status("loading the model"), hushed():
        separator = Separator(
            args.model, engine=args.engine, precision=args.precision, device=args.device,
            threads=args.threads,
        )  # fmt: skip

    def paths_of(song: Song) -> list[Path]:
        return [*stem_paths(separator, song, args).values()]

    songs, untold = distinct(songs, paths_of)
    if not (args.overwrite or args.demo):
        songs, others = without_stems(songs, paths_of, skip=args.skip_existing)
        untold += others
    told = [tell(facts, args) for facts in untold]

    stop = threading.Event()
    with song_bar(console, args.quiet) as bar, ThreadPoolExecutor(args.jobs) as pool:
        jobs = {}
        for number, song in enumerate(songs, 1):
            place = f" ({number} of {len(songs)})" if len(songs) > 1 else ""
            title = printable(song.path.name + place)
            jobs[pool.submit(separate_song, separator, song, args, bar, title, stop)] = song
        try:
            for job in as_completed(jobs):
                error = job.exception()
                if isinstance(error, Exception):  # the other songs go on
                    told.append(tell(jobs[job].failed(reason(error)), args))
                elif error is not None:
                    raise error
                else:
                    told.append(tell(job.result(), args))
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return told


def separate_song(
    separator: Separator,
    song: Song,
    args: argparse.Namespace,
    bar: Progress,
    title: str,
    stop: threading.Event,
) -> Facts:
    """Separate one song and return its report."""
    begin = time.perf_counter()
    task = bar.add_task(title, total=None)

    def report(done: int, total: int) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        bar.update(task, completed=done, total=total)

    try:
        with warnings_here() as warnings:
            paths = separator.separate_to_file(
                song.path, song.out, filename=args.filename, codec=args.codec, bits=args.bits,
                start=args.start, duration=args.duration, two_stems=args.two_stems,
                track=args.track, keep_truncated=args.keep_truncated,
                overwrite=args.overwrite or args.demo, progress=report,
            )  # fmt: skip
    finally:
        bar.remove_task(task)
    facts: Facts = {
        "song": song.name,
        "stems": {name: str(path) for name, path in paths.items()},
        "seconds": round(paths.samples / paths.sample_rate, 3),
        "took": round(time.perf_counter() - begin, 3),
    }
    if warnings:
        facts["warnings"] = [warning.getMessage() for warning in warnings]
    if paths.gain_db:
        facts["gain_db"] = round(paths.gain_db, 3)
    return facts


@contextmanager
def warnings_here() -> Iterator[list[logging.LogRecord]]:
    """Collect the warnings that this thread logs."""
    records: list[logging.LogRecord] = []
    thread = threading.get_ident()

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread:
                records.append(record)

    collector = Collector(logging.WARNING)
    log.addHandler(collector)
    try:
        yield records
    finally:
        log.removeHandler(collector)


def stem_paths(separator: Separator, song: Song, args: argparse.Namespace) -> dict[str, Path]:
    """Return the paths of the stems of a song."""
    return separator.stem_paths(
        song.path, song.out, filename=args.filename, codec=args.codec, two_stems=args.two_stems
    )


def tell(facts: Facts, args: argparse.Namespace) -> Facts:
    """Print and return the report of a song. Without --json, errors are printed at the end."""
    if args.json:
        print(json.dumps(facts), flush=True)
    elif not args.quiet and "error" not in facts:
        print(printable(line_of(facts)), flush=True)
    return facts


def line_of(facts: Facts) -> str:
    """Return the report of a song as one line of text."""
    song = facts["song"]
    if "error" in facts:
        return facts["error"] if song in facts["error"] else f"{song}: {facts['error']}"
    if "skipped" in facts:
        return f"{song} is skipped: {facts['skipped']}"
    stems = ", ".join(facts["stems"].values())
    return f"{song} -> {stems} ({facts['seconds']:.1f} s of audio in {facts['took']:.1f} s)"


def write_demo(args: argparse.Namespace) -> Song:
    """Write the song of --demo to the output folder, print its name, and return it."""
    path = args.out / "demo.ogg"
    write_whole(path, Path(__file__).with_name("demo.ogg").read_bytes())
    if not (args.quiet or args.json):
        print(printable(f"{path} is {DEMO}"), flush=True)
    return Song(path, args.out, str(path))
