"""The Fourier filters that a network's filterbank begins as. No Keras.

Filters of 93 ms would have more weights than the rest of a network. So there are two levels of
short filters. The first level splits a sound into some hundred bands. The second level is the same
for all bands and splits each into sub-bands. Each band or sub-band is two signals: a real and an
imaginary part.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

QUIET = 1e-7  # power that is added to that of a sub-band: -70 dB of full scale
HINTS = 8  # channels that each cell gets from the layers of the whole spectrum

Kernel = NDArray[np.float32]


def band_count(step: int) -> int:
    """Return the number of bands: one for each frequency, made even.

    An extra band, where one is needed to be even, stays silent.
    """
    return 2 * (step // 2 + 1)


def cell_count(step: int) -> int:
    """Return the number of cells; each holds a band and its mirror image.

    So the upper half of the spectrum, where little happens, needs no layers of its own.
    """
    return band_count(step) // 2


def band_order(step: int) -> NDArray[np.int64]:
    """Return the bands in the order of the filters: the lower half, then the upper one backwards.

    A cell joins filter k with filter k + cells. So the two bands in the middle of the spectrum
    share a cell: consonants reach both. The lowest band shares a cell with the highest, which is
    almost silent. The order lies in the weights alone: a file with another order works, too.
    """
    bands = np.arange(band_count(step))
    half = cell_count(step)
    return np.concatenate([bands[:half], bands[half:][::-1]])


def cell_width(frame_size: int, step: int) -> int:
    """Return the sub-bands of one cell and channel."""
    return 4 * (frame_size // step)


def band_signs(step: int, steps: int) -> NDArray[np.float32]:
    """Return signs, ``(bands, steps, 1)``, that put each band's middle frequency at zero.

    Filters begin anew with every step, in which odd bands pass half a period more than even ones.
    The signs go by the places of the filters: see `band_order`, which keeps odd places odd where
    the number of bands in each half is odd. Else the order shifts the sub-bands of the upper half
    by half a band.
    """
    turns = np.outer(np.arange(band_count(step)), np.arange(steps))
    return np.where(turns % 2, -1, 1).astype(np.float32)[..., None]


def band_filters(step: int) -> tuple[Kernel, Kernel]:
    """Return kernels that take samples apart into bands, and put them together again.

    Filters are two steps long. The window is the square root of Hann's, on both sides, so what the
    one kernel makes the other turns back into the same samples.

    Parameters
    ----------
    step : int, >= 1
        Samples from one output of a filter to the next.

    Returns
    -------
    analysis : float32 array, (2, step, 2 * bands)
        Filters are all bands' real parts, cosines, then all their imaginary parts, minus sines.
    synthesis : float32 array, (2, 2 * bands, step)
    """
    time, window = _sine_window(step)
    bands = band_order(step)
    angle = 2 * np.pi * np.outer(time, bands) / (2 * step)
    # a frequency stands for its negative, too, but for the lowest and the highest
    both_sides = np.where((bands == 0) | (bands == step), 1.0, 2.0)
    window = window * (bands <= step)  # the silent one
    filters = np.concatenate([window * np.cos(angle), -window * np.sin(angle)], axis=1)
    return _kernels(filters, filters * np.tile(both_sides, 2))


def sub_band_filters(steps: int) -> tuple[Kernel, Kernel]:
    """Return kernels that take the steps of a band apart into sub-bands, and put them together.

    As `band_filters`, for a signal of complex numbers. Frequencies ascend from negative ones.

    Parameters
    ----------
    steps : int, >= 1
        Steps of the band from one output of a filter to the next.

    Returns
    -------
    analysis : float32 array, (2, 2 * steps, 4 * steps)
        Given are the steps one after the other, the real and the imaginary part of each; filters
        are all real parts, then all imaginary parts.
    synthesis : float32 array, (2, 4 * steps, 2 * steps)
    """
    time, window = _sine_window(steps)
    angle = 2 * np.pi * np.outer(time, np.arange(-steps, steps)) / (2 * steps)
    cosine, sine = window * np.cos(angle), window * np.sin(angle)
    of_real = np.concatenate([cosine, -sine], axis=1)
    of_imaginary = np.concatenate([sine, cosine], axis=1)
    filters = np.stack([of_real, of_imaginary], axis=1).reshape(4 * steps, 4 * steps)
    return _kernels(filters, filters)


def _sine_window(step: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the times of two steps and a column that weighs them, orthonormal with Fourier's."""
    time = np.arange(2 * step, dtype=np.float64) + 0.5
    window = np.asarray(np.sin(np.pi * time / (2 * step)) / math.sqrt(2 * step), np.float64)
    return time, window[:, None]


def _kernels(analysis: NDArray[np.float64], inverse: NDArray[np.float64]) -> tuple[Kernel, Kernel]:
    """Return filters and what undoes them, columns of two steps, as kernels of two taps."""
    taps = (2, -1, analysis.shape[1])
    undo = inverse.reshape(taps).transpose(0, 2, 1)[::-1]
    return analysis.reshape(taps).astype(np.float32), undo.astype(np.float32)
