"""The U-Net of `wavesep.models.spleeter` as a graph, channels first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...models.arrays import Arrays
from ...models.spleeter.architecture import MASK_DILATION, MASK_KERNEL, SpleeterArchitecture
from ...models.unet.architecture import SLOPE
from .operations import (
    Node,
    biased,
    constant,
    cut,
    leaky_relu,
    scale_and_shift,
    transpose,
)
from .runtime import openvino
from .unet import down, magnitudes_of, up

opset13 = openvino.opset13


def spleeter_graph(architecture: SpleeterArchitecture, arrays: Arrays) -> openvino.Model:
    """Return a graph for any number of frames that is a multiple of ``2 ** depth``.

    ``(batch, window / 2 + 1, frames, channels)`` becomes ``(batch, window / 2 + 1, frames,
    channels * targets)``.
    """
    magnitudes = magnitudes_of(architecture)
    x = cut(transpose(magnitudes, [0, 3, 1, 2]), 0, architecture.bins - 1)
    passed = []
    for i in range(architecture.depth):
        if i:
            x = leaky_relu(normalise(x, arrays, f"down{i - 1}_norm"), SLOPE)
        x = down(x, arrays[f"down{i}/kernel"], arrays[f"down{i}/bias"])
        passed.append(x)
    for i in reversed(range(architecture.depth)):
        x = opset13.relu(up(x, arrays[f"up{i}/kernel"], arrays[f"up{i}/bias"]))
        x = normalise(x, arrays, f"up{i}_norm")
        if i:
            x = opset13.concat([passed[i - 1], x], 1)
    x = opset13.sigmoid(dilated(x, arrays["mask/kernel"], arrays["mask/bias"]))
    x = opset13.concat([x, cut(x, -1, 0)], 2)  # the highest bin has its neighbour's mask
    return openvino.Model([transpose(x, [0, 2, 3, 1])], [magnitudes])


def normalise(x: Node, arrays: Arrays, name: str) -> Node:
    """Apply a normalisation."""
    scale, shift = scale_and_shift(arrays, name)
    return biased(opset13.multiply(x, constant(scale.reshape(1, -1, 1, 1))), shift)


def dilated(x: Node, kernel: NDArray[np.float32], bias: NDArray[np.float32]) -> Node:
    """Apply the last convolution, which keeps the number of bins and frames."""
    pads = [(MASK_KERNEL - 1) * MASK_DILATION // 2] * 2
    weights = constant(kernel.transpose(3, 2, 0, 1))
    return biased(
        opset13.convolution(
            x, weights, strides=[1, 1], pads_begin=pads, pads_end=pads,
            dilations=[MASK_DILATION] * 2,
        ),
        bias,
    )  # fmt: skip
