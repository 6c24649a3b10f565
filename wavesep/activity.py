"""Vocal activity: the probability of singing in each frame, and the segments with singing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import ArrayLike, NDArray

from .audio.checks import check_array, check_estimate, check_rate, check_sound, to_number
from .dsp.channels import to_channels
from .dsp.stft import frame_windows
from .engines import open_network
from .errors import OptionError
from .models.files import ModelFile, read_model_file
from .models.frame_cnn.architecture import ActivityArchitecture, slide

FRAMES = 4096  # frames that are analysed at a time
MIN_LENGTH = 0.1  # seconds: less than a sixteenth note at 120 beats a minute


@dataclass(frozen=True)
class VocalActivity:
    """The vocal activity of a song.

    Attributes
    ----------
    probabilities : float32 array, (frames,)
        Probability of singing in each frame, from 0 to 1. It is 0 if the network's whole input is
        digital silence.
    times : float array, (frames,)
        Middle of each frame, in seconds.
    segments : list of (float, float)
        Start and end of each segment with singing, in seconds. No segment, and no pause between
        two segments, is shorter than ``min_length``.
    """

    probabilities: NDArray[np.float32]
    times: NDArray[np.float64]
    segments: list[tuple[float, float]]


def vocal_activity(
    audio: ArrayLike,
    sample_rate: int,
    *,
    model: str | os.PathLike[str] = "vocal_activity",
    threshold: float = 0.5,
    min_length: float = MIN_LENGTH,
) -> VocalActivity:
    """Find the times at which somebody sings.

    Parameters
    ----------
    audio : float array, (samples, channels) or (samples,)
        The mixture, in [-1, 1], with at most 64 channels. The network is given the mean of the
        channels. Lists and tensors that `numpy.asarray` can convert are accepted.
    sample_rate : int, from 1,000 to 768,000
        In Hz.
    model : str or path
        "vocal_activity", or the file of another `ActivityCnn`.
    threshold : float, in (0, 1)
        A frame has singing if its probability is at least this.
    min_length : float, >= 0
        In seconds. Shorter pauses are filled first, then shorter segments are removed. 0 keeps all
        pauses and segments.

    Returns
    -------
    VocalActivity
        With the shipped model, there is a frame every 11.6 ms. It depends on 0.15 s of audio before
        and after its middle.

    Raises
    ------
    OptionError
        If the shape, the type, the rate, the threshold or the length is not one of the above, or
        the model separates.
    EmptyAudioError
        If there are no samples.
    NonFiniteAudioError
        If a sample, or the network's output, is NaN or infinite.
    AudioError
        If a sample is beyond 100.
    ModelFileError
        If the model is missing, damaged or not a wavesep model.
    """
    sound, sample_rate = check_array(audio), check_rate(sample_rate)
    if not 0 < to_number(threshold) < 1:
        raise OptionError(f"threshold must be between 0 and 1, not {threshold!r}")
    if not 0 <= to_number(min_length) < np.inf:
        raise OptionError(f"min_length must be 0 s or more, not {min_length!r}")
    file = read_model_file(model)
    architecture = file.architecture
    if not isinstance(architecture, ActivityArchitecture):
        raise OptionError(f'{model} separates: use "vocal_activity" or another ActivityCnn')
    sound = sound.reshape(len(sound), -1)
    check_sound(sound, 0)
    mono = soxr.resample(to_channels(sound, 1)[:, 0], sample_rate, file.sample_rate)
    frames = 1 + len(mono) // architecture.hop
    probabilities = np.concatenate([*frame_probabilities(mono, frames, file, architecture)])
    check_estimate(probabilities)
    hop_seconds = architecture.hop / file.sample_rate
    times = np.arange(frames, dtype=np.float64) * hop_seconds
    end = len(sound) / sample_rate
    segments = sung_segments(probabilities >= threshold, hop_seconds, end)
    return VocalActivity(probabilities, times, long_segments(segments, min_length))


def frame_probabilities(
    mono: NDArray[np.float32], frames: int, file: ModelFile, architecture: ActivityArchitecture
) -> Iterator[NDArray[np.float32]]:
    """Yield the probabilities of up to `FRAMES` frames; the middle of frame k is ``k * hop``."""
    network = open_network(file)
    stft, around = architecture.stft, architecture.frames // 2
    before = around * stft.hop + stft.window // 2
    padded = np.pad(mono, (before, before + stft.hop))
    for first in range(0, frames, FRAMES):
        count = min(FRAMES, frames - first)
        end = (first + count + 2 * around - 1) * stft.hop + stft.window
        magnitudes = np.abs(stft.analyse(padded[np.newaxis, first * stft.hop : end]))
        answers = slide(network, magnitudes, architecture.frames)[0, :, 0]
        sounding = np.asarray(magnitudes.any(axis=1, keepdims=True), np.float32)
        heard = frame_windows(sounding, architecture.frames)[0].any(axis=(1, 2))
        yield np.where(heard, answers, np.float32(0))


def sung_segments(
    sung: NDArray[np.bool_], hop_seconds: float, end: float
) -> list[tuple[float, float]]:
    """Return start and end of each run of sung frames; a frame covers half a hop on each side."""
    edges = np.flatnonzero(np.diff(np.pad(sung.astype(np.int8), 1)))
    seconds = np.clip((edges - 0.5) * hop_seconds, 0.0, end)
    return [(float(a), float(b)) for a, b in zip(seconds[::2], seconds[1::2], strict=True)]


def long_segments(
    segments: list[tuple[float, float]], min_length: float
) -> list[tuple[float, float]]:
    """Join segments with a pause below ``min_length`` between them; remove shorter segments."""
    joined: list[tuple[float, float]] = []
    for begin, end in segments:
        if joined and begin - joined[-1][1] < min_length:
            begin = joined.pop()[0]
        joined.append((begin, end))
    return [(begin, end) for begin, end in joined if end - begin >= min_length]
