"""Train a network on folders of audio, one for each stem.

    python examples/train.py vocals/ accompaniment/

is ``wavesep train vocals/ accompaniment/``, whose options are ``wavesep train --help``.
"""

import sys

from wavesep.__main__ import run

sys.argv.insert(1, "train")
run()
