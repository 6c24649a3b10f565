"""Checks of what callers give: arrays, rates, channels, seconds and samples.

Each check returns the value in the type that the library computes with.
"""

from __future__ import annotations

import math
from reprlib import repr as short
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import AudioError, EmptyAudioError, NonFiniteAudioError, OptionError
from . import HIGHEST_RATE, LOWEST_RATE, Audio

MOST_CHANNELS = 64  # more channels mean that samples are on the wrong axis
LOUDEST = 100.0  # magnitude; a louder sample is damaged or not scaled to [-1, 1]
MOST_SECONDS = 1e9  # longer than any sound; as samples, it is still an exact number


def check_array(audio: Any) -> Audio:
    """Return a sound as a float32 array, or raise if it cannot be one.

    Parameters
    ----------
    audio : float array, (samples, channels) or (samples,)
        Or a list, or a tensor of PyTorch, TensorFlow or JAX, that `numpy.asarray` can convert.

    Returns
    -------
    float32 array, of the shape of ``audio``
        Not a copy, if it was float32 before.

    Raises
    ------
    OptionError
        If it holds no floats, or has another shape.
    EmptyAudioError
        If there are no samples.
    """
    array = to_array("audio", audio)
    if array.size == 0:
        raise EmptyAudioError("the audio has no samples")
    if not is_float(array):
        hint = ": divide 16-bit integers by 32768" if np.issubdtype(array.dtype, np.integer) else ""
        raise OptionError(f"audio must be an array of floats in [-1, 1], not {array.dtype}{hint}")
    if array.ndim not in (1, 2):
        raise OptionError(f"audio must be (samples, channels) or (samples,), not {array.shape}")
    if array.ndim == 2 and array.shape[1] > MOST_CHANNELS:
        raise OptionError(
            f"audio must be (samples, channels), not {array.shape}: transpose it with audio.T"
        )
    return to_float32(array)


def check_block(block: Any, channels: int) -> Audio:
    """Return a block of a sound as a float32 array, or raise OptionError if it cannot be one.

    Parameters
    ----------
    block : float array, (samples, channels)
        Or what `numpy.asarray` makes one of.
    channels : int
        Of the sound.

    Returns
    -------
    float32 array, (samples, channels)
        Not a copy, if it was float32 before.
    """
    array = to_array("a block", block)
    if not is_float(array) or array.ndim != 2 or array.shape[1] != channels:
        raise OptionError(
            f"a block must be a float array (samples, {channels}), not {array.dtype} {array.shape}"
        )
    return to_float32(array)


def to_array(name: str, value: Any) -> NDArray[Any]:
    """Return a value as an array, or raise OptionError with the reason that its library gives."""
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise OptionError(f"{name} cannot be made an array: {reason}") from error


def is_float(array: NDArray[Any]) -> bool:
    """Tell if an array holds floating-point numbers."""
    return np.issubdtype(array.dtype, np.floating)


def to_float32(array: NDArray[Any]) -> Audio:
    """Return an array as float32; what is too large for it becomes infinite."""
    with np.errstate(over="ignore"):
        return np.asarray(array, np.float32)


def check_sound(block: Audio, start: int) -> None:
    """Raise on the first sample that cannot be sound.

    Parameters
    ----------
    block : float32 array, (samples, channels)
    start : int
        Place of the block's first sample in the whole.

    Raises
    ------
    NonFiniteAudioError
        If the sample is NaN or infinite.
    AudioError
        If its magnitude is beyond 100.
    """
    if np.abs(block).max(initial=0) <= LOUDEST:  # false for NaN, too
        return
    sample, channel = np.argwhere(~(np.abs(block) <= LOUDEST))[0]
    found = f"sample {start + sample} of channel {channel} is {block[sample, channel]:g}"
    if not np.isfinite(block[sample, channel]):
        raise NonFiniteAudioError(f"{found}, not a finite number")
    raise AudioError(f"{found}, beyond {LOUDEST:g}: not scaled to [-1, 1], or damaged")


def check_estimate(estimate: NDArray[np.float32]) -> None:
    """Raise NonFiniteAudioError if a network has answered with NaN or infinity."""
    if not np.isfinite(estimate).all():
        raise NonFiniteAudioError(
            "the network answers with NaN or infinity: the model is damaged or cannot do this sound"
        )


def check_rate(sample_rate: Any) -> int:
    """Return a sample rate in Hz, or raise OptionError if it cannot be that of a sound."""
    rate = to_number(sample_rate)
    if not (rate.is_integer() and LOWEST_RATE <= rate <= HIGHEST_RATE):
        raise OptionError(
            f"sample_rate must be from {LOWEST_RATE} to {HIGHEST_RATE} Hz, "
            f"a whole number, not {short(sample_rate)}"
        )
    return int(rate)


def check_channels(channels: Any) -> int:
    """Return a number of channels, or raise OptionError if it cannot be that of a sound."""
    number = to_number(channels)
    if not (number.is_integer() and 1 <= number <= MOST_CHANNELS):
        raise OptionError(f"channels must be from 1 to {MOST_CHANNELS}, not {short(channels)}")
    return int(number)


def to_number(value: Any) -> float:
    """Return a number of any type as a float, and NaN for what is no number: text, too."""
    if isinstance(value, (str, bytes, bytearray, bool, np.bool_)):
        return math.nan
    try:
        return float(value) if np.ndim(value) == 0 else math.nan
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return math.nan
