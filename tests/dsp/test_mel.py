"""Mel spectrograms: a tone is in the band of its frequency, and levels are those of the powers."""

from __future__ import annotations

import numpy as np
import pytest

from wavesep.audio import Audio
from wavesep.dsp.mel import (
    BANDS,
    hertz_to_mel,
    mel_bands,
    mel_power,
    mel_to_hertz,
    power_to_db,
)
from wavesep.dsp.stft import Stft

RATES = (8_000, 22_050, 44_100, 96_000)
STFT = Stft(2_048, 512)


def test_slaney_s_mel_is_linear_and_then_logarithmic() -> None:
    np.testing.assert_allclose(hertz_to_mel([0, 200, 1_000, 6_400]), [0, 3, 15, 42])
    hertz = np.linspace(0, 20_000, 1_000)
    np.testing.assert_allclose(mel_to_hertz(hertz_to_mel(hertz)), hertz, atol=1e-9)


@pytest.mark.parametrize("rate", RATES)
def test_a_tone_is_in_the_band_of_its_frequency(rate: int) -> None:
    middles = mel_to_hertz(np.linspace(0, hertz_to_mel(rate / 2), BANDS + 2))[1:-1]
    for band in (20, 64, 120):
        tone = 0.5 * np.sin(2 * np.pi * middles[band] * np.arange(rate) / rate)

        power = mel_power(tone.astype(np.float32), rate, STFT)

        assert power.shape == (BANDS, 1 + rate // STFT.hop)
        assert power.dtype == np.float32
        assert (abs(power[:, 5:-5].argmax(axis=0) - band) <= 1).all()


@pytest.mark.parametrize("highest", [3_000.0, 4_000.0])
@pytest.mark.parametrize("rate", RATES)
def test_every_band_has_the_same_area(rate: int, highest: float) -> None:
    bands = mel_bands(rate, 16_384, 40, highest)
    np.testing.assert_allclose(bands.sum(axis=1) * rate / 16_384, 1, rtol=0.05)
    assert not bands[:, round(highest * 16_384 / rate) + 1 :].any()


def test_levels_are_in_decibels() -> None:
    levels = power_to_db(np.array([1, 0.1, 1e-4, 0], np.float32))
    np.testing.assert_allclose(levels, [0, -10, -40, -100], atol=1e-5)


@pytest.mark.slow  # numba compiles parts of librosa for most of a minute
@pytest.mark.parametrize("rate", RATES)
def test_librosa_finds_the_same_power(noise: Audio, rate: int) -> None:
    librosa = pytest.importorskip("librosa")
    expected = librosa.feature.melspectrogram(y=noise[:, 0], sr=rate, n_fft=2_048, hop_length=512)
    found = mel_power(noise[:, 0], rate, STFT)
    np.testing.assert_allclose(found, expected, atol=1e-6 * expected.max())
