"""Give the layers of a WaveNet with a filterbank more channels, for more training.

    python examples/weights/widen.py vocals 64 wide.safetensors
    wavesep train vocals/ accompaniment/ --start wide.safetensors

The output stays the same: old channels do not depend on new ones until training changes that.
After T. Chen et al., "Net2Net", arXiv:1511.05641, with zeros instead of copies.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from wavesep.models.arrays import network_arrays
from wavesep.models.files import ModelFile, read_model_file
from wavesep.models.wavenet.architecture import WaveNetArchitecture

Array = NDArray[np.float32]


def widened(name: str, old: Array, new: Array) -> Array:
    """Return a weight of the larger network that gives the output of the smaller one.

    Parameters
    ----------
    name : str
        "layer/variable".
    old, new : float32 arrays
        The weight of the smaller and of the larger network; the last axis is the output.
    """
    wide = new.copy()
    parts = 2 if "_gates/" in name and name.endswith(("kernel", "bias")) else 1  # tanh and sigmoid
    for before, after in zip(np.split(old, parts, -1), np.split(wide, parts, -1), strict=True):
        after[..., : before.shape[-1]] = 0
        after[tuple(slice(size) for size in before.shape)] = before
    return wide


def widen(file: ModelFile, architecture: WaveNetArchitecture, cell_filters: int) -> ModelFile:
    """Return a network with more cell filters and the same output."""
    wide = replace(architecture, cell_filters=cell_filters)
    new = network_arrays(wide.network())
    arrays = {name: widened(name, file.arrays[name], new[name]) for name in file.arrays}
    return replace(file, architecture=wide, arrays=arrays)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="a name or a file")
    parser.add_argument("cell_filters", type=int, help="new number, above that of the model")
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    keras.utils.set_random_seed(args.seed)
    file = read_model_file(args.model)
    architecture = file.architecture
    if not isinstance(architecture, WaveNetArchitecture) or not architecture.filterbank:
        parser.error(f"{args.model} has no filterbank: give a model with one, such as vocals")
    if args.cell_filters <= architecture.cell_filters:
        parser.error(
            f"{args.model} has {architecture.cell_filters} cell filters already: give more"
        )
    widen(file, architecture, args.cell_filters).save(args.out)
