"""Scores of estimates, in dB, and of yes-or-no answers.

Conventions
-----------
Signals are ``(samples,)`` or ``(samples, channels)``. The channels are joined to one long signal.
No mean is removed. Computed in float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def si_sdr(reference: NDArray[Any], estimate: NDArray[Any]) -> float:
    """Scale-invariant signal-to-distortion ratio, in dB.

    The estimate is projected onto the reference. The remainder is the distortion [1]_.

    Parameters
    ----------
    reference : float array, (samples,) or (samples, channels)
        The true stem.
    estimate : float array, same shape
        The separated stem, at any gain.

    Returns
    -------
    float
        In dB; higher is better. ``inf`` for a perfect estimate, ``-inf`` for one that is
        orthogonal to the reference, ``nan`` if the reference or the estimate is silent.

    Raises
    ------
    ValueError
        If the two shapes differ.

    References
    ----------
    .. [1] J. Le Roux, S. Wisdom, H. Erdogan and J. R. Hershey, "SDR - half-baked or well
       done?", ICASSP 2019. arXiv:1811.02508.
    """
    true, given = flat_pair(reference, estimate)
    with np.errstate(divide="ignore", invalid="ignore"):
        target = true * ((given @ true) / (true @ true))
        distortion = given - target
        return float(10 * np.log10((target @ target) / (distortion @ distortion)))


def sdr(reference: NDArray[Any], estimate: NDArray[Any]) -> float:
    """Signal-to-distortion ratio over the whole signal, in dB.

    It is the energy of the reference over that of the error, as in the Music Demixing Challenge
    [1]_. Unlike BSS Eval's SDR, it allows no filter and no gain.

    Parameters
    ----------
    reference : float array, (samples,) or (samples, channels)
        The true stem.
    estimate : float array, same shape
        The separated stem.

    Returns
    -------
    float
        In dB; higher is better. ``inf`` for a perfect estimate, ``-inf`` if only the reference is
        silent, ``nan`` if both are.

    Raises
    ------
    ValueError
        If the two shapes differ.

    References
    ----------
    .. [1] Y. Mitsufuji et al., "Music Demixing Challenge 2021", Frontiers in Signal Processing,
       2022. arXiv:2108.13559.
    """
    true, given = flat_pair(reference, estimate)
    error = given - true
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(10 * np.log10((true @ true) / (error @ error)))


def flat_pair(
    reference: NDArray[Any], estimate: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return each signal as one long float64 vector.

    Raises
    ------
    ValueError
        If the two shapes differ.
    """
    if reference.shape != estimate.shape:
        raise ValueError(f"shapes differ: reference {reference.shape}, estimate {estimate.shape}")
    return (
        np.asarray(reference, dtype=np.float64).ravel(),
        np.asarray(estimate, dtype=np.float64).ravel(),
    )


def accuracy(truth: NDArray[np.bool_], answer: NDArray[np.bool_]) -> float:
    """Return the share of answers that are right."""
    return float(np.mean(truth == answer))


def f1(truth: NDArray[np.bool_], answer: NDArray[np.bool_]) -> float:
    """Return the harmonic mean of precision and recall; 1 if no truth and no answer is true."""
    both, either = np.sum(truth & answer), np.sum(truth) + np.sum(answer)
    return float(2 * both / either) if either else 1.0
