"""What many tests need: tiny networks with random weights, model files, folders of clips."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest
import soundfile
from hypothesis import settings

from wavesep.audio import Audio
from wavesep.models.files import ModelFile

SHARED = Path(__file__).parents[2] / "shared" / "data"

# the machines that run this are shared, so no example has a deadline; runs can be replayed
settings.register_profile("wavesep", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("wavesep")


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator of random numbers, the same in every run."""
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real audio; a test that needs it is skipped where it is not."""
    if not SHARED.is_dir():
        pytest.skip("the real audio, ../shared/data, is not here")
    return SHARED


@pytest.fixture(scope="session")
def tiny_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file of a small stereo network whose weights and biases are all random."""
    from wavesep import WaveNet

    network = WaveNet(
        filters=4, skip_filters=4, kernel_size=3, stacks=1, layers_per_stack=4, frame_size=4,
        padding="valid",
    )  # fmt: skip
    rng = np.random.default_rng(1)
    for variable in network.weights:
        variable.assign(rng.uniform(-0.5, 0.5, variable.shape))
    path = tmp_path_factory.mktemp("models") / "tiny.safetensors"
    about = {"sample_rate": 44_100, "sources": ("vocals", "accompaniment")}
    ModelFile.from_network(network, **about).save(path)
    return path


@pytest.fixture
def noise(rng: np.random.Generator) -> Audio:
    """Two seconds of quiet stereo noise at 44,100 Hz, a sample more than a round number."""
    return rng.uniform(-0.1, 0.1, (88_201, 2)).astype(np.float32)


@pytest.fixture
def song(tmp_path: Path, noise: Audio) -> Path:
    """A 16-bit WAV file of the noise."""
    path = tmp_path / "song.wav"
    soundfile.write(path, noise, 44_100, subtype="PCM_16")
    return path
