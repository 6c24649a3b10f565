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

EVALUATE = """Score a model on songs whose stems are known. The report compares it with the
unprocessed mixture, and with ideal masks, which show what masking a spectrum
could reach.

  wavesep evaluate MUSDB18/ --bss-eval
  wavesep evaluate MIR1K/valid --model vocals --model runs/first/best.safetensors

FOLDER is one of these:

  MUSDB18
  a folder with vocals/ and accompaniment/, with files of the same names
  a data set prepared by data_prep/
  a folder with a folder for each song, with vocals.wav and the other stems

Scores are of the vocals, in dB. A song without vocals cannot be scored. With
--window, only windows count whose vocals are less than 20 dB below those of the
song's loudest window. The scores of each song are stored, so the same command
resumes after a stop. OUT/report.html shows all scores.
"""


def add_evaluate(commands: Any) -> None:
    """Add ``wavesep evaluate``."""
    command = add_command(
        commands, evaluate, "score a model on songs whose stems are known", EVALUATE
    )
    add = command.add_argument
    add("folder", type=Path, metavar="FOLDER", help="the songs: see above")
    add("-o", "--out", type=Path, default="evaluation", metavar="OUT",
        help="folder for the results (default: %(default)s)")  # fmt: skip
    add("--model", action="append", metavar="NAME|FILE",
        help="model to score; repeat it for several (default: vocals)")  # fmt: skip
    add("--subset", choices=["train", "valid", "test"],
        help="songs to use (default: test if the folder has it, else all)")  # fmt: skip
    add("--window", type=float, metavar="S", help="score windows of S seconds instead of songs")
    add("--bss-eval", action="store_true",
        help='also BSS Eval v4; slow, needs pip install "wavesep[evaluate]"')  # fmt: skip
    add("--most", type=int, metavar="N", help="use only N songs, spread evenly over the folder")
    add("--strict", action="store_true",
        help="stop at a bad file (default: report its song, score the others)")  # fmt: skip
    add("-j", "--jobs", type=int, default=1, metavar="N", help="parallel songs (default: 1)")


def evaluate(args: argparse.Namespace, console: Console) -> int:
    """Score models on a folder, print the scores of each song and their means, write the report.

    Raises
    ------
    OptionError
        If an option is invalid.
    AudioError
        If there are no songs, or with ``--strict``, if a file cannot be read.
    ModelFileError
        If a model cannot be read.
    OutputError
        If the results cannot be written.
    """
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
            f"Means over {len(scores)} songs{windows}; median and least SI-SDR; dB:\n",
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
