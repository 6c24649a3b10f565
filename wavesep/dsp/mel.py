"""Mel spectrograms and levels in dB."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .stft import Stft

BANDS = 128
LINEAR = 1_000.0  # Hz; Slaney's mel is linear below and logarithmic above
STEP = np.log(6.4) / 27  # logarithm of the factor from one mel to the next, above

Power = NDArray[np.float32]


def mel_power(
    audio: NDArray[np.float32],
    sample_rate: int,
    stft: Stft,
    *,
    bands: int = BANDS,
    highest: float | None = None,
) -> Power:
    """Return the mel power spectrogram of a sound, as librosa does.

    Parameters
    ----------
    audio : float32 array, (samples,)
    sample_rate : int
        In Hz.
    stft : Stft
        The middle of its first frame is the first sample.
    bands : int, default 128
    highest : float, optional
        The upper end of the highest band, in Hz. The default is half the sample rate.

    Returns
    -------
    float32 array, (bands, 1 + samples // hop)
    """
    spectra = stft.analyse(np.pad(audio, stft.window // 2))
    filters = mel_bands(sample_rate, stft.window, bands, highest or sample_rate / 2)
    return filters @ np.square(np.abs(spectra))


@cache
def mel_bands(sample_rate: int, window: int, bands: int, highest: float) -> Power:
    """Return triangles of equal areas in Hz over a window's frequencies, ``(bands, bins)``."""
    edges = mel_to_hertz(np.linspace(0, hertz_to_mel(highest), bands + 2))[:, None]
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    hertz = np.fft.rfftfreq(window, 1 / sample_rate)
    triangles = np.minimum((hertz - low) / (middle - low), (high - hertz) / (high - middle))
    return np.asarray(triangles.clip(0) * 2 / (high - low), np.float32)


def hertz_to_mel(hertz: ArrayLike) -> NDArray[np.float64]:
    """Return Slaney's mel of frequencies."""
    hertz = np.asarray(hertz, np.float64)
    above = 15 + np.log(np.maximum(hertz, LINEAR) / LINEAR) / STEP
    return np.where(hertz < LINEAR, 15 * hertz / LINEAR, above)


def mel_to_hertz(mel: ArrayLike) -> NDArray[np.float64]:
    """Undo `hertz_to_mel`."""
    mel = np.asarray(mel, np.float64)
    return np.where(mel < 15, mel * LINEAR / 15, LINEAR * np.exp((mel - 15) * STEP))


def power_to_db(power: Power) -> Power:
    """Return levels in dB relative to the power 1, at least -100."""
    return 10 * np.log10(np.maximum(power, np.float32(1e-10)))
