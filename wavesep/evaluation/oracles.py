"""What a perfect mask would give: the ceiling of all systems that weigh frequencies."""

from __future__ import annotations

import librosa
import numpy as np

from ..audio import Audio

WINDOW = 4_096  # samples, 93 ms at 44.1 kHz
HOP = WINDOW // 4


def ratio_mask(target: Audio, rest: Audio) -> Audio:
    """Separate a target from its mixture by the ideal ratio mask.

    Each frequency of the mixture's STFT is weighed by the target's share of the two magnitudes and
    keeps the mixture's phase [1]_.

    Parameters
    ----------
    target, rest : float32 array, (samples, channels)
        The true stems; their sum is the mixture.

    Returns
    -------
    float32 array, (samples, channels)
        The estimate of the target.

    References
    ----------
    .. [1] A. Liutkus and R. Badeau, "Generalized Wiener filtering with fractional power
       spectrograms", ICASSP 2015, with the power 1.
    """
    ours, others = (librosa.stft(audio.T, n_fft=WINDOW, hop_length=HOP) for audio in (target, rest))
    loud = np.abs(ours)
    mask = loud / np.maximum(loud + np.abs(others), np.finfo(np.float32).tiny)
    estimate = librosa.istft(
        mask * (ours + others), n_fft=WINDOW, hop_length=HOP, length=len(target)
    )
    return np.asarray(estimate.T, np.float32)
