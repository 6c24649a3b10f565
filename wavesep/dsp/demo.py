"""A short mixture made out of sines and noise, for when no song is at hand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..audio import Audio

BEAT = 0.5  # seconds
MELODY = (57, 60, 64, 62, 60, 57, 55, 57)  # MIDI notes, one for two beats
CHORDS = ((45, 57, 60, 64), (41, 57, 60, 65), (43, 55, 59, 62), (45, 57, 60, 64))
FORMANTS = ((700, 130), (1_220, 170), (2_600, 250))  # Hz and bandwidth: the vowel of «far»

Samples = NDArray[np.float64]


def demo_song(sample_rate: int = 44_100) -> tuple[Audio, Audio]:
    """Make eight seconds of a voice-like sound, and of chords and a drum.

    Parameters
    ----------
    sample_rate : int
        In Hz.

    Returns
    -------
    vocals, accompaniment : float32 array, (samples, 2)
        Their sum stays within [-1, 1].
    """
    time = np.arange(round(len(MELODY) * 2 * BEAT * sample_rate)) / sample_rate
    voice = sing(time)
    chords = sum(saw(time, hertz(notes)) for notes in zip(*CHORDS, strict=True))
    drum = np.random.default_rng(0).standard_normal(len(time)) * np.exp(-30 * (time % BEAT))
    return (
        in_stereo(0.25 * voice / np.abs(voice).max(), 1.0),
        in_stereo(0.3 * chords / np.abs(chords).max(), 0.6) + in_stereo(0.06 * drum, 1.4),
    )


def hertz(notes: tuple[int, ...]) -> list[float]:
    """Return the frequencies of MIDI notes."""
    return [440 * 2 ** ((note - 69) / 12) for note in notes]


def hold(values: list[float], time: Samples) -> Samples:
    """Spread values evenly over the time, each held until the next."""
    return np.repeat(values, -(-len(time) // len(values)))[: len(time)]


def sing(time: Samples) -> Samples:
    """Sum the harmonics of a melody with vibrato, each as loud as the vowel's formants make it."""
    pitch = hold(hertz(MELODY), time) * (1 + 0.01 * np.sin(2 * np.pi * 5.5 * time))
    phase = 2 * np.pi * np.cumsum(pitch) * (time[1] - time[0])
    voice = np.zeros_like(time)
    for harmonic in range(1, 20):
        frequency = harmonic * pitch
        loudness = sum(1 / (1 + ((frequency - f) / width) ** 2) for f, width in FORMANTS)
        voice += loudness * np.sin(harmonic * phase)
    breath = np.minimum(1, 12 * (time % (2 * BEAT))) * np.minimum(1, 8 * (-time % (2 * BEAT)))
    return voice * breath


def saw(time: Samples, frequencies: list[float]) -> Samples:
    """Sum the first harmonics of a saw whose pitch changes from chord to chord."""
    phase = 2 * np.pi * np.cumsum(hold(frequencies, time)) * (time[1] - time[0])
    return np.sum([np.sin(k * phase) / k for k in range(1, 12)], axis=0)


def in_stereo(mono: Samples, left_gain: float) -> Audio:
    """Place a sound: 1 is the middle, less lies to the right and more to the left."""
    return np.stack([left_gain * mono, (2 - left_gain) * mono], axis=1).astype(np.float32)
