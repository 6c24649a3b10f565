"""Checks of the arguments and the audio that callers pass in.

The checks of arguments return the value in the type that the library uses.
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
    """Check audio and return it as a float32 array.

    Parameters
    ----------
    audio : float array, (samples, channels) or (samples,)
        Lists, and tensors of PyTorch, TensorFlow or JAX, that `numpy.asarray` can convert are
        accepted.

    Returns
    -------
    float32 array, of the shape of ``audio``
        Not a copy if ``audio`` is a float32 array.

    Raises
    ------
    OptionError
        If the values are not floats, the shape is another, or there are more than 64 channels.
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
    """Check a block of a stream and return it as a float32 array.

    Parameters
    ----------
    block : float array, (samples, channels)
        Lists and tensors that `numpy.asarray` can convert are accepted.
    channels : int
        Channels of the stream.

    Returns
    -------
    float32 array, (samples, channels)
        Not a copy if ``block`` is a float32 array.

    Raises
    ------
    OptionError
        If the values are not floats, or the shape is another.
    """
    array = to_array("a block", block)
    if not is_float(array) or array.ndim != 2 or array.shape[1] != channels:
        raise OptionError(
            f"a block must be a float array (samples, {channels}), not {array.dtype} {array.shape}"
        )
    return to_float32(array)


def to_array(name: str, value: Any) -> NDArray[Any]:
    """Convert a value to an array.

    Raises
    ------
    OptionError
        If its library cannot convert it; the message has the reason.
    """
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise OptionError(f"{name} cannot be converted to an array: {reason}") from error


def is_float(array: NDArray[Any]) -> bool:
    """Return whether an array holds floating-point numbers."""
    return np.issubdtype(array.dtype, np.floating)


def to_float32(array: NDArray[Any]) -> Audio:
    """Convert an array to float32; values that are too large become infinite."""
    with np.errstate(over="ignore"):
        return np.asarray(array, np.float32)


def check_sound(block: Audio, start: int) -> None:
    """Check that all samples of a block are finite and at most 100 in magnitude.

    Parameters
    ----------
    block : float32 array, (samples, channels)
    start : int
        Position of the block's first sample in the whole audio.

    Raises
    ------
    NonFiniteAudioError
        If the first bad sample is NaN or infinite.
    AudioError
        If the magnitude of the first bad sample is beyond 100.
    """
    if np.abs(block).max(initial=0) <= LOUDEST:  # false for NaN, too
        return
    sample, channel = np.argwhere(~(np.abs(block) <= LOUDEST))[0]
    found = f"sample {start + sample} of channel {channel} is {block[sample, channel]:g}"
    if not np.isfinite(block[sample, channel]):
        raise NonFiniteAudioError(f"{found}, not a finite number")
    raise AudioError(f"{found}, beyond {LOUDEST:g}: scale the audio to [-1, 1] or repair it")


def check_estimate(estimate: NDArray[np.float32]) -> None:
    """Check that the output of a network is finite.

    Raises
    ------
    NonFiniteAudioError
        If it contains NaN or infinity.
    """
    if not np.isfinite(estimate).all():
        raise NonFiniteAudioError(
            "the network's output is NaN or infinite: "
            "the model is damaged or unfit for this audio, so use another model"
        )


def check_rate(sample_rate: Any) -> int:
    """Check a sample rate and return it in Hz.

    Raises
    ------
    OptionError
        If it is not a whole number from 1,000 to 768,000.
    """
    rate = to_number(sample_rate)
    if not (rate.is_integer() and LOWEST_RATE <= rate <= HIGHEST_RATE):
        raise OptionError(
            f"sample_rate must be from {LOWEST_RATE} to {HIGHEST_RATE} Hz, "
            f"a whole number, not {short(sample_rate)}"
        )
    return int(rate)


def check_channels(channels: Any) -> int:
    """Check a number of channels and return it.

    Raises
    ------
    OptionError
        If it is not a whole number from 1 to 64.
    """
    number = to_number(channels)
    if not (number.is_integer() and 1 <= number <= MOST_CHANNELS):
        raise OptionError(f"channels must be from 1 to {MOST_CHANNELS}, not {short(channels)}")
    return int(number)


def to_number(value: Any) -> float:
    """Convert a number of any type to a float; text and all that is not a number become NaN."""
    if isinstance(value, (str, bytes, bytearray, bool, np.bool_)):
        return math.nan
    try:
        return float(value) if np.ndim(value) == 0 else math.nan
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return math.nan


def part_of_song(sample_rate: int, start: float, duration: float | None) -> tuple[int, int | None]:
    """Return the first sample and the end of a part (None: of the song), or raise OptionError."""
    begin, length = to_number(start), MOST_SECONDS if duration is None else to_number(duration)
    if not (0 <= begin <= MOST_SECONDS and 0 < length <= MOST_SECONDS):
        raise OptionError(
            "start must be 0 s or more and duration more than 0 s, "
            f"each {MOST_SECONDS:g} s at most, not {start!r} and {duration!r}"
        )
    first = round(begin * sample_rate)
    if duration is None:
        return first, None
    return first, max(round((begin + length) * sample_rate), first + 1)
