"""The command line: parse, call, print, exit code."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from . import __version__
from .audio.read import audio_info
from .bench import SECTIONS, machine, measure
from .bench.report import table, write_json
from .engines import ENGINES, PRECISIONS
from .errors import OptionError, WavesepError
from .models.files import read_model_file, read_models, ready_models
from .models.registry import list_models
from .separator import Separator

log = logging.getLogger("wavesep")

WIDTH = 120  # columns, of a table that goes to a file
INTERRUPTED = 130  # the shell's own code for Ctrl-C

SEPARATE = """Write the vocals and the accompaniment of songs: files of the same rate and length.

  wavesep separate song.mp3
  wavesep separate *.flac -o stems --flac
  wavesep separate film.mp4 --start 60 --duration 10

The stems of song.mp3 are separated/song/vocals.wav and separated/song/accompaniment.wav. Reads
WAV, FLAC, OGG, MP3 and whatever FFmpeg reads, video too. The stems add up to the song. While a
song runs, its stems grow as STEM.part.wav; they get their names when they are whole. The exit code
is 0 if all songs are done, 1 if one is not; the others are done all the same.
"""
BENCH = """Measure how fast wavesep is on this machine, beside the machine's own limits and beside
other separators at their real sizes (pip install "wavesep[bench]" brings them). Sections:

{sections}

All of them take some twenty minutes. On a machine that others use too, figures of different runs
differ: compare those of one run.
"""
EVALUATE = """Score a model on songs whose stems are known, beside the mixture itself, which is what
one has without a model, and the ideal masks, which a system that weighs frequencies could reach.

  wavesep evaluate MUSDB18/ --bss-eval
  wavesep evaluate MIR1K/valid --model vocals --model runs/first/best.safetensors

FOLDER is MUSDB18's; or has vocals/ and accompaniment/ with files of the same names; or is a set
prepared by data_prep/; or has a folder a song, with vocals.wav and the other stems. Scores are of
the vocals, in dB, over what is sung: songs, or windows of them, whose vocals are less than 20 dB
below the song's loudest window. Each song's scores are stored when it is done: the same command
goes on where it was stopped. OUT/report.html shows them all.
"""
INFO = """Say what a model is: its sources, sample rate, context, size, licence and data card."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    args = parser().parse_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # clean up as after Ctrl-C
    with os.fdopen(os.dup(2), "w") as stderr:  # is heard while fd 2 is hushed
        console = Console(file=stderr)
        handler = RichHandler(console=console, show_time=False, show_path=False)
        log.addHandler(handler)
        try:
            code: int = args.run(args, console)
        except WavesepError as error:
            print(f"wavesep: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print(
                "wavesep: interrupted; what is done is kept, the rest left nothing", file=sys.stderr
            )
            return INTERRUPTED
        finally:
            log.removeHandler(handler)
    return code


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = argparse.ArgumentParser(prog="wavesep", description="Isolate the vocals of songs.")
    top.add_argument("--version", action="version", version=f"wavesep {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    add_separate(commands)
    add_evaluate(commands)
    add_info(commands)
    add_bench(commands)
    return top


def add_separate(commands: Any) -> None:
    """Add ``wavesep separate``."""
    command = commands.add_parser(
        "separate",
        help="write the vocals and the accompaniment of songs",
        description=SEPARATE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=separate)
    add = command.add_argument
    add("songs", nargs="*", metavar="SONG", type=Path, help="an audio or video file")
    add("--demo", action="store_true", help="make a short mixture and separate that")
    add("-o", "--out", type=Path, default="separated", metavar="DIR",
        help="where to write (default: %(default)s)")  # fmt: skip
    add("--model", default="vocals", metavar="NAME|FILE",
        help="a file, or a name that wavesep info --all lists; NAME:wiener and NAME+NAME work, too "
             "(default: %(default)s)")  # fmt: skip
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
    add("--device", help='"cpu", "gpu" or "gpu:1" (default: cpu)')
    add("--engine", default="auto",
        help=f"what runs the network: {', '.join(ENGINES)} (default: auto)")  # fmt: skip
    add("--precision", default="auto",
        help=f"of the arithmetic: {', '.join(PRECISIONS)} (default: auto)")  # fmt: skip
    add("-j", "--jobs", type=int, default=1, metavar="N", help="songs at a time (default: 1)")
    add("--overwrite", action="store_true", help="replace stems that exist")


def add_evaluate(commands: Any) -> None:
    """Add ``wavesep evaluate``."""
    command = commands.add_parser(
        "evaluate",
        help="score a model on songs whose stems are known",
        description=EVALUATE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=evaluate)
    add = command.add_argument
    add("folder", type=Path, metavar="FOLDER", help="of songs")
    add("-o", "--out", type=Path, default="evaluation", metavar="OUT",
        help="where to write (default: %(default)s)")  # fmt: skip
    add("--model", action="append", metavar="NAME|FILE",
        help="may be given several times (default: vocals)")  # fmt: skip
    add("--subset", choices=["train", "valid", "test"],
        help="of the songs (default: test where there is one, else all)")  # fmt: skip
    add("--window", type=float, metavar="S", help="score windows of so many seconds, not songs")
    add("--bss-eval", action="store_true",
        help='BSS Eval v4, too: slow, needs pip install "wavesep[evaluate]"')  # fmt: skip
    add("--most", type=int, metavar="N", help="only so many songs, spread over the folder")
    add("-j", "--jobs", type=int, default=1, metavar="N", help="songs at a time (default: 1)")


def add_info(commands: Any) -> None:
    """Add ``wavesep info``."""
    command = commands.add_parser("info", help="say what a model is", description=INFO)
    command.set_defaults(run=info)
    command.add_argument("model", metavar="MODEL", nargs="?", default="vocals",
                         help=f"a file, or one of {', '.join(ready_models())}")  # fmt: skip
    command.add_argument("--all", action="store_true", help="list all systems by name")


def add_bench(commands: Any) -> None:
    """Add ``wavesep bench``."""
    sections = "\n".join(f"  {name:10} {title}" for name, title in SECTIONS.items())
    command = commands.add_parser(
        "bench",
        help="measure how fast it is here",
        description=BENCH.format(sections=sections),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=bench)
    add = command.add_argument
    add("sections", nargs="*", metavar="SECTION", help="default: all")
    add("--json", type=Path, metavar="FILE", help="write the figures as JSON, too")
    add("--model", default="vocals", metavar="NAME|FILE", help="default: %(default)s")
    add("--device", default="cpu", help='"cpu", "gpu" or "gpu:1" (default: %(default)s)')


def separate(args: argparse.Namespace, console: Console) -> int:
    """Separate songs, as many as can be; list those that cannot."""
    songs, failures = distinct(args.songs)
    if args.demo and args.songs:
        raise OptionError("give songs or --demo, not both")
    if args.demo:
        songs.append(write_demo(args.out))
    if not songs and not failures:
        raise OptionError("give at least one song, or --demo")
    if args.jobs < 1:
        raise OptionError("-j must be 1 or more")
    with console.status("loading the model"), hushed():
        separator = Separator(
            args.model, engine=args.engine, precision=args.precision, device=args.device
        )

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
                    print(job.result(), flush=True)
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    for failure in failures:
        print(f"wavesep: {failure}", file=sys.stderr)
    return 1 if failures else 0


@contextmanager
def hushed() -> Iterator[None]:
    """Hold back what TensorFlow, should it load, writes from C++: no setting of its own does.

    Someone who sets TF_CPP_MIN_LOG_LEVEL wants to hear it.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        yield
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    stderr = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def separate_song(
    separator: Separator, song: Path, args: argparse.Namespace, bar: Progress, stop: threading.Event
) -> str:
    """Separate one song and return a line about it."""
    begin = time.perf_counter()
    task: TaskID = bar.add_task(song.name, total=None)

    def report(done: int, total: int) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        bar.update(task, completed=done, total=total)

    try:
        paths = separator.separate_to_file(
            song, args.out, filename=args.filename, codec=args.codec, bits=args.bits,
            start=args.start, duration=args.duration, two_stems=args.two_stems,
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


def distinct(songs: list[Path]) -> tuple[list[Path], list[str]]:
    """Return the songs, and a complaint for each whose stems would overwrite another's."""
    kept: dict[str, Path] = {}
    complaints = []
    for song in songs:
        if song.stem in kept:
            complaints.append(
                f"{song}: its stems would have the names of those of {kept[song.stem]}"
            )
        kept.setdefault(song.stem, song)
    return list(kept.values()), complaints


def write_demo(folder: Path) -> Path:
    """Write the mixture that --demo separates, and say so."""
    import soundfile

    from .dsp.demo import demo_song

    path = folder / "demo.wav"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, sum(demo_song()), 44_100)
    except (OSError, soundfile.LibsndfileError) as error:
        raise OptionError(f"{path} cannot be written: {error}") from error
    print(f"no song, so a demo: {path} is 8 s of a synthetic voice over chords and a drum")
    return path


def evaluate(args: argparse.Namespace, console: Console) -> int:
    """Score models on a folder, print what each song and all of them came to, write the report."""
    from .data.tracks import find_tracks
    from .evaluation import Settings, write_report
    from .evaluation import evaluate as evaluate_tracks
    from .evaluation.report import bss_eval_rows, song_rows, summary_rows

    if args.jobs < 1 or (args.most is not None and args.most < 1):
        raise OptionError("-j and --most must be 1 or more")
    settings = Settings.of(args.model or ["vocals"], args.window, args.bss_eval)
    tracks = find_tracks(args.folder, args.subset)
    if args.most and args.most < len(tracks):
        step = len(tracks) / args.most
        tracks = [tracks[int(i * step)] for i in range(args.most)]
    with song_bar(console) as bar:
        task = bar.add_task("scoring", total=len(tracks))
        scores, failures = evaluate_tracks(
            tracks, settings, args.out, jobs=args.jobs, progress=lambda _: bar.advance(task)
        )
    if scores:
        output = Console(highlight=False)
        if not output.is_terminal:
            output.width = WIDTH
        output.print("SI-SDR of the vocals, dB:\n", table(song_rows(scores), decibels))
        windows = f" ({sum(len(track.starts) for track in scores)} windows)" if args.window else ""
        output.print(
            f"Means over {len(scores)} songs{windows}, dB:\n", table(summary_rows(scores), decibels)
        )
        if args.bss_eval:
            output.print("BSS Eval v4, medians, dB:\n", table(bss_eval_rows(scores), decibels))
        print(f"report: {write_report(scores, args.out, failures)}")
    for song, reason in failures.items():
        print(f"wavesep: {song}: {reason}", file=sys.stderr)
    return 1 if failures else 0


def decibels(value: Any) -> str:
    """Return a score as text."""
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def song_bar(console: Console) -> Progress:
    """Return bars of what is done, that go away when all is."""
    return Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"),
        TimeRemainingColumn(), console=console, transient=True,
    )  # fmt: skip


def info(args: argparse.Namespace, console: Console) -> int:
    """Print what a model is."""
    del console  # the answer goes to standard output
    if args.all:
        print_models()
        return 0
    file = read_model_file(args.model)
    left, right = file.context
    channels = str(file.architecture["channels"])

    def span(samples: int) -> str:
        return f"{samples:,} samples, {1000 * samples / file.sample_rate:,.1f} ms"

    drawn = Table(show_header=False, box=None, pad_edge=False)
    drawn.add_column(style="bold", no_wrap=True)
    drawn.add_column()
    rows = {
        "model": args.model,
        "kind": file.kind,
        "sources": ", ".join(file.sources),
        "sample rate": f"{file.sample_rate:,} Hz",
        "channels": "1: a song's are separated one by one" if channels == "1" else channels,
        "parameters": f"{file.parameters:,}",
        "left context": span(left),
        "right context": span(right),
        "receptive field": span(left + file.frame_size + right),
        "architecture": ", ".join(f"{k} {v}" for k, v in file.architecture.items()),
        "licence": file.licence,
    }
    for name, value in (rows | file.card).items():
        drawn.add_row(name, value if isinstance(value, str) else plain(value))
    Console(highlight=False).print(drawn)
    return 0


def print_models() -> None:
    """Print all systems by name."""
    output = Console(highlight=False)
    if not output.is_terminal:
        output.width = WIDTH
    rows = [
        {"model": name} | asdict(model) | {"ships": "yes" if model.ships else "no"}
        for name, model in list_models().items()
    ]
    output.print(table(rows))


def bench(args: argparse.Namespace, console: Console) -> int:
    """Measure, and print a table after each section."""
    read_models(args.model)  # a mistake is told now
    if unknown := [section for section in args.sections if section not in SECTIONS]:
        raise OptionError(f"no section {unknown[0]!r}: choose some of {', '.join(SECTIONS)}")
    figures: dict[str, Any] = {"machine": machine()}
    output = Console(highlight=False)
    if not output.is_terminal:
        output.width = WIDTH
    output.print(", ".join(f"{name} {value}" for name, value in figures["machine"].items()))
    with hushed(), console.status("bench") as status:
        for section, rows in measure(
            args.sections or [*SECTIONS], model=args.model, device=args.device, report=status.update
        ):
            figures[section] = rows
            output.print(f"\n{SECTIONS[section]}:\n", table(rows))
            if args.json:
                write_json(args.json, figures)
    return 0


def plain(value: Any) -> str:
    """Return an entry of a data card as lines of text."""
    if isinstance(value, dict):
        return "\n".join(f"{name}: {plain(entry)}" for name, entry in value.items())
    return "\n".join(map(plain, value)) if isinstance(value, list) else str(value)
