"""Train a network on folders of audio, one for each stem.

    python examples/train.py vocals/ accompaniment/

It is the same as ``wavesep train vocals/ accompaniment/``. See ``wavesep train --help`` for the
options.
"""

import sys

from wavesep.__main__ import run

sys.argv.insert(1, "train")
run()
