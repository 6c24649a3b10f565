"""The initial weights of a learned filterbank, which are Fourier filters. No Keras.

A single level of filters, each 93 ms long, would have more weights than the rest of a network. So
there are two levels of short filters. The first level splits a sound into some hundred bands. The
second level splits each band into sub-bands, with the same filters for all bands. Each band and
each sub-band consists of two signals: the real and the imaginary part.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

QUIET = 1e-7  # power that is added to that of each sub-band: -70 dB of full scale
HINTS = 8  # channels that the layers over the whole spectrum add to the input of each cell
STEREO = 2  # so many channels are analysed and masked as mid and side

Kernel = NDArray[np.float32]


def band_count(step: int) -> int:
    """Return the number of bands: one for each frequency, rounded up to an even number.

    If it is rounded up, the extra band is silent.
    """
    return 2 * (step // 2 + 1)


def cell_count(step: int) -> int:
    """Return the number of cells; each has one band of the lower and one of the upper half.

    So the upper half of the spectrum, which has little energy, needs no layers of its own.
    """
    return band_count(step) // 2


def band_order(step: int) -> NDArray[np.int64]:
    """Return the bands in the order of the filters: the lower half, then the upper one backwards.

    Cell k has filters k and k + cells. So the two bands in the middle of the spectrum share a cell:
    consonants have energy in both. The lowest band shares a cell with the highest, which is almost
    silent. The order is a property of the weights: a model file may have another order.
    """
    bands = np.arange(band_count(step))
    half = cell_count(step)
    return np.concatenate([bands[:half], bands[half:][::-1]])


def cell_width(frame_size: int, step: int) -> int:
    """Return the number of sub-bands of one cell and channel."""
    return 4 * (frame_size // step)


def band_signs(step: int, steps: int) -> NDArray[np.float32]:
    """Return signs, ``(bands, steps, 1)``, that shift each band's centre frequency to zero.

    The phase of a filter begins at zero in every step. Within a step, the centre frequency of an
    odd band advances by half a period more than that of an even band. The signs depend on a
    filter's place, not on its band. If the number of bands in each half is odd, `band_order` puts
    odd bands in odd places. Else the sub-bands of the upper half are shifted by half a band.
    """
    turns = np.outer(np.arange(band_count(step)), np.arange(steps))
    return np.where(turns % 2, -1, 1).astype(np.float32)[..., None]


def band_filters(step: int) -> tuple[Kernel, Kernel]:
    """Return kernels that analyse samples into bands, and that synthesise samples from bands.

    Filters are two steps long. Both windows are the square root of a Hann window, so synthesis
    after analysis returns the same samples.

    Parameters
    ----------
    step : int, >= 1
        Samples from one output of a filter to the next.

    Returns
    -------
    analysis : float32 array, (2, step, 2 * bands)
        The last axis has the real parts of all bands (cosines), then the imaginary parts (minus
        sines).
    synthesis : float32 array, (2, 2 * bands, step)
    """
    time, window = _sine_window(step)
    bands = band_order(step)
    angle = 2 * np.pi * np.outer(time, bands) / (2 * step)
    # all bands but the lowest and the highest also represent the negative frequency
    both_sides = np.where((bands == 0) | (bands == step), 1.0, 2.0)
    window = window * (bands <= step)  # silences the extra band
    filters = np.concatenate([window * np.cos(angle), -window * np.sin(angle)], axis=1)
    return _kernels(filters, filters * np.tile(both_sides, 2))


def sub_band_filters(steps: int) -> tuple[Kernel, Kernel]:
    """Return kernels that analyse the steps of a band into sub-bands, and that synthesise them.

    As `band_filters`, but for a complex signal. Frequencies ascend from the lowest negative one.

    Parameters
    ----------
    steps : int, >= 1
        Steps of the band from one output of a filter to the next.

    Returns
    -------
    analysis : float32 array, (2, 2 * steps, 4 * steps)
        The input axis has the steps in order, each with its real and imaginary part. The last axis
        has the real parts of all sub-bands, then the imaginary parts.
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
    """Return the times of two steps, and a window with which Fourier filters are orthonormal."""
    time = np.arange(2 * step, dtype=np.float64) + 0.5
    window = np.asarray(np.sin(np.pi * time / (2 * step)) / math.sqrt(2 * step), np.float64)
    return time, window[:, None]


def _kernels(analysis: NDArray[np.float64], inverse: NDArray[np.float64]) -> tuple[Kernel, Kernel]:
    """Return analysis and synthesis filters, columns of two steps, as kernels of two taps."""
    taps = (2, -1, analysis.shape[1])
    undo = inverse.reshape(taps).transpose(0, 2, 1)[::-1]
    return analysis.reshape(taps).astype(np.float32), undo.astype(np.float32)
