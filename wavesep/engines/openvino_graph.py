"""A WaveNet as a graph of OpenVINO's own operations, channels first. No Keras.

The same network as `wavesep.models.wavenet`, from a model file's arrays. Written channels first
because a graph converted from Keras, channels last, runs 4 to 8 times slower; with one convolution
for tanh and one for the sigmoid because OpenVINO then computes each activation inside of its
convolution.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino import Dimension, opset13

from ..models.architecture import (
    EPSILON,
    NORMALISATION,
    layer_context,
    layer_dilations,
    network_context,
    stack_context,
)
from ..models.files import Arrays, ModelFile
from ..models.filterbank import QUIET, filter_pairs

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
        shape = [x.shape[0], x.shape[1], past]
        info.data_shape = openvino.PartialShape(shape)
        info.data_type = openvino.Type.f32
        info.variable_id = f"past{len(sinks)}"
        variable = openvino.op.util.Variable(info)
        zeros = opset13.constant(np.zeros(shape, np.float32))
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

    if config["filterbank"]:
        arrays = normalised(arrays, len(dilations))
        analysed = analyse(mixture, model, remember)
        x = loudness(analysed, config)
    else:
        x = transpose(reshape(mixture, [0, -1, config["frame_size"] * config["channels"]]))
    x = activation(convolution(x, arrays, "encoder"))
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
    if config["filterbank"]:
        mask = opset13.sigmoid(convolution(total, arrays, "mask"))
        return synthesise(mask, analysed, model, remember)
    frames = transpose(convolution(total, arrays, "decoder"))
    return reshape(frames, [0, -1, config["channels"] * config["targets"]])


def analyse(mixture: Node, model: ModelFile, remember: Remember | None) -> Node:
    """Return what the filters make of a mixture, ``(batch, channels * filters, frames)``."""
    frame_size, channels, taps = (
        model.architecture[name] for name in ("frame_size", "channels", "filterbank")
    )
    x = reshape(mixture, [0, -1, frame_size * channels])
    x = reshape(transpose(x), [0, frame_size, channels, -1])
    x = transpose(x, [0, 2, 1, 3])
    x = reshape(x, [0, channels * frame_size, -1])
    if remember:
        x = remember(x, taps - 1)
    x = convolution(reshape(x, [-1, frame_size, 0]), model.arrays, "analysis")
    return reshape(x, [-1, channels * 2 * filter_pairs(frame_size, taps), 0])


def loudness(analysed: Node, config: dict[str, Any]) -> Node:
    """Return the square root of every pair's magnitude, ``(batch, channels * pairs, frames)``."""
    channels, pairs = config["channels"], filter_pairs(config["frame_size"], config["filterbank"])
    x = reshape(analysed, [0, channels, 2, pairs, -1])
    cosine, sine = opset13.split(x, 2, 2).outputs()
    power = opset13.add(opset13.multiply(cosine, cosine), opset13.multiply(sine, sine))
    power = opset13.add(power, opset13.constant(np.float32(QUIET)))
    return reshape(opset13.sqrt(opset13.sqrt(power)), [0, channels * pairs, -1])


def normalised(arrays: Arrays, layer_count: int) -> Arrays:
    """Return the arrays with every normalisation worked into the convolutions that follow it."""
    arrays = dict(arrays)
    heard = {"encoder_norm": ["encoder"], "mask_norm": ["mask"]}
    heard |= {f"layer{i}_norm": [f"layer{i}_tanh", f"layer{i}_sigmoid"] for i in range(layer_count)}
    for norm, convolutions in heard.items():
        gamma, beta, mean, variance = (
            arrays[f"{norm}/{variable}"].astype(np.float64) for variable in NORMALISATION
        )
        scale = gamma / np.sqrt(variance + EPSILON)
        shift = beta - mean * scale
        for name in convolutions:
            kernel = arrays[f"{name}/kernel"].astype(np.float64)  # taps, in, out
            arrays[f"{name}/bias"] = arrays[f"{name}/bias"] + np.einsum("tio,i->o", kernel, shift)
            arrays[f"{name}/kernel"] = kernel * scale[:, None]
    return arrays


def synthesise(mask: Node, analysed: Node, model: ModelFile, remember: Remember | None) -> Node:
    """Weigh what the filters gave and return samples, ``(batch, samples, channels * targets)``."""
    config = model.architecture
    frame_size, channels, targets = (config[n] for n in ("frame_size", "channels", "targets"))
    pairs = filter_pairs(frame_size, config["filterbank"])
    left, right = stack_context(config)
    if remember:
        analysed, left = remember(analysed, right), 0
    analysed = reshape(cut(analysed, left, -right), [0, 1, channels, 2, pairs, -1])
    mask = reshape(mask, [0, targets, channels, 1, pairs, -1])
    x = reshape(opset13.multiply(mask, analysed), [0, targets * channels * 2 * pairs, -1])
    if remember:
        x = remember(x, config["filterbank"] - 1)
    x = convolution(reshape(x, [-1, 2 * pairs, 0]), model.arrays, "synthesis")
    x = transpose(reshape(x, [-1, targets * channels * frame_size, 0]))
    x = reshape(x, [0, -1, targets * channels, frame_size])
    return reshape(transpose(x, [0, 1, 3, 2]), [0, -1, targets * channels])


def convolution(x: Node, arrays: Arrays, name: str, dilation: int = 1) -> Node:
    """Apply an unpadded convolution of Keras's to ``(batch, channels, frames)``."""
    kernel: NDArray[Any] = arrays[f"{name}/kernel"]
    kernel = kernel.reshape(kernel.shape[0], *kernel.shape[-2:]).transpose(2, 1, 0)
    weights = opset13.constant(np.ascontiguousarray(kernel, np.float32))
    x = opset13.convolution(x, weights, [1], [0], [0], [dilation])
    if f"{name}/bias" not in arrays:
        return x
    bias = arrays[f"{name}/bias"].astype(np.float32).reshape(1, -1, 1)
    return opset13.add(x, opset13.constant(bias))


def cut(x: Node, start: int, stop: int) -> Node:
    """Return the frames from ``start`` to ``stop``, counted as Python's slices do."""
    if start == 0 and stop == 0:
        return x
    bounds = (np.array([n], np.int64) for n in (start, stop or END, 1, 2))
    return opset13.slice(x, *map(opset13.constant, bounds))


def transpose(x: Node, order: Sequence[int] = (0, 2, 1)) -> Node:
    """Reorder the axes; frames and channels change places if no order is given."""
    return opset13.transpose(x, np.array(order, np.int64))


def reshape(x: Node, shape: list[int]) -> Node:
    """Reshape; 0 leaves an axis as it is."""
    return opset13.reshape(x, np.array(shape, np.int64), special_zero=True)
