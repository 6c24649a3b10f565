r"""Combine folders of audio into one folder of vocals and one of accompaniment.

    python data_prep/link_folders.py prepared \
        --vocals singers/vocals acapellas --accompaniment singers/backing games

makes prepared/vocals and prepared/accompaniment. Each contains links to the given folders, named a,
b, c … in their order. Two files are the stems of one song if their names are the same and their
folders have the same position in the two lists. Nothing is copied.
"""

import argparse
import string
from pathlib import Path

from wavesep.audio import TWO_STEMS

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("out", type=Path, help="folder to create")
parser.add_argument("--vocals", type=Path, nargs="+", required=True, metavar="FOLDER")
parser.add_argument("--accompaniment", type=Path, nargs="+", required=True, metavar="FOLDER")
args = parser.parse_args()

for stem in TWO_STEMS:
    (args.out / stem).mkdir(parents=True, exist_ok=True)
    for letter, folder in zip(string.ascii_lowercase, getattr(args, stem), strict=False):
        if not folder.is_dir():
            parser.error(f"no folder {folder}")
        link = args.out / stem / letter
        link.unlink(missing_ok=True)
        link.symlink_to(folder.resolve(), target_is_directory=True)
        print(f"{link} -> {folder}")
