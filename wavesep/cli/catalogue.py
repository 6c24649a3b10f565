"""``wavesep catalogue``."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..engines import PRECISIONS
from ..errors import OptionError
from .console import add_command, hushed, printable, song_bar, standard_output, table
from .separate import add_form

if TYPE_CHECKING:  # these need fsspec
    from ..catalogue.job import Job
    from ..catalogue.manifest import Song
    from ..catalogue.overseer import Outcome
    from ..catalogue.run import Engine, Work
    from ..catalogue.store import Store

CATALOGUE = """Separate any number of songs, each exactly once, on this machine or on a cluster.

  wavesep catalogue music/ --out stems
  wavesep catalogue songs.parquet --out s3://bucket/stems --engine ray --address auto
  wavesep catalogue songs.csv --out /mnt/stems --share 3/200
  wavesep catalogue songs.csv --out /mnt/stems --status

SONGS is a folder, a pattern in quotes, or a manifest: a .csv or .parquet file
with the columns id and uri, and maybe version and bytes. All of them, and OUT,
may be URLs that fsspec opens, such as s3://bucket/folder.

OUT tells what is done, so a run that ends at any moment goes on when it is
started again, and several runs may share OUT. A song that cannot be read is a
row in OUT/failed; what may pass is tried three times. The stems of a song and
their hashes are in OUT/done. The exit code is 0 if no song failed.
"""


def add_catalogue(commands: Any) -> None:
    """Add ``wavesep catalogue``."""
    command = add_command(
        commands, catalogue, "separate any number of songs, also on a cluster", CATALOGUE
    )
    add = command.add_argument
    add("songs", metavar="SONGS", help="a folder, a pattern in quotes, or a manifest")
    add("--out", metavar="OUT", help="folder or URL of the output")
    add_actions(command.add_argument_group("instead of separating"))
    add_engine(command.add_argument_group("engine"))
    add_settings(command.add_argument_group("stems"))


def add_actions(group: Any) -> None:
    """Add the options that look at an output."""
    add = group.add_argument
    add("--list", metavar="MANIFEST", dest="manifest",
        help="write SONGS as a manifest, .csv or .parquet")  # fmt: skip
    add("--status", action="store_true", help="print how far OUT is")
    add("--verify", action="store_true",
        help="read all stems; damaged ones are made again by the next run")  # fmt: skip
    add("--sweep", action="store_true", help="delete files in OUT that belong to no song")
    add("--report", action="store_true",
        help="write OUT/report.parquet with a row for each song")  # fmt: skip


def add_engine(group: Any) -> None:
    """Add the options that choose what runs the work."""
    add = group.add_argument
    add("--engine", choices=["local", "ray"], default="local",
        help="processes of this machine, or a Ray cluster (default: %(default)s)")  # fmt: skip
    add("--address", metavar="ADDRESS",
        help='of the Ray cluster, such as "auto" (default: start one on this machine)')  # fmt: skip
    add("--workers", type=int, metavar="N",
        help="songs at a time (default: one for each core, of the cluster with Ray)")  # fmt: skip
    add("--threads", type=int, default=1, metavar="N",
        help="threads of each worker (default: %(default)s)")  # fmt: skip
    add("--share", type=share, metavar="K/N",
        help="only share K of N, from 1 to N, for array jobs")  # fmt: skip
    add("--max-failed", type=percent, metavar="P%", dest="most_failed",
        help="stop if more than this share of at least 100 songs fail")  # fmt: skip
    add("--retry-failed", action="store_true", help="also try the songs that failed")
    add("-q", "--quiet", action="store_true", help="no progress bar")


def add_settings(group: Any) -> None:
    """Add the settings of the stems; see ``wavesep separate``."""
    add = group.add_argument
    add("--model", default="vocals", metavar="NAME|FILE", help="default: %(default)s")
    add_form(group)
    add("--keep-truncated", action="store_true",
        help="of songs that are cut short or damaged, separate the good part")  # fmt: skip
    add("--precision", default="auto",
        help=f"precision of the arithmetic: {', '.join(PRECISIONS)} (default: auto)")  # fmt: skip
    add("--device", help='"cpu", "gpu" or "gpu:1" (default: cpu)')


def share(text: str) -> tuple[int, int]:
    """Convert "3/200" to its two numbers.

    Raises
    ------
    argparse.ArgumentTypeError
        If the text is not a share.
    """
    try:
        number, count = map(int, text.split("/"))
    except ValueError:
        number, count = 0, 0
    if not 1 <= number <= count:
        raise argparse.ArgumentTypeError(f"{text} is not a share: write 3/200, from 1/200 on")
    return number, count


def percent(text: str) -> float:
    """Convert "1%" to 0.01.

    Raises
    ------
    argparse.ArgumentTypeError
        If the text is no percentage.
    """
    try:
        value = float(text.removesuffix("%")) / 100
    except ValueError:
        value = -1.0
    if not (text.endswith("%") and 0 <= value <= 1):
        raise argparse.ArgumentTypeError(f"{text} is not a percentage: write 1%")
    return value


def catalogue(args: argparse.Namespace, console: Console) -> int:
    """Separate a catalogue, or look at its output.

    Raises
    ------
    OptionError
        If an option is invalid, or a package is missing.
    AudioError
        If there is no song.
    ModelFileError
        If the model cannot be read.
    CatalogueError
        If it cannot go on.
    """
    try:
        from ..catalogue.manifest import find_songs, write_manifest
        from ..catalogue.run import share_of
        from ..catalogue.store import Store

        songs = find_songs(args.songs, args.out or "")
        if args.share:
            songs = share_of(songs, *args.share)
        if args.manifest:
            print(f"{args.manifest}: {write_manifest(songs, args.manifest):,} songs")
            return 0
        if not args.out:
            raise OptionError("give --out, the folder or URL of the output")
        store = Store(args.out)
        if any((args.status, args.verify, args.sweep, args.report)):
            return look(args, songs, store, console)
        return separate_all(args, songs, store, console)
    except ModuleNotFoundError as error:
        raise missing(error, "catalogue") from None


def missing(error: ModuleNotFoundError, extra: str) -> OptionError:
    """Return the error for a package that is not installed."""
    return OptionError(f'this needs {error.name}: run pip install "wavesep[{extra}]"')


def look(args: argparse.Namespace, songs: Iterator[Song], store: Store, console: Console) -> int:
    """Print how far an output is, check it, clean it or write its report."""
    from ..catalogue.report import status, sweep, verify, write_report

    code = 0
    if args.verify:
        with song_bar(console, args.quiet) as bar:
            task = bar.add_task("reading stems", total=None)
            bad = verify(store, lambda n, total: bar.update(task, completed=n, total=total))
        for song in bad:
            print(f"{printable(song)}: a stem is missing or damaged")
        print(f"{len(bad):,} songs are damaged" + "; the next run makes them again" * bool(bad))
        code = 1 if bad else 0
    if args.sweep:
        print(f"{sweep(store):,} files that belong to no song are deleted")
    if args.report:
        print(f"{store.url}/report.parquet: {write_report(store):,} songs")
    if args.status:
        found = status(songs, store)
        left = found.seconds_left
        row = {
            "songs": found.total, "done": found.done, "failed": found.failed, "left": found.left,
            "songs an hour": found.songs_an_hour,
            "hours left": "" if left is None else left / 3_600,
        }  # fmt: skip
        output = standard_output()
        output.print(table([row]))
        if found.codes:
            output.print(table([{"failed by": c, "songs": n} for c, n in found.codes.items()]))
    return code


def separate_all(
    args: argparse.Namespace, songs: Iterator[Song], store: Store, console: Console
) -> int:
    """Separate the songs that are left; return the exit code."""
    from ..catalogue.job import Job
    from ..catalogue.run import forget_failures, run, work_left

    job = Job(
        model=args.model, codec=args.codec, bits=args.bits, two_stems=args.two_stems,
        keep_truncated=args.keep_truncated, precision=args.precision,
    ).resolved(args.device)  # fmt: skip
    work = work_left(songs, store)
    job.sign(store)
    if args.retry_failed:
        forget_failures([*work.failed, *work.left], store)
        work.left.extend(work.failed)
        work.failed.clear()
    failed = len(work.failed)
    if work.left:
        engine = engine_of(args, job)
        # Ray, and what workers load, write lines of their own; why a song failed is a row
        with (
            catalogue_bar(console, args.quiet) as bar,
            hushed(),
            closing(run(work, engine, args.most_failed)) as outcomes,
        ):
            failed += follow(outcomes, work, bar)
    done = work.total - failed
    print(f"{work.total:,} songs: {done:,} done, {failed:,} failed")
    return 1 if failed else 0


def follow(outcomes: Iterable[Outcome], work: Work, bar: Progress) -> int:
    """Show how far a catalogue is while it goes on; return how many songs failed."""
    begin, failed = time.monotonic(), 0
    task = bar.add_task("starting", total=work.total, completed=work.total - len(work.left))
    for count, outcome in enumerate(outcomes, 1):
        if outcome.failed:
            failed += 1
            line = f"{outcome.song.id}: {outcome.facts['message']}"
            bar.console.print(printable(line), soft_wrap=True)
        speed = 3_600 * count / (time.monotonic() - begin)
        bar.update(task, advance=1, description=f"{speed:,.0f} songs an hour")
    return failed


def catalogue_bar(console: Console, quiet: bool) -> Progress:
    """Return a progress bar of songs."""
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=console, transient=True, disable=quiet or not console.is_terminal,
    )  # fmt: skip


def engine_of(args: argparse.Namespace, job: Job) -> Engine:
    """Return the engine that the options choose.

    Raises
    ------
    OptionError
        If an option is out of its range, or Ray is not installed.
    """
    if args.threads < 1 or (args.workers is not None and args.workers < 1):
        raise OptionError("--workers and --threads must be 1 or more")
    if args.engine == "local":
        from ..catalogue.local import local_outcomes

        workers = args.workers or max((os.cpu_count() or 1) // args.threads, 1)
        return partial(
            local_outcomes, job=job, store=args.out, device=args.device, workers=workers,
            threads=args.threads,
        )  # fmt: skip
    try:
        from ..catalogue.ray_engine import ray_outcomes
    except ModuleNotFoundError as error:
        raise missing(error, "cluster") from None
    return partial(
        ray_outcomes, job=job, store=args.out, device=args.device, workers=args.workers,
        threads=args.threads, address=args.address,
    )  # fmt: skip
