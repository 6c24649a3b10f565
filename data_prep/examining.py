"""Measure the properties of one file of a prepared set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray
from scipy import signal

from wavesep import Separator
from wavesep.audio import Audio

FULL = 0.999  # share of full scale that clipped samples exceed
CLIPPED_RUN = 3  # so many samples in a row are not clipped by chance
QUIET = 1e-3  # RMS of a tenth of a second that counts as silent: -60 dB of full scale
WINDOW = 4_096  # samples, of spectra
SHELF_DB = 30  # a cut-off spectrum falls by this within SHELF_HZ
SHELF_HZ = 1_000
LOWEST_SHELF = 3_000  # Hz; below it, a loud bass looks like a cut-off
LISTEN = 20.0  # seconds in the middle of a file that the model separates

# Fingerprints: J. Haitsma and T. Kalker, "A Highly Robust Audio Fingerprinting System",
# ISMIR 2002: 33 bands between 300 and 2,000 Hz, and whether their differences grow
PRINT_RATE = 5_512  # Hz
PRINT_WINDOW, PRINT_HOP = 2_048, 64
PRINT_BANDS = np.geomspace(300, 2_000, 34)


@dataclass(frozen=True)
class Examined:
    """The properties of a file.

    Attributes
    ----------
    silent : float
        Share of its tenths of a second whose RMS is below -60 dB of full scale.
    clipped : int
        Number of runs of three or more samples at full scale.
    offset : float
        Largest absolute mean of a channel; full scale is 1.
    mono : bool
        Whether there are several channels, and all are the same.
    bandwidth : float
        Frequency at which the spectrum ends, in Hz, or half the sample rate.
    vocals : float
        Level of the model's vocals relative to the file, in dB; nan if it is silent or there is no
        model.
    prints : uint32 array
        The fingerprint: a number for each 12 ms, 0 where it is silent.
    """

    silent: float
    clipped: int
    offset: float
    mono: bool
    bandwidth: float
    vocals: float
    prints: NDArray[np.uint32]


def examine(audio: Audio, sample_rate: int, separator: Separator | None) -> Examined:
    """Measure a file; without a separator, the level of its vocals is nan."""
    return Examined(
        silent=silent_share(audio, sample_rate),
        clipped=clipped_runs(audio),
        offset=float(np.abs(audio.mean(axis=0)).max()),
        mono=audio.shape[1] > 1 and not np.ptp(audio, axis=1).any(),
        bandwidth=bandwidth(audio, sample_rate),
        vocals=vocals_db(audio, sample_rate, separator) if separator else float("nan"),
        prints=fingerprint(audio, sample_rate),
    )


def silent_share(audio: Audio, sample_rate: int) -> float:
    """Return the share of tenths of a second that are silent."""
    tenth = max(min(sample_rate // 10, len(audio)), 1)
    parts = audio[: len(audio) // tenth * tenth].reshape(-1, tenth * audio.shape[1])
    return float((np.sqrt(np.square(parts).mean(axis=1)) < QUIET).mean())


def clipped_runs(audio: Audio) -> int:
    """Return the number of runs of samples at full scale, over all channels."""
    high = np.abs(audio) >= FULL
    edge = np.zeros((1, audio.shape[1]), bool)
    steps = np.diff(np.concatenate([edge, high, edge]).astype(np.int8), axis=0).T
    lengths = np.flatnonzero(steps.ravel() == -1) - np.flatnonzero(steps.ravel() == 1)
    return int((lengths >= CLIPPED_RUN).sum())


def bandwidth(audio: Audio, sample_rate: int) -> float:
    """Return the frequency at which the spectrum ends, in Hz, as that of an MP3 does.

    It is the highest frequency above 3 kHz at which the maximum spectrum falls by 30 dB or more
    within 1 kHz and stays below. If there is none, it is half the sample rate.
    """
    window = min(WINDOW, len(audio))
    _, _, power = signal.spectrogram(
        audio.mean(axis=1), sample_rate, "hann", window, 0, detrend=False
    )
    level = 10 * np.log10(power.max(axis=1, initial=0) + 1e-20)
    after = np.maximum.accumulate(level[::-1])[::-1]  # the maximum at and above each frequency
    width = max(round(SHELF_HZ * window / sample_rate), 1)
    falls = level[:-width] - after[width:]
    places = np.flatnonzero(falls >= SHELF_DB)
    places = places[places > LOWEST_SHELF * window / sample_rate]
    if not len(places):
        return sample_rate / 2
    # the first frequency that falls is more exact than the last, which leakage blurs
    edge = places[places > places[-1] - 1.5 * width][0] + width
    return float(edge) * sample_rate / window


def vocals_db(audio: Audio, sample_rate: int, separator: Separator) -> float:
    """Return the level of a model's vocals in the middle of a file, in dB relative to the file."""
    length = round(LISTEN * sample_rate)
    start = max((len(audio) - length) // 2, 0)
    part = audio[start : start + length]
    power = float(np.square(part).mean())
    if not power:
        return float("nan")
    vocals = separator.separate(part, sample_rate)["vocals"]
    return 10 * float(np.log10(np.square(vocals).mean() / power + 1e-12))


def fingerprint(audio: Audio, sample_rate: int) -> NDArray[np.uint32]:
    """Return a number for each 12 ms, which level and format hardly change; 0 for silence."""
    mono = soxr.resample(audio.mean(axis=1), sample_rate, PRINT_RATE)
    if len(mono) < PRINT_WINDOW + PRINT_HOP:
        return np.zeros(0, np.uint32)
    frequencies, _, power = signal.spectrogram(
        mono, PRINT_RATE, "hann", PRINT_WINDOW, PRINT_WINDOW - PRINT_HOP, detrend=False
    )
    bands = np.add.reduceat(power, np.searchsorted(frequencies, PRINT_BANDS), axis=0)[:-1]
    grows = np.diff(np.diff(bands, axis=0), axis=1) > 0
    numbers = (2 ** np.arange(len(grows), dtype=np.uint32)) @ grows.astype(np.uint32)
    quiet = bands.sum(axis=0)[1:] < QUIET**2 / PRINT_RATE
    prints: NDArray[np.uint32] = np.where(quiet, 0, numbers).astype(np.uint32)
    return prints
