"""The ideal ratio mask: perfect where nothing overlaps, the mixture's half where all does."""

from __future__ import annotations

import numpy as np

from wavesep.audio import Audio
from wavesep.evaluation import ratio_mask, si_sdr

SECOND = np.arange(44_100) / 44_100


def tone(hertz: float) -> Audio:
    return np.sin(2 * np.pi * hertz * SECOND)[:, None].repeat(2, 1).astype(np.float32)


def test_sounds_at_different_frequencies_are_told_apart() -> None:
    target, rest = tone(440), tone(5_000)

    estimate = ratio_mask(target, rest)

    assert estimate.shape == target.shape
    assert estimate.dtype == np.float32
    inside = slice(4_096, -4_096)
    assert si_sdr(target[inside], estimate[inside]) > 60


def test_equal_sounds_are_halved(noise: Audio) -> None:
    np.testing.assert_allclose(ratio_mask(noise, noise), noise, atol=1e-6)
    np.testing.assert_allclose(ratio_mask(noise, 0 * noise), noise, atol=1e-6)
    assert not ratio_mask(0 * noise, 0 * noise).any()
