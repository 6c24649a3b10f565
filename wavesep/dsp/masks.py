"""Masks: the share of a source in each frequency of a mixture's frames, from 0 to 1.

Spectra are those of `Stft`, ``(..., bins, frames)``. A mask multiplies the spectrum of the mixture
and keeps its phase.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..audio import Audio
from .stft import Magnitudes, Spectra

Mask = NDArray[np.float32]

# Half of the width of a tooth: the best of 20, 30 and 40 Hz for sung voices. It is one bin at
# least, or a harmonic between two bins would be lost.
WIDTH_HZ = 20.0


def ratio_mask(ours: Magnitudes, others: Magnitudes, power: float = 1.0) -> Mask:
    """Return a source's share of two magnitudes raised to a power [1]_.

    Parameters
    ----------
    ours, others : float32 array, (..., bins, frames)
        Magnitudes, >= 0, of the source and of all the rest.
    power : float, > 0
        2 gives the Wiener filter.

    Returns
    -------
    float32 array, (..., bins, frames)
        In [0, 1]; 0 where both are silent.

    References
    ----------
    .. [1] A. Liutkus and R. Badeau, "Generalized Wiener filtering with fractional power
       spectrograms", ICASSP 2015.
    """
    # divided by the louder magnitude, no power overflows or underflows float32
    louder = np.maximum(ours, others)
    louder = np.where(louder > 0, louder, 1)
    mine, theirs = (ours / louder) ** power, (others / louder) ** power
    return np.asarray(mine / np.where(mine + theirs > 0, mine + theirs, 1), np.float32)


def binary_mask(ours: Magnitudes, others: Magnitudes) -> Mask:
    """Return 1 where a source is louder than the rest, else 0 [1]_.

    Parameters
    ----------
    ours, others : float32 array, (..., bins, frames)
        Magnitudes, >= 0, of the source and of all the rest.

    Returns
    -------
    float32 array, (..., bins, frames)

    References
    ----------
    .. [1] D. Wang, "On ideal binary mask as the computational goal of auditory scene analysis",
       in Speech Separation by Humans and Machines, 2005.
    """
    return (ours > others).astype(np.float32)


def centre_mask(left: Spectra, right: Spectra) -> Mask:
    """Return how central each frequency of a stereo sound is.

    It is the similarity of Avendano [1]_, with the real part of the cross spectrum in place of its
    magnitude: equally loud channels that are not in phase do not count as the centre.

    Parameters
    ----------
    left, right : complex64 array, (..., bins, frames)

    Returns
    -------
    float32 array, (..., bins, frames)
        In [0, 1]. 1 where both channels are equal. 0 where their phases differ by a quarter of a
        period or more, or a channel is silent.

    References
    ----------
    .. [1] C. Avendano, "Frequency-domain source identification and manipulation in stereo mixes
       for enhancement, suppression and re-panning applications", WASPAA 2003.
    """
    energy = np.abs(left) ** 2 + np.abs(right) ** 2
    alike = 2 * (left * right.conj()).real / np.where(energy > 0, energy, 1)
    return np.clip(alike, 0, 1).astype(np.float32)


def cancel_centre(audio: Audio) -> Audio:
    """Estimate the vocals of a stereo mixture as its mid signal, as karaoke machines do.

    The accompaniment is the side signal: ``(L - R) / 2`` in the left channel and its negative in
    the right one. The vocals are the mid signal, ``(L + R) / 2``, in both channels. It holds the
    vocals and everything else that is mixed to the centre.

    Parameters
    ----------
    audio : float32 array, (..., samples, 2)

    Returns
    -------
    float32 array, (..., samples, 2)
        The estimate of the vocals; that of the accompaniment is ``audio`` minus it.
    """
    mid = audio.mean(axis=-1, keepdims=True, dtype=np.float32)
    return np.repeat(mid, 2, axis=-1)


def harmonic_mask(
    f0: NDArray[np.floating],
    voiced: NDArray[np.bool_],
    sample_rate: int,
    window: int,
) -> Mask:
    """Return a comb mask that passes the harmonics of a voice.

    Its teeth are raised cosines: 1 at a multiple of the fundamental frequency, 1/2 at half of
    `WIDTH_HZ` from it, 0 from `WIDTH_HZ` on.

    Parameters
    ----------
    f0 : float array, (..., frames)
        Fundamental frequencies in Hz, as `track_f0` returns them; nan where there is none.
    voiced : bool array, (..., frames)
    sample_rate : int, > 0
        In Hz.
    window : int, >= 2
        Samples in a frame of the masked transform; even.

    Returns
    -------
    float32 array, (..., bins, frames)
        In [0, 1]; 0 in frames without a voice.
    """
    hertz = np.fft.rfftfreq(window, 1 / sample_rate).astype(np.float32)[:, np.newaxis]
    heard = voiced & (f0 > 0)  # nan is not
    base = np.where(heard, f0, 1).astype(np.float32)[..., np.newaxis, :]
    highest = np.maximum(np.floor(sample_rate / 2 / base), 1)  # harmonic below half the rate
    distance = np.abs(hertz - base * np.clip(np.round(hertz / base), 1, highest))
    width = max(WIDTH_HZ, sample_rate / window)
    teeth = 0.5 + 0.5 * np.cos(np.pi * np.minimum(distance / width, 1))
    return np.asarray(teeth * heard[..., np.newaxis, :], np.float32)
