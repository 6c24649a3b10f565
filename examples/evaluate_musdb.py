"""Score a model on the test songs of MUSDB18 by BSS Eval, with the mixture and ideal masks.

    python examples/evaluate_musdb.py MUSDB18/
    python examples/evaluate_musdb.py MUSDB18/ --model runs/first/best.safetensors

It uses BSS Eval v4 of museval (pip install "wavesep[evaluate]"): windows of one second, medians
over windows, then over songs. evaluation/museval holds museval's JSON file of each song, for the
tools of sigsep. evaluation/report.html shows all scores. Run the same command again to continue a
stopped run.
"""

import argparse

from wavesep.data.tracks import find_tracks
from wavesep.evaluation import Settings, evaluate, write_report
from wavesep.evaluation.report import bss_eval_rows

if __name__ == "__main__":  # the processes that score import this file
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("musdb", help="folder with train/ and test/")
    parser.add_argument("--model", default="vocals", help="name or file (default: %(default)s)")
    parser.add_argument("--subset", default="test", choices=["train", "valid", "test"])
    parser.add_argument("--jobs", type=int, default=1, help="songs at a time")
    args = parser.parse_args()

    tracks = find_tracks(args.musdb, args.subset)
    settings = Settings.of([args.model], bss_eval=True)
    scores, failures = evaluate(
        tracks, settings, "evaluation", jobs=args.jobs,
        progress=lambda done: print("failed" if done is None else done.track, flush=True),
    )  # fmt: skip
    for track, reason in failures.items():
        print(f"{track}: {reason}")
    if scores:
        for row in bss_eval_rows(scores):
            print("  ".join(v if isinstance(v, str) else f"{v:6.2f}" for v in row.values()))
        print("report:", write_report(scores, "evaluation", failures))
