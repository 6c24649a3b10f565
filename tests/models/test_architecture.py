"""What is worked out from an architecture equals what the network that Keras builds has."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavesep import PRESETS, WaveNet
from wavesep.models.architecture import array_shapes, operations


@st.composite
def architectures(draw: st.DrawFn) -> dict[str, Any]:
    """Draw the arguments of a small network."""
    step, steps = draw(st.integers(0, 3)), draw(st.integers(1, 4))
    return {
        "filters": draw(st.integers(1, 5)),
        "skip_filters": draw(st.integers(1, 5)),
        "kernel_size": draw(st.sampled_from([2, 3])),
        "stacks": draw(st.integers(1, 2)),
        "layers_per_stack": draw(st.integers(1, 3)),
        "dilation_base": draw(st.integers(1, 3)),
        "frame_size": max(step, 1) * steps,
        "channels": draw(st.integers(1, 3)),
        "targets": draw(st.integers(1, 2)),
        "head": draw(st.lists(st.integers(1, 5), max_size=2)),
        "filterbank": step,
        "cell_filters": draw(st.integers(1, 3)),
        "activation": draw(st.sampled_from(["relu", "linear"])),
    }


@settings(max_examples=20)
@given(architecture=architectures())
def test_shapes_are_those_of_the_network(architecture: dict[str, Any]) -> None:
    network = WaveNet(**architecture)

    shapes = {f"{la.name}/{v.name}": tuple(v.shape) for la in network.layers for v in la.weights}

    assert array_shapes(architecture) == shapes


@pytest.mark.parametrize("name", PRESETS)
def test_operations_are_two_for_each_weight_of_a_kernel_and_frame(name: str) -> None:
    network = WaveNet(**PRESETS[name])
    # one channel; 8 steps of the first filters in a frame, 258 bands for the second, 129 cells
    runs = {"analysis_bands": 8, "synthesis_bands": 8, "mask": 129}
    runs |= {"analysis_sub_bands": 258, "synthesis_sub_bands": 258}
    products = sum(
        math.prod(variable.shape)
        * (129 if layer.name.startswith("cell_") else runs.get(layer.name, 1))
        for layer in network.layers
        for variable in layer.weights
        if variable.name == "kernel"
    )

    assert operations(network.config) == 2 * products / network.config["frame_size"]


def test_the_defaults_are_the_network_of_the_post() -> None:
    assert WaveNet().config == PRESETS["vossen2019"] | {"padding": "same"}
