"""The STFT: against scipy's, there and back, and in pieces."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import signal

from wavesep.dsp.stft import Spectra, Stft

from .frames import frame_count, inverse, transform

halves = st.integers(2, 150)  # of windows


def noise(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


def scipy_frames(stft: Stft) -> tuple[signal.ShortTimeFFT, int, int]:
    """Return scipy's transform, the zeros that go before a sound, and its number of our frame 0.

    Its frames lie about multiples of the hop, ours start there.
    """
    window = signal.windows.hann(stft.window, sym=False)
    theirs = signal.ShortTimeFFT(window, stft.hop, fs=1, phase_shift=None)
    front = -(stft.window // 2) % stft.hop
    return theirs, front, (front + stft.window // 2) // stft.hop


@given(half=halves, hop=st.integers(1, 300), samples=st.integers(1, 2_000))
def test_inverse_undoes_transform_up_to_three_quarters_of_a_window(
    half: int, hop: int, samples: int
) -> None:
    assume(half / 8 <= hop <= 1.5 * half)  # sums of more frames than 16 round more
    stft, audio = Stft(2 * half, hop), noise(2, samples)

    spectra = transform(stft, audio)

    assert spectra.shape[:2] == (2, half + 1)
    np.testing.assert_allclose(inverse(stft, spectra, samples), audio, atol=1e-6)


@pytest.mark.parametrize(("window", "hop"), [(2_048, 512), (1_024, 768), (4_096, 1_024)])
def test_windows_of_use_are_undone_as_well(window: int, hop: int) -> None:
    stft, audio = Stft(window, hop), noise(50_001)

    np.testing.assert_allclose(inverse(stft, transform(stft, audio), 50_001), audio, atol=1e-6)


def test_without_overlap_one_sample_a_frame_is_lost() -> None:
    stft, audio = Stft(16, 16), np.ones(64, np.float32)

    lost = np.flatnonzero(np.abs(inverse(stft, transform(stft, audio), 64) - audio) > 0.5)

    np.testing.assert_array_equal(lost, [0, 16, 32, 48])


@given(half=halves, hop=st.integers(1, 300), extra=st.integers(0, 1_000))
def test_frames_are_those_of_scipy(half: int, hop: int, extra: int) -> None:
    assume(hop <= half)
    stft, audio = Stft(2 * half, hop), noise(2 * half + extra)
    theirs, front, first = scipy_frames(stft)

    spectra = stft.analyse(audio)

    frames = frame_count(stft, len(audio))
    assert spectra.shape == (half + 1, frames)
    expected = theirs.stft(np.pad(audio, (front, 0)).astype(float), p0=first, p1=first + frames)
    np.testing.assert_allclose(spectra, expected, atol=1e-4)


@given(half=halves, hop=st.integers(1, 300), frames=st.integers(1, 30))
def test_sounds_of_frames_are_those_of_scipy(half: int, hop: int, frames: int) -> None:
    assume(hop <= half)
    stft = Stft(2 * half, hop)
    theirs, front, first = scipy_frames(stft)
    real, imaginary = noise(2, half + 1, frames)
    imaginary[[0, -1]] = 0  # as in all frames of real sounds
    spectra: Spectra = (real + 1j * imaginary).astype(np.complex64)

    audio = stft.synthesise(spectra)

    samples = stft.window + (frames - 1) * hop
    assert audio.shape == (samples,)
    silent = np.pad(spectra, ((0, 0), (first - theirs.p_min, stft.overlap + 1)))
    expected = theirs.istft(silent.astype(complex), 0, front + samples)[front:]
    whole = slice(stft.window - hop, samples - stft.window + hop)  # where no frame is missing
    np.testing.assert_allclose(audio[whole], expected[whole], atol=1e-5)


@given(half=halves, hop=st.integers(1, 300), start=st.integers(0, 20), extra=st.integers(0, 500))
def test_a_piece_has_the_frames_of_the_whole(half: int, hop: int, start: int, extra: int) -> None:
    assume(hop <= 2 * half)
    stft = Stft(2 * half, hop)
    whole = noise(start * hop + 2 * half + extra + 100)
    piece = whole[start * hop :][: 2 * half + extra]

    frames = stft.analyse(piece)

    expected = stft.analyse(whole)[:, start : start + frames.shape[1]]
    np.testing.assert_allclose(frames, expected, atol=1e-4)
