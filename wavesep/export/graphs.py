"""Graphs that contain all that a `Separator` does with a mixture at the model's own rate.

They map a mixture, ``(samples, channels)``, to its stems. Inside, the mixture is several sounds
with the channels of the network: see `wavesep.dsp.channels.split_channels`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engines.base import step_samples
from ..engines.openvino.operations import END, Node, cut, reshape, transpose
from ..engines.openvino.runtime import compile_graph, openvino
from ..engines.openvino.wavenet import Remember, estimate
from ..models.files import ModelFile
from ..models.wavenet.architecture import WaveNetArchitecture

opset13 = openvino.opset13

ANY = -1  # a length that the caller chooses
MIXTURE, PAST, NEW_PAST = "mixture", "past_{}", "new_past_{}"  # names of inputs and outputs


def whole_graph(file: ModelFile) -> openvino.Model:
    """Return a graph for whole mixtures of any length.

    It adds the context of the network to the mixture, and zeros up to a whole number of frames.
    """
    architecture = wavenet(file)
    left, right = architecture.context
    mixture = opset13.parameter([ANY, ANY], np.float32, name=MIXTURE)
    size = part(opset13.shape_of(mixture), integers(0), integers(1), axis=0)
    missing = opset13.floor_mod(
        opset13.subtract(integers(0), size), integers(architecture.frame_size)
    )
    after = opset13.concat([opset13.add(missing, integers(right)), integers(0)], 0)
    zero = opset13.constant(np.float32(0))
    padded = opset13.pad(mixture, integers(left, 0), after, "constant", zero)
    targets = [part(x, integers(0), size, axis=0) for x in estimated_targets(padded, file)]
    return graph([mixture], named_stems(mixture, targets, file))


def step_graph(file: ModelFile) -> openvino.Model:
    """Return a graph for one step of a stream, whose past is given to it and returned by it.

    The stems are ``right_context`` samples late. A past of zeros is that of a stream of silence.
    """
    mixture = opset13.parameter([step_samples(file.architecture), ANY], np.float32, name=MIXTURE)
    silence = iter(silent_values(file))
    pasts: list[Node] = []
    outputs: dict[str, Node] = {}

    def remember(x: Node, frames: int) -> Node:
        value = next(silence)
        shape = [ANY, value.shape[1], frames, *value.shape[3:]]
        pasts.append(opset13.parameter(shape, np.float32, name=PAST.format(len(pasts))))
        silent = opset13.constant(value) if value.any() else None
        if silent:  # the past is stored as the difference from silence
            x = opset13.subtract(x, silent)
        seen = opset13.concat([pasts[-1], x], 2)
        outputs[NEW_PAST.format(len(outputs))] = cut(seen, -frames, END)
        return opset13.add(seen, silent) if silent else seen

    stems = step_stems(mixture, file, remember)
    return graph([mixture, *pasts], stems | outputs)


def silent_values(file: ModelFile) -> list[NDArray[np.float32]]:
    """Return the value that each signal with a past has in silence: ``(1, channels, 1, ...)``.

    The frames of a signal are all the same in silence.
    """
    architecture = wavenet(file)
    values: list[Node] = []

    def remember(x: Node, frames: int) -> Node:
        values.append(cut(x, 0, 1))
        repeats = [1, 1, x.shape[2] + frames, *(1 for _ in x.shape[3:])]
        return opset13.tile(values[-1], np.array(repeats, np.int64))

    shape = [architecture.frame_size, architecture.channels]
    mixture = opset13.parameter(shape, np.float32, name=MIXTURE)
    step_stems(mixture, file, remember)
    results = [opset13.result(value) for value in values]
    network = openvino.Model(results, [mixture])
    request = compile_graph(openvino.Core(), network, "float32").create_infer_request()
    request.infer([np.zeros(shape, np.float32)])
    return [tensor.data.copy() for tensor in request.output_tensors]


def step_stems(mixture: Node, file: ModelFile, remember: Remember) -> dict[str, Node]:
    """Return the stems of the mixture ``right_context`` samples earlier, by their names."""
    targets = estimated_targets(mixture, file, remember)
    _, right = file.architecture.context
    channels = file.architecture.channels
    sounds = transpose(reshape(mixture, [0, -1, channels]), (1, 2, 0))
    sounds = cut(remember(sounds, right), 0, -right)
    late = reshape(transpose(sounds, (2, 0, 1)), [0, -1])
    return named_stems(late, targets, file)


def estimated_targets(
    mixture: Node, file: ModelFile, remember: Remember | None = None
) -> list[Node]:
    """Return the estimates of a mixture that contains its context, each with its channels."""
    architecture = wavenet(file)
    channels = architecture.channels
    sounds = transpose(reshape(mixture, [0, -1, channels]), (1, 0, 2))
    estimates = estimate(sounds, architecture, file.arrays, remember)
    if not architecture.filterbank:  # a filterbank gives zeros in silence
        estimates = silenced(estimates, sounds, architecture, remember)
    estimates = transpose(estimates, (1, 0, 2))
    return [
        reshape(part(estimates, integers(i), integers(i + channels), axis=2), [0, -1])
        for i in range(0, channels * architecture.targets, channels)
    ]


def silenced(
    estimates: Node, sounds: Node, architecture: WaveNetArchitecture, remember: Remember | None
) -> Node:
    """Set to zero the frames that depend on digital silence alone: see `dsp.chunks.silence`."""
    size = architecture.frame_size
    reach = sum(architecture.context) // size + 1
    folded = reshape(sounds, [0, -1, size * architecture.channels])
    active = opset13.reduce_max(opset13.abs(transpose(folded)), integers(1), keep_dims=True)
    if remember:
        active = remember(active, reach - 1)
    heard = openvino.opset1.max_pool(active, [1], [0], [0], [reach])
    outputs = architecture.channels * architecture.targets
    frames = reshape(estimates, [0, -1, size * outputs])
    frames = opset13.multiply(frames, opset13.sign(transpose(heard)))
    return reshape(frames, [0, -1, outputs])


def named_stems(mixture: Node, targets: list[Node], file: ModelFile) -> dict[str, Node]:
    """Return all stems by name; the last one is the rest of the mixture."""
    rest = mixture
    for target in targets:
        rest = opset13.subtract(rest, target)
    return dict(zip(file.sources, [*targets, rest], strict=True))


def graph(inputs: list[Node], outputs: dict[str, Node]) -> openvino.Model:
    """Return a graph whose inputs and outputs have names."""
    results = []
    for name, node in outputs.items():
        results.append(opset13.result(node, name=name))
        node.output(0).tensor.set_names({name})
    for parameter in inputs:
        parameter.output(0).tensor.set_names({parameter.friendly_name})
    return openvino.Model(results, inputs)


def wavenet(file: ModelFile) -> WaveNetArchitecture:
    """Return the architecture of a file that has a WaveNet."""
    architecture: Any = file.architecture
    return architecture


def part(x: Node, start: Node, stop: Node, axis: int) -> Node:
    """Return a part of an axis."""
    return opset13.slice(x, start, stop, integers(1), integers(axis))


def integers(*values: int) -> Node:
    """Return whole numbers as a constant."""
    return opset13.constant(np.array(values, np.int64))
