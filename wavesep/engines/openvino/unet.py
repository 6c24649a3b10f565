"""The U-Net of `wavesep.models.unet` as a graph, channels first.

Every normalisation is merged into the convolution before it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...models.arrays import Arrays
from ...models.unet.architecture import SLOPE, UNetArchitecture
from .operations import (
    LONGEST,
    MOST,
    Node,
    biased,
    compress,
    constant,
    cut,
    leaky_relu,
    scale_and_shift,
    transpose,
)
from .runtime import openvino

opset13 = openvino.opset13

# Keras's "same" padding for strides of 2, kernels of 5 and even sizes, down and up
HALVES = {"strides": [2, 2], "pads_begin": [1, 1], "pads_end": [2, 2], "dilations": [1, 1]}


def unet_graph(architecture: UNetArchitecture, arrays: Arrays) -> openvino.Model:
    """Return a graph for any number of frames that is a multiple of ``2 ** depth``.

    ``(batch, window / 2 + 1, frames, channels)`` becomes ``(batch, window / 2 + 1, frames,
    channels * targets)``.
    """
    depth = architecture.depth
    magnitudes = magnitudes_of(architecture)
    x = cut(transpose(magnitudes, [0, 3, 1, 2]), 0, architecture.bins - 1)
    x = compress(x, architecture.window)
    passed = []
    for i in range(depth):
        x = leaky_relu(down(x, *normalised(arrays, f"down{i}", 3)), SLOPE)
        passed.append(x)
    for i in reversed(range(1, depth)):
        x = opset13.relu(up(x, *normalised(arrays, f"up{i}", 2)))
        x = opset13.concat([x, passed[i - 1]], 1)
    x = opset13.sigmoid(up(x, arrays["mask/kernel"], arrays["mask/bias"]))
    x = opset13.concat([x, cut(x, -1, 0)], 2)  # the highest bin has its neighbour's mask
    return openvino.Model([transpose(x, [0, 2, 3, 1])], [magnitudes])


def magnitudes_of(architecture: UNetArchitecture) -> Node:
    """Return the input of the graph, ``(batch, window / 2 + 1, frames, channels)``."""
    frames = openvino.Dimension(architecture.aligned, LONGEST // architecture.window)
    batch = openvino.Dimension(1, MOST)
    shape = openvino.PartialShape([batch, architecture.bins, frames, architecture.channels])
    return opset13.parameter(shape, np.float32, "magnitudes")


def normalised(arrays: Arrays, name: str, outputs: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return a kernel and a bias with the normalisation merged in.

    ``outputs`` is the axis of the kernel's output channels.
    """
    scale, shift = scale_and_shift(arrays, f"{name}_norm")
    kernel, bias = (arrays[f"{name}/{v}"].astype(np.float64) for v in ("kernel", "bias"))
    shape = [-1 if axis == outputs else 1 for axis in range(4)]
    return kernel * scale.reshape(shape), bias * scale + shift


def down(x: Node, kernel: NDArray[Any], bias: NDArray[Any]) -> Node:
    """Apply a convolution that halves the bins and frames, padded as in Keras."""
    return biased(opset13.convolution(x, constant(kernel.transpose(3, 2, 0, 1)), **HALVES), bias)


def up(x: Node, kernel: NDArray[Any], bias: NDArray[Any]) -> Node:
    """Apply a transposed convolution that doubles the bins and frames."""
    weights = constant(kernel.transpose(3, 2, 0, 1))
    return biased(opset13.convolution_backprop_data(x, weights, **HALVES), bias)
