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
    AVERAGES,
    CELL_TAPS,
    EPSILON,
    NORMALISATION,
    layer_context,
    layer_dilations,
    network_context,
    stack_context,
    whole_dilations,
)
from ..models.files import Arrays, ModelFile
from ..models.filterbank import HINTS, QUIET, band_count, band_signs, cell_count, cell_width

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
        shape = [*x.shape[:2], past, *x.shape[3:]]
        info.data_shape = openvino.PartialShape(shape)
        info.data_type = openvino.Type.f32
        info.variable_id = f"past{len(sinks)}"
        variable = openvino.op.util.Variable(info)
        zeros = opset13.constant(np.zeros(shape, np.float32))
        seen = opset13.concat([opset13.read_value(zeros, variable), x], 2)
        sinks.append(opset13.assign(cut(seen, -past, END), variable))
        return seen

    result = opset13.result(estimate(mixture, model, remember))
    return openvino.Model([result], sinks, [mixture])


def estimate(mixture: Node, model: ModelFile, remember: Remember | None = None) -> Node:
    """Apply the whole network; see `wavesep.models.wavenet.estimate`."""
    config, arrays = model.architecture, model.arrays
    if config["filterbank"]:
        return weigh(mixture, config, unfolded(arrays), remember)
    x = transpose(reshape(mixture, [0, -1, config["frame_size"] * config["channels"]]))
    total = whole_layers(x, config, arrays, layer_dilations(config), remember)
    frames = transpose(convolution(total, arrays, "decoder"))
    return reshape(frames, [0, -1, config["channels"] * config["targets"]])


def whole_layers(
    x: Node, config: dict[str, Any], arrays: Arrays, dilations: list[int], remember: Remember | None
) -> Node:
    """Map frames to what layers and the head make of them; see `wavesep.models.wavenet`."""
    x = activation(convolution(x, arrays, "encoder"), config)
    total = gated_layers(x, config, arrays, dilations, remember, "layer")
    for i in range(len(config["head"])):
        total = opset13.relu(convolution(total, arrays, f"head{i}"))
    return total


def gated_layers(
    x: Node,
    config: dict[str, Any],
    arrays: Arrays,
    dilations: list[int],
    remember: Remember | None,
    name: str,
) -> Node:
    """Apply dilated layers; see `wavesep.models.layers.gated_layers`."""
    total = None
    for i, dilation in enumerate(dilations):
        left, right = layer_context(config["kernel_size"], dilation)
        if remember:
            x = remember(x, left + right)
        tanh = opset13.tanh(convolution(x, arrays, f"{name}{i}_tanh", dilation))
        gate = opset13.sigmoid(convolution(x, arrays, f"{name}{i}_sigmoid", dilation))
        gated = opset13.multiply(tanh, gate)

        skip = activation(convolution(gated, arrays, f"{name}{i}_skip"), config)
        if total is not None:  # the skips so far stand for earlier and later frames, too
            start = left
            if remember:
                # A frame more than is needed: else OpenVINO splits in place what it has seen, and
                # cannot add inside of the convolution as it does for chunks. Its sums would differ.
                total, start = remember(total, right + 1), 1
            skip = opset13.add(cut(total, start, -right), skip)
        total = skip
        if i + 1 < len(dilations):  # nothing listens to the last residual
            residual = activation(convolution(gated, arrays, f"{name}{i}_residual"), config)
            x = opset13.add(cut(x, left, -right), residual)
    return total


def activation(x: Node, config: dict[str, Any]) -> Node:
    """Apply the activation of the encoder and of the 1x1 convolutions in a layer."""
    return opset13.relu(x) if config["activation"] == "relu" else x


def weigh(mixture: Node, config: dict[str, Any], arrays: Arrays, remember: Remember | None) -> Node:
    """Apply a network with a filterbank; see `wavesep.models.wavenet.weigh`."""
    count = cell_count(config["filterbank"])
    whole_context = stack_context(config, whole_dilations(config))
    cell_context = stack_context(config, layer_dilations(config))

    def later(x: Node, contexts: list[tuple[int, int]]) -> Node:
        left, right = map(sum, zip(*contexts, strict=True))
        if remember:
            x, left = remember(x, right), 0
        return cut(x, left, -right)

    analysed = analyse(mixture, config, arrays, remember)
    x = cells(analysed, config)
    width = config["channels"] * cell_width(config["frame_size"], config["filterbank"])
    scale, shift = scale_and_shift(arrays, "spectrum_norm")
    x = affine(x, *(a.reshape(1, count, 1, width).transpose(0, 3, 2, 1) for a in (scale, shift)))

    whole = reshape(transpose(x, [0, 3, 1, 2]), [0, count * width, -1])
    whole = whole_layers(whole, config, arrays, whole_dilations(config), remember)
    scale, shift = scale_and_shift(arrays, "hints_norm")
    whole = opset13.relu(affine(whole, scale.reshape(1, -1, 1), shift.reshape(1, -1, 1)))
    hints = reshape(convolution(whole, arrays, "hints"), [0, count, HINTS, -1])
    x = opset13.concat([later(x, [whole_context]), transpose(hints, [0, 2, 3, 1])], 1)

    x = activation(convolution(x, arrays, "cell_encoder"), config)
    x = gated_layers(x, config, arrays, layer_dilations(config), remember, "cell_layer")
    scale, shift = scale_and_shift(arrays, "mask_norm")
    x = opset13.relu(affine(x, scale.reshape(1, -1, 1, 1), shift.reshape(1, -1, 1, 1)))
    mask = opset13.sigmoid(convolution(x, arrays, "mask"))
    analysed = reshape(analysed, [-1, count * width * 2, 0])
    analysed = later(analysed, [whole_context, cell_context])
    return synthesise(mask, analysed, config, arrays, remember)


def analyse(
    mixture: Node, config: dict[str, Any], arrays: Arrays, remember: Remember | None
) -> Node:
    """Return what the filters make of a mixture, ``(..., real and imaginary parts, frames)``.

    The first axis is that of mixtures, channels and bands together.
    """
    step, channels = config["filterbank"], config["channels"]
    steps, bands = config["frame_size"] // step, band_count(step)
    x = reshape(mixture, [0, -1, step * channels])
    x = reshape(transpose(x), [0, step, channels, -1])
    x = transpose(x, [0, 2, 1, 3])
    x = reshape(x, [0, channels * step, -1])
    if remember:
        x = remember(x, steps)
    x = convolution(reshape(x, [-1, step, 0]), arrays, "analysis_bands")
    x = reshape(cut(x, 0, 1 - steps), [0, 2, bands, -1, steps])
    x = transpose(x, [0, 2, 4, 1, 3])
    x = opset13.multiply(x, opset13.constant(band_signs(step, steps)[..., None]))
    x = reshape(x, [0, bands * steps * 2, -1])
    x = reshape(x, [-1, channels * bands * steps * 2, 0])
    if remember:
        x = remember(x, 1)
    return convolution(reshape(x, [-1, steps * 2, 0]), arrays, "analysis_sub_bands")


def cells(analysed: Node, config: dict[str, Any]) -> Node:
    """Return square roots of magnitudes, ``(batch, channels * sub-bands, frames, cells)``."""
    step, twice = config["filterbank"], 2 * config["channels"]
    count, sub_bands = cell_count(step), 2 * config["frame_size"] // step
    real, imaginary = opset13.split(analysed, 1, 2).outputs()
    power = opset13.add(opset13.multiply(real, real), opset13.multiply(imaginary, imaginary))
    power = opset13.add(power, opset13.constant(np.float32(QUIET)))
    x = reshape(opset13.sqrt(opset13.sqrt(power)), [-1, twice * count * sub_bands, 0])
    x = transpose(reshape(x, [0, twice, count, sub_bands, -1]), [0, 1, 3, 4, 2])
    return reshape(x, [0, twice * sub_bands, -1, count])


def unfolded(arrays: Arrays) -> Arrays:
    """Return the arrays with plain convolutions for tanh and sigmoid in place of normalised ones.

    See `wavesep.models.layers.NormalisedConvolution`.
    """
    arrays = dict(arrays)
    for layer in [name.removesuffix("_gates/mean") for name in arrays if "_gates/mean" in name]:
        kernel, bias, mean, variance = (
            arrays.pop(f"{layer}_gates/{name}").astype(np.float64)
            for name in ("kernel", "bias", *AVERAGES)
        )
        kernel /= np.sqrt(variance + EPSILON)[:, None]
        bias -= mean @ kernel.sum(axis=tuple(range(kernel.ndim - 2)))
        halves = zip(np.split(kernel, 2, axis=-1), np.split(bias, 2), strict=True)
        for name, half in zip(("tanh", "sigmoid"), halves, strict=True):
            arrays[f"{layer}_{name}/kernel"], arrays[f"{layer}_{name}/bias"] = half
    return arrays


def scale_and_shift(arrays: Arrays, norm: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return what a normalisation multiplies by, and then adds."""
    gamma, beta, mean, variance = (
        arrays[f"{norm}/{variable}"].astype(np.float64) for variable in NORMALISATION
    )
    scale = gamma / np.sqrt(variance + EPSILON)
    return scale, beta - mean * scale


def affine(x: Node, scale: NDArray[Any], shift: NDArray[Any]) -> Node:
    """Multiply, then add."""
    scaled = opset13.multiply(x, opset13.constant(scale.astype(np.float32)))
    return opset13.add(scaled, opset13.constant(shift.astype(np.float32)))


def synthesise(
    mask: Node,
    analysed: Node,
    config: dict[str, Any],
    arrays: Arrays,
    remember: Remember | None,
) -> Node:
    """Weigh every sub-band and return samples, ``(batch, samples, channels * targets)``."""
    step, channels, targets = (config[n] for n in ("filterbank", "channels", "targets"))
    steps, bands, outputs = config["frame_size"] // step, band_count(step), channels * targets
    mask = reshape(mask, [0, outputs * 2, 2 * steps, -1, cell_count(step)])
    mask = transpose(mask, [0, 1, 4, 2, 3])
    mask = reshape(mask, [0, outputs * bands * 2 * steps, -1])
    mask = reshape(mask, [0, targets, channels * bands, 1, 2 * steps, -1])
    analysed = reshape(analysed, [0, 1, channels * bands, 2, 2 * steps, -1])
    x = reshape(opset13.multiply(mask, analysed), [0, outputs * bands * 4 * steps, -1])
    if remember:
        x = remember(x, 1)
    x = convolution(reshape(x, [-1, 4 * steps, 0]), arrays, "synthesis_sub_bands")
    x = reshape(x, [-1, outputs * bands * steps * 2, 0])
    x = reshape(x, [0, outputs, bands, steps, 2, -1])
    x = opset13.multiply(x, opset13.constant(band_signs(step, steps)[..., None]))
    x = transpose(x, [0, 1, 4, 2, 5, 3])
    x = reshape(x, [0, outputs * 2 * bands, -1])
    if remember:
        x = remember(x, steps)
    x = reshape(cut(x, steps - 1, 0), [-1, 2 * bands, 0])
    x = convolution(x, arrays, "synthesis_bands")
    x = transpose(reshape(x, [-1, outputs * step, 0]))
    x = reshape(x, [0, -1, outputs, step])
    return reshape(transpose(x, [0, 1, 3, 2]), [0, -1, outputs])


def convolution(x: Node, arrays: Arrays, name: str, dilation: int = 1) -> Node:
    """Apply a convolution of Keras's to ``(batch, channels, frames)`` or ``(..., cells)``.

    It is padded along the cells alone, so that there are as many as before.
    """
    kernel: NDArray[Any] = arrays[f"{name}/kernel"]
    if x.get_output_partial_shape(0).rank.get_length() == 3:
        kernel = kernel.reshape(kernel.shape[0], *kernel.shape[-2:]).transpose(2, 1, 0)
        options = [1], [0], [0], [dilation]
    else:
        kernel = kernel.transpose(3, 2, 0, 1)
        pads = [0, CELL_TAPS // 2 if kernel.shape[3] > 1 else 0]
        options = [1, 1], pads, pads, [dilation, 1]
    weights = opset13.constant(np.ascontiguousarray(kernel, np.float32))
    x = opset13.convolution(x, weights, *options)
    if f"{name}/bias" not in arrays:
        return x
    bias = arrays[f"{name}/bias"].astype(np.float32).reshape(1, -1, *[1] * len(options[0]))
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
