"""Estimates by ideal masks: about the best that any system of masks can reach."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..audio import Audio
from ..dsp import masks
from ..dsp.stft import Magnitudes, Stft

STFT = Stft(4_096, 1_024)  # samples; the window lasts 93 ms at 44.1 kHz


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
    margin = STFT.window  # every sample is in as many frames
    padding = ((0, 0), (margin, margin + STFT.hop))
    ours, others = (STFT.analyse(np.pad(audio.T, padding)) for audio in (target, rest))
    weighed = mask(np.abs(ours), np.abs(others)) * (ours + others)
    return STFT.synthesise(weighed)[:, margin : margin + len(target)].T
