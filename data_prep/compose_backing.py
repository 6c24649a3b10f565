"""Compose a backing for recorded singing: in its key, to its beat, played by a SoundFont.

    python data_prep/compose_backing.py composed --vocals singers/vocals

makes composed/train/accompaniment, a mono file of the same name for every recording, as long and as
loud: ``link_folders.py`` brings the two together. Drums, bass, chords, pads and melodies are drawn
anew for each, and some melodies are the singer's own. Run it again to go on, and with another
--seed into another folder; composed/skipped.csv says which recordings could not be accompanied, and
why.

FluidSynth plays: its library must be there (Debian: libfluidsynth3). Without --soundfonts it plays
the one that pretty_midi brings along, TimGM6mb.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import librosa
import numpy as np
import pyworld
from librosa.beat import beat_track
from librosa.onset import onset_backtrack, onset_strength
from numpy.typing import NDArray
from preparing import Song, Sound, add_options, prepare
from pretty_midi import Instrument, Note
from pretty_midi.fluidsynth import get_fluidsynth_instance

from wavesep.audio.read import read_audio
from wavesep.data.clips import find_audio
from wavesep.errors import AudioError

try:
    import fluidsynth
except ImportError as error:
    sys.exit(f"{error} It is wanted to play (Debian: apt install libfluidsynth3).")

PITCHES = (65.0, 900.0)  # Hz that are looked for
FRAME = 0.005  # seconds between two of WORLD's pitches
SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
# how well each tone above the tonic fits: C. Krumhansl, "Cognitive Foundations of Musical Pitch",
# 1990, table 2.1
PROFILES = {
    "major": (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    "minor": (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
}
STEPS = 16  # in a bar of four beats
HALF_BAR = STEPS // 2

# General MIDI's programs, less those that are voices
CHORDS = (*range(8), 11, 12, 15, *range(16, 22), *range(24, 32), 45, 46, 48, 62, 104, 106, 107)
BASSES = tuple(range(32, 40))
PADS = (16, 18, 19, 20, 44, 48, 49, 50, 51, 61, 62, 63, 88, 89, 90, 92, 93, 94, 95)
LEADS = (*range(6), *range(8, 15), *range(21, 24), *range(24, 32), *range(40, 47),
         *range(56, 61), *range(64, 85), 86, 87, 104, 105, 107, 108, 110, 111)  # fmt: skip
KICK, SNARES, CYMBALS = 36, (37, 38, 39, 40), (42, 44, 46, 51, 54, 69, 70, 82)

Array = NDArray[np.float64]
Chord = list[int]  # pitch classes, the root first


@dataclass(frozen=True)
class Tune:
    """What the musicians know of a song.

    Attributes
    ----------
    sung : float array, (frames,)
        Height of the voice as a MIDI key, every `FRAME` seconds; -inf where nobody sings.
    steps : float array, (steps,)
        When each sixteenth of all bars begins, in seconds; the first bar's may be below 0.
    chords : list of list of int
        The chord of each half bar.
    """

    sung: Array
    steps: Array
    chords: list[Chord]

    @property
    def step(self) -> float:
        """Length of a sixteenth, in seconds."""
        return float(self.steps[1] - self.steps[0])

    def chord(self, i: int) -> Chord:
        """Return the chord that sounds at sixteenth i."""
        return self.chords[i // HALF_BAR]


def main() -> int:
    """Read the command line, compose, return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    parser.add_argument("--vocals", type=Path, required=True, metavar="FOLDER")
    parser.add_argument(
        "--soundfonts", type=Path, nargs="+", metavar="SF2", help="one is drawn for each recording"
    )
    parser.add_argument("--licence", default="not stated", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of the music (default: %(default)s)")
    args = parser.parse_args()
    try:
        found = find_audio(args.vocals)
    except AudioError as error:
        parser.error(str(error))
    if not found:
        parser.error(f"no audio file is in {args.vocals}")
    for soundfont in args.soundfonts or []:
        if not soundfont.is_file():
            parser.error(f"no file {soundfont}")
    source = f"composed for {args.vocals.name}, seed {args.seed}"
    songs = [
        Song(name, "train", source, args.licence,
             partial(accompany, path, args.soundfonts, (args.seed, *name.encode())),
             ("accompaniment",))
        for name, path in found.items()
    ]  # fmt: skip
    return prepare(songs, args.out, args.jobs)


def accompany(path: Path, soundfonts: list[Path] | None, seed: tuple[int, ...]) -> dict[str, Sound]:
    """Return a backing for a recording."""
    audio, rate = read_audio(path)
    voice = audio.mean(axis=1, dtype=np.float64)
    pitch, times = pyworld.dio(voice, rate, *PITCHES, frame_period=1_000 * FRAME)
    pitch = pyworld.stonemask(voice, pitch, times, rate)
    if not pitch.any():
        raise AudioError(f"nobody sings in {path}")
    with np.errstate(divide="ignore"):
        sung = librosa.hz_to_midi(pitch)  # -inf where nobody sings

    rng = np.random.default_rng(seed)
    steps = draw_steps(voice, rate, rng)
    band = draw_band(Tune(sung, steps, draw_chords(sung, steps, rng)), rng)
    soundfont = str(rng.choice([str(path) for path in soundfonts])) if soundfonts else None
    played = play(band, soundfont, rate, len(voice), rng)
    played *= np.sqrt(np.square(voice).sum() / np.square(played).sum())
    return {"accompaniment": (played[:, None].astype(np.float32), rate)}


def draw_steps(voice: Array, rate: int, rng: np.random.Generator) -> Array:
    """Return when each sixteenth of all bars begins, in seconds, one of the first bar before 0.

    The beat is the line through those that librosa hears, from a tempo on that is drawn.
    """
    seconds = len(voice) / rate
    tempo = rng.uniform(60, 150)
    strength = onset_strength(y=voice, sr=rate)
    _, frames = beat_track(onset_envelope=strength, sr=rate, start_bpm=tempo, trim=False)
    # a beat is heard where most begins, which is after its beginning
    heard = librosa.frames_to_time(onset_backtrack(frames, strength), sr=rate)
    beat, first = 60 / tempo, rng.uniform(0, 1)
    if len(heard) > 1:
        beat, first = np.polyfit(np.arange(len(heard)), heard, 1)
    bar = 4 * beat
    begin = first % beat - beat * rng.integers(1, 5)
    return np.arange(begin, seconds + bar, beat / 4)


def draw_chords(sung: Array, steps: Array, rng: np.random.Generator) -> list[Chord]:
    """Return a chord for each half bar: of the key that is sung in, fit for what is sung there."""
    tones = histogram(sung)
    fits = {
        (tonic, mode): np.corrcoef(np.roll(profile, tonic), tones)[0, 1]
        for mode, profile in PROFILES.items()
        for tonic in range(12)
    }
    tonic, mode = max(fits, key=lambda key: fits[key])
    scale = SCALES[mode]
    size = 4 if rng.random() < 0.3 else 3  # sevenths or triads
    possible = [
        [(tonic + scale[(degree + 2 * i) % 7]) % 12 for i in range(size)] for degree in range(7)
    ]
    chords = []
    for begin in range(0, len(steps), HALF_BAR):
        ends = steps[begin], steps[min(begin + HALF_BAR, len(steps) - 1)]
        first, last = (max(0, round(seconds / FRAME)) for seconds in ends)
        here = histogram(sung[first:last])
        fit = [here[chord].sum() + rng.gumbel(0, 0.15) for chord in possible]
        chords.append(possible[int(np.argmax(fit))])
    return chords


def histogram(sung: Array) -> Array:
    """Return the shares of the twelve tones in what is sung."""
    tones = np.round(sung[np.isfinite(sung)]).astype(int) % 12
    counts = np.bincount(tones, minlength=12).astype(float)
    return counts / max(1.0, counts.sum()) + 1e-6 * np.arange(12)


def draw_band(tune: Tune, rng: np.random.Generator) -> list[Instrument]:
    """Return some instruments with their notes, one at least."""
    makers = (
        (drums, 0.7), (bass, 0.8), (harmony, 0.9), (harmony, 0.3), (pad, 0.5), (lead, 0.6),
        (doubling, 0.25),
    )  # fmt: skip
    band = [maker(tune, rng) for maker, share in makers if rng.random() < share]
    band = [instrument for instrument in band if instrument.notes]
    return band or [pad(tune, rng)]


def drums(tune: Tune, rng: np.random.Generator) -> Instrument:
    """Return a bar of drums, over and over, with a few hits more or less."""
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
    """Return the chords' roots, now and then another of their tones."""
    rhythm = rng.random(STEPS) < np.tile([1, 0.02, 0.3, 0.1], 4) * rng.uniform(0.4, 1)
    rhythm[[0, HALF_BAR]] = True
    lowest = int(rng.integers(26, 36))
    played = Instrument(int(rng.choice(BASSES)))
    for i in np.flatnonzero(np.resize(rhythm, len(tune.steps))).tolist():
        chord = tune.chord(i)
        tone = chord[0] if rng.random() < 0.8 else rng.choice(chord)
        length = tune.step * rng.choice([1, 2, 4])
        played.notes.append(note(tune.steps[i], length, above(lowest, tone), 90, rng))
    return played


def harmony(tune: Tune, rng: np.random.Generator) -> Instrument:
    """Return chords in a rhythm, whole or one tone after the other."""
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
    """Return chords that are held."""
    lowest = int(rng.integers(48, 66))
    played = Instrument(int(rng.choice(PADS)))
    for chord, begin in zip(tune.chords, tune.steps[::HALF_BAR], strict=True):
        for tone in chord:
            played.notes.append(note(begin, HALF_BAR * tune.step, above(lowest, tone), 70, rng))
    return played


def lead(tune: Tune, rng: np.random.Generator) -> Instrument:
    """Return a melody of its own in the chords' tones, mostly where nobody sings."""
    lowest = int(rng.integers(55, 74))
    scale = sorted({tone for chord in tune.chords for tone in chord})
    often, softly = rng.uniform(0.1, 0.6), rng.uniform(0, 1)
    key = lowest + 6
    played = Instrument(int(rng.choice(LEADS)))
    i = 0
    while i < len(tune.steps):
        frame = min(max(0, round(tune.steps[i] / FRAME)), len(tune.sung) - 1)
        length = int(rng.choice([1, 2, 2, 4, 4, 6, 8]))
        if rng.random() < often * (softly if np.isfinite(tune.sung[frame]) else 1.5):
            tones = tune.chord(i) if rng.random() < 0.7 else scale
            near = [k for tone in tones for k in range(above(lowest, tone), lowest + 20, 12)]
            key = min(near, key=lambda k: abs(k - key - rng.normal(0, 4)))
            played.notes.append(note(tune.steps[i], length * tune.step, key, 95, rng))
        i += length
    return played


def doubling(tune: Tune, rng: np.random.Generator) -> Instrument:
    """Return what is sung, note by note, at its height or an octave away."""
    octave = 12 * int(rng.integers(-1, 2))
    keys = np.round(np.where(np.isfinite(tune.sung), tune.sung, 0)).astype(int)
    edges = np.flatnonzero(np.diff(keys, prepend=0, append=0))
    played = Instrument(int(rng.choice(LEADS)))
    for first, last in itertools.pairwise(edges):
        if keys[first] and (last - first) * FRAME > 0.08:
            key = keys[first] + octave
            played.notes.append(note(first * FRAME, (last - first) * FRAME, key, 90, rng))
    return played


def above(lowest: int, tone: int) -> int:
    """Return the first key from the lowest on that has this tone."""
    return lowest + (tone - lowest) % 12


def note(begin: float, length: float, key: int, velocity: int, rng: np.random.Generator) -> Note:
    """Return a note as people play it: not quite in time, not quite as loud as the last."""
    begin = max(0.0, begin + rng.normal(0, 0.008))
    loud = int(np.clip(velocity + rng.normal(0, 12), 1, 127))
    return Note(loud, int(np.clip(key, 0, 127)), begin, begin + max(0.05, length))


def play(
    band: list[Instrument], soundfont: str | None, rate: int, samples: int, rng: np.random.Generator
) -> Array:
    """Return how the band sounds, each instrument at a level of its own."""
    keep_in_memory(soundfont)
    # what one has played before changes what it plays next, so each recording has its own
    synthesizer, number, _ = get_fluidsynth_instance(soundfont, fs=rate)
    mixed = np.zeros(samples)
    for instrument in band:
        sound = instrument.fluidsynth(synthesizer=synthesizer, sfid=number)[:samples]
        loud = np.sqrt(np.mean(np.square(sound))) if sound.any() else 1.0
        mixed[: len(sound)] += sound / loud * 10 ** (rng.uniform(-10, 0) / 20)
    synthesizer.delete()
    return mixed


@lru_cache
def keep_in_memory(soundfont: str | None) -> fluidsynth.Synth:
    """Return a synthesizer as long as which is there, FluidSynth reads its SoundFont only once."""
    return get_fluidsynth_instance(soundfont)[0]


if __name__ == "__main__":
    sys.exit(main())
