"""Measure a model on songs whose stems are known, beside the mixture and a perfect mask.

    python examples/evaluate_model.py songs/
    python examples/evaluate_model.py songs/ --window 10

The folder holds vocals/ and accompaniment/ with files of the same names; their sum is the mixture.
SI-SDR is of the vocals, in dB. Its gain is what an estimate has above the mixture itself, which is
what one has without a model; the ideal ratio mask is what a system that weighs frequencies could
reach. NSDR is the gain of BSS Eval's SDR, and GNSDR its mean by length. Channels and rates are the
files' own. Only songs, or windows of them, that are sung count: those whose vocals are less than 20
dB below the song's loudest window.
"""

import argparse
import sys
from pathlib import Path

import fast_bss_eval
import numpy as np
from rich.progress import track

from wavesep import Separator
from wavesep.audio import Audio
from wavesep.audio.read import read_audio
from wavesep.data import Clips, pairs
from wavesep.evaluation import ratio_mask, si_sdr

QUIET_DB = 20  # below the song's loudest window: no longer sung

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("folder", type=Path, help="folder with vocals/ and accompaniment/")
parser.add_argument("--model", default="vocals", help="name or file (default: %(default)s)")
parser.add_argument("--most", type=int, help="take only so many songs, spread over the folder")
parser.add_argument(
    "--window", type=float, metavar="SECONDS",
    help="score windows of this length, not whole songs",
)  # fmt: skip
args = parser.parse_args()


def bss_sdr(reference: Audio, estimate: Audio) -> float:
    """BSS Eval's SDR of a stem: it allows a filter of 512 taps."""
    scores = fast_bss_eval.sdr(reference.T.astype(float), estimate.T.astype(float))
    return float(np.mean(scores))


separator = Separator(args.model)
stems = Clips(args.folder / "vocals"), Clips(args.folder / "accompaniment")
songs = pairs(*stems)
if args.most and args.most < len(songs):
    songs = [songs[i] for i in np.linspace(0, len(songs) - 1, args.most).round().astype(int)]

rows: list[tuple[str, float, float, float, float, float]] = []
for i, j in track(songs, description="separating"):
    vocals, sample_rate = read_audio(stems[0].paths[i])
    accompaniment, _ = read_audio(stems[1].paths[j])
    samples = min(len(vocals), len(accompaniment))
    vocals, accompaniment = vocals[:samples], accompaniment[:samples]
    estimate = separator.separate(vocals + accompaniment, sample_rate)["vocals"]
    oracle = ratio_mask(vocals, accompaniment)

    window = round(args.window * sample_rate) if args.window else samples
    starts = range(0, max(samples - window, 0) + 1, window)
    power = {start: np.square(vocals[start : start + window]).mean() for start in starts}
    for start in starts:
        if power[start] <= max(power.values()) / 10 ** (QUIET_DB / 10):
            continue
        part = slice(start, start + window)
        true, mixture = vocals[part], vocals[part] + accompaniment[part]
        before = si_sdr(true, mixture)
        gain, oracle_gain = (si_sdr(true, s[part]) - before for s in (estimate, oracle))
        nsdr = bss_sdr(true, estimate[part]) - bss_sdr(true, mixture)
        name = stems[0].names[i] + (f" {start / sample_rate:.0f} s" if args.window else "")
        rows.append((name, len(true) / sample_rate, before, gain, oracle_gain, nsdr))

if not rows:
    sys.exit(f"{args.folder} holds no song with both stems and vocals")
width = max(len(name) for name, *_ in rows)
print(f"{'':{width}}  mixture  estimate  ratio mask    gain   of mask    NSDR   (dB)")
line = "{:{}}  {:7.2f}  {:8.2f}  {:10.2f}  {:6.2f}  {:8.2f}  {:6.2f}"
for name, _length, before, gain, oracle_gain, nsdr in rows:
    print(line.format(
        name, width, before, before + gain, before + oracle_gain, gain, oracle_gain, nsdr
    ))  # fmt: skip
seconds, *scores = np.array([row[1:] for row in rows]).T
before, gain, oracle_gain, nsdr = (np.mean(score) for score in scores)
print(line.format(
    f"mean of {len(rows)}", width, before, before + gain, before + oracle_gain, gain, oracle_gain,
    nsdr,
))  # fmt: skip
print(f"GNSDR {np.average(scores[-1], weights=seconds):.2f} dB")
