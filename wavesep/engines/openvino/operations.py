"""Operations that the graphs share, channels first."""

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

LONGEST = 1 << 30  # samples in a call; without a bound, shapes overflow in compilation
MOST = 1 << 16  # mixtures in a call
END = np.iinfo(np.int64).max

Node = Any  # openvino.Node and openvino.Output


def scale_and_shift(arrays: Arrays, norm: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the factor and the offset of a normalisation, float64."""
    gamma, beta, mean, variance = (
        arrays[f"{norm}/{variable}"].astype(np.float64) for variable in NORMALISATION
    )
    scale = gamma / np.sqrt(variance + EPSILON)
    return scale, beta - mean * scale


def cut(x: Node, start: int, stop: int) -> Node:
    """Return the frames from ``start`` to ``stop``; 0 as ``stop`` is the end.

    Negative numbers count from the end, as in Python's slices.
    """
    if start == 0 and stop == 0:
        return x
    bounds = (np.array([n], np.int64) for n in (start, stop or END, 1, 2))
    return openvino.opset13.slice(x, *map(openvino.opset13.constant, bounds))


def transpose(x: Node, order: Sequence[int] = (0, 2, 1)) -> Node:
    """Reorder the axes; by default, swap frames and channels."""
    return openvino.opset13.transpose(x, np.array(order, np.int64))


def reshape(x: Node, shape: list[int]) -> Node:
    """Reshape; 0 keeps the size of an axis."""
    return openvino.opset13.reshape(x, np.array(shape, np.int64), special_zero=True)


def compress(magnitudes: Node, window: int) -> Node:
    """See `wavesep.models.compress.compress`."""
    x = openvino.opset13.multiply(magnitudes, constant(LOUDNESS / window))
    return openvino.opset13.log(openvino.opset13.add(x, constant(1)))


def biased(x: Node, bias: NDArray[Any]) -> Node:
    """Add the bias of each channel."""
    return openvino.opset13.add(x, constant(bias.reshape(1, -1, 1, 1)))


def leaky_relu(x: Node, slope: float) -> Node:
    """Multiply negative values by the slope."""
    return openvino.opset13.prelu(x, constant([slope]))


def constant(values: Any) -> Node:
    """Return numbers as a float32 constant."""
    return openvino.opset13.constant(np.ascontiguousarray(values, np.float32))
