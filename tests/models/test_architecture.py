"""What is worked out from an architecture equals what the network that Keras builds has."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavesep import PRESETS, WaveNet
from wavesep.models.architecture import array_shapes, operations

ARCHITECTURES = st.fixed_dictionaries(
    {
        "filters": st.integers(1, 5),
        "skip_filters": st.integers(1, 5),
        "kernel_size": st.sampled_from([2, 3]),
        "stacks": st.integers(1, 2),
        "layers_per_stack": st.integers(1, 3),
        "dilation_base": st.integers(1, 3),
        "frame_size": st.integers(1, 4),
        "channels": st.integers(1, 3),
        "targets": st.integers(1, 2),
        "head": st.lists(st.integers(1, 5), max_size=2),
        "filterbank": st.sampled_from([0, 2, 3, 4]),
        "activation": st.sampled_from(["relu", "linear"]),
    }
)


@settings(max_examples=20)
@given(architecture=ARCHITECTURES)
def test_shapes_are_those_of_the_network(architecture: dict[str, Any]) -> None:
    network = WaveNet(**architecture)

    shapes = {f"{la.name}/{v.name}": tuple(v.shape) for la in network.layers for v in la.weights}

    assert array_shapes(architecture) == shapes


@pytest.mark.parametrize("name", PRESETS)
def test_operations_are_two_for_each_weight_of_a_kernel_and_frame(name: str) -> None:
    network = WaveNet(**PRESETS[name])
    channels = network.config["channels"]
    products = sum(
        math.prod(variable.shape) * (channels if layer.name in ("analysis", "synthesis") else 1)
        for layer in network.layers
        for variable in layer.weights
        if variable.name == "kernel"
    )

    assert operations(network.config) == 2 * products / network.config["frame_size"]


def test_the_defaults_are_the_network_of_the_post() -> None:
    assert WaveNet().config == PRESETS["vossen2019"] | {"padding": "same"}
