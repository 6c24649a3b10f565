"""What all graphs are made of: OpenVINO's operations, channels first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...models.arrays import Arrays
from ...models.base import NORMALISATION
from ...models.spectrograms import LOUDNESS
from ...models.wavenet.architecture import EPSILON
from .runtime import openvino

LONGEST = 1 << 30  # samples in a call; with no bound, shapes overflow while a graph is compiled
MOST = 1 << 16  # mixtures in a call
END = np.iinfo(np.int64).max

Node = Any  # openvino.Node and openvino.Output


def scale_and_shift(arrays: Arrays, norm: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return what a normalisation multiplies by, and then adds."""
    gamma, beta, mean, variance = (
        arrays[f"{norm}/{variable}"].astype(np.float64) for variable in NORMALISATION
    )
    scale = gamma / np.sqrt(variance + EPSILON)
    return scale, beta - mean * scale


def cut(x: Node, start: int, stop: int) -> Node:
    """Return the frames from ``start`` to ``stop``, counted as Python's slices do."""
    if start == 0 and stop == 0:
        return x
    bounds = (np.array([n], np.int64) for n in (start, stop or END, 1, 2))
    return openvino.opset13.slice(x, *map(openvino.opset13.constant, bounds))


def transpose(x: Node, order: Sequence[int] = (0, 2, 1)) -> Node:
    """Reorder the axes; frames and channels change places if no order is given."""
    return openvino.opset13.transpose(x, np.array(order, np.int64))


def reshape(x: Node, shape: list[int]) -> Node:
    """Reshape; 0 leaves an axis as it is."""
    return openvino.opset13.reshape(x, np.array(shape, np.int64), special_zero=True)


def compress(magnitudes: Node, window: int) -> Node:
    """See `wavesep.models.compress`."""
    x = openvino.opset13.multiply(magnitudes, constant(LOUDNESS / window))
    return openvino.opset13.log(openvino.opset13.add(x, constant(1)))


def biased(x: Node, bias: NDArray[Any]) -> Node:
    """Add to every channel its bias."""
    return openvino.opset13.add(x, constant(bias.reshape(1, -1, 1, 1)))


def leaky_relu(x: Node, slope: float) -> Node:
    """Multiply what is negative by the slope."""
    return openvino.opset13.prelu(x, constant([slope]))


def constant(values: Any) -> Node:
    """Return numbers as a constant in single precision."""
    return openvino.opset13.constant(np.ascontiguousarray(values, np.float32))
