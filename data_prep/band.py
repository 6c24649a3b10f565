"""A band that accompanies a melody: drums, bass and chords, as notes for a synthesizer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from melodies import SCALES
from numpy.typing import NDArray
from pretty_midi import Instrument, Note

STEPS = 16  # sixteenth notes in a bar of four beats
HALF_BAR = STEPS // 2
SEVEN_TONES = [scale for scale in SCALES if len(scale) == 7]

# General MIDI's programs
CHORDS = (*range(8), 11, 12, 15, *range(16, 22), *range(24, 29), 45, 46, 62, 104, 106, 107)
BASSES = tuple(range(32, 40))
PADS = (16, 18, 19, 20, 44, 48, 49, 50, 51, 61, 62, 63, 88, 89, 90, 92, 93, 94, 95)
GUITARS = (27, 28, 29, 30)  # electric: clean, muted, overdriven, distorted
KICK, SNARES, CYMBALS = 36, (37, 38, 39, 40), (42, 44, 46, 51, 54, 69, 70, 82)

Chord = list[int]  # pitch classes, the root first


@dataclass(frozen=True)
class Tune:
    """The key, the tempo and the chords of a piece.

    Attributes
    ----------
    tonic : int
        Pitch class: 0 is C.
    scale : tuple of int
        Semitones above the tonic.
    steps : float array, (steps,)
        Begin of each sixteenth note of all bars, in seconds.
    chords : list of list of int
        The chord of each half bar.
    """

    tonic: int
    scale: tuple[int, ...]
    steps: NDArray[np.float64]
    chords: list[Chord]

    @property
    def step(self) -> float:
        """Length of a sixteenth note, in seconds."""
        return float(self.steps[1] - self.steps[0])

    def chord(self, i: int) -> Chord:
        """Return the chord at sixteenth note i."""
        return self.chords[i // HALF_BAR]


def draw_tune(seconds: float, rng: np.random.Generator) -> Tune:
    """Draw a key, a tempo of 60 to 180 beats per minute, and chords that repeat."""
    tonic = int(rng.integers(12))
    scale = SEVEN_TONES[rng.integers(len(SEVEN_TONES))]
    steps = np.arange(0, seconds, 60 / rng.uniform(60, 180) / 4)
    size = 4 if rng.random() < 0.3 else 3  # sevenths or triads
    degrees = [[0, *rng.integers(7, size=3)] for _ in range(2)]  # the two parts of the harmony
    bars = [*degrees[0], *degrees[0], *degrees[1], *degrees[1]]
    wanted = -(-len(steps) // HALF_BAR)
    chords = [
        [(tonic + scale[(degree + 2 * i) % 7]) % 12 for i in range(size)]
        for degree in np.resize(np.repeat(bars, 2), wanted)
    ]
    return Tune(tonic, scale, steps, chords)


def drums(tune: Tune, rng: np.random.Generator) -> Instrument:
    """Return a bar of drums that repeats, with a few random changes."""
    snare = np.tile([0, 0, 0, 0.03, 0.9, 0.03, 0.05, 0.05], 2)
    bar = {
        KICK: rng.random(STEPS) < np.tile([0.9, 0.02, 0.15, 0.05, 0.2, 0.02, 0.2, 0.05], 2),
        int(rng.choice(SNARES)): rng.random(STEPS) < snare,
        int(rng.choice(CYMBALS)): np.arange(STEPS) % rng.choice([1, 2, 4]) == 0,
    }
    loud = {key: int(rng.integers(50, 120)) for key in bar}
    drum = Instrument(0, is_drum=True)
    for i, begin in enumerate(tune.steps):
        for key, hits in bar.items():
            if hits[i % STEPS] ^ (rng.random() < 0.04):
                drum.notes.append(note(begin, 0.2, key, loud[key], rng))
    return drum


def bass(tune: Tune, rng: np.random.Generator) -> Instrument:
    """Return a bass line: mostly the roots of the chords, sometimes another of their tones."""
    rhythm = rng.random(STEPS) < np.tile([1, 0.02, 0.3, 0.1], 4) * rng.uniform(0.4, 1)
    rhythm[[0, HALF_BAR]] = True
    lowest = int(rng.integers(26, 36))
    played = Instrument(int(rng.choice(BASSES)))
    for i in np.flatnonzero(np.resize(rhythm, len(tune.steps))).tolist():
        chord = tune.chord(i)
        tone = chord[0] if rng.random() < 0.8 else int(rng.choice(chord))
        length = tune.step * rng.choice([1, 2, 4])
        played.notes.append(note(tune.steps[i], length, above(lowest, tone), 90, rng))
    return played


def harmony(tune: Tune, rng: np.random.Generator) -> Instrument:
    """Return chords in a rhythm, as chords or as arpeggios."""
    broken = rng.random() < 0.5
    rhythm = rng.random(STEPS) < np.tile(rng.permutation([1, 0.1, 0.5, 0.1]), 4)
    if broken:
        rhythm = np.arange(STEPS) % rng.choice([1, 2]) == 0
    lowest = int(rng.integers(45, 66))
    length = tune.step * rng.choice([1, 2, 4])
    turn = rng.permutation(4)
    played = Instrument(int(rng.choice(CHORDS)))
    for i in np.flatnonzero(np.resize(rhythm, len(tune.steps))).tolist():
        keys = sorted(above(lowest, tone) for tone in tune.chord(i))
        keys.append(keys[0] + 12)
        strum = rng.uniform(0, 0.02)
        for j, key in enumerate([keys[turn[i % 4] % len(keys)]] if broken else keys):
            played.notes.append(note(tune.steps[i] + j * strum, length, key, 80, rng))
    return played


def pad(tune: Tune, rng: np.random.Generator) -> Instrument:
    """Return sustained chords."""
    lowest = int(rng.integers(48, 66))
    played = Instrument(int(rng.choice(PADS)))
    for chord, begin in zip(tune.chords, tune.steps[::HALF_BAR], strict=True):
        for tone in chord:
            played.notes.append(note(begin, HALF_BAR * tune.step, above(lowest, tone), 70, rng))
    return played


def power_chords(tune: Tune, rng: np.random.Generator) -> Instrument:
    """Return power chords in a rhythm: roots with their fifths and octaves."""
    rhythm = rng.random(STEPS) < np.tile([1, rng.choice([0, 0.5]), rng.choice([0.3, 1]), 0.1], 4)
    rhythm[[0, HALF_BAR]] = True
    begins = np.flatnonzero(np.resize(rhythm, len(tune.steps)))
    held = rng.uniform(0.4, 1)  # share of the time to the next chord
    lowest = int(rng.integers(38, 46))
    played = Instrument(int(rng.choice(GUITARS)))
    for i, after in zip(begins.tolist(), np.diff(begins, append=len(tune.steps)), strict=True):
        root = above(lowest, tune.chord(i)[0])
        for interval in (0, 7, 12):
            length = held * after * tune.step
            played.notes.append(note(tune.steps[i], length, root + interval, 100, rng))
    return played


def above(lowest: int, tone: int) -> int:
    """Return the first key, from the lowest key upwards, with this pitch class."""
    return lowest + (tone - lowest) % 12


def note(begin: float, length: float, key: int, velocity: int, rng: np.random.Generator) -> Note:
    """Return a note with small random changes of its time and velocity, as people play."""
    begin = max(0.0, begin + rng.normal(0, 0.006))
    loud = int(np.clip(velocity + rng.normal(0, 10), 1, 127))
    return Note(loud, int(np.clip(key, 0, 127)), begin, begin + max(0.05, length))
