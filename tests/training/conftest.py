"""A tiny training: two folders of clips, a network that learns in no time, its validation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest
import soundfile

from wavesep import WaveNet
from wavesep.data import Clips, MixGenerator
from wavesep.training import Validation

RATE = 8_000
Setup = tuple[WaveNet, MixGenerator, Validation]
# JAX spends most of these runs on compiling the same network again and again
QUICK_XLA = {
    "XLA_FLAGS": "--xla_backend_optimization_level=0",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
}


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Vocals that are tones and accompaniment that is noise, of four songs."""
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    time = np.arange(2 * RATE) / RATE
    for i in range(2):
        tone = 0.3 * np.sin(2 * np.pi * 100 * (i + 2) * time)
        for kind, audio in (
            ("vocals", tone),
            ("accompaniment", 0.1 * rng.standard_normal(2 * RATE)),
        ):
            (folder / kind).mkdir(exist_ok=True)
            soundfile.write(folder / kind / f"{i}.wav", audio, RATE)
    return folder


@pytest.fixture(scope="session")
def four_stems(tmp_path_factory: pytest.TempPathFactory) -> tuple[Clips, ...]:
    """Four stems of two songs, which are noise; the second stem of the first song is silent."""
    folder = tmp_path_factory.mktemp("four")
    rng = np.random.default_rng(1)
    for stem in "abcd":
        (folder / stem).mkdir()
        for song in "01":
            silent = stem + song == "b0"
            audio = 0.1 * rng.standard_normal((RATE, 2)) * (not silent)
            soundfile.write(folder / stem / f"{song}.wav", audio, RATE, subtype="FLOAT")
    return tuple(Clips(folder / stem) for stem in "abcd")


@pytest.fixture(scope="session")
def setup(clips: Path) -> Callable[[], Setup]:
    """A function that makes the same training again and again."""

    def make() -> Setup:
        keras.utils.set_random_seed(3)
        network = WaveNet(
            filters=4, skip_filters=4, kernel_size=3, stacks=1, layers_per_stack=2, padding="valid"
        )
        # to trace the graph takes longer than these few steps
        network.compile = partial(network.compile, run_eagerly=True)
        form = {
            "samples": 4_096, "sample_rate": RATE, "left_context": network.left_context,
            "right_context": network.right_context,
        }  # fmt: skip
        stems = Clips(clips / "vocals"), Clips(clips / "accompaniment")
        mixes = MixGenerator(*stems, batch_size=2, batches=5, seed=1, **form)  # type: ignore[arg-type]
        return network, mixes, Validation(*stems, **form)

    return make
