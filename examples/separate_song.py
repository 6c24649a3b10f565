"""Separate a song in Python, as arrays and as files.

    python examples/separate_song.py song.mp3

Unlike ``wavesep separate``, it shows how to work with the stems as arrays.
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

# arrays in, arrays out, for a song that fits into memory
mixture, sample_rate = read_audio(args.song)
stems = separator.separate(mixture, sample_rate)
for name, stem in stems.items():
    level = 10 * np.log10(np.mean(stem**2) + 1e-12)
    print(f"{name}: {stem.shape}, {level:.1f} dB")
print("their sum differs from the mixture by at most", np.abs(sum(stems.values()) - mixture).max())

# block by block to files, for a song of any length and format
for name, path in separator.separate_to_file(args.song, args.out, overwrite=True).items():
    print(f"{name}: {path}")
