"""The WaveNet of `wavesep.models.wavenet.network` as a graph of OpenVINO operations.

The weights are a model file's arrays. The graph is channels first: one converted from Keras,
channels last, runs 4 to 8 times slower. Tanh and sigmoid have a convolution each, since OpenVINO
then computes each activation inside its convolution.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...models.arrays import Arrays
from ...models.wavenet.architecture import (
    AVERAGES,
    CELL_TAPS,
    EPSILON,
    WaveNetArchitecture,
    layer_context,
)
from ...models.wavenet.filterbank import (
    HINTS,
    QUIET,
    STEREO,
    band_count,
    band_signs,
    cell_count,
)
from .operations import END, LONGEST, MOST, Node, cut, reshape, scale_and_shift, transpose
from .runtime import openvino

opset13 = openvino.opset13

Remember = Callable[[Node, int], Node]  # prepends this many past frames to a signal


def chunk_graph(architecture: WaveNetArchitecture, arrays: Arrays) -> openvino.Model:
    """Return a graph without padding, for any number of mixtures of any length.

    ``(batch, left_context + samples + right_context, channels)`` becomes
    ``(batch, samples, channels * targets)``.
    """
    shortest = sum(architecture.context) + architecture.frame_size
    shape = [
        openvino.Dimension(1, MOST),
        openvino.Dimension(shortest, LONGEST),
        architecture.channels,
    ]
    mixture = opset13.parameter(openvino.PartialShape(shape), np.float32, "mixture")
    return openvino.Model([estimate(mixture, architecture, arrays)], [mixture])


def step_graph(
    architecture: WaveNetArchitecture, arrays: Arrays, groups: int, samples: int
) -> openvino.Model:
    """Return a graph that is given a sound piece by piece and keeps its past.

    The past frames that a layer needs are variables of the graph, so no frame is computed
    twice. ``(groups, frames * frame_size, channels)`` becomes
    ``(groups, frames * frame_size, channels * targets)``, ``right_context`` samples late.
    """
    shape = [groups, samples, architecture.channels]
    mixture = opset13.parameter(shape, np.float32, "mixture")
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

    result = opset13.result(estimate(mixture, architecture, arrays, remember))
    return openvino.Model([result], sinks, [mixture])


def estimate(
    mixture: Node,
    architecture: WaveNetArchitecture,
    arrays: Arrays,
    remember: Remember | None = None,
) -> Node:
    """Apply the whole network; see `wavesep.models.wavenet.network.estimate`."""
    if architecture.filterbank:
        return masked_estimate(mixture, architecture, unfolded(arrays), remember)
    x = transpose(reshape(mixture, [0, -1, architecture.frame_size * architecture.channels]))
    total = whole_layers(x, architecture, arrays, architecture.dilations, remember)
    frames = transpose(convolution(total, arrays, "decoder"))
    return reshape(frames, [0, -1, architecture.channels * architecture.targets])


def whole_layers(
    x: Node,
    architecture: WaveNetArchitecture,
    arrays: Arrays,
    dilations: list[int],
    remember: Remember | None,
) -> Node:
    """Apply the encoder, the layers and the head; see `wavesep.models.wavenet.network`."""
    x = activation(convolution(x, arrays, "encoder"), architecture)
    total = gated_layers(x, architecture, arrays, dilations, remember, "layer")
    for i in range(len(architecture.head)):
        total = opset13.relu(convolution(total, arrays, f"head{i}"))
    return total


def gated_layers(
    x: Node,
    architecture: WaveNetArchitecture,
    arrays: Arrays,
    dilations: list[int],
    remember: Remember | None,
    name: str,
) -> Node:
    """Apply dilated layers; see `wavesep.models.wavenet.layers.gated_layers`."""
    total = None
    for i, dilation in enumerate(dilations):
        left, right = layer_context(architecture.kernel_size, dilation)
        if remember:
            x = remember(x, left + right)
        tanh = opset13.tanh(convolution(x, arrays, f"{name}{i}_tanh", dilation))
        gate = opset13.sigmoid(convolution(x, arrays, f"{name}{i}_sigmoid", dilation))
        gated = opset13.multiply(tanh, gate)

        skip = activation(convolution(gated, arrays, f"{name}{i}_skip"), architecture)
        if total is not None:  # the sum so far covers earlier and later frames, too
            start = left
            if remember:
                # One frame more than needed. Otherwise OpenVINO splits the past in place and cannot
                # add inside the convolution, as it does for chunks, and the sums would differ.
                total, start = remember(total, right + 1), 1
            skip = opset13.add(cut(total, start, -right), skip)
        total = skip
        if i + 1 < len(dilations):  # the last residual is not used
            residual = activation(convolution(gated, arrays, f"{name}{i}_residual"), architecture)
            x = opset13.add(cut(x, left, -right), residual)
    return total


def activation(x: Node, architecture: WaveNetArchitecture) -> Node:
    """Apply the activation of the encoder and of the 1x1 convolutions in a layer."""
    return opset13.relu(x) if architecture.activation == "relu" else x


def masked_estimate(
    mixture: Node, architecture: WaveNetArchitecture, arrays: Arrays, remember: Remember | None
) -> Node:
    """Apply a network with a filterbank; see `wavesep.models.wavenet.network.masked_estimate`."""
    count = cell_count(architecture.filterbank)
    whole_context = architecture.stack_context(architecture.whole_dilations)
    cell_context = architecture.stack_context(architecture.dilations)

    def crop_context(x: Node, contexts: list[tuple[int, int]]) -> Node:
        left, right = map(sum, zip(*contexts, strict=True))
        if remember:
            x, left = remember(x, right), 0
        return cut(x, left, -right)

    if architecture.channels == STEREO:
        mixture = mid_and_side(mixture)
    analysed = analyse(mixture, architecture, arrays, remember)
    x = cells(analysed, architecture)
    width = architecture.cell_channels
    scale, shift = scale_and_shift(arrays, "spectrum_norm")
    x = affine(x, *(a.reshape(1, count, 1, width).transpose(0, 3, 2, 1) for a in (scale, shift)))

    whole = reshape(transpose(x, [0, 3, 1, 2]), [0, count * width, -1])
    whole = whole_layers(whole, architecture, arrays, architecture.whole_dilations, remember)
    scale, shift = scale_and_shift(arrays, "hints_norm")
    whole = opset13.relu(affine(whole, scale.reshape(1, -1, 1), shift.reshape(1, -1, 1)))
    hints = reshape(convolution(whole, arrays, "hints"), [0, count, HINTS, -1])
    x = opset13.concat([crop_context(x, [whole_context]), transpose(hints, [0, 2, 3, 1])], 1)

    x = activation(convolution(x, arrays, "cell_encoder"), architecture)
    x = gated_layers(x, architecture, arrays, architecture.dilations, remember, "cell_layer")
    scale, shift = scale_and_shift(arrays, "mask_norm")
    x = opset13.relu(affine(x, scale.reshape(1, -1, 1, 1), shift.reshape(1, -1, 1, 1)))
    mask = opset13.sigmoid(convolution(x, arrays, "mask"))
    analysed = reshape(analysed, [-1, count * width * 2, 0])
    analysed = crop_context(analysed, [whole_context, cell_context])
    targets = synthesise(mask, analysed, architecture, arrays, remember)
    return left_and_right(targets) if architecture.channels == STEREO else targets


def mid_and_side(stereo: Node) -> Node:
    """See `wavesep.models.wavenet.sub_bands.mid_and_side`."""
    halves = opset13.multiply(stereo, opset13.constant(np.float32(0.5)))
    left, right = opset13.split(halves, 2, 2).outputs()
    return opset13.concat([opset13.add(left, right), opset13.subtract(left, right)], 2)


def left_and_right(targets: Node) -> Node:
    """See `wavesep.models.wavenet.sub_bands.left_and_right`."""
    mid, side = opset13.split(reshape(targets, [0, 0, -1, 2]), 3, 2).outputs()
    pairs = opset13.concat([opset13.add(mid, side), opset13.subtract(mid, side)], 3)
    return reshape(pairs, [0, 0, -1])


def analyse(
    mixture: Node, architecture: WaveNetArchitecture, arrays: Arrays, remember: Remember | None
) -> Node:
    """Apply the filters to a mixture; return ``(..., real and imaginary parts, frames)``.

    The first axis holds mixtures, channels and bands.
    """
    step, channels = architecture.filterbank, architecture.channels
    steps, bands = architecture.frame_size // step, band_count(step)
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


def cells(analysed: Node, architecture: WaveNetArchitecture) -> Node:
    """Return square roots of magnitudes, ``(batch, channels * sub-bands, frames, cells)``."""
    step, twice = architecture.filterbank, 2 * architecture.channels
    count, sub_bands = cell_count(step), 2 * architecture.frame_size // step
    real, imaginary = opset13.split(analysed, 1, 2).outputs()
    power = opset13.add(opset13.multiply(real, real), opset13.multiply(imaginary, imaginary))
    power = opset13.add(power, opset13.constant(np.float32(QUIET)))
    x = reshape(opset13.sqrt(opset13.sqrt(power)), [-1, twice * count * sub_bands, 0])
    x = transpose(reshape(x, [0, twice, count, sub_bands, -1]), [0, 1, 3, 4, 2])
    return reshape(x, [0, twice * sub_bands, -1, count])


def unfolded(arrays: Arrays) -> Arrays:
    """Replace each normalised convolution by plain ones for tanh and sigmoid.

    See `wavesep.models.wavenet.layers.NormalisedConvolution`.
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


def affine(x: Node, scale: NDArray[Any], shift: NDArray[Any]) -> Node:
    """Multiply, then add."""
    scaled = opset13.multiply(x, opset13.constant(scale.astype(np.float32)))
    return opset13.add(scaled, opset13.constant(shift.astype(np.float32)))


def synthesise(
    mask: Node,
    analysed: Node,
    architecture: WaveNetArchitecture,
    arrays: Arrays,
    remember: Remember | None,
) -> Node:
    """Multiply the sub-bands by the mask; return ``(batch, samples, channels * targets)``."""
    step, channels, targets = architecture.filterbank, architecture.channels, architecture.targets
    steps, bands, outputs = architecture.frame_size // step, band_count(step), channels * targets
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
    """Apply a Keras convolution to ``(batch, channels, frames)`` or ``(..., cells)``.

    Only the cells are padded, so their number stays the same.
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
