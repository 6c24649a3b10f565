"""Melodies, drawn at random or read from a file, for voices and instruments."""

from __future__ import annotations

import csv
import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from wavesep.errors import AudioError

FRAME = 0.005  # seconds between two points of a pitch curve
SCALES = (
    (0, 2, 4, 5, 7, 9, 11),  # major
    (0, 2, 3, 5, 7, 8, 10),  # minor
    (0, 2, 3, 5, 7, 9, 10),  # Dorian
    (0, 2, 4, 7, 9),  # major pentatonic
    (0, 3, 5, 7, 10),  # minor pentatonic
)
LENGTHS = (0.25, 0.5, 0.5, 0.5, 0.5, 0.75, 1.0, 1.0, 1.5)  # lengths of notes, in beats
LAST = (1.5, 2.0, 3.0, 4.0)  # lengths of the last note of a phrase, in beats
RESTS = (0.5, 1.0, 1.0, 2.0, 4.0)  # rests after a phrase, in beats
SHORTEST_NOTE = 0.02  # seconds
PHRASE_END = 0.1  # a pause of so many seconds ends a phrase
COLUMNS = ("begin", "seconds", "key")

Times = NDArray[np.float64]


@dataclass(frozen=True)
class Note:
    """A note of a melody.

    Attributes
    ----------
    begin, end : float
        In seconds.
    key : float
        Pitch as a MIDI number: 69 is A4, 440 Hz; a semitone is 1.
    """

    begin: float
    end: float
    key: float


@dataclass(frozen=True)
class Style:
    """How the notes of a melody become a pitch curve.

    Attributes
    ----------
    glide : float
        Duration of the glide from one note to the next, in seconds.
    vibrato, speed : float
        Depth above and below the note, in semitones, and rate, in Hz.
    scoop : float
        Semitones below the first note at which a phrase begins.
    drift : float
        Standard deviation of slow random changes, in semitones.
    """

    glide: float
    vibrato: float
    speed: float
    scoop: float
    drift: float


def draw_melody(middle: float, seconds: float, rng: np.random.Generator) -> list[Note]:
    """Draw a melody, with its tempo and scale, up to seven semitones around ``middle``."""
    beat = 60 / rng.uniform(65, 150)
    reach = rng.uniform(4, 7)
    tonic = int(rng.integers(12))
    scale = SCALES[rng.integers(len(SCALES))]
    return draw_phrases(keys_around(middle, reach, tonic, scale), beat, seconds, rng)


def keys_around(middle: float, reach: float, tonic: int, scale: tuple[int, ...]) -> list[float]:
    """Return the keys of a scale that are at most ``reach`` semitones from ``middle``."""
    keys = range(int(np.ceil(middle - reach)), int(middle + reach) + 1)
    return [float(key) for key in keys if (key - tonic) % 12 in scale]


def draw_phrases(
    keys: list[float], beat: float, seconds: float, rng: np.random.Generator
) -> list[Note]:
    """Draw a melody of phrases, with rests between them; some phrases are repeated.

    Parameters
    ----------
    keys : list of float
        Keys that the melody may use, in ascending order.
    beat, seconds : float
        Length of a beat, and latest end of the last phrase, in seconds. A single phrase may end
        later.
    rng : numpy.random.Generator
    """
    phrases: list[list[Note]] = []
    begin = rng.uniform(0.5, 1.5)
    while True:
        again = phrases and rng.random() < 0.3
        phrase = phrases[rng.integers(len(phrases))] if again else draw_phrase(keys, beat, rng)
        moved = begin - phrase[0].begin
        phrase = [Note(n.begin + moved, n.end + moved, n.key) for n in phrase]
        if phrases and phrase[-1].end > seconds:
            return [note for phrase in phrases for note in phrase]
        phrases.append(phrase)
        begin = phrase[-1].end + max(0.5, beat * rng.choice(RESTS))


def draw_phrase(keys: list[float], beat: float, rng: np.random.Generator) -> list[Note]:
    """Draw three to ten notes from time 0 on, mostly in small steps; the last one is long."""
    count = int(rng.integers(3, 11))
    lengths = [*rng.choice(LENGTHS, count - 1), rng.choice(LAST)]
    times = beat * np.cumsum([0.0, *lengths])
    place = int(rng.integers(len(keys)))
    notes = []
    for begin, end in itertools.pairwise(times.tolist()):
        notes.append(Note(begin, end, keys[place]))
        leap = rng.random() < 0.15
        step = int(rng.integers(2, 6) * rng.choice([-1, 1]) if leap else rng.integers(-1, 2))
        if not 0 <= place + step < len(keys):
            step = -step
        place = int(np.clip(place + step, 0, len(keys) - 1))
    return notes


def read_melody(path: Path) -> list[Note]:
    """Read a melody from a CSV file with the columns begin, seconds and key.

    Raises
    ------
    AudioError
        If the file cannot be read, has no notes, or a note is too short, overlaps another or
        begins before 0.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [[float(row[c]) for c in COLUMNS] for row in csv.DictReader(file)]
    except OSError as error:
        raise AudioError(f"cannot read {path}: {error.strerror}") from error
    except (KeyError, TypeError, ValueError) as error:
        columns = ", ".join(COLUMNS)
        raise AudioError(f"{path} must have the columns {columns}, with numbers") from error
    notes = [Note(begin, begin + seconds, key) for begin, seconds, key in sorted(rows)]
    if not notes:
        raise AudioError(f"no note is in {path}")
    if any(begin < 0 or seconds < SHORTEST_NOTE for begin, seconds, _ in rows):
        raise AudioError(f"a note in {path} begins before 0 or is shorter than {SHORTEST_NOTE} s")
    if any(next_.begin < note.end - 1e-6 for note, next_ in itertools.pairwise(notes)):
        raise AudioError(f"two notes in {path} sound at once: a melody has one after the other")
    return notes


def split_phrases(notes: list[Note]) -> list[list[Note]]:
    """Split a melody at every rest of a tenth of a second or longer."""
    phrases = [[notes[0]]]
    for last, note in itertools.pairwise(notes):
        if note.begin - last.end >= PHRASE_END:
            phrases.append([])
        phrases[-1].append(note)
    return phrases


def draw_style(rng: np.random.Generator) -> Style:
    """Draw a style that is typical of singers."""
    return Style(
        glide=rng.uniform(0.04, 0.14),
        vibrato=rng.choice([0.0, 1.0, 1.0]) * rng.uniform(0.15, 0.8),
        speed=rng.uniform(4.5, 6.5),
        scoop=rng.choice([0.0, 1.0]) * rng.uniform(0.3, 2),
        drift=rng.uniform(0.02, 0.08),
    )


def melody_line(notes: list[Note], times: Times, style: Style, rng: np.random.Generator) -> Times:
    """Return the pitch of a phrase, as MIDI numbers, at times that are a frame apart."""
    line = np.full(len(times), notes[0].key, np.float64)
    for last, note in itertools.pairwise(notes):
        line += (note.key - last.key) * smooth((times - note.begin) / style.glide + 0.7)
    line -= style.scoop * np.exp(-np.maximum(0, times - notes[0].begin) / 0.05)
    for note in notes:
        since = times - note.begin - rng.uniform(0.25, 0.45)
        depth = style.vibrato * smooth(since / 0.4) * smooth((note.end - times) / 0.1)
        line += depth * np.sin(2 * np.pi * style.speed * since)
    drift = gaussian_filter1d(rng.normal(size=len(times)), 0.1 / FRAME)
    return line + style.drift * drift / max(drift.std(), 1e-9)


def smooth(share: Times) -> Times:
    """Return a smooth step from 0 to 1, while ``share`` increases from 0 to 1."""
    share = np.clip(share, 0, 1)
    return share * share * (3 - 2 * share)
