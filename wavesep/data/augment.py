"""Augmentations: small functions ``(audio, rng, ...) -> audio``; each makes one change.

Conventions
-----------
Audio is ``(samples, channels)``. A new array is returned; the given one is not changed. All random
numbers are drawn from ``rng``. All functions but the filters, `low_pass` and `equalise`, are
memoryless. So a snippet may be longer than the part that the loss uses.
"""

from __future__ import annotations

import numpy as np
from scipy import signal

from ..audio import Audio

EQUALISER_TAPS = 511  # odd, so that the filter has a middle tap and, centred on it, no delay


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a number between two bounds above 0, uniformly on a log scale."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def gain(audio: Audio, rng: np.random.Generator, low_db: float, high_db: float) -> Audio:
    """Multiply the whole snippet by one gain, drawn uniformly in dB between the two bounds."""
    return audio * np.float32(10 ** (rng.uniform(low_db, high_db) / 20))


def pan(audio: Audio, rng: np.random.Generator, most_db: float) -> Audio:
    """Change the level of left against right by up to ``most_db`` dB; stereo only."""
    if audio.shape[1] != 2:
        return audio.copy()
    half_db = rng.uniform(-most_db, most_db) / 2
    gains = np.array([10 ** (half_db / 20), 10 ** (-half_db / 20)], dtype=np.float32)
    return audio * gains


def width(audio: Audio, rng: np.random.Generator, low: float, high: float) -> Audio:
    """Scale the difference of left and right: 0 makes mono, 1 keeps the width; stereo only."""
    if audio.shape[1] != 2:
        return audio.copy()
    mid: Audio = (audio[:, :1] + audio[:, 1:]) * np.float32(0.5)
    return mid + (audio - mid) * np.float32(rng.uniform(low, high))


def mono(audio: Audio) -> Audio:
    """Replace every channel by the mean of all channels."""
    if audio.shape[1] == 1:
        return audio.copy()
    return np.repeat(audio.mean(axis=1, keepdims=True), audio.shape[1], axis=1)


def flip_polarity(audio: Audio, rng: np.random.Generator) -> Audio:
    """Change the sign of the whole snippet with a probability of 1/2."""
    return -audio if rng.random() < 0.5 else audio.copy()


def swap_channels(audio: Audio, rng: np.random.Generator) -> Audio:
    """Reverse the order of the channels with a probability of 1/2."""
    return audio[:, ::-1].copy() if rng.random() < 0.5 else audio.copy()


def low_pass(
    audio: Audio, rng: np.random.Generator, low_hz: float, high_hz: float, sample_rate: int
) -> Audio:
    """Low-pass without delay; the cut-off is drawn between the two bounds on a log scale."""
    cutoff = log_uniform(rng, low_hz, high_hz)
    if cutoff >= sample_rate / 2:
        return audio.copy()
    # filtered forwards and backwards: no phase shift, so vocals keep their place in time
    sos = signal.butter(6, cutoff, fs=sample_rate, output="sos")
    return signal.sosfiltfilt(sos, audio, axis=0, padtype=None).astype(np.float32)


def equalise(audio: Audio, rng: np.random.Generator, most_db: float, sample_rate: int) -> Audio:
    """Raise or lower each octave by up to ``most_db`` dB, without delay.

    The gain is drawn at nine frequencies an octave apart; the highest is half the sample rate.
    """
    octaves = sample_rate / 2 / 2.0 ** np.arange(8, -1, -1)
    gains = 10 ** (rng.uniform(-most_db, most_db, len(octaves)) / 20)
    shape = signal.firwin2(EQUALISER_TAPS, [0, *octaves], [gains[0], *gains], fs=sample_rate)
    equal: Audio = signal.oaconvolve(audio, shape[:, None].astype(np.float32), "same", axes=0)
    return equal


def white_noise(audio: Audio, rng: np.random.Generator, low_db: float, high_db: float) -> Audio:
    """Add white noise; its RMS is drawn between the two levels, in dB of full scale."""
    level = 10 ** (rng.uniform(low_db, high_db) / 20)
    return audio + np.float32(level) * rng.standard_normal(audio.shape, dtype=np.float32)


def mute(audio: Audio) -> Audio:
    """Return silence of the same shape."""
    return np.zeros_like(audio)
