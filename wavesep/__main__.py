"""The command line as ``python -m wavesep``."""

import sys

from .cli import main

sys.exit(main())
