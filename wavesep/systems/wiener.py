"""A Wiener filter: masks of the mixture's spectrum by the power of a system's estimates."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..audio import Audio
from ..dsp.masks import ratio_mask
from ..dsp.stft import Spectra, Stft
from ..engines import Engine
from ..engines.mask_engine import MaskEngine
from ..models.base import Architecture

WIENER = Stft(4096, 1024)


def wiener_frame_size(frame_size: int) -> int:
    """Return the samples that the length of a filtered chunk is a multiple of."""
    return math.lcm(frame_size, WIENER.hop)


def wiener_context(architecture: Architecture) -> tuple[int, int]:
    """Return the left and right context of a filtered estimate, in samples."""
    left, right = architecture.context
    size = wiener_frame_size(architecture.frame_size)
    more = (WIENER.overlap - 1) * WIENER.hop
    return -(-(left + more) // size) * size, -(-(right + more) // size) * size


def wiener_engine(source: Engine, architecture: Architecture) -> MaskEngine:
    """Return an engine that filters the mixture by the estimates of another engine [1]_.

    Parameters
    ----------
    source : Engine
        The engine that gives the estimates.
    architecture : Architecture
        The architecture of ``source``.

    References
    ----------
    .. [1] A. Liutkus and R. Badeau, "Generalized Wiener filtering with fractional power
       spectrograms", ICASSP 2015, equation 8 with the power 2.
    """
    left, right = architecture.context
    channels = architecture.channels

    def masks(mixtures: Audio, spectra: Spectra, wanted: slice) -> NDArray[np.float32]:
        estimates = np.pad(source(mixtures), ((0, 0), (left, right), (0, 0)))
        analysed = WIENER.spectra(estimates)[..., wanted]
        batch, _, bins, count = analysed.shape
        targets = analysed.reshape(batch, -1, channels, bins, count)
        rest = np.abs(spectra[..., wanted] - targets.sum(axis=1))
        power = np.square(np.abs(targets))
        others = np.sqrt(power.sum(axis=1, keepdims=True) - power + np.square(rest[:, np.newaxis]))
        return ratio_mask(np.abs(targets), others, power=2.0)

    frame_size = wiener_frame_size(architecture.frame_size)
    return MaskEngine(masks, WIENER, wiener_context(architecture), frame_size, source.precision)
