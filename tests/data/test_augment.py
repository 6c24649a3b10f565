"""Augmentations: what each changes, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavesep.audio import Audio
from wavesep.data import augment

RATE = 44_100
ALL: dict[str, tuple[Callable[..., Audio], tuple[float, ...]]] = {
    "gain": (augment.gain, (-10.0, 10.0)),
    "pan": (augment.pan, (6.0,)),
    "width": (augment.width, (0.5, 1.2)),
    "flip_polarity": (augment.flip_polarity, ()),
    "swap_channels": (augment.swap_channels, ()),
    "equalise": (augment.equalise, (6.0, RATE)),
    "low_pass": (augment.low_pass, (3_000.0, 16_000.0, RATE)),
    "white_noise": (augment.white_noise, (-80.0, -40.0)),
}


@pytest.fixture
def audio(rng: np.random.Generator) -> Audio:
    return rng.uniform(-0.5, 0.5, (8_192, 2)).astype(np.float32)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("channels", [1, 2])
def test_the_snippet_given_is_left_alone(name: str, channels: int, audio: Audio) -> None:
    function, arguments = ALL[name]
    given_audio = audio[:, :channels].copy()
    before = given_audio.copy()

    for seed in range(8):
        changed = function(given_audio, np.random.default_rng(seed), *arguments)
        assert changed.shape == before.shape
        assert changed.dtype == np.float32
        assert not np.shares_memory(changed, given_audio)

    np.testing.assert_array_equal(given_audio, before)


@pytest.mark.parametrize("name", ALL)
def test_the_same_seed_gives_the_same(name: str, audio: Audio) -> None:
    function, arguments = ALL[name]
    once, again = (function(audio, np.random.default_rng(5), *arguments) for _ in range(2))
    np.testing.assert_array_equal(once, again)


@given(seed=st.integers(0, 500), low=st.floats(-20, 0), high=st.floats(0, 20))
def test_gain_keeps_the_shape_of_the_wave(seed: int, low: float, high: float) -> None:
    audio = np.linspace(0.1, 1, 100, dtype=np.float32)[:, np.newaxis]

    ratio = augment.gain(audio, np.random.default_rng(seed), low, high) / audio

    assert np.ptp(ratio) < 1e-5 * ratio.max()
    assert low - 1e-3 <= 20 * np.log10(ratio[0, 0]) <= high + 1e-3


@given(seed=st.integers(0, 500))
def test_pan_moves_the_two_sides_apart_and_keeps_their_product(seed: int) -> None:
    audio = np.ones((10, 2), np.float32)

    left, right = augment.pan(audio, np.random.default_rng(seed), 6.0)[0]

    assert abs(20 * np.log10(left / right)) <= 6 + 1e-4
    assert left * right == pytest.approx(1, abs=1e-5)


@given(seed=st.integers(0, 500))
def test_width_scales_the_side_and_keeps_the_middle(seed: int) -> None:
    audio = np.random.default_rng(0).standard_normal((50, 2)).astype(np.float32)

    wide = augment.width(audio, np.random.default_rng(seed), 0.5, 1.2)

    np.testing.assert_allclose(wide.mean(axis=1), audio.mean(axis=1), atol=1e-6)
    ratio = np.diff(wide) / np.diff(audio)
    assert np.ptp(ratio) < 1e-3
    assert 0.5 - 1e-3 <= ratio[0, 0] <= 1.2 + 1e-3


def test_mono_is_the_middle_on_every_channel(audio: Audio) -> None:
    middle = (audio[:, 0].astype(float) + audio[:, 1]) / 2

    np.testing.assert_allclose(augment.mono(audio), np.stack([middle, middle], 1), atol=1e-7)


def test_polarity_and_channels_change_every_other_time(audio: Audio) -> None:
    flipped = [augment.flip_polarity(audio, np.random.default_rng(s))[0, 0] for s in range(200)]
    swapped = [augment.swap_channels(audio, np.random.default_rng(s))[0, 0] for s in range(200)]

    assert set(flipped) == {audio[0, 0], -audio[0, 0]}
    assert set(swapped) == {audio[0, 0], audio[0, 1]}
    assert 60 < flipped.count(audio[0, 0]) < 140
    assert 60 < swapped.count(audio[0, 0]) < 140


@pytest.mark.parametrize("cutoff", [3_000.0, 8_000.0])
def test_low_pass_keeps_a_tone_below_and_kills_one_above(cutoff: float) -> None:
    time = np.arange(RATE) / RATE
    below, above = (np.sin(2 * np.pi * f * time) for f in (0.7 * cutoff, 1.6 * cutoff))
    fade = np.hanning(RATE)[:, np.newaxis]
    audio = (np.stack([below, above], axis=1) * fade).astype(np.float32)

    passed = augment.low_pass(audio, np.random.default_rng(0), cutoff, cutoff, RATE)

    # without delay: the tone below comes out where it was
    np.testing.assert_allclose(passed[:, 0], audio[:, 0], atol=0.03)
    assert np.sqrt(np.mean(passed[:, 1] ** 2)) < 0.01


def test_noise_has_the_level_that_is_asked_for() -> None:
    silence = np.zeros((50_000, 2), np.float32)

    noise = augment.white_noise(silence, np.random.default_rng(0), -40.0, -40.0)

    assert 20 * np.log10(np.sqrt(np.mean(noise**2))) == pytest.approx(-40, abs=0.1)
    assert abs(np.corrcoef(noise[:, 0], noise[:, 1]).min()) < 0.02


def test_mute_is_silence(audio: Audio) -> None:
    assert not augment.mute(audio).any()
    assert augment.mute(audio).shape == audio.shape
