"""A WaveNet as a graph of OpenVINO's own operations, channels first. No Keras.

The same network as `wavesep.models.wavenet`, from a model file's arrays. Written channels first
because a graph converted from Keras, channels last, runs 4 to 8 times slower; with one convolution
for tanh and one for the sigmoid because OpenVINO then computes each activation inside of its
convolution.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino import Dimension, opset13

from ..models.architecture import layer_context, layer_dilations, network_context
from ..models.files import Arrays, ModelFile

LONGEST = 1 << 30  # samples in a call; with no bound, shapes overflow while a graph is compiled
MOST = 1 << 16  # mixtures in a call
END = np.iinfo(np.int64).max

Node = Any  # openvino.Node and openvino.Output
Remember = Callable[[Node, int], Node]  # puts so many past frames of a signal in front of it


def chunk_graph(model: ModelFile) -> openvino.Model:
    """Return the network without padding, for any number of mixtures of any length.

    ``(batch, left_context + samples + right_context, channels)`` becomes
    ``(batch, samples, channels * targets)``.
    """
    frame_size, channels = (model.architecture[name] for name in ("frame_size", "channels"))
    shortest = sum(network_context(model.architecture)) + frame_size
    shape = [Dimension(1, MOST), Dimension(shortest, LONGEST), channels]
    mixture = opset13.parameter(openvino.PartialShape(shape), np.float32, "mixture")
    return openvino.Model([estimate(mixture, model)], [mixture])


def step_graph(model: ModelFile, groups: int, frames: int) -> openvino.Model:
    """Return the network that is given a sound ``frames`` at a time and keeps its past.

    Every signal that a layer looks back on is a variable of the graph, so no frame is computed
    twice. ``(groups, frames * frame_size, channels)`` becomes
    ``(groups, frames * frame_size, channels * targets)``, ``right_context`` samples late.
    """
    frame_size, channels = (model.architecture[name] for name in ("frame_size", "channels"))
    mixture = opset13.parameter([groups, frames * frame_size, channels], np.float32, "mixture")
    sinks: list[Node] = []

    def remember(x: Node, past: int) -> Node:
        info = openvino.op.util.VariableInfo()
        info.data_shape = openvino.PartialShape([groups, x.shape[1], past])
        info.data_type = openvino.Type.f32
        info.variable_id = f"past{len(sinks)}"
        variable = openvino.op.util.Variable(info)
        zeros = opset13.constant(np.zeros((groups, x.shape[1], past), np.float32))
        seen = opset13.concat([opset13.read_value(zeros, variable), x], 2)
        sinks.append(opset13.assign(cut(seen, frames, END), variable))
        return seen

    result = opset13.result(estimate(mixture, model, remember))
    return openvino.Model([result], sinks, [mixture])


def estimate(mixture: Node, model: ModelFile, remember: Remember | None = None) -> Node:
    """Apply the whole network; see `wavesep.models.wavenet.estimate`."""
    config, arrays = model.architecture, model.arrays
    dilations = layer_dilations(config)

    def activation(x: Node) -> Node:
        return opset13.relu(x) if config["activation"] == "relu" else x

    x = reshape(mixture, [0, -1, config["frame_size"] * config["channels"]])
    x = activation(convolution(transpose(x), arrays, "encoder"))
    total = None
    for i, dilation in enumerate(dilations):
        left, right = layer_context(config["kernel_size"], dilation)
        if remember:
            x = remember(x, left + right)
        tanh = opset13.tanh(convolution(x, arrays, f"layer{i}_tanh", dilation))
        gate = opset13.sigmoid(convolution(x, arrays, f"layer{i}_sigmoid", dilation))
        gated = opset13.multiply(tanh, gate)

        skip = activation(convolution(gated, arrays, f"layer{i}_skip"))
        if total is not None:  # the skips so far stand for earlier and later frames, too
            start = left
            if remember:
                # A frame more than is needed: else OpenVINO splits in place what it has seen, and
                # cannot add inside of the convolution as it does for chunks. Its sums would differ.
                total, start = remember(total, right + 1), 1
            skip = opset13.add(cut(total, start, -right), skip)
        total = skip
        if i + 1 < len(dilations):  # nothing listens to the last residual
            residual = activation(convolution(gated, arrays, f"layer{i}_residual"))
            x = opset13.add(cut(x, left, -right), residual)
    for i in range(len(config["head"])):
        total = opset13.relu(convolution(total, arrays, f"head{i}"))
    frames = transpose(convolution(total, arrays, "decoder"))
    return reshape(frames, [0, -1, config["channels"] * config["targets"]])


def convolution(x: Node, arrays: Arrays, name: str, dilation: int = 1) -> Node:
    """Apply an unpadded convolution of Keras's to ``(batch, channels, frames)``."""
    kernel: NDArray[Any] = arrays[f"{name}/kernel"].transpose(2, 1, 0)  # out, in, taps
    weights = opset13.constant(np.ascontiguousarray(kernel, np.float32))
    bias = opset13.constant(arrays[f"{name}/bias"].astype(np.float32).reshape(1, -1, 1))
    return opset13.add(opset13.convolution(x, weights, [1], [0], [0], [dilation]), bias)


def cut(x: Node, start: int, stop: int) -> Node:
    """Return the frames from ``start`` to ``stop``, counted as Python's slices do."""
    if start == 0 and stop == 0:
        return x
    bounds = (np.array([n], np.int64) for n in (start, stop or END, 1, 2))
    return opset13.slice(x, *map(opset13.constant, bounds))


def transpose(x: Node) -> Node:
    """Swap the last two axes."""
    return opset13.transpose(x, np.array([0, 2, 1], np.int64))


def reshape(x: Node, shape: list[int]) -> Node:
    """Reshape; 0 leaves an axis as it is."""
    return opset13.reshape(x, np.array(shape, np.int64), special_zero=True)
