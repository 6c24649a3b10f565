"""Measure a model on songs whose stems are known: SI-SDR of the vocals, and its gain.

    python examples/evaluate_model.py songs/

The folder holds vocals/ and accompaniment/ with files of the same names; their sum is the mixture.
The gain is the SI-SDR of the estimate less that of the mixture itself, which is what one has
without a model. Channels and rates are the files' own. Songs that hold no vocals do not count.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from rich.progress import track

from wavesep import Separator
from wavesep.audio.read import read_audio
from wavesep.data import Clips, pairs
from wavesep.evaluation import si_sdr

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("folder", type=Path, help="folder with vocals/ and accompaniment/")
parser.add_argument("--model", default="vocals", help="name or file (default: %(default)s)")
parser.add_argument("--most", type=int, help="take only so many songs, spread over the folder")
args = parser.parse_args()

separator = Separator(args.model)
stems = Clips(args.folder / "vocals"), Clips(args.folder / "accompaniment")
songs = pairs(*stems)
if args.most and args.most < len(songs):
    songs = [songs[i] for i in np.linspace(0, len(songs) - 1, args.most).round().astype(int)]

rows = []
for i, j in track(songs, description="separating"):
    vocals, sample_rate = read_audio(stems[0].paths[i])
    accompaniment, _ = read_audio(stems[1].paths[j])
    samples = min(len(vocals), len(accompaniment))
    mixture, vocals = vocals[:samples] + accompaniment[:samples], vocals[:samples]
    estimate = separator.separate(mixture, sample_rate)["vocals"]
    if vocals.any():
        rows.append((stems[0].names[i], si_sdr(vocals, mixture), si_sdr(vocals, estimate)))

if not rows:
    sys.exit(f"{args.folder} holds no song with both stems and vocals")
width = max(len(name) for name, _, _ in rows)
print(f"{'song':{width}}  mixture  estimate  gain   (SI-SDR, dB)")
for name, before, after in rows:
    print(f"{name:{width}}  {before:7.2f}  {after:8.2f}  {after - before:5.2f}")
before, after = np.mean([row[1:] for row in rows], axis=0)
print(f"{'mean of ' + str(len(rows)):{width}}  {before:7.2f}  {after:8.2f}  {after - before:5.2f}")
