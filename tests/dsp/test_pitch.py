"""Pitch: a voice that glides, rests and silence."""

from __future__ import annotations

import numpy as np
import pytest

from wavesep.dsp.masks import harmonic_mask
from wavesep.dsp.pitch import track_f0
from wavesep.dsp.stft import Stft

from .frames import frame_count
from .sounds import RATE, harmonics

STFT = Stft(2_048, 512)


@pytest.mark.parametrize(("window", "hop"), [(2_048, 512), (512, 200)])
@pytest.mark.parametrize("ends", [(75.0, 150.0), (200.0, 400.0), (900.0, 500.0)])
def test_a_glide_is_tracked(window: int, hop: int, ends: tuple[float, float]) -> None:
    glide = np.geomspace(*ends, 2 * RATE)

    f0, voiced = track_f0(harmonics(glide), RATE, window, hop)

    assert f0.shape == voiced.shape == (frame_count(Stft(window, hop), 2 * RATE),)
    middles = np.arange(len(f0)) * hop + window // 2
    inside = slice(2, -2)
    assert voiced[inside].all()
    np.testing.assert_allclose(f0[inside], glide[middles][inside], rtol=0.02)


def test_a_rest_is_unvoiced() -> None:
    sound = harmonics(np.full(3 * RATE, 220.0))
    sound[RATE : 2 * RATE] = 0

    f0, voiced = track_f0(sound, RATE, STFT.window, STFT.hop)

    starts = np.arange(len(f0)) * STFT.hop
    rest = (starts >= RATE) & (starts + STFT.window <= 2 * RATE)
    assert not voiced[rest].any()
    assert np.isnan(f0[~voiced]).all()
    assert voiced[~rest].mean() > 0.8


@pytest.mark.parametrize("samples", [0, 1, 2_047, 2_048, 2_560, 9_000])
def test_silence_is_unvoiced_however_short(samples: int) -> None:
    f0, voiced = track_f0(np.zeros(samples, np.float32), RATE, STFT.window, STFT.hop)

    assert f0.shape == voiced.shape == (max(frame_count(STFT, samples), 0),)
    assert not voiced.any()
    assert not harmonic_mask(f0, voiced, RATE, STFT.window).any()
