"""What is worked out from an architecture equals what the network that Keras builds has."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavesep import PRESETS, WaveNet
from wavesep.models.presets import POST
from wavesep.models.wavenet.architecture import WaveNetArchitecture

from ..conftest import array_shapes

WAVENETS = [n for n, p in PRESETS.items() if isinstance(p.architecture, WaveNetArchitecture)]


@st.composite
def architectures(draw: st.DrawFn) -> WaveNetArchitecture:
    """Draw the arguments of a small network."""
    step, steps = draw(st.integers(0, 3)), draw(st.integers(1, 4))
    return WaveNetArchitecture(
        filters=draw(st.integers(1, 5)),
        skip_filters=draw(st.integers(1, 5)),
        kernel_size=draw(st.sampled_from([2, 3])),
        stacks=draw(st.integers(1, 2)),
        layers_per_stack=draw(st.integers(1, 3)),
        dilation_base=draw(st.integers(1, 3)),
        frame_size=max(step, 1) * steps,
        channels=draw(st.integers(1, 3)),
        targets=draw(st.integers(1, 2)),
        head=tuple(draw(st.lists(st.integers(1, 5), max_size=2))),
        filterbank=step,
        cell_filters=draw(st.integers(1, 3)),
        activation=draw(st.sampled_from(["relu", "linear"])),
    )


@settings(max_examples=10)
@given(architecture=architectures())
def test_shapes_are_those_of_the_network(architecture: WaveNetArchitecture) -> None:
    assert architecture.shapes == array_shapes(architecture.network())


# large networks, which take long to build; others have the same layers
SLOW = {"vossen2019", "folded"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in WAVENETS],
)
def test_operations_are_two_for_each_weight_of_a_kernel_and_frame(name: str) -> None:
    architecture = PRESETS[name].architecture
    network = architecture.network()
    # 8 steps of the first filters in a frame, 258 bands for the second, 129 cells
    channels = architecture.channels
    runs = {"analysis_bands": 8 * channels, "synthesis_bands": 8 * channels, "mask": 129}
    runs |= {"analysis_sub_bands": 258 * channels, "synthesis_sub_bands": 258 * channels}
    products = sum(
        math.prod(variable.shape)
        * (129 if layer.name.startswith("cell_") else runs.get(layer.name, 1))
        for layer in network.layers
        for variable in layer.weights
        if variable.name == "kernel"
    )

    assert architecture.operations == 2 * products / architecture.frame_size


def test_the_defaults_are_the_network_of_the_post() -> None:
    network = WaveNet()
    assert network.architecture == PRESETS["vossen2019"].architecture == POST
    assert network.padding == "same"
