"""Masks: shares that add up, centres and combs worked out on paper."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from wavesep.dsp.masks import (
    binary_mask,
    cancel_centre,
    centre_mask,
    harmonic_mask,
    ratio_mask,
)
from wavesep.dsp.stft import Stft

from .frames import inverse, transform
from .sounds import RATE, harmonics

STFT = Stft(2_048, 512)

Floats = NDArray[np.float32]

magnitudes = arrays(np.float32, (2, 5, 3), elements=st.floats(0, float(2.0**100), width=32))
parts = st.floats(-(2.0**10), 2.0**10, width=32)
spectra = arrays(np.complex64, (2, 5, 3), elements=st.builds(complex, parts, parts))


def comb_filtered(audio: Floats, f0: float) -> Floats:
    """Let a comb of one fundamental frequency through."""
    frames = transform(STFT, audio)
    comb = np.full(frames.shape[-1], f0), np.ones(frames.shape[-1], bool)
    return inverse(STFT, harmonic_mask(*comb, RATE, STFT.window) * frames, len(audio))


@given(ours=magnitudes, others=magnitudes, power=st.sampled_from([0.5, 1.0, 2.0, 4.0]))
def test_ratio_masks_of_two_add_up_to_one_where_anything_sounds(
    ours: Floats, others: Floats, power: float
) -> None:
    mine, theirs = ratio_mask(ours, others, power), ratio_mask(others, ours, power)

    assert mine.dtype == np.float32
    assert mine.min() >= 0
    assert mine.max() <= 1
    np.testing.assert_allclose(mine + theirs, (ours > 0) | (others > 0), atol=1e-6)


def test_ratio_masks_on_paper() -> None:
    ours, others = np.array([3, 0, 1e-30], np.float32), np.array([1, 0, 1e-30], np.float32)

    np.testing.assert_allclose(ratio_mask(ours, others), [0.75, 0, 0.5])
    np.testing.assert_allclose(ratio_mask(ours, others, power=2), [0.9, 0, 0.5])


@given(ours=magnitudes, others=magnitudes)
def test_a_binary_mask_gives_all_to_the_louder(ours: Floats, others: Floats) -> None:
    mask = binary_mask(ours, others)

    assert mask.dtype == np.float32
    np.testing.assert_array_equal(mask, ours > others)


@given(left=spectra, right=spectra)
def test_the_centre_mask_is_a_mask_and_knows_no_sides(
    left: NDArray[np.complex64], right: NDArray[np.complex64]
) -> None:
    mask = centre_mask(left, right)

    assert mask.dtype == np.float32
    assert mask.min() >= 0
    assert mask.max() <= 1
    np.testing.assert_allclose(centre_mask(right, left), mask, atol=1e-6)


def test_centre_masks_on_paper(rng: np.random.Generator) -> None:
    frames = STFT.analyse(rng.standard_normal(10_000).astype(np.float32))

    np.testing.assert_allclose(centre_mask(frames, frames), 1, atol=1e-6)
    np.testing.assert_allclose(centre_mask(frames, 2 * frames), 0.8, atol=1e-6)
    np.testing.assert_allclose(centre_mask(frames, 1j * frames), 0, atol=1e-6)
    for other in (-frames, 0 * frames):
        assert not centre_mask(frames, other).any()
    assert not centre_mask(0 * frames, 0 * frames).any()


def test_cancelling_the_centre_takes_the_middle_and_leaves_the_sides(
    rng: np.random.Generator,
) -> None:
    voice, piano = rng.uniform(-0.5, 0.5, (2, 3, 100, 1)).astype(np.float32)

    vocals = cancel_centre(voice * [1, 1] + piano * [1, -1])

    assert vocals.dtype == np.float32
    np.testing.assert_allclose(vocals, voice * [1, 1], atol=1e-6)


@pytest.mark.parametrize("f0", [110.0, 233.1, 700.0])
def test_a_comb_lets_a_harmonic_sound_through(f0: float) -> None:
    tone = harmonics(np.full(2 * RATE, f0))

    inside = slice(STFT.window, -STFT.window)  # beyond, tones that start and end are no lines
    error = (comb_filtered(tone, f0) - tone)[inside]

    assert 10 * np.log10(np.sum(tone[inside] ** 2) / np.sum(error**2)) > 15


@pytest.mark.parametrize("f0", [233.1, 700.0])
def test_a_comb_blocks_what_lies_between_the_harmonics(f0: float) -> None:
    tone = np.sin(2 * np.pi * 2.5 * f0 * np.arange(2 * RATE) / RATE).astype(np.float32)

    left = comb_filtered(tone, f0)[STFT.window : -STFT.window]

    assert 10 * np.log10(np.mean(left**2) / 0.5) < -40


@given(
    f0=arrays(np.float64, (2, 4), elements=st.floats(20, 10_000) | st.just(np.nan)),
    voiced=arrays(np.bool_, (2, 4)),
    window=st.sampled_from([64, 512, 2_048]),
)
def test_a_comb_is_a_mask_and_zero_without_a_voice(
    f0: NDArray[np.float64], voiced: NDArray[np.bool_], window: int
) -> None:
    mask = harmonic_mask(f0, voiced, RATE, window)

    assert mask.dtype == np.float32
    assert mask.shape == (2, window // 2 + 1, 4)
    assert mask.min() >= 0
    assert mask.max() <= 1
    assert not mask.swapaxes(1, 2)[~voiced | np.isnan(f0)].any()


def test_no_tooth_lies_above_half_the_sample_rate() -> None:
    f0, voiced = np.array([3_000.0]), np.ones(1, bool)

    bins = np.flatnonzero(harmonic_mask(f0, voiced, RATE, 160))  # of 100 Hz

    np.testing.assert_array_equal(bins, [30, 60])
