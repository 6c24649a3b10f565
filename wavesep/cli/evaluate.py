"""``wavesep evaluate``."""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from ..errors import OptionError
from .console import add_command, printable, song_bar, standard_output, table

EVALUATE = """Score a model on songs whose stems are known, beside the mixture itself, which
is what one has without a model, and the ideal masks, which a system that
weighs frequencies could reach.

  wavesep evaluate MUSDB18/ --bss-eval
  wavesep evaluate MIR1K/valid --model vocals --model runs/first/best.safetensors

FOLDER is MUSDB18's; or has vocals/ and accompaniment/ with files of the same
names; or is a set prepared by data_prep/; or has a folder a song, with
vocals.wav and the other stems. Scores are of the vocals, in dB, over what is
sung: songs, or windows of them, whose vocals are less than 20 dB below the
song's loudest window. Each song's scores are stored when it is done: the same
command goes on where it was stopped. OUT/report.html shows them all.
"""


def add_evaluate(commands: Any) -> None:
    """Add ``wavesep evaluate``."""
    command = add_command(
        commands, evaluate, "score a model on songs whose stems are known", EVALUATE
    )
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
    add("--strict", action="store_true",
        help="refuse a folder with a bad file (default: name its song and go on)")  # fmt: skip
    add("-j", "--jobs", type=int, default=1, metavar="N", help="songs at a time (default: 1)")


def evaluate(args: argparse.Namespace, console: Console) -> int:
    """Score models on a folder, print what each song and all of them came to, write the report."""
    from ..data.tracks import find_tracks
    from ..evaluation import Settings, write_report
    from ..evaluation import evaluate as evaluate_tracks
    from ..evaluation.report import bss_eval_rows, decibels, lacking_lines, song_rows, summary_rows

    if args.jobs < 1 or (args.most is not None and args.most < 1):
        raise OptionError("-j and --most must be 1 or more")
    settings = Settings.of(args.model or ["vocals"], args.window, args.bss_eval)
    tracks = find_tracks(args.folder, args.subset, strict=args.strict)
    if args.most and args.most < len(tracks):
        step = len(tracks) / args.most
        tracks = [tracks[int(i * step)] for i in range(args.most)]
    with song_bar(console) as bar:
        task = bar.add_task("", total=len(tracks))

        def show(done: int) -> None:
            bar.update(task, completed=done, description=f"{done} of {len(tracks)} songs scored")

        show(0)
        count = itertools.count(1)
        scores, failures = evaluate_tracks(
            tracks, settings, args.out, jobs=args.jobs, progress=lambda _: show(next(count))
        )
    if scores:
        output = standard_output()
        output.print("SI-SDR of the vocals, dB:\n", table(song_rows(scores), decibels))
        windows = f" ({sum(len(track.starts) for track in scores)} windows)" if args.window else ""
        output.print(
            f"Means over {len(scores)} songs{windows}; median and least of SI-SDR; dB:\n",
            table(summary_rows(scores), decibels),
        )
        for line in lacking_lines(scores):
            output.print(line, markup=False)
        if args.bss_eval:
            output.print("BSS Eval v4, medians, dB:\n", table(bss_eval_rows(scores), decibels))
        print(printable(f"report: {write_report(scores, args.out, failures)}"))
    for song, reason in failures.items():
        print(f"wavesep: {song}: {reason}", file=sys.stderr)
    return 1 if failures else 0
