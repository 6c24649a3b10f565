"""The networks that weigh spectrograms give through OpenVINO what they give through Keras."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from wavesep.audio import Audio
from wavesep.engines.openvino.network import GRAPHS
from wavesep.engines.openvino.runtime import compile_graph, infer, openvino
from wavesep.models.arrays import Arrays, set_network_arrays
from wavesep.models.base import Architecture
from wavesep.models.frame_cnn.architecture import (
    ActivityArchitecture,
    FrameArchitecture,
    FrameCnnArchitecture,
)
from wavesep.models.presets import JANSSON
from wavesep.models.spleeter.architecture import SpleeterArchitecture
from wavesep.models.unet.architecture import UNetArchitecture

TOLERANCE = 3e-5
MASK_CNN = FrameCnnArchitecture()
SMALL_UNET = replace(JANSSON, window=128, hop=64, depth=3)
SMALL_SPLEETER = SpleeterArchitecture(window=128, hop=64, depth=3, bottleneck=24)


def random_arrays(shapes: dict[str, tuple[int, ...]]) -> Arrays:
    """Every weight at random, of a scale that keeps that of what goes through."""
    rng = np.random.default_rng(0)
    arrays = {}
    for name, shape in shapes.items():
        values = rng.standard_normal(shape)
        if name.endswith("kernel"):
            # a transposed kernel has its inputs last, and a quarter of it reaches each output
            transposed = name.startswith(("up", "mask"))
            inputs = values[..., 0, :].size / 4 if transposed else values[..., 0].size
            values /= np.sqrt(inputs / 2)  # the activations halve the power
        elif name.endswith(("gamma", "variance")):
            values = rng.uniform(0.2, 2, shape)
        else:
            values *= 0.3
        arrays[name] = values.astype(np.float32)
    return arrays


def magnitudes(*shape: int) -> Audio:
    """Magnitudes from silence to more than a full-scale sine's, each sound of another loudness."""
    rng = np.random.default_rng(shape)
    loudness = np.linspace(-4, 2, shape[0]).reshape(-1, *[1] * (len(shape) - 1))
    quiet = rng.random(shape) < 0.1
    return np.where(quiet, 0, 10 ** (loudness + rng.uniform(-1, 1, shape))).astype(np.float32)


def assert_graph_is_network(
    architecture: Architecture, arrays: Arrays, shapes: Iterable[tuple[int, ...]]
) -> None:
    """Compare what the graph and the network give for inputs of these shapes."""
    network = architecture.network()
    set_network_arrays(network, arrays)
    graph = GRAPHS[architecture.kind](architecture, arrays)
    request = compile_graph(openvino.Core(), graph, "float32").create_infer_request()
    for shape in shapes:
        mixture = magnitudes(*shape)
        if isinstance(architecture, SpleeterArchitecture):
            mixture /= 100  # its input is not compressed, so rounding errors grow with the level
        expected = np.asarray(network(mixture))  # tracing a graph takes longer
        masks = infer(request, mixture)
        assert masks.dtype == np.float32
        assert masks.shape == expected.shape
        assert expected.std() > 1000 * TOLERANCE  # or the comparison says nothing
        np.testing.assert_allclose(masks, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("architecture", [ActivityArchitecture(), replace(MASK_CNN, targets=2)])
def test_a_frame_cnn_is_the_same(architecture: FrameArchitecture) -> None:
    bins, frames = architecture.window // 2 + 1, architecture.frames
    arrays = random_arrays(architecture.shapes)

    shapes = [(batch, bins, frames) for batch in (5, 2, 17)]
    assert_graph_is_network(architecture, arrays, shapes)


@pytest.mark.parametrize("frames", [9, 31])
def test_a_frame_cnn_hears_any_number_of_frames(frames: int) -> None:
    architecture = replace(MASK_CNN, window=130, hop=65, frames=frames)
    arrays = random_arrays(architecture.shapes)

    shapes = [(batch, 66, frames) for batch in (1, 3)]
    assert_graph_is_network(architecture, arrays, shapes)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("targets", [1, 3])
@pytest.mark.parametrize("small", [SMALL_UNET, SMALL_SPLEETER], ids=["unet", "spleeter"])
def test_a_unet_is_the_same(small: UNetArchitecture, channels: int, targets: int) -> None:
    architecture = replace(small, channels=channels, targets=targets)
    arrays = random_arrays(architecture.shapes)

    shapes = [(batch, 65, frames, channels) for batch, frames in ((1, 8), (3, 24), (2, 80))]
    assert_graph_is_network(architecture, arrays, shapes)


def test_arrays_may_be_in_half_precision() -> None:
    inputs: list[tuple[Architecture, tuple[int, ...]]] = [
        (MASK_CNN, (4, 513, 25)),
        (SMALL_UNET, (2, 65, 16, 1)),
        (SMALL_SPLEETER, (2, 65, 16, 2)),
    ]
    for architecture, shape in inputs:
        whole = random_arrays(architecture.shapes)
        arrays = {name: array.astype(np.float16) for name, array in whole.items()}
        assert_graph_is_network(architecture, arrays, [shape])
