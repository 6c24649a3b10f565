"""What tests of model files need: files that say what no `ModelFile` can hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pytest

from wavesep.models.arrays import load_arrays, save_arrays
from wavesep.models.base import Shapes
from wavesep.models.files import checksum
from wavesep.models.schema import SUM

Rewrite = Callable[..., Path]


@pytest.fixture
def rewrite(tmp_path: Path) -> Rewrite:
    """A function that copies a model file, says something else in it, and signs it again."""

    def copy(model: Path, **says: Any) -> Path:
        arrays, metadata = load_arrays(model)
        metadata |= {name: json.dumps(value) for name, value in says.items()}
        path = tmp_path / "rewritten.safetensors"
        save_arrays(arrays, metadata | {SUM: checksum(metadata, arrays)}, path)
        return path

    return copy


def array_shapes(network: keras.Model) -> Shapes:
    """Return the shapes of the weights that Keras has built."""
    return {
        f"{layer.name}/{variable.name}": tuple(variable.shape)
        for layer in network.layers
        for variable in layer.weights
    }
