"""The short-time Fourier transform, without padding."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Spectra = NDArray[np.complex64]
Magnitudes = NDArray[np.float32]


@dataclass(frozen=True)
class Stft:
    """A transform with a Hann window, and its inverse, which is exact if frames overlap enough.

    Frame k covers the samples from ``k * hop`` to ``k * hop + window``. Nothing is padded. So a
    piece of a song that starts at a multiple of ``hop`` has the same frames as the song there.

    Attributes
    ----------
    window : int, >= 2
        Samples in a frame, even.
    hop : int, from 1 to ``window``
        Samples from frame to frame. Up to three quarters of the window, the inverse is exact to
        about 1e-6 of full scale. With longer hops, samples at the ends of the window lose
        precision. With ``hop == window``, one sample of each frame is lost: a Hann window starts
        with 0.
    """

    window: int
    hop: int

    @property
    def overlap(self) -> int:
        """Largest number of frames that hold one sample."""
        return -(-self.window // self.hop)

    def analyse(self, audio: NDArray[np.float32]) -> Spectra:
        """Return the frames of a sound: ``(..., samples)`` to ``(..., bins, frames)``."""
        frames = sliding_window_view(audio, self.window, axis=-1)[..., :: self.hop, :]
        spectra = np.fft.rfft(frames * hann(self.window)).astype(np.complex64, copy=False)
        return spectra.swapaxes(-1, -2)

    def spectra(self, audio: NDArray[np.float32]) -> Spectra:
        """Map a batch ``(batch, samples, channels)`` to ``(batch, channels, bins, frames)``."""
        return self.analyse(np.ascontiguousarray(audio.transpose(0, 2, 1)))

    def synthesise(self, spectra: Spectra) -> NDArray[np.float32]:
        """Return the sound of frames, the least-squares one of Griffin and Lim [1]_.

        Parameters
        ----------
        spectra : complex64 array, (..., bins, frames)

        Returns
        -------
        float32 array, (..., samples)
            Within ``window - hop`` samples of the two ends, frames are missing.

        References
        ----------
        .. [1] D. Griffin and J. Lim, "Signal estimation from modified short-time Fourier
           transform", IEEE Trans. ASSP 32(2), 1984, equation 6.
        """
        window = hann(self.window)
        frames = np.fft.irfft(spectra.swapaxes(-1, -2), self.window) * window
        audio = self._overlap_add(frames.astype(np.float32, copy=False))
        squares = self._overlap_add(np.broadcast_to(window**2, frames.shape[-2:]))
        return np.divide(audio, squares, out=audio, where=squares > np.finfo(np.float32).tiny)

    def _overlap_add(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Add frames at their places: ``(..., frames, window)`` to ``(..., samples)``."""
        *batch, count, window = frames.shape
        audio = np.zeros((*batch, window + self.hop * (count - 1)), np.float32)
        places = sliding_window_view(audio, window, axis=-1, writeable=True)[..., :: self.hop, :]
        for first in range(min(self.overlap, count)):
            # these frames do not overlap, so they can be added at once
            places[..., first :: self.overlap, :] += frames[..., first :: self.overlap, :]
        return audio


@cache
def hann(samples: int) -> NDArray[np.float32]:
    """Return a Hann window, the periodic one."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(samples) / samples)
    return window.astype(np.float32)


def frame_windows(magnitudes: Magnitudes, frames: int) -> Magnitudes:
    """Return every run of ``frames`` consecutive frames, as a view.

    Parameters
    ----------
    magnitudes : float32 array, (batch, bins, all frames)
    frames : int

    Returns
    -------
    float32 array, (batch, all frames - frames + 1, bins, frames)
    """
    return sliding_window_view(magnitudes, frames, axis=2).transpose(0, 2, 1, 3)
