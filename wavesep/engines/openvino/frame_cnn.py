"""The networks of `wavesep.models.frame_cnn` (Koretzky) as graphs, channels first."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...models.arrays import Arrays
from ...models.frame_cnn.architecture import POOL, SLOPE, FrameArchitecture
from .operations import MOST, Node, biased, compress, constant, leaky_relu, reshape
from .runtime import openvino

opset13 = openvino.opset13


def frame_cnn_graph(architecture: FrameArchitecture, arrays: Arrays) -> openvino.Model:
    """Return a graph that maps ``(batch, bins, frames)`` to ``(batch, outputs)``."""
    bins, frames = architecture.bins, architecture.frames
    shape = openvino.PartialShape([openvino.Dimension(1, MOST), bins, frames])
    magnitudes = opset13.parameter(shape, np.float32, "magnitudes")
    x = reshape(compress(magnitudes, architecture.window), [0, 1, bins, frames])
    for i in range(len(architecture.filters)):
        x = leaky_relu(convolution(x, arrays, f"conv{i}"), SLOPE)
        if i % 2:
            x = pool(x)
    left = bins // POOL // POOL, frames // POOL // POOL
    kernel = flat_kernel(arrays["dense/kernel"], *left, architecture.filters[-1])
    x = leaky_relu(dense(reshape(x, [0, -1]), kernel, arrays["dense/bias"]), SLOPE)
    x = opset13.sigmoid(dense(x, arrays["answer/kernel"], arrays["answer/bias"]))
    return openvino.Model([x], [magnitudes])


def convolution(x: Node, arrays: Arrays, name: str) -> Node:
    """Apply a 3 x 3 convolution, padded to keep the numbers of bins and frames."""
    kernel = arrays[f"{name}/kernel"].transpose(3, 2, 0, 1)
    x = opset13.convolution(x, constant(kernel), [1, 1], [1, 1], [1, 1], [1, 1])
    return biased(x, arrays[f"{name}/bias"])


def pool(x: Node) -> Node:
    """Apply max pooling over `POOL` bins and frames; drop an incomplete pool at the end."""
    size = [POOL, POOL]
    return opset13.max_pool(x, size, [1, 1], [0, 0], [0, 0], size).output(0)


def flat_kernel(kernel: NDArray[Any], bins: int, frames: int, channels: int) -> NDArray[Any]:
    """Reorder a dense kernel from inputs flattened channels last to channels first."""
    rows = np.arange(len(kernel)).reshape(bins, frames, channels).transpose(2, 0, 1)
    return kernel[rows.ravel()]


def dense(x: Node, kernel: NDArray[Any], bias: NDArray[Any]) -> Node:
    """Apply a dense layer without its activation."""
    return opset13.add(opset13.matmul(x, constant(kernel), False, False), constant(bias[None]))
