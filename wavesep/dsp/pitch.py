"""Pitch: the fundamental frequency of a voice."""

from __future__ import annotations

import librosa
import numpy as np
from numpy.typing import NDArray

LOWEST, HIGHEST = 65.0, 1_000.0  # Hz, the range of singing: C2 to about C6
PERIODS = 3  # of the lowest note, in pYIN's frame: fewer follow a voice, and YIN needs two


def track_f0(
    audio: NDArray[np.float32],
    sample_rate: int,
    window: int,
    hop: int,
    *,
    lowest: float = LOWEST,
    highest: float = HIGHEST,
    resolution: float = 0.2,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
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
    f0, voiced, _ = librosa.pyin(
        about, sr=sample_rate, fmin=lowest, fmax=highest, frame_length=length, hop_length=hop,
        resolution=resolution, center=False,
    )  # fmt: skip
    return f0, voiced
