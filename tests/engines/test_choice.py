"""Which engine runs a network, and what a network that is no WaveNet can be asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import keras
import numpy as np
import pytest

from wavesep import Separator
from wavesep.audio import TWO_STEMS, Audio
from wavesep.engines import Options, open_engine, open_network
from wavesep.engines.keras_network import KerasEngine, KerasNetwork
from wavesep.engines.mask_engine import MaskEngine
from wavesep.engines.openvino.network import OpenvinoEngine, OpenvinoNetwork
from wavesep.errors import OptionError
from wavesep.models.base import Architecture, Shapes
from wavesep.models.files import ModelFile, read_model_file
from wavesep.models.kinds import KINDS, register
from wavesep.models.recipe import Recipe
from wavesep.models.unet.architecture import UNetArchitecture

CHOICES = ["openvino", "keras"]


@dataclass(frozen=True, kw_only=True)
class SmoothArchitecture(Architecture):
    """The arguments of a network that is one convolution of mono samples."""

    kind: ClassVar[str] = "smooth"

    taps: int = 5

    @property
    def frame_size(self) -> int:
        return 2

    @property
    def context(self) -> tuple[int, int]:
        return self.taps // 2, self.taps - 1 - self.taps // 2

    @property
    def shapes(self) -> Shapes:
        return {"smooth/kernel": (self.taps, 1, 1)}

    def network(self, padding: str = "valid") -> keras.Model:
        layer = keras.layers.Conv1D(1, self.taps, padding=padding, use_bias=False, name="smooth")
        network = keras.Sequential([keras.Input((None, 1)), layer])
        network.architecture = self
        return network

    def recipe(self) -> Recipe:
        return Recipe("mae", keras.optimizers.Adam, learning_rate=1e-3)


@pytest.fixture
def smooth(tmp_path: Path) -> Iterator[Path]:
    """A model file of a kind that wavesep does not come with."""
    register(SmoothArchitecture)
    kernel = np.array([0.1, 0.2, 0.4, 0.2, 0.1], np.float32).reshape(5, 1, 1)
    path = tmp_path / "smooth.safetensors"
    ModelFile(SmoothArchitecture(), {"smooth/kernel": kernel}, 8_000, TWO_STEMS).save(path)
    yield path
    del KINDS[SmoothArchitecture.kind]


def smoothed(audio: Audio) -> Audio:
    """Return what the network of the file makes of a mono sound."""
    kernel = np.array([0.1, 0.2, 0.4, 0.2, 0.1], np.float32)
    return np.convolve(audio[:, 0], kernel, "same")[:, np.newaxis]


def test_a_kind_without_a_graph_runs_in_keras(smooth: Path, rng: np.random.Generator) -> None:
    model = read_model_file(smooth)
    mixtures = rng.uniform(-1, 1, (2, 104, 1)).astype(np.float32)

    engine, network = open_engine(model), open_network(model)

    assert isinstance(engine, KerasEngine)
    assert isinstance(network, KerasNetwork)
    for estimates in (engine(mixtures), network(mixtures)):
        for estimate, mixture in zip(estimates, mixtures, strict=True):
            np.testing.assert_allclose(estimate, smoothed(mixture)[2:-2], atol=1e-6)


def test_a_kind_without_a_graph_is_refused_by_openvino(smooth: Path) -> None:
    model, options = read_model_file(smooth), Options(engine="openvino")
    for opens in (open_engine, open_network):
        with pytest.raises(OptionError, match='OpenVINO cannot run a smooth: use "keras"'):
            opens(model, options)
    with pytest.raises(OptionError, match="threads can only be set for OpenVINO"):
        open_engine(model, Options(threads=2))


def test_a_kind_of_ones_own_separates_songs_and_streams(
    smooth: Path, rng: np.random.Generator
) -> None:
    audio = rng.uniform(-0.5, 0.5, (9_001, 1)).astype(np.float32)
    separator = Separator(smooth)

    vocals = separator.separate(audio, 8_000)["vocals"]
    stream = separator.stream(8_000, channels=1)
    parts = [stream.push(block)["vocals"] for block in np.array_split(audio, 7)]
    streamed = np.concatenate([*parts, stream.flush()["vocals"]])

    np.testing.assert_allclose(vocals, smoothed(audio), atol=1e-6)
    np.testing.assert_allclose(streamed, vocals, atol=1e-6)


@pytest.fixture(scope="module")
def unet() -> ModelFile:
    """A small U-Net with random weights."""
    keras.utils.set_random_seed(0)
    network = UNetArchitecture(window=64, hop=32, filters=2, depth=2).network()
    return ModelFile.from_network(network, sample_rate=8_000, sources=TWO_STEMS)


@pytest.mark.parametrize("engine", CHOICES)
def test_a_network_of_spectrograms_has_no_stepper_but_its_engine_has(
    unet: ModelFile, engine: str
) -> None:
    options = Options(engine=engine, precision="float32", device="cpu")
    network, system = open_network(unet, options), open_engine(unet, options)
    assert type(network) is (OpenvinoNetwork if engine == "openvino" else KerasNetwork)
    assert not hasattr(network, "stepper")
    assert network(np.ones((3, 33, 8, 1), np.float32)).shape == (3, 33, 8, 1)

    stepper = system.stepper(1)
    rng = np.random.default_rng(0)
    sound = rng.uniform(-1, 1, (1, 4 * stepper.samples, 1)).astype(np.float32)
    steps = [stepper(sound[:, i : i + stepper.samples]) for i in range(0, sound.shape[1],
             stepper.samples)]  # fmt: skip

    assert isinstance(system, MaskEngine)
    whole = np.pad(sound, ((0, 0), (sum(unet.architecture.context), 0), (0, 0)))
    np.testing.assert_allclose(np.concatenate(steps, axis=1), system(whole), atol=1e-6)


@pytest.mark.parametrize("engine", CHOICES)
def test_a_wavenet_is_a_network_and_an_engine(tiny_file: Path, engine: str) -> None:
    model, options = read_model_file(tiny_file), Options(engine=engine, device="cpu")
    network, system = open_network(model, options), open_engine(model, options)

    assert isinstance(network, OpenvinoNetwork if engine == "openvino" else KerasNetwork)
    assert isinstance(system, OpenvinoEngine if engine == "openvino" else KerasEngine)
    samples = sum(model.architecture.context) + 40
    mixtures = np.ones((1, samples, 2), np.float32)
    np.testing.assert_array_equal(network(mixtures), system(mixtures))
