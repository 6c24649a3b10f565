"""Scores, against signals worked out on paper and against another implementation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavesep.evaluation import sdr, si_sdr


@pytest.mark.parametrize("snr_db", [-20.0, 0.0, 12.5, 60.0])
@pytest.mark.parametrize("gain", [0.01, 1.0, -3.0])
def test_si_sdr_of_orthogonal_noise_is_its_snr(snr_db: float, gain: float) -> None:
    basis, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((1_000, 2)))
    reference, noise = basis[:, :1], basis[:, 1:]

    estimate = gain * (reference + 10 ** (-snr_db / 20) * noise)

    assert si_sdr(reference, estimate) == pytest.approx(snr_db, abs=1e-8)


@given(seed=st.integers(0, 1_000), gain=st.floats(0.1, 10))
def test_si_sdr_is_that_of_fast_bss_eval(seed: int, gain: float) -> None:
    import fast_bss_eval  # which imports PyTorch if it is installed

    rng = np.random.default_rng(seed)
    reference = rng.standard_normal(500)
    estimate = gain * reference + rng.standard_normal(500)

    expected = fast_bss_eval.numpy.si_sdr(
        reference[np.newaxis], estimate[np.newaxis], zero_mean=False, clamp_db=None
    )

    assert si_sdr(reference, estimate) == pytest.approx(float(expected[0]), abs=1e-6)


def test_channels_are_one_long_signal() -> None:
    rng = np.random.default_rng(0)
    reference, estimate = rng.standard_normal((2, 300, 2))

    assert si_sdr(reference, estimate) == pytest.approx(si_sdr(reference.ravel(), estimate.ravel()))


def test_sdr_is_the_energy_of_the_reference_over_that_of_the_error() -> None:
    reference = np.array([3.0, 4.0])

    assert sdr(reference, 1.1 * reference) == pytest.approx(20)
    assert sdr(reference, 0 * reference) == pytest.approx(0)


def test_scores_of_silence_and_of_perfection() -> None:
    silence, sound = np.zeros(4), np.array([1.0, -1.0, 1.0, -1.0])

    assert si_sdr(sound, sound) == sdr(sound, sound) == np.inf
    assert np.isnan(si_sdr(silence, sound))
    assert np.isnan(si_sdr(sound, silence))
    assert sdr(silence, sound) == -np.inf
    assert np.isnan(sdr(silence, silence))
    assert si_sdr(sound, np.ones(4)) == -np.inf


@pytest.mark.parametrize("score", [sdr, si_sdr])
def test_other_shapes_are_refused(score: type) -> None:
    with pytest.raises(ValueError, match=r"shapes differ: reference \(4,\), estimate \(5,\)"):
        score(np.zeros(4), np.zeros(5))
