"""Prepare MUSDB18 or MUSDB18-HQ, then train on it.

    python examples/train_musdb.py MUSDB18/

Other options, such as ``--preset folded --epochs 20``, are passed to train.py. The validation songs
of the musdb package are used for validation. The prepared data set stays in runs/musdb18. Run the
same command again to continue a stopped run.
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
if subprocess.run(prepare).returncode not in (0, 1):  # 1: some songs were skipped with a message
    sys.exit("MUSDB18 could not be prepared: see the messages above")
train = [
    sys.executable, str(HERE / "train.py"), f"{PREPARED}/train/vocals",
    f"{PREPARED}/train/accompaniment", "--valid", f"{PREPARED}/valid", *training,
]  # fmt: skip
sys.exit(subprocess.run(train).returncode)
