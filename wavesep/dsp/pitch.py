"""Pitch: the fundamental frequency of a voice."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

LOWEST, HIGHEST = 65.0, 1_000.0  # Hz, the range of singing: C2 to about C6
PERIODS = 3  # of the lowest note, in pYIN's frame: fewer follow a voice, and YIN needs two

# the parameters of librosa.pyin, most of them those of the paper
THRESHOLDS = np.linspace(0, 1, 101)
BETA = 18  # the prior of the thresholds is the beta distribution (2, 18), whose mean is 0.1
BOLTZMANN = 2.0  # of two periods below a threshold, the prior of the longer one is exp(-2) times
NO_TROUGH = 0.01  # probability of the lowest trough where a threshold is below all
SWITCH = 0.01  # probability that a voice begins or ends from frame to frame
GLIDE = 35.92 * 12  # semitones a second: the fastest glide

Floats = NDArray[np.float64]


def track_f0(
    audio: NDArray[np.float32],
    sample_rate: int,
    window: int,
    hop: int,
    *,
    lowest: float = LOWEST,
    highest: float = HIGHEST,
    resolution: float = 0.2,
) -> tuple[Floats, NDArray[np.bool_]]:
    """Track the fundamental frequency of one voice by pYIN [1]_.

    The frames are those of ``Stft(window, hop).analyse(audio)``. Around the middle of each, pYIN is
    given three periods of the lowest frequency, whatever the window. It then searches the best
    path through the whole sound.

    Parameters
    ----------
    audio : float32 array, (samples,)
        Mono. The voice should be the loudest tone: in a mixture, pYIN may track another one.
    sample_rate : int, >= 2 * highest
        In Hz.
    window, hop : int
        Samples in a frame and from frame to frame.
    lowest, highest : float, > 0
        Range of the search, in Hz.
    resolution : float, in (0, 1)
        Step of the search, in semitones. Half the step takes four times as long.

    Returns
    -------
    f0 : float64 array, (frames,)
        In Hz; nan in frames that are not voiced.
    voiced : bool array, (frames,)
        Both arrays are empty if the sound is shorter than the window.

    References
    ----------
    .. [1] M. Mauch and S. Dixon, "pYIN: a fundamental frequency estimator using probabilistic
       threshold distributions", ICASSP 2014.
    """
    if len(audio) < window:
        return np.zeros(0), np.zeros(0, bool)
    length = window + 2 * round((PERIODS * sample_rate / lowest - window) / 2)
    spare = (length - window) // 2  # on each side: the number and middles of frames stay the same
    about = np.pad(audio, spare) if spare > 0 else audio[-spare : len(audio) + spare]
    frames = sliding_window_view(about, length)[::hop]
    steps = int(np.ceil(1 / resolution))  # in a semitone

    periods, chances = period_candidates(frames, sample_rate, lowest, highest)
    frame, lag = np.nonzero(chances)
    place = np.round(12 * steps * np.log2(sample_rate / periods[frame, lag] / lowest))
    seen = np.zeros((len(frames), int(12 * steps * np.log2(highest / lowest)) + 1))
    inside = place < seen.shape[1]
    seen[frame[inside], place[inside].clip(0).astype(int)] = chances[frame, lag][inside]

    path, voiced = best_path(seen, round(GLIDE * hop / sample_rate) * steps // 2)
    return np.where(voiced, lowest * 2 ** (path / (12 * steps)), np.nan), voiced


def period_candidates(
    frames: NDArray[np.float32], sample_rate: int, lowest: float, highest: float
) -> tuple[Floats, Floats]:
    """Return periods, in samples, and the probability that each is that of its frame.

    Both arrays are ``(frames, lags)``. Most probabilities are 0: only troughs of the difference
    function are candidates.
    """
    shortest = int(sample_rate / highest)
    longest = min(int(np.ceil(sample_rate / lowest)), frames.shape[1] - 1)
    difference = normalized_difference(frames, longest)[:, shortest - 1 :]
    before, here, after = difference[:, :-2], difference[:, 1:-1], difference[:, 2:]

    trough = np.zeros(difference.shape, bool)
    trough[:, 1:-1] = (here < before) & (here <= after)
    trough[:, 0] = difference[:, 0] < difference[:, 1]
    trough[:, -1] = difference[:, -1] < difference[:, -2]
    chances = np.zeros(difference.shape)
    for chance, heights, places in zip(chances, difference, trough, strict=True):
        chance[places] = trough_probabilities(heights[places])

    periods = np.tile(np.arange(shortest, longest + 1, dtype=float), (len(frames), 1))
    bend, slope = before + after - 2 * here, (after - before) / 2
    sharp = np.abs(slope) < np.abs(bend)  # else the parabola's lowest point is at another lag
    periods[:, 1:-1] -= np.divide(slope, bend, out=np.zeros_like(bend), where=sharp)
    return periods, chances


def normalized_difference(frames: NDArray[np.float32], longest: int) -> NDArray[np.float32]:
    """Return YIN's cumulative mean normalized difference [1]_, equation 8, at lags from 1 on.

    The sound is taken as silent after each frame. So the frames ``(frames, samples)`` give
    ``(frames, longest)``.

    References
    ----------
    .. [1] A. de Cheveigné and H. Kawahara, "YIN, a fundamental frequency estimator for speech and
       music", JASA 111(4), 2002.
    """
    size = 1 << (frames.shape[1] + longest - 1).bit_length()
    power = np.square(np.abs(np.fft.rfft(frames, size)))
    products = np.fft.irfft(power, size)[:, : longest + 1]
    energy = np.cumsum(np.square(frames[:, :longest]), axis=1)  # of the samples that the lag skips
    difference = 2 * (products[:, :1] - products[:, 1:]) - energy
    mean = np.cumsum(difference, axis=1) / np.arange(1, longest + 1)
    return np.asarray(difference / (mean + np.finfo(np.float32).tiny), np.float32)


def trough_probabilities(heights: NDArray[np.float32]) -> Floats:
    """Return the probability of each trough of one frame, the shortest period first.

    Each threshold has a prior. It is shared by the troughs below it, most of it going to the
    shortest periods.
    """
    # the beta distribution's cumulative function, of its integer parameters 2 and b:
    # 1 - (1 - x) ** b * (1 + b * x)
    cumulative = 1 - (1 - THRESHOLDS) ** BETA * (1 + BETA * THRESHOLDS)
    prior = np.diff(cumulative)
    below = heights[:, None] < THRESHOLDS[1:]
    shares = np.where(below, np.exp(-BOLTZMANN * (np.cumsum(below, axis=0) - 1)), 0)
    shares /= np.maximum(shares.sum(axis=0), 1)
    chances: Floats = shares @ prior
    if len(heights):
        lowest = np.argmin(heights)
        chances[lowest] += NO_TROUGH * prior[~below[lowest]].sum()
    return chances


def best_path(seen: Floats, reach: int) -> tuple[NDArray[np.int_], NDArray[np.bool_]]:
    """Return the most probable path through pitches, voiced or not, by Viterbi's algorithm.

    Parameters
    ----------
    seen : float64 array, (frames, bins)
        Probability of each pitch in each frame. What is missing to 1 is that of no voice.
    reach : int
        From frame to frame, the pitch moves by fewer bins or as many; small steps are likelier.

    Returns
    -------
    path : int array, (frames,)
        Bins.
    voiced : bool array, (frames,)
    """
    frames, bins = seen.shape
    silent = np.clip(1 - seen.sum(axis=1, keepdims=True), 0, 1) / bins
    tiny = np.finfo(float).tiny  # no frame ends a path
    chances = np.log(np.stack([seen, np.broadcast_to(silent, seen.shape)], axis=1) + tiny)
    step = np.log(1 - np.abs(np.arange(-reach, reach + 1)) / (reach + 1))
    band = sliding_window_view(np.pad(np.zeros(bins), reach, constant_values=-np.inf), bins)
    leave = np.log(np.exp(band + step[:, None]).sum(axis=0))  # all steps that end at a bin
    switch = np.log([[1 - SWITCH, SWITCH], [SWITCH, 1 - SWITCH]])

    value = chances[0]
    edge = np.full((2, bins + 2 * reach), -np.inf)
    windows = sliding_window_view(edge, 2 * reach + 1, axis=1)
    came, turned = np.zeros((2, frames, 2, bins), int)
    for k in range(1, frames):
        edge[:, reach : reach + bins] = value - leave
        steps = windows + step
        origin = steps.argmax(axis=2)
        moved = np.take_along_axis(steps, origin[..., None], axis=2)[..., 0]
        both = moved[:, None] + switch[..., None]  # from, to, bin
        turned[k] = both.argmax(axis=0)
        came[k] = origin + np.arange(bins) - reach
        value = both.max(axis=0) + chances[k]

    state, place = np.unravel_index(value.argmax(), value.shape)
    states, path = np.zeros((2, frames), int)
    for k in range(frames - 1, -1, -1):
        states[k], path[k] = state, place
        state, place = turned[k, state, place], came[k, turned[k, state, place], place]
    return path, states == 0


def hertz_to_key(hertz: ArrayLike) -> Floats:
    """Return MIDI numbers of frequencies: 69 is A4, 440 Hz; a semitone is 1."""
    return np.asarray(69 + 12 * np.log2(np.asarray(hertz) / 440))


def key_to_hertz(key: ArrayLike) -> Floats:
    """Undo `hertz_to_key`."""
    return np.asarray(440 * 2 ** ((np.asarray(key) - 69) / 12))
