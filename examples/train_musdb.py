"""Prepare MUSDB18 or MUSDB18-HQ, then train on it.

    python examples/train_musdb.py MUSDB18/

All that follows the folder goes to train.py, such as ``--preset folded --epochs 20``. The
songs that the musdb package holds back from training are those to measure with. The prepared set
stays in runs/musdb18; the same command goes on where it was stopped.
"""

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PREPARED = "runs/musdb18"

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("musdb", help="folder with train/ and test/")
args, training = parser.parse_known_args()

prepare = [sys.executable, str(HERE.parent / "data_prep" / "musdb18.py"), PREPARED, args.musdb]
if subprocess.run(prepare).returncode not in (0, 1):  # 1: some songs were skipped, and told
    sys.exit("MUSDB18 could not be prepared")
train = [
    sys.executable, str(HERE / "train.py"), f"{PREPARED}/train/vocals",
    f"{PREPARED}/train/accompaniment", "--valid", f"{PREPARED}/valid", *training,
]  # fmt: skip
sys.exit(subprocess.run(train).returncode)
