"""Engines agree with each other, and say what they cannot do."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from wavesep import Separator
from wavesep.audio import Audio
from wavesep.audio.read import read_audio
from wavesep.bench.networks import random_model
from wavesep.dsp.scores import si_sdr
from wavesep.engines import Options, open_engine
from wavesep.engines.keras_network import GPU_BATCH, KerasEngine
from wavesep.engines.openvino.runtime import has_bfloat16, openvino
from wavesep.engines.window_stepper import WindowStepper
from wavesep.errors import OptionError
from wavesep.models.base import Architecture
from wavesep.models.files import read_model_file
from wavesep.models.presets import FILTERBANK, FOLDED, FOLDED_SMALL, POST
from wavesep.models.wavenet.architecture import WaveNetArchitecture

SMALL = replace(POST, filters=6, skip_filters=5, stacks=2)
TINY = replace(SMALL, layers_per_stack=2)
ARCHITECTURES = [
    pytest.param(replace(POST, filters=16, skip_filters=24), marks=pytest.mark.slow),  # deep
    pytest.param(FOLDED, marks=pytest.mark.slow),  # larger than the next, and else the same
    pytest.param(FOLDED_SMALL, marks=pytest.mark.slow),  # smaller ones have frames, too
    pytest.param(FILTERBANK, marks=pytest.mark.slow),  # the shipped model is one
    replace(SMALL, layers_per_stack=2, frame_size=6, filterbank=3, targets=2, channels=3),
    replace(SMALL, layers_per_stack=2, frame_size=6, filterbank=2, targets=2, channels=2),
    replace(SMALL, layers_per_stack=1, stacks=1),
    replace(SMALL, kernel_size=3, layers_per_stack=3, channels=1, targets=3),
    replace(SMALL, layers_per_stack=3, frame_size=5, head=(4, 3), dilation_base=3),
    replace(SMALL, layers_per_stack=2, dilation_base=1, activation="linear", channels=3),
]


def noise(architecture: Architecture, batch: int, frames: int) -> Audio:
    """Mixtures whose estimates have so many frames."""
    samples = sum(architecture.context) + frames * architecture.frame_size
    rng = np.random.default_rng(frames)
    shape = (batch, samples, architecture.channels)
    return rng.uniform(-1, 1, shape).astype(np.float32)


needs_bfloat16 = pytest.mark.skipif(
    not has_bfloat16(openvino.Core()), reason="this processor has no bfloat16"
)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_openvino_gives_what_keras_gives(architecture: WaveNetArchitecture) -> None:
    model = random_model(architecture)
    through_openvino = open_engine(model, Options(engine="openvino", precision="float32"))
    through_keras = open_engine(model, Options(engine="keras", precision="float32", device="cpu"))
    through_keras._network.run_eagerly = True  # type: ignore[attr-defined]  # tracing takes longer

    for batch, frames in ((1, 1), (2, 50), (1, 101)):
        mixtures = noise(architecture, batch, frames)
        expected = through_keras(mixtures)
        estimates = through_openvino(mixtures)
        assert estimates.dtype == np.float32
        assert estimates.shape == expected.shape
        assert estimates.shape[1] == frames * architecture.frame_size
        np.testing.assert_allclose(estimates, expected, atol=1e-5 * np.abs(expected).max())


def test_the_shipped_model_gives_the_same_in_every_engine(shared: Path) -> None:
    audio, rate = read_audio(shared / "songs" / "karissa_hobbs_lets_go_fishin.ogg")
    excerpt = audio[64 * rate : 65 * rate]

    vocals = [
        Separator(engine=engine, precision="float32").separate(excerpt, rate)["vocals"]
        for engine in ("openvino", "keras")
    ]

    assert np.sqrt(np.mean(vocals[0] ** 2)) > 0.01
    np.testing.assert_allclose(vocals[0], vocals[1], atol=1e-5)


@needs_bfloat16
def test_bfloat16_rounds_and_costs_no_score(shared: Path) -> None:
    separators = [Separator(engine="openvino", precision=p) for p in ("float32", "bfloat16")]
    losses = []
    for name, (stems, rate) in real_mixtures(shared).items():
        exact, rough = (s.separate(stems[0] + stems[1], rate)["vocals"] for s in separators)
        assert 10 < si_sdr(exact, rough) < 90, name
        losses.append(si_sdr(stems[0], exact) - si_sdr(stems[0], rough))

    assert np.mean(losses) < 0.2, losses


def real_mixtures(shared: Path) -> dict[str, tuple[list[Audio], int]]:
    """The last ten seconds of a song and three clips of two singers: stems and their rate."""
    mixtures = {}
    for folder in (shared / "mir1k" / "valid", shared / "everything_is_free" / "valid"):
        for vocals in sorted((folder / "vocals").iterdir())[::28]:
            paths = [folder / kind / vocals.name for kind in ("vocals", "accompaniment")]
            rate = read_audio(vocals)[1]
            stems = [read_audio(path)[0][-10 * rate :] for path in paths]
            mixtures[vocals.stem] = stems, rate
    assert len(mixtures) == 4
    return mixtures


@needs_bfloat16
@pytest.mark.parametrize("engine", ["openvino", "keras"])
def test_auto_takes_bfloat16_where_it_is_faster(engine: str) -> None:
    model = random_model(replace(FOLDED_SMALL, layers_per_stack=3))
    mixtures = 0.1 * noise(model.architecture, 1, 300)
    device = None if engine == "openvino" else "cpu"

    auto, exact, rough = (
        open_engine(model, Options(engine=engine, precision=precision, device=device))
        for precision in ("auto", "float32", "bfloat16")
    )

    assert auto.precision == ("bfloat16" if engine == "openvino" else "float32")
    np.testing.assert_array_equal(
        auto(mixtures), (rough if engine == "openvino" else exact)(mixtures)
    )
    difference = rough(mixtures) - exact(mixtures)
    assert 0 < np.sqrt(np.mean(difference**2) / np.mean(exact(mixtures) ** 2)) < 0.05


SEPARATE = """
import socket, sys
spoken = []
sys.addaudithook(lambda event, _: spoken.append(event) if event.startswith("socket.") else None)
import numpy as np
from wavesep import Separator
separator = Separator("wavenet")
separator.separate(np.full((44_100, 2), 0.1, np.float32), 44_100)
stream = separator.stream(44_100)
stream.push(np.full((44_100, 2), 0.1))
assert "openvino" in sys.modules
heavy = {"keras", "tensorflow", "torch", "jax", "openvino_telemetry"} & sys.modules.keys()
assert not heavy, heavy
assert not spoken, spoken
"""


def test_separating_loads_no_keras_and_speaks_to_nobody(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-c", SEPARATE], check=True, env=os.environ | {"HOME": str(tmp_path)}
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "fast"}, "no engine 'fast': choose one of auto, openvino, keras"),
        ({"precision": "float16"}, "no precision 'float16': choose one of auto, float32, bfloat16"),
        ({"engine": "openvino", "device": "gpu"}, "runs on the CPU, not on 'gpu'"),
        ({"engine": "keras", "device": "gpu:7"}, "has no device 'gpu:7' here"),
        ({"device": "gpu:7"}, "has no device 'gpu:7' here"),
    ],
)
def test_what_cannot_be_chosen_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        open_engine(random_model(SMALL), Options(**options))


def test_without_openvino_keras_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "wavesep.engines.find_spec", lambda name: None if name == "openvino" else found(name)
    )

    assert isinstance(open_engine(random_model(SMALL)), KerasEngine)
    with pytest.raises(OptionError, match='pip install openvino, or use "keras"'):
        open_engine(random_model(SMALL), Options(engine="openvino"))


class SmallDevice:
    """A network on a device that has memory for so many mixtures at a time."""

    def __init__(self, network: keras.Model, most: int, message: str) -> None:
        self.network, self.most, self.message = network, most, message
        self.sizes: list[int] = []

    def predict_on_batch(self, mixtures: Audio) -> Any:
        self.sizes.append(len(mixtures))
        if len(mixtures) > self.most:
            raise RuntimeError(self.message)
        return self.network.predict_on_batch(mixtures)


@pytest.mark.parametrize("message", ["CUDA out of memory. Tried …", "RESOURCE_EXHAUSTED: OOM"])
def test_a_batch_too_large_for_the_memory_is_halved(message: str) -> None:
    engine = KerasEngine(random_model(TINY), device="cpu")
    mixtures = noise(TINY, GPU_BATCH, 20)
    expected = engine(mixtures)
    device = SmallDevice(engine._network, 5, message)
    engine._network = device

    np.testing.assert_allclose(engine(mixtures), expected, rtol=0, atol=1e-6)
    assert device.sizes == [16, 8, 4, 4, 4, 4]
    engine(mixtures)
    assert device.sizes[6:] == [4, 4, 4, 4]  # it has learnt


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    engine = KerasEngine(random_model(TINY), device="cpu")
    engine._network = SmallDevice(engine._network, 0, "the bloom is gone")

    with pytest.raises(RuntimeError, match="bloom"):
        engine(noise(TINY, 4, 20))


def test_one_mixture_too_large_is_an_error() -> None:
    engine = KerasEngine(random_model(TINY), device="cpu")
    engine._network = SmallDevice(engine._network, 0, "out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        engine(noise(TINY, 4, 20))


def test_the_shipped_model_has_an_engine() -> None:
    assert open_engine(read_model_file("wavenet")).precision in ("float32", "bfloat16")


def test_a_window_stepper_gives_its_network_one_sound_at_a_time() -> None:
    shapes = set()

    def network(mixtures: Audio) -> Audio:
        shapes.add(mixtures.shape)
        return mixtures[:, :-2] + mixtures[:, 2:]

    stepper = WindowStepper(network, context=2, samples=3)
    sound = np.arange(24, dtype=np.float32).reshape(4, 6, 1)
    parts = [stepper(sound[:, :3]), stepper(sound[:, 3:])]

    padded = np.pad(sound, ((0, 0), (2, 0), (0, 0)))
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), padded[:, :-2] + padded[:, 2:])
    assert shapes == {(1, 5, 1)}


def test_threads_are_openvino_s_and_change_no_sample(rng: np.random.Generator) -> None:
    model = random_model(SMALL)
    options = Options(engine="openvino", precision="float32")
    engines = [open_engine(model, replace(options, threads=n)) for n in (1, 2)]
    samples = sum(SMALL.context) + 40 * SMALL.frame_size
    mixture = rng.uniform(-1, 1, (1, samples, 2)).astype(np.float32)

    np.testing.assert_allclose(engines[0](mixture), engines[1](mixture), atol=1e-6)
    for threads in (0, -1, 1.5, "2"):
        with pytest.raises(OptionError, match="threads must be 1 or more"):
            Options(threads=threads)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="threads can only be set for OpenVINO"):
        open_engine(model, Options(engine="keras", threads=2))
