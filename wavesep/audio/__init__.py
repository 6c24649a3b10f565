"""Files: read in blocks, write in blocks. No signal processing."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Audio: TypeAlias = NDArray[np.float32]  # (samples, channels), in [-1, 1]
