"""Find sung syllables in recordings, and analyse them with WORLD."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyworld
from melodies import FRAME
from numpy.typing import NDArray

from wavesep.dsp.mel import mel_power, power_to_db
from wavesep.dsp.pitch import hertz_to_key
from wavesep.dsp.stft import Stft
from wavesep.errors import AudioError

RATE = 48_000  # Hz
HOP = round(RATE * FRAME)
PITCHES = (65.0, 900.0)  # range of the pitch search, in Hz
BANDS, HIGHEST = 24, 10_000  # number of mel bands that measure changes, and their upper limit in Hz
REACH = 4  # a change is measured between so many frames before and after
STEADY = 6.0  # largest change of a vowel's bands, in dB
LOUD, HEARD = -20.0, -40.0  # least level of a vowel and of any sound, in dB below the loudest
BURST = 4.0  # a consonant is at most so many dB louder than its vowel
DB = np.log(10) / 10  # nepers of power in a dB
SHORTEST_VOWEL = round(0.08 / FRAME)  # frames
LONGEST_ONSET = round(0.25 / FRAME)
SAME_VOICE = 2.0  # notes of one voice are within so many semitones
MOST = 40  # most syllables of a song

Frames = NDArray[np.float64]


@dataclass(frozen=True)
class Syllable:
    """A consonant and the vowel after it, as frames of WORLD.

    Attributes
    ----------
    envelope, noise : float array, (frames, frequencies)
        Logarithm of the power, and share of noise (0 to 1). All vowels are equally loud.
    voiced : bool array, (frames,)
    onset : int
        Number of frames before the vowel. The vowel continues to the end.
    key : float
        Pitch of the vowel as a MIDI number.
    """

    envelope: Frames
    noise: Frames
    voiced: NDArray[np.bool_]
    onset: int
    key: float


def read_syllables(voice: Frames, rng: np.random.Generator) -> list[Syllable]:
    """Return sung syllables of about the same pitch.

    The pitch is that of one of the syllables, drawn at random. Syllables within two semitones of it
    are used.

    Parameters
    ----------
    voice : float64 array, (samples,)
        At 48 kHz.
    rng : numpy.random.Generator
        Draws the pitch, and up to 40 syllables.

    Raises
    ------
    AudioError
        If no syllable is found.
    """
    pitch, times = pyworld.dio(voice, RATE, *PITCHES, frame_period=1_000 * FRAME, speed=4)
    pitch = pyworld.stonemask(voice, pitch, times, RATE)
    found = find_syllables(voice, pitch)
    if not found:
        raise AudioError("no sung syllable is found in the recordings of its library")
    with np.errstate(divide="ignore"):
        keys = hertz_to_key(pitch)
    sung = np.array([np.median(keys[vowel:end]) for _, vowel, end in found])
    alike = np.flatnonzero(np.abs(sung - rng.choice(sung)) <= SAME_VOICE)
    chosen = rng.permutation(alike)[:MOST].tolist()
    return [take_apart(voice, pitch, times, found[i], float(sung[i])) for i in chosen]


def find_syllables(voice: Frames, pitch: Frames) -> list[tuple[int, int, int]]:
    """Return the frames of each syllable: its begin, the begin of its vowel, and its end.

    A vowel is voiced, loud, and changes little. A syllable begins at the quietest frame between its
    vowel and the one before.
    """
    power = mel_power(
        voice.astype(np.float32), RATE, Stft(2_048, HOP), bands=BANDS, highest=HIGHEST
    )[:, : len(pitch)]
    bands = power_to_db(power)
    before, after = bands[:, : -2 * REACH], bands[:, 2 * REACH :]
    change = np.pad(np.sqrt(np.square(after - before).mean(axis=0)), REACH, constant_values=np.inf)
    level = power_to_db(power.mean(axis=0))
    level -= level.max()
    steady = (pitch > 0) & (change < STEADY) & (level > LOUD)
    edges = np.flatnonzero(np.diff(steady, prepend=False, append=False)).reshape(-1, 2)
    syllables = []
    last = 0
    for vowel, end in edges[np.diff(edges)[:, 0] >= SHORTEST_VOWEL].tolist():
        first = max(last, vowel - LONGEST_ONSET)
        first += int(np.argmin(level[first : vowel + 1]))
        first += int(np.argmax(level[first : vowel + 1] > HEARD))
        syllables.append((first, vowel, end))
        last = end
    return syllables


def take_apart(
    voice: Frames, pitch: Frames, times: Frames, found: tuple[int, int, int], key: float
) -> Syllable:
    """Analyse a syllable with WORLD; ``found`` has its frames from `find_syllables`."""
    first, vowel, end = found
    pitch, times = pitch[first:end], times[first:end]
    envelope = np.log(pyworld.cheaptrick(voice, pitch, times, RATE))
    onset = vowel - first
    envelope -= np.log(np.exp(envelope[onset:]).mean())
    power = np.log(np.exp(envelope).mean(axis=1, keepdims=True))
    envelope -= np.maximum(0, power - BURST * DB)
    # every second frame is enough, and this is the slowest step
    noise = pyworld.d4c(voice, pitch[::2].copy(), times[::2].copy(), RATE)
    return Syllable(envelope, noise.repeat(2, axis=0)[: len(envelope)], pitch > 0, onset, key)
