"""The networks that weigh spectrograms as graphs of OpenVINO's operations. No Keras.

The same networks as `wavesep.models.frame_cnn` and `wavesep.models.unet`, from a model file's
arrays. Channels first, as in `wavesep.engines.openvino_graph`, and with every normalisation inside
of the convolution before it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino import Dimension, opset13

from ..models.files import Arrays, ModelFile
from ..models.spectrogram import CNN_SLOPE, LOUDNESS, POOL, UNET_SLOPE
from .openvino_graph import LONGEST, MOST, Node, cut, reshape, scale_and_shift, transpose

# What Keras's "same" padding comes to for strides of 2, taps of 5 and even sizes, down and up
HALVES = {"strides": [2, 2], "pads_begin": [1, 1], "pads_end": [2, 2], "dilations": [1, 1]}


def mask_graph(model: ModelFile) -> openvino.Model:
    """Return a `FrameCnn` or a `UNet` for any number of inputs.

    It takes and gives what the Keras network does, channels last.
    """
    graph = {"frame_cnn": frame_cnn_graph, "unet": unet_graph}[model.kind]
    return graph(model.architecture, model.arrays)


def frame_cnn_graph(config: dict[str, Any], arrays: Arrays) -> openvino.Model:
    """Return a `FrameCnn`: ``(batch, bins, frames)`` becomes ``(batch, answers)``."""
    window, frames = config["window"], config["frames"]
    bins = window // 2 + 1
    shape = openvino.PartialShape([Dimension(1, MOST), bins, frames])
    magnitudes = opset13.parameter(shape, np.float32, "magnitudes")
    x = reshape(compress(magnitudes, window), [0, 1, bins, frames])
    for i in range(len(config["filters"])):
        x = leaky_relu(convolution(x, arrays, f"conv{i}"), CNN_SLOPE)
        if i % 2:
            x = pool(x)
    left = bins // POOL // POOL, frames // POOL // POOL
    kernel = flat_kernel(arrays["dense/kernel"], *left, config["filters"][-1])
    x = leaky_relu(dense(reshape(x, [0, -1]), kernel, arrays["dense/bias"]), CNN_SLOPE)
    x = opset13.sigmoid(dense(x, arrays["answer/kernel"], arrays["answer/bias"]))
    return openvino.Model([x], [magnitudes])


def unet_graph(config: dict[str, Any], arrays: Arrays) -> openvino.Model:
    """Return a `UNet`, for any multiple of ``2 ** depth`` frames.

    ``(batch, window / 2 + 1, frames, channels)`` becomes ``(batch, window / 2 + 1, frames,
    channels * targets)``.
    """
    window, depth = config["window"], config["depth"]
    bins, frames = window // 2, Dimension(2**depth, LONGEST // window)
    shape = openvino.PartialShape([Dimension(1, MOST), bins + 1, frames, config["channels"]])
    magnitudes = opset13.parameter(shape, np.float32, "magnitudes")
    x = cut(transpose(magnitudes, [0, 3, 1, 2]), 0, bins)
    x = compress(x, window)
    passed = []
    for i in range(depth):
        x = leaky_relu(down(x, *normalised(arrays, f"down{i}", 3)), UNET_SLOPE)
        passed.append(x)
    for i in reversed(range(1, depth)):
        x = opset13.relu(up(x, *normalised(arrays, f"up{i}", 2)))
        x = opset13.concat([x, passed[i - 1]], 1)
    x = opset13.sigmoid(up(x, arrays["mask/kernel"], arrays["mask/bias"]))
    x = opset13.concat([x, cut(x, -1, 0)], 2)  # the highest bin has its neighbour's mask
    return openvino.Model([transpose(x, [0, 2, 3, 1])], [magnitudes])


def compress(magnitudes: Node, window: int) -> Node:
    """See `wavesep.models.frame_cnn.compress`."""
    x = opset13.multiply(magnitudes, constant(LOUDNESS / window))
    return opset13.log(opset13.add(x, constant(1)))


def normalised(arrays: Arrays, name: str, outputs: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return a kernel and a bias that normalise, too; ``outputs`` is that axis of the kernel."""
    scale, shift = scale_and_shift(arrays, f"{name}_norm")
    kernel, bias = (arrays[f"{name}/{v}"].astype(np.float64) for v in ("kernel", "bias"))
    shape = [-1 if axis == outputs else 1 for axis in range(4)]
    return kernel * scale.reshape(shape), bias * scale + shift


def convolution(x: Node, arrays: Arrays, name: str) -> Node:
    """Apply a 3 x 3 convolution, padded so that there are as many bins and frames as before."""
    kernel = arrays[f"{name}/kernel"].transpose(3, 2, 0, 1)
    x = opset13.convolution(x, constant(kernel), [1, 1], [1, 1], [1, 1], [1, 1])
    return biased(x, arrays[f"{name}/bias"])


def down(x: Node, kernel: NDArray[Any], bias: NDArray[Any]) -> Node:
    """Apply a convolution that gives half as many bins and frames, padded as Keras pads it."""
    return biased(opset13.convolution(x, constant(kernel.transpose(3, 2, 0, 1)), **HALVES), bias)


def up(x: Node, kernel: NDArray[Any], bias: NDArray[Any]) -> Node:
    """Apply a transposed convolution that gives twice as many bins and frames."""
    weights = constant(kernel.transpose(3, 2, 0, 1))
    return biased(opset13.convolution_backprop_data(x, weights, **HALVES), bias)


def biased(x: Node, bias: NDArray[Any]) -> Node:
    """Add to every channel its bias."""
    return opset13.add(x, constant(bias.reshape(1, -1, 1, 1)))


def leaky_relu(x: Node, slope: float) -> Node:
    """Multiply what is negative by the slope."""
    return opset13.prelu(x, constant([slope]))


def pool(x: Node) -> Node:
    """Keep the largest of so many bins and frames; what is left over at the end is dropped."""
    size = [POOL, POOL]
    return opset13.max_pool(x, size, [1, 1], [0, 0], [0, 0], size).output(0)


def flat_kernel(kernel: NDArray[Any], bins: int, frames: int, channels: int) -> NDArray[Any]:
    """Reorder a dense kernel, made for channels last, for what is flattened channels first."""
    rows = np.arange(len(kernel)).reshape(bins, frames, channels).transpose(2, 0, 1)
    return kernel[rows.ravel()]


def dense(x: Node, kernel: NDArray[Any], bias: NDArray[Any]) -> Node:
    """Apply a dense layer without its activation."""
    return opset13.add(opset13.matmul(x, constant(kernel), False, False), constant(bias[None]))


def constant(values: Any) -> Node:
    """Return numbers as a constant in single precision."""
    return opset13.constant(np.ascontiguousarray(values, np.float32))
