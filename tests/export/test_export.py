"""Exports give what a Separator gives, in other runtimes, and describe themselves."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavesep import Separator, __version__
from wavesep.audio import Audio
from wavesep.audio.read import read_audio
from wavesep.bench.networks import random_model
from wavesep.cli import main
from wavesep.engines.openvino.runtime import openvino
from wavesep.errors import OptionError, OutputError, OutputExistsError
from wavesep.export import export_model
from wavesep.models.files import ModelFile
from wavesep.models.presets import JANSSON, POST
from wavesep.systems.pipeline import Stems

SMALL = replace(POST, filters=6, skip_filters=5, stacks=2, layers_per_stack=2)
ARCHITECTURES = {
    "post": SMALL,
    "folded": replace(SMALL, layers_per_stack=3, frame_size=5, head=(4, 3), dilation_base=3),
    "mono": replace(SMALL, kernel_size=3, activation="linear", channels=1, targets=3),
    "filterbank": replace(SMALL, frame_size=6, filterbank=3, channels=1),
    "filterbank_stereo": replace(SMALL, frame_size=6, filterbank=2, channels=2, targets=2),
    "filterbank_three": replace(SMALL, frame_size=6, filterbank=3, channels=3, targets=2),
}
RATE = 8_000

Run = Callable[[dict[str, Audio]], dict[str, Audio]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file of each architecture; all weights, biases too, are random."""
    folder = tmp_path_factory.mktemp("exports")
    for name, architecture in ARCHITECTURES.items():
        model = random_model(architecture)
        sources = tuple(f"stem {i}" for i in range(architecture.source_count))
        replace(model, sample_rate=RATE, sources=sources, licence="mine", card={"limits": "any"}).save(
            folder / f"{name}.safetensors"
        )
    return folder


@cache
def separator(path: Path) -> Separator:
    return Separator(path, precision="float32")


@cache
def exported(model: Path, form: str, stream: bool) -> Any:
    """Export a model and open the file in its runtime."""
    suffix = {"onnx": ".onnx", "openvino": ".xml"}[form]
    path = export_model(
        model, model.with_name(f"{model.stem}_{stream}{suffix}"), form=form, stream=stream
    )
    if form == "onnx":
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        return onnxruntime.InferenceSession(path, options)
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    return openvino.Core().compile_model(openvino.Core().read_model(path), "CPU", settings)


def run(session: Any, inputs: dict[str, Audio]) -> dict[str, Audio]:
    """Run an export in its runtime."""
    if isinstance(session, onnxruntime.InferenceSession):
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, inputs), strict=True))
    return {port.any_name: value.copy() for port, value in session(inputs).items()}


def silent_past(session: Any, sounds: int) -> dict[str, Audio]:
    """Return the past before the first step: zeros."""
    if isinstance(session, onnxruntime.InferenceSession):
        shapes = {each.name: each.shape for each in session.get_inputs()}
        assert shapes.pop("mixture")[1] == "channels"
    else:
        shapes = {
            port.any_name: [sounds, *(size.get_length() for size in list(port.partial_shape)[1:])]
            for port in session.inputs if port.any_name != "mixture"
        }  # fmt: skip
    return {
        name: np.zeros([sounds if size == "sounds" else size for size in shape], np.float32)
        for name, shape in shapes.items()
    }


def run_steps(session: Any, mixture: Audio, step: int, sounds: int) -> list[Stems]:
    """Run the steps of a stream and return the stems of each."""
    past = silent_past(session, sounds)
    parts = []
    for start in range(0, len(mixture), step):
        results = run(session, {"mixture": mixture[start : start + step], **past})
        past = {name: results.pop(f"new_{name}") for name in past}
        parts.append(results)
    return parts


def metadata(session: Any) -> dict[str, str]:
    return session.get_modelmeta().custom_metadata_map


def random_audio(samples: int, channels: int) -> Audio:
    """Return noise with digital silence inside, sometimes longer than the receptive field."""
    rng = np.random.default_rng(samples)
    audio = rng.uniform(-0.5, 0.5, (samples, channels)).astype(np.float32)
    audio[samples // 4 : samples // 2] = 0
    return audio


@pytest.mark.parametrize("name", ARCHITECTURES)
@settings(max_examples=8)
@given(samples=st.integers(1, 1_500), groups=st.integers(1, 2))
def test_the_whole_is_that_of_the_separator(
    folder: Path, name: str, samples: int, groups: int
) -> None:
    model = folder / f"{name}.safetensors"
    mixture = random_audio(samples, groups * ARCHITECTURES[name].channels)

    stems = run(exported(model, "onnx", False), {"mixture": mixture})

    assert_same(stems, separator(model).separate(mixture, RATE))


def assert_same(stems: Stems, expected: Stems) -> None:
    assert list(stems) == list(expected)
    for source, stem in stems.items():
        assert stem.dtype == np.float32
        assert stem.shape == expected[source].shape
        np.testing.assert_allclose(stem, expected[source], rtol=0, atol=1e-4)
