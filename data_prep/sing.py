"""Synthesise songs from the sung syllables of voice libraries.

    python data_prep/sing.py sung --voices voices

makes sung/train/vocals, with mono files of two minutes. The recordings must contain sung syllables,
one after another. The first part of a file's name, up to "_", is its library. Each song uses one
library. Its melody and syllables are drawn at random. With --melody, the melody is that of a CSV
file with the columns begin and seconds (of a note) and key (a MIDI number). It is moved by octaves
to the range of the voice.

To continue, run the same command again. For other songs, use another --seed. sung/skipped.csv lists
the songs that could not be made, and why. The vocoder WORLD analyses and synthesises pitch,
spectral envelope and noise: see ``change_voices.py``.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyworld
from melodies import (
    FRAME,
    Note,
    Style,
    draw_melody,
    draw_style,
    melody_line,
    read_melody,
    smooth,
    split_phrases,
)
from numpy.typing import NDArray
from preparing import Song, Sound, add_options, prepare
from syllables import DB, RATE, Frames, Syllable, read_syllables

from wavesep.data.clips import Clips
from wavesep.dsp.pitch import key_to_hertz
from wavesep.errors import AudioError

SECONDS = 120.0  # length of a song
RECORDING = 80.0  # seconds of recordings whose syllables make a song
LEVEL = 0.1  # RMS of the sung parts: -20 dB of full scale
BRIDGE = 4  # so many frames before and after a joint are blended
RELEASE = 0.1  # seconds in which a phrase fades
FADED = 60.0  # dB by which it fades


@dataclass(frozen=True)
class Manner:
    """The manner of singing of a song.

    Attributes
    ----------
    style : Style
        Of the melody.
    slurs : float
        Share of the notes that continue the vowel of the note before.
    dynamics : float
        Standard deviation of the level of phrases, in dB; half of it for notes.
    breath : float
        Level of breaths relative to a vowel, in dB.
    """

    style: Style
    slurs: float
    dynamics: float
    breath: float


def main() -> int:
    """Read the command line, make the songs, return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    parser.add_argument("--voices", type=Path, required=True, metavar="FOLDER")
    parser.add_argument(
        "--songs",
        type=int,
        default=4,
        help="number of songs for each library (default: %(default)s)",
    )
    parser.add_argument("--melody", type=Path, metavar="CSV", help="default: drawn at random")
    parser.add_argument(
        "--licence", default="not stated", help="licence of the files (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of the random songs (default: %(default)s)"
    )
    args = parser.parse_args()
    try:
        names = Clips(args.voices).names
        melody = read_melody(args.melody) if args.melody else None
    except AudioError as error:
        parser.error(str(error))
    libraries = sorted({name.split("_")[0] for name in names})
    songs = [
        Song(name, "train", f"{library}, sung by WORLD, seed {args.seed}", args.licence,
             partial(sing, args.voices, of_library(names, library), melody,
                     (args.seed, *name.encode())), ("vocals",))
        for library in libraries
        for name in (f"{library}_{args.seed}_{i:02}" for i in range(args.songs))
    ]  # fmt: skip
    return prepare(songs, args.out, args.jobs)


def of_library(names: list[str], library: str) -> list[str]:
    """Return the names of the files of a library."""
    return [name for name in names if name.split("_")[0] == library]


def sing(
    folder: Path, names: list[str], melody: list[Note] | None, seed: tuple[int, ...]
) -> dict[str, Sound]:
    """Return a song that is made from one library."""
    rng = np.random.default_rng(seed)
    syllables = read_syllables(draw_recording(Clips(folder, names), rng), rng)
    middle = float(np.median([syllable.key for syllable in syllables]))
    notes = in_reach(melody, middle) if melody else draw_melody(middle, SECONDS, rng)
    song = sing_melody(notes, syllables, rng)
    return {"vocals": (song[:, None].astype(np.float32), RATE)}


def draw_recording(clips: Clips, rng: np.random.Generator) -> Frames:
    """Return random parts of a library's files, with silence between them."""
    parts = []
    left = min(RECORDING, float(clips.seconds.sum()))
    while left > 0:
        i = clips.draw(rng)
        seconds = min(left, clips.seconds[i])
        start = rng.uniform(0, clips.seconds[i] - seconds)
        parts.append(clips.read(i, start, round(seconds * RATE), RATE, 1)[:, 0])
        parts.append(np.zeros(RATE // 5, np.float32))
        left -= seconds
    return np.concatenate(parts).astype(np.float64)


def in_reach(melody: list[Note], middle: float) -> list[Note]:
    """Move a melody by octaves to the range of a voice."""
    octaves = round((middle - float(np.median([note.key for note in melody]))) / 12)
    return [Note(note.begin, note.end, note.key + 12 * octaves) for note in melody]


def sing_melody(notes: list[Note], syllables: list[Syllable], rng: np.random.Generator) -> Frames:
    """Return a melody that is sung with random syllables, at 48 kHz."""
    manner = draw_manner(rng)
    song = np.zeros(round((notes[-1].end + 0.5) * RATE))
    for phrase in split_phrases(notes):
        begin, sound = sing_phrase(phrase, syllables, manner, rng)
        first = round(begin * RATE)
        sound = sound[max(0, -first) :][: len(song) - max(0, first)]
        song[max(0, first) :][: len(sound)] += sound
    heard = song[np.abs(song) > 1e-3 * np.abs(song).max()]
    return song * LEVEL / np.sqrt(np.square(heard).mean())


def draw_manner(rng: np.random.Generator) -> Manner:
    """Draw a manner of singing."""
    return Manner(
        style=draw_style(rng),
        slurs=rng.uniform(0, 0.3),
        dynamics=rng.uniform(0.5, 3),
        breath=rng.uniform(-40, -22),
    )


def sing_phrase(
    notes: list[Note], syllables: list[Syllable], manner: Manner, rng: np.random.Generator
) -> tuple[float, Frames]:
    """Return the begin of a phrase, in seconds, and its sound."""
    fresh = [n for i, n in enumerate(notes) if not i or rng.random() >= manner.slurs]
    words = [syllables[i] for i in rng.integers(len(syllables), size=len(fresh))]
    begins = [round(note.begin / FRAME) for note in fresh]
    end = round(notes[-1].end / FRAME)
    envelope, noise, voiced = join(words, begins, end)
    first = end - len(voiced)
    times = FRAME * np.arange(first, end, dtype=np.float64)
    pitch = np.where(voiced, key_to_hertz(melody_line(notes, times, manner.style, rng)), 0.0)
    envelope += DB * loudness(notes, times, manner, rng)[:, None]
    breath = draw_breath(words[0], manner, rng)
    still = np.full((len(breath), noise.shape[1]), 1.0)
    sound = pyworld.synthesize(
        np.concatenate([np.zeros(len(breath)), pitch]),
        np.exp(np.concatenate([breath, envelope])),
        np.concatenate([still, noise]),
        RATE,
        1_000 * FRAME,
    )
    return FRAME * (first - len(breath)), sound


def join(
    words: list[Syllable], begins: list[int], end: int
) -> tuple[Frames, Frames, NDArray[np.bool_]]:
    """Return the envelope, the noise and the voiced frames of a sequence of syllables.

    Each vowel begins at its own frame. Consonants keep their length, but take at most half of the
    note before. Vowels fill the rest.
    """
    room = [words[0].onset, *(np.diff(begins) // 2)]
    onsets = [min(word.onset, int(most)) for word, most in zip(words, room, strict=True)]
    ends = [begin - onset for begin, onset in zip(begins[1:], onsets[1:], strict=True)] + [end]
    places = [
        stretched(word, onset, last - begin)
        for word, onset, begin, last in zip(words, onsets, begins, ends, strict=True)
    ]
    joints = np.cumsum([len(p) for p in places])[:-1]
    envelope = bridged([at(w.envelope, p) for w, p in zip(words, places, strict=True)], joints)
    noise = bridged([at(w.noise, p) for w, p in zip(words, places, strict=True)], joints)
    voiced = [w.voiced[np.round(p).astype(int)] for w, p in zip(words, places, strict=True)]
    return envelope, noise, np.concatenate(voiced)


def stretched(word: Syllable, onset: int, vowel: int) -> Frames:
    """Return the places of a syllable's frames to use: the end of its onset, and its vowel.

    A vowel that is too short for its note is stretched. A vowel that is too long is cut.
    """
    last = len(word.voiced) - 1
    slower = min(1.0, (last - word.onset) / max(1, vowel - 1))
    return np.concatenate([
        np.arange(word.onset - onset, word.onset), word.onset + slower * np.arange(vowel)
    ])  # fmt: skip


def at(frames: Frames, places: Frames) -> Frames:
    """Interpolate frames at fractional places."""
    below = np.clip(places.astype(int), 0, max(0, len(frames) - 2))
    above = np.minimum(below + 1, len(frames) - 1)
    return frames[below] + (places - below)[:, None] * (frames[above] - frames[below])


def bridged(parts: list[Frames], joints: NDArray[np.int_]) -> Frames:
    """Concatenate parts, with a cross-fade of frames around each joint."""
    frames = np.concatenate(parts)
    for joint in joints:
        first, last = max(0, joint - BRIDGE), min(len(frames) - 1, joint + BRIDGE)
        share = np.linspace(0, 1, last - first + 1)[:, None]
        frames[first : last + 1] = (1 - share) * frames[first] + share * frames[last]
    return frames


def loudness(notes: list[Note], times: Frames, manner: Manner, rng: np.random.Generator) -> Frames:
    """Return the level of a phrase at each time, in dB."""
    middles = [(note.begin + note.end) / 2 for note in notes]
    loud = rng.normal(0, manner.dynamics) + rng.normal(0, manner.dynamics / 2, len(notes))
    fade = smooth((notes[-1].end - times) / RELEASE) - 1
    return np.interp(times, middles, loud) + FADED * fade


def draw_breath(word: Syllable, manner: Manner, rng: np.random.Generator) -> Frames:
    """Return the envelope of a breath, shaped by the syllable's vowel, or one of no frames."""
    count = round(rng.uniform(0.2, 0.45) / FRAME) if rng.random() < 0.6 else 0
    swell = np.sin(np.linspace(0, np.pi, count))[:, None]
    vowel = word.envelope[word.onset :].mean(axis=0)
    return vowel + DB * (manner.breath - 40 * (1 - swell))


if __name__ == "__main__":
    sys.exit(main())
