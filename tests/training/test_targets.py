"""Every trainable system learns several targets at once, and its stems add up to the mixture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import soundfile

from wavesep import Separator, WaveNet
from wavesep.audio import Audio
from wavesep.data import Clips, MixGenerator
from wavesep.data.labels import ActivityExamples
from wavesep.data.mixes import Augmentation
from wavesep.evaluation import si_sdr
from wavesep.models.base import Architecture
from wavesep.models.frame_cnn.architecture import ActivityArchitecture, FrameCnnArchitecture
from wavesep.models.presets import JANSSON
from wavesep.training import Validation, fit
from wavesep.training.activity import ActivityValidation
from wavesep.training.examples import Examples
from wavesep.training.fit import BEST, About

pytestmark = pytest.mark.usefixtures("no_board")

RATE = 8_000
STEMS = ("vocals", "drums", "bass", "other")
TARGETS = 3
SMALL_CNN = FrameCnnArchitecture(window=256, hop=128, frames=9, filters=(6, 6, 6, 6), units=16)
SMALL_UNET = replace(JANSSON, window=256, hop=128, filters=8, depth=2)


def song_stem(name: str, song: int) -> Audio:
    """Return two seconds of a stem: a voice that glides, clicks, a low and a high tone."""
    time = np.arange(2 * RATE) / RATE
    phase = 2 * np.pi * (1 + 0.03 * song) * time
    stem: Audio = {
        "vocals": 0.15 * np.sin(900 * phase + 60 * np.sin(2 * np.pi * 1.5 * time + song)),
        "drums": 0.8 * ((np.arange(len(time)) + 331 * song) % 1_000 == 0),
        "bass": 0.15 * np.sin(120 * phase),
        "other": 0.05 * np.sin(1_900 * phase),
    }[name]
    return stem.astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three songs of four stems."""
    folder = tmp_path_factory.mktemp("stems")
    for name in STEMS:
        (folder / name).mkdir()
        for song in range(3):
            path = folder / name / f"{song}.wav"
            soundfile.write(path, song_stem(name, song), RATE, subtype="FLOAT")
    return folder


def networks() -> dict[str, keras.Model]:
    """Return a small network of each kind."""
    keras.utils.set_random_seed(0)
    return {
        "wavenet": WaveNet(
            filters=12, skip_filters=12, kernel_size=3, stacks=1, layers_per_stack=3,
            dilation_base=4, channels=1, targets=TARGETS, activation="linear", padding="valid",
        ),
        "frame_cnn": replace(SMALL_CNN, targets=TARGETS).network(),
        "unet": replace(SMALL_UNET, targets=TARGETS).network(),
    }  # fmt: skip


def snippet_samples(architecture: Architecture) -> int:
    """Return the length of the snippets that a network of spectrograms is trained on."""
    samples = architecture.recipe().samples
    assert samples is not None
    return samples


def examples(mixes: MixGenerator, architecture: Architecture) -> Examples:
    """Return what a network of spectrograms is trained on."""
    make = architecture.recipe().examples
    assert make is not None
    return Examples(mixes, make)


# test_fit_apart.py trains a U-Net, and the test below a frame CNN
SLOW = [
    pytest.param("frame_cnn", 4, 60, 1e-2, marks=pytest.mark.slow),
    pytest.param("unet", 4, 20, 2e-2, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(
    ("kind", "batch_size", "batches", "learning_rate"),
    [("wavenet", 2, 40, 2e-2), *SLOW],
)
def test_four_stems(
    kind: str, batch_size: int, batches: int, learning_rate: float, folder: Path, tmp_path: Path
) -> None:
    network = networks()[kind]
    stems = [Clips(folder / name, in_memory=True) for name in STEMS]
    form: dict[str, Any] = {"sample_rate": RATE, "channels": 1, "targets": TARGETS}
    contexts = {"left_context": network.left_context, "right_context": network.right_context}
    around, samples = contexts, 2_048
    if kind != "wavenet":
        around, samples = dict.fromkeys(contexts, 0), snippet_samples(network.architecture)
    augmentation = Augmentation(speed=(1.0, 1.0001), low_pass=0, equalise=0, noise=0)
    mixes = MixGenerator(
        *stems, samples=samples, batch_size=batch_size, batches=batches,
        augmentation=augmentation, **form, **around,
    )  # fmt: skip
    validation = Validation(*stems, samples=2_048, **form, **contexts)

    fit(
        network, mixes, validation, run=tmp_path, epochs=1, learning_rate=learning_rate,
        about=About(sources=STEMS),
    )  # fmt: skip

    separator = Separator(tmp_path / BEST)
    assert separator.sources == STEMS
    truth = {name: song_stem(name, 1)[:, np.newaxis] for name in STEMS}
    mixture: Audio = np.sum([*truth.values()], axis=0)
    separated = separator.separate(mixture, RATE)
    assert list(separated) == list(STEMS)
    gains = [si_sdr(truth[n], stem) - si_sdr(truth[n], mixture) for n, stem in separated.items()]
    assert np.mean(gains) > 5
    total: Audio = np.sum([*separated.values()], axis=0)
    np.testing.assert_allclose(total, mixture, atol=1e-6)


def test_mask_examples_are_ideal_masks(folder: Path) -> None:
    architecture = replace(SMALL_CNN, targets=TARGETS)
    stems = [Clips(folder / name) for name in STEMS]
    mixes = MixGenerator(
        *stems, samples=snippet_samples(architecture), sample_rate=RATE, channels=1,
        batch_size=2, left_context=0, right_context=0, targets=TARGETS,
    )  # fmt: skip

    windows, masks = examples(mixes, architecture)[3]

    mixtures, targets = mixes[3]
    frames, bins = architecture.frames, architecture.window // 2 + 1
    assert windows.shape == (16, bins, frames)
    # the third window of the second mixture, the second target, by another transform
    start = 2 * 16 * architecture.hop
    window = np.hanning(architecture.window + 1)[:-1]

    def spectrum(audio: Audio, frame: int) -> Audio:
        begin = start + frame * architecture.hop
        return np.abs(np.fft.rfft(window * audio[begin : begin + architecture.window]))

    ours = mixtures[1, :, 0]
    for frame in range(frames):
        expected = spectrum(ours, frame)
        np.testing.assert_allclose(windows[8 + 2, :, frame], expected, atol=1e-4)
    target = targets[1, :, 1]
    louder = spectrum(target, frames // 2) > spectrum(ours - target, frames // 2)
    agree = masks[8 + 2].reshape(TARGETS, bins)[1] == louder
    assert agree.mean() > 0.98  # but for ties that rounding decides


def test_unet_examples_are_magnitudes(folder: Path) -> None:
    architecture = replace(SMALL_UNET, channels=2)
    stems = Clips(folder / "vocals"), Clips(folder / "bass")
    mixes = MixGenerator(
        *stems, samples=snippet_samples(architecture), sample_rate=RATE, channels=2,
        batch_size=2, left_context=0, right_context=0,
    )  # fmt: skip

    mixtures, truth = examples(mixes, architecture)[0]

    assert mixtures.shape == (2, 129, 128, 2)
    assert truth.shape == (2, 129, 128, 4)
    np.testing.assert_array_equal(truth[..., 2:], mixtures)
    sounds, targets = mixes[0]
    window = np.hanning(257)[:-1]
    place = 100 * architecture.hop
    for channel in range(2):
        for given, sound in ((mixtures, sounds), (truth, targets)):
            expected = np.abs(np.fft.rfft(window * sound[1, place : place + 256, channel]))
            np.testing.assert_allclose(given[1, :, 100, channel], expected, atol=1e-4)


def test_vocal_activity_is_learnt(folder: Path, tmp_path: Path) -> None:
    # in each clip, somebody sings from 0.5 s to 1.2 s
    sung = np.zeros(100, np.bool_)
    sung[25:60] = True
    for name in ("vocals", "bass"):
        (tmp_path / name).mkdir()
        for song in range(3):
            audio = song_stem(name, song)
            if name == "vocals":
                audio = audio * sung.repeat(RATE // 50)
            soundfile.write(tmp_path / name / f"{song}.wav", audio, RATE, subtype="FLOAT")
    architecture = ActivityArchitecture(
        window=256, hop=128, frames=9, filters=(4, 4, 4, 4), units=8
    )
    stems = Clips(tmp_path / "vocals"), Clips(tmp_path / "bass")
    known: dict[str, Any] = {
        "labels": {str(song): sung for song in range(3)}, "architecture": architecture,
        "sample_rate": RATE,
    }  # fmt: skip
    mixes = ActivityExamples(*stems, **known, batch_size=16, batches=10)
    validation = ActivityValidation(*stems, **known)

    keras.utils.set_random_seed(1)
    progress = fit(
        architecture.network(), mixes, validation, run=tmp_path / "run", epochs=4,
        learning_rate=2e-2, about=About(sources=("activity",)),
    )  # fmt: skip

    assert max(progress.scores) > 0.9
    first, again = mixes.example(1, 2, 3), mixes.example(1, 2, 3)
    np.testing.assert_array_equal(first[0], again[0])
    assert first[1] == again[1]
    whole = mixes[5]
    mixes.rows = range(4, 8)
    for rows, all_rows in zip(mixes[5], whole, strict=True):
        np.testing.assert_allclose(rows, all_rows[4:8], atol=1e-6)
