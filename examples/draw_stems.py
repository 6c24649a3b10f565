"""Separate a song and draw the mel spectrograms of the song and its stems.

    python examples/draw_stems.py                  # the song of wavesep separate --demo
    python examples/draw_stems.py song.mp3 song.png --start 60

It draws eight seconds. The picture of the README, examples/stems.png, was made with it.
"""

import argparse
from importlib.resources import files
from pathlib import Path

from PIL import Image

from wavesep import Separator
from wavesep.audio.read import read_audio
from wavesep.evaluation.pictures import draw_spectrograms

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("song", nargs="?", default=str(files("wavesep") / "cli" / "demo.ogg"))
parser.add_argument("picture", type=Path, nargs="?", default="stems.png", help="PNG to write")
parser.add_argument("--model", default="vocals", help="name or file (default: %(default)s)")
parser.add_argument("--start", type=float, default=0.0, metavar="SECONDS")
args = parser.parse_args()

mixture, sample_rate = read_audio(args.song)
stems = Separator(args.model).separate(mixture, sample_rate)
start = round(args.start * sample_rate)
draw_spectrograms({"song": mixture} | stems, sample_rate, start, args.picture)

# 128 colours are enough for a colour map and make the file a third as large
Image.open(args.picture).convert("RGB").quantize(128).save(args.picture, optimize=True)
