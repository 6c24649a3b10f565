"""Take the vocals of a song from Python: as arrays, to go on with, and as files.

    python examples/separate_song.py song.mp3

It differs from ``wavesep separate`` in what it shows: the arrays that you would work on.
"""

import argparse

import numpy as np

from wavesep import Separator
from wavesep.audio.read import read_audio

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("song", help="an audio or video file")
parser.add_argument("--model", default="vocals", help="name or file (default: %(default)s)")
parser.add_argument("--out", default="separated", help="folder (default: %(default)s)")
args = parser.parse_args()

separator = Separator(args.model)

# a song that fits into memory: arrays in, arrays out
mixture, sample_rate = read_audio(args.song)
stems = separator.separate(mixture, sample_rate)
for name, stem in stems.items():
    level = 10 * np.log10(np.mean(stem**2) + 1e-12)
    print(f"{name}: {stem.shape}, {level:.1f} dB")
print("they add up to within", np.abs(sum(stems.values()) - mixture).max())

# a song of any length and format: block by block, straight to files
for name, path in separator.separate_to_file(args.song, args.out, overwrite=True).items():
    print(f"{name}: {path}")
