"""Pitch: a voice that glides, rests and silence; the steps of pYIN."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from wavesep.dsp.masks import harmonic_mask
from wavesep.dsp.pitch import best_path, normalized_difference, track_f0, trough_probabilities
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


def test_the_difference_is_that_of_yin_s_equations(rng: np.random.Generator) -> None:
    frames = rng.uniform(-1, 1, (3, 50)).astype(np.float32)
    padded = np.pad(frames, ((0, 0), (0, 20)))  # equation 6 reads the samples after the frame

    found = normalized_difference(frames, 20)

    lags = range(1, 21)
    sums = [np.square(padded[:, lag:] - padded[:, :-lag]).sum(axis=1) for lag in lags]
    means = [np.mean(sums[:lag], axis=0) for lag in lags]
    np.testing.assert_allclose(found, np.divide(sums, means).T, rtol=1e-4)


def test_troughs_have_the_probabilities_of_pyin(rng: np.random.Generator) -> None:
    prior = np.diff(stats.beta.cdf(np.linspace(0, 1, 101), 2, 18))
    for heights in (rng.uniform(0.001, 0.5, count) for count in (1, 2, 7)):
        expected = np.zeros(len(heights))
        for threshold, chance in zip(np.linspace(0.01, 1, 100), prior, strict=True):
            below = np.flatnonzero(heights < threshold)
            shares = stats.boltzmann.pmf(np.arange(len(below)), 2, len(below)) if len(below) else []
            expected[below] += chance * np.asarray(shares)
            expected[heights.argmin()] += 0 if len(below) else 0.01 * chance
        np.testing.assert_allclose(trough_probabilities(heights.astype(np.float32)), expected)
    assert trough_probabilities(np.zeros(0, np.float32)).shape == (0,)


@pytest.mark.parametrize("seed", range(10))
def test_no_path_is_more_probable(seed: int) -> None:
    frames, bins, reach = 4, 3, 1
    seen = np.random.default_rng(seed).dirichlet(np.full(bins + 1, 0.3), frames)[:, :bins]
    chances = np.hstack([seen, np.repeat((1 - seen.sum(axis=1, keepdims=True)) / bins, bins, 1)])
    by_pitch = np.array([[2, 1, 0], [1, 2, 1], [0, 1, 2]]) / [[3], [4], [3]]
    steps = np.kron([[0.99, 0.01], [0.01, 0.99]], by_pitch)

    def probability(path: tuple[int, ...]) -> float:
        moves = [steps[a, b] for a, b in itertools.pairwise(path)]
        return float(np.prod([*chances[range(frames), path], *moves]))

    path, voiced = best_path(seen, reach)

    best = max(itertools.product(range(2 * bins), repeat=frames), key=probability)
    found = tuple(np.where(voiced, path, path + bins))
    assert probability(found) == pytest.approx(probability(best), rel=1e-9)


@pytest.mark.slow  # numba compiles librosa for most of a minute
@pytest.mark.parametrize(("window", "hop"), [(2_048, 512), (512, 200)])
def test_librosa_tracks_the_same(window: int, hop: int, rng: np.random.Generator) -> None:
    librosa = pytest.importorskip("librosa")
    glide = harmonics(np.geomspace(75, 900, 3 * RATE))
    glide[RATE : 2 * RATE] = 0
    noisy = (glide + rng.normal(0, 0.03, len(glide))).astype(np.float32)
    length = window + 2 * round((3 * RATE / 65 - window) / 2)
    spare = (length - window) // 2
    about = np.pad(noisy, max(spare, 0))[max(-spare, 0) :]

    f0, voiced = track_f0(noisy, RATE, window, hop)

    expected, flags, _ = librosa.pyin(
        about, fmin=65, fmax=1_000, sr=RATE, frame_length=length, hop_length=hop, resolution=0.2,
        center=False,
    )  # fmt: skip
    assert 0.2 < voiced.mean() < 0.8
    np.testing.assert_array_equal(voiced, flags[: len(voiced)])
    np.testing.assert_allclose(f0, expected[: len(f0)], rtol=1e-9)
