"""The Fourier filterbank that a network's first and last convolution begin as. No Keras."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

QUIET = 1e-8  # power that is added to that of a pair of filters: -80 dB of full scale

Kernel = NDArray[np.float32]


def filter_pairs(frame_size: int, frames: int) -> int:
    """Return the number of frequencies of filters that span so many frames."""
    return frame_size * frames // 2 + 1


def fourier_filterbank(frame_size: int, frames: int) -> tuple[Kernel, Kernel]:
    """Return kernels that take frames of samples apart into frequencies, and put them together.

    The window is the square root of Hann's, on both sides; what the one kernel makes, the other
    turns back into the same samples. Filters come as all cosines, then all sines.

    Parameters
    ----------
    frame_size : int, >= 1
        Samples from one output of a filter to the next.
    frames : int, >= 2
        Length of the filters.

    Returns
    -------
    analysis : float32 array, (frames, frame_size, 2 * pairs)
    synthesis : float32 array, (frames, 2 * pairs, frame_size)
    """
    length = frame_size * frames
    pairs = filter_pairs(frame_size, frames)
    time = np.arange(length) + 0.5
    angle = 2 * np.pi * np.outer(time, np.arange(pairs)) / length
    window = np.sin(np.pi * time / length)[:, None]
    filters = window * np.concatenate([np.cos(angle), np.sin(angle)], axis=1)
    both_sides = np.full(pairs, 2.0)  # a frequency stands for its negative, too
    both_sides[0] = 1
    if length % 2 == 0:
        both_sides[-1] = 1
    overlap = frames / 2  # the sum of Hann windows at this distance
    inverse = filters * np.tile(both_sides, 2) / overlap
    scale = np.sqrt(length)
    analysis = filters.reshape(frames, frame_size, 2 * pairs) / scale
    synthesis = inverse.reshape(frames, frame_size, 2 * pairs).transpose(0, 2, 1)[::-1] / scale
    return analysis.astype(np.float32), synthesis.astype(np.float32)
