"""A Wiener filter: masks of the mixture's spectrum by the power of a system's estimates."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..audio import Audio
from ..dsp.stft import Spectra, Stft
from ..engines import Engine
from ..engines.mask_engine import MaskEngine
from ..models.base import Architecture

WIENER = Stft(4096, 1024)


def wiener_frame_size(frame_size: int) -> int:
    """Return the samples that a chunk's length is a multiple of, of a system and of the filter."""
    return math.lcm(frame_size, WIENER.hop)


def wiener_context(architecture: Architecture) -> tuple[int, int]:
    """Return the samples that a filtered estimate needs before and after itself."""
    left, right = architecture.context
    size = wiener_frame_size(architecture.frame_size)
    more = (WIENER.overlap - 1) * WIENER.hop
    return -(-(left + more) // size) * size, -(-(right + more) // size) * size


def wiener_engine(source: Engine, architecture: Architecture) -> MaskEngine:
    """Return the engine that filters by another's estimates [1]_.

    Parameters
    ----------
    source : Engine
        Of the estimates.
    architecture : Architecture
        The source's.

    References
    ----------
    .. [1] A. Liutkus and R. Badeau, "Generalized Wiener filtering with fractional power
       spectrograms", ICASSP 2015, equation 8 with the power 2.
    """
    from ..dsp.masks import ratio_mask  # loads librosa, which takes half a second

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
