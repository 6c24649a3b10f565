"""Turn a WaveNet with a filterbank for one channel into one for mid and side, to train it on.

    python examples/weights/stereo.py vocals stereo.safetensors
    wavesep train vocals/ accompaniment/ --start stereo.safetensors

Its layers ignore the side until training changes that. The side gets the mask of the mid. So the
estimate of a mono mixture is the same as before.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wavesep.models.files import ModelFile, read_model_file
from wavesep.models.wavenet.architecture import WaveNetArchitecture
from wavesep.models.wavenet.filterbank import STEREO, cell_count

Array = NDArray[np.float32]


def stereo_array(name: str, mono: Array, cells: int, width: int) -> Array:
    """Return a weight of the stereo network.

    Parameters
    ----------
    name : str
        "layer/variable".
    mono : float32 array
    cells, width : int
        Number of cells, and sub-bands of a cell for each channel.
    """
    layer = name.split("/")[0]
    if layer == "spectrum_norm":  # (cells * width,)
        return np.repeat(mono.reshape(cells, 1, width), STEREO, axis=1).reshape(-1)
    if name == "encoder/kernel":  # (1, cells * width, filters)
        mid = mono.reshape(cells, width, -1)
        return np.concatenate([mid, np.zeros_like(mid)], axis=1).reshape(1, -1, mono.shape[-1])
    if name == "cell_encoder/kernel":  # (1, 1, width + hints, filters)
        mid, hints = mono[:, :, :width], mono[:, :, width:]
        return np.concatenate([mid, np.zeros_like(mid), hints], axis=2)
    if layer == "mask":  # (..., width * targets), channels first
        return np.concatenate([mono] * STEREO, axis=-1)
    return mono


def to_stereo(file: ModelFile, architecture: WaveNetArchitecture) -> ModelFile:
    """Return a network of two channels; it estimates mono mixtures as before."""
    cells, width = cell_count(architecture.filterbank), architecture.cell_channels
    arrays = {n: stereo_array(n, a, cells, width) for n, a in file.arrays.items()}
    return replace(file, architecture=replace(architecture, channels=STEREO), arrays=arrays)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="a name or a file")
    parser.add_argument("out", type=Path)
    args = parser.parse_args()

    file = read_model_file(args.model)
    architecture = file.architecture
    if not isinstance(architecture, WaveNetArchitecture) or not architecture.filterbank:
        parser.error(f"{args.model} has no filterbank")
    if architecture.channels != 1 or architecture.targets != 1:
        parser.error(f"{args.model} has more than one channel or target")
    to_stereo(file, architecture).save(args.out)
