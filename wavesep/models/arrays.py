"""The arrays of a network, and safetensors files, which contain only numbers and text."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from ..atomic import write_whole
from ..errors import ModelFileError

if TYPE_CHECKING:
    import keras

Arrays = dict[str, NDArray[Any]]

SCALE = ":scale"  # ends the name of the scales of an array of 8-bit integers
# The largest integer. A wheel is compressed, so 90 instead of 127 makes it 7 % smaller; the error
# grows by 3 dB.
LEVELS = 90
LEAST_INPUTS = 16  # with fewer inputs, the scales would take too much of the space that is saved


def save_arrays(arrays: Arrays, metadata: Mapping[str, str], path: str | os.PathLike[str]) -> None:
    """Write arrays and text to a safetensors file, whole or not at all.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    content = safetensors.numpy.save(
        {name: np.asarray(array, order="C") for name, array in arrays.items()}, dict(metadata)
    )
    write_whole(path, in_order(content))


def in_order(content: bytes) -> bytes:
    """Return a safetensors file with its header sorted, so that equal models make equal files.

    safetensors itself writes the text in a random order.
    """
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8:end]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[end:]


def load_arrays(path: str | os.PathLike[str]) -> tuple[Arrays, dict[str, str]]:
    """Read arrays and text from a safetensors file.

    Raises
    ------
    ModelFileError
        If it cannot be read, or holds arrays of a type that NumPy does not have.
    """
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return arrays, file.metadata() or {}
    except (safetensors.SafetensorError, OSError) as error:
        raise ModelFileError(f"{path} is damaged or not a model file: {error}") from error
    except (AttributeError, TypeError) as error:  # for types that NumPy does not have
        raise ModelFileError(f"{path} holds arrays that cannot be read: {error}") from error


def parse_arrays(content: bytes) -> tuple[Arrays, dict[str, str]]:
    """Return the arrays and the text in the bytes of a safetensors file.

    Raises
    ------
    ModelFileError
        If it is no such file.
    """
    try:
        arrays = safetensors.numpy.load(content)
    except safetensors.SafetensorError as error:
        raise ModelFileError(f"damaged or not a model file: {error}") from error
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return arrays, header.get("__metadata__", {})


def quantised(arrays: Arrays) -> Arrays:
    """Return arrays in which kernels are 8-bit integers; other arrays stay as they are.

    The weights from all inputs to one output have a common scale, stored in an array of its own.
    Kernels with fewer than 16 inputs are stored in half precision.
    """
    small: Arrays = {}
    for name, array in arrays.items():
        if array.ndim < 2:
            small[name] = array
        elif array.shape[-2] < LEAST_INPUTS:
            small[name] = array.astype(np.float16)
        else:
            scale = np.abs(array).max(axis=-2, keepdims=True).astype(np.float32) / LEVELS
            scale[scale == 0] = 1
            small[name] = np.round(array / scale).astype(np.int8)
            small[name + SCALE] = scale
    return small


def dequantised(arrays: Arrays) -> Arrays:
    """Return the arrays that `quantised` was given, with its rounding errors.

    Raises
    ------
    ModelFileError
        If the shape of a scale does not fit its array.
    """
    whole = dict(arrays)
    for name, array in arrays.items():
        scale = arrays.get(name + SCALE)
        if array.dtype != np.int8 or scale is None:
            continue
        if array.ndim < 2 or scale.shape != (*array.shape[:-2], 1, array.shape[-1]):
            raise ModelFileError(f"it is damaged: the scales of {name!r} do not fit")
        whole[name] = array * whole.pop(name + SCALE).astype(np.float32)
    return whole


def fingerprint(arrays: Arrays) -> str:
    """Return the SHA-256 of the arrays: names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape};".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def network_arrays(network: keras.Model) -> Arrays:
    """Return all weights of a network by "layer/variable"."""
    return {
        f"{layer.name}/{variable.name}": np.array(variable.numpy())
        for layer in network.layers
        for variable in layer.weights
    }


def set_network_arrays(network: keras.Model, arrays: Arrays) -> None:
    """Set all weights of a network that are among the arrays, but not the past of a stream."""
    for layer in network.layers:
        for variable in layer.weights:
            if (name := f"{layer.name}/{variable.name}") in arrays:
                variable.assign(arrays[name])
