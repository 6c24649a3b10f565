"""What TensorBoard is given: numbers, sound, pictures, hyperparameters."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from wavesep.data import Clips
from wavesep.training import Validation, fit
from wavesep.training.tensorboard import draw_spectrograms, name_panels

from .conftest import RATE, Setup

PANELS = ("mixture", "target", "estimate")


@pytest.fixture
def events(short_measurement: None, setup: Callable[[], Setup], tmp_path: Path) -> EventAccumulator:
    network, mixes, validation = setup()
    fit(network, mixes, validation, run=tmp_path, epochs=2)
    accumulator = EventAccumulator(
        str(tmp_path / "logs"), size_guidance={"tensors": 0, "audio": 0, "images": 0}
    )
    accumulator.Reload()
    return accumulator


def test_a_run_can_be_seen_and_heard(events: EventAccumulator) -> None:
    tags = set(events.Tags()["tensors"])

    scalars = {"loss", "validation/loss", "validation/si_sdr", "validation/si_sdr_gain"}
    assert scalars <= tags
    for tag in scalars:
        assert [event.step for event in events.Tensors(tag)] == [0, 1]
    for song in "01":
        assert len(events.Tensors(f"{song}/estimate")) == 2
        assert len(events.Tensors(f"{song}/mixture")) == len(events.Tensors(f"{song}/target")) == 1
        assert len(events.Tensors(f"{song}/spectrograms")) == 2
    sound = events.Tensors("1/mixture")[0].tensor_proto.string_val[0]
    audio, rate = soundfile.read(io.BytesIO(sound))
    assert (rate, audio.shape) == (RATE, (4_096, 2))
    assert events.PluginTagToContent("hparams")


def test_a_picture_shows_where_the_sound_is() -> None:
    time = np.arange(44_100) / 44_100
    tone = (0.5 * np.sin(2 * np.pi * 1_000 * time)).astype(np.float32)
    late = np.where(time > 0.5, tone, 0).astype(np.float32)
    panels = [np.stack([x, x], axis=1) for x in (tone, late, np.zeros_like(tone))]

    picture = draw_spectrograms(dict(zip(PANELS, panels, strict=True)), 44_100, "a tone")

    assert picture.shape == (496, 720, 4)
    brightness = picture[..., :3].mean(axis=2)
    # the panels stand one above the other; each is bright where its tone sounds
    mixture, target, estimate = (brightness[y : y + 110, 75:695] for y in (41, 191, 341))
    assert mixture[:, 50:250].max() > 200
    assert target[:, 50:250].max() < mixture[:, 50:250].max() - 100
    assert target[:, 350:550].max() > 200
    assert estimate.max() < 100


def test_a_silent_song_has_a_picture() -> None:
    silence = np.zeros((8_000, 2), np.float32)
    assert draw_spectrograms(dict.fromkeys(PANELS, silence), 8_000, "silence").any()


def test_every_target_has_its_panels(four_stems: tuple[Clips, ...]) -> None:
    validation = Validation(
        *four_stems, targets=2, samples=4_000, left_context=30, right_context=20, sample_rate=RATE
    )
    estimate = validation.targets[1] / 2

    panels = name_panels(validation, 1, estimate)

    assert list(panels) == ["mixture", "target 1", "estimate 1", "target 2", "estimate 2"]
    np.testing.assert_array_equal(panels["target 2"], validation.targets[1, :, 2:])
    np.testing.assert_array_equal(panels["estimate 1"], estimate[:, :2])
    assert draw_spectrograms(panels, RATE, "five").shape == (800, 720, 4)
