"""Estimates by ideal masks: about the best that any system of masks can reach."""

from __future__ import annotations

from collections.abc import Callable

import librosa
import numpy as np

from ..audio import Audio
from ..dsp import masks
from ..dsp.stft import Magnitudes

WINDOW = 4_096  # samples, 93 ms at 44.1 kHz
HOP = WINDOW // 4


def ratio_mask(target: Audio, rest: Audio) -> Audio:
    """Separate a target from its mixture by the ideal ratio mask.

    Each frequency of the mixture's STFT is multiplied by the target's share of the two magnitudes.
    The phase is the mixture's [1]_.

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
    return _masked(target, rest, masks.ratio_mask)


def binary_mask(target: Audio, rest: Audio) -> Audio:
    """Separate a target from its mixture by the ideal binary mask.

    Each frequency of the mixture's STFT goes to the louder stem [1]_. Parameters and return value
    are those of `ratio_mask`.

    References
    ----------
    .. [1] D. Wang, "On ideal binary mask as the computational goal of auditory scene analysis",
       in Speech Separation by Humans and Machines, 2005.
    """
    return _masked(target, rest, masks.binary_mask)


def _masked(
    target: Audio, rest: Audio, mask: Callable[[Magnitudes, Magnitudes], masks.Mask]
) -> Audio:
    short = max(WINDOW - len(target), 0)  # librosa warns if the sound is shorter than a window
    ours, others = (
        librosa.stft(np.pad(audio.T, ((0, 0), (0, short))), n_fft=WINDOW, hop_length=HOP)
        for audio in (target, rest)
    )
    weighed = mask(np.abs(ours), np.abs(others)) * (ours + others)
    estimate = librosa.istft(weighed, n_fft=WINDOW, hop_length=HOP, length=len(target))
    return np.asarray(estimate.T, np.float32)
