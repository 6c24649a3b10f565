"""Compose accompaniments with lead instruments that resemble a singer.

    python data_prep/compose_leads.py composed --soundfonts FluidR3_GM.sf2

makes composed/train/accompaniment, with stereo files of a minute. Distorted guitars, synthesizers,
strings, synthetic choirs, brass and wind instruments play melodies in the range of voices. They
phrase as singers do: notes glide into the next, and vibrato begins late. Drums, bass and chords
accompany them, with reverberation and echoes. To continue, run the same command again. For other
music, use another --seed.

FluidSynth plays the music. Its library must be installed (Debian: libfluidsynth3). Each piece uses
one of the SoundFonts at random. Without --soundfonts, all use TimGM6mb, which is part of
pretty_midi.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from band import GUITARS, Tune, bass, draw_tune, drums, harmony, note, pad, power_chords
from melodies import FRAME, Note, Style, draw_phrases, keys_around, melody_line, split_phrases
from numpy.typing import NDArray
from preparing import Song, Sound, add_options, prepare
from pretty_midi import ControlChange, Instrument, PitchBend
from pretty_midi.fluidsynth import get_fluidsynth_instance
from scipy.signal import butter, fftconvolve, resample_poly, sosfilt

from wavesep.data.augment import log_uniform

try:
    import fluidsynth
except ImportError as error:
    sys.exit(f"{error} It is wanted to play (Debian: apt install libfluidsynth3).")

RATE = 44_100  # Hz
SECONDS = 60.0  # length of a piece
BEND = 12  # range of the pitch wheel, in semitones
# messages that set this range: registered parameter 0 is the wheel's range
BEND_RANGE = ((101, 0), (100, 0), (6, BEND))
LOUDEST = 0.98

# General MIDI's programs, and the range of a melody's middle key
LEADS = {
    "guitar": (GUITARS, (50, 72)),
    "synthesizer": ((*range(80, 85), 86, 87, 62, 63, 90), (47, 72)),
    "strings": ((40, 41, 42, 44, 48, 49, 50, 51), (48, 72)),
    "choir": ((52, 53, 54, 85, 91), (48, 72)),
    "brass": ((56, 57, 58, 59, 60, 61), (48, 70)),
    "wind": ((64, 65, 66, 67, 68, 69, 70, 71, 73, 74, 75, 78, 79, 21, 22), (50, 72)),
}
SHARES = (0.35, 0.2, 0.15, 0.1, 0.08, 0.12)

Samples = NDArray[np.float64]


@dataclass(frozen=True)
class Part:
    """What one musician plays, and how it is mixed.

    Attributes
    ----------
    instrument : Instrument
    level : float
        In dB.
    drive : float or None
        Overdrive of a guitar amplifier, in dB. None: no amplifier.
    wet : float, in [0, 1]
        Share of the sound that gets reverberation.
    echo : float
        Seconds between echoes. 0: no echoes.
    doubled : bool
        Whether the part is played twice, once for left and once for right.
    """

    instrument: Instrument
    level: float
    drive: float | None = None
    wet: float = 0.1
    echo: float = 0.0
    doubled: bool = False


def main() -> int:
    """Read the command line, compose, return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    parser.add_argument("--soundfonts", type=Path, nargs="+", metavar="SF2", default=[])
    parser.add_argument(
        "--pieces", type=int, default=60, help="number of pieces (default: %(default)s)"
    )
    parser.add_argument(
        "--licence", default="not stated", help="licence of the files (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of the random music (default: %(default)s)"
    )
    args = parser.parse_args()
    for soundfont in args.soundfonts:
        if not soundfont.is_file():
            parser.error(f"no file {soundfont}")
    pieces = [
        Song(name, "train", f"composed, seed {args.seed}", args.licence,
             partial(compose, args.soundfonts, (args.seed, i)), ("accompaniment",))
        for i, name in enumerate(f"leads_{args.seed}_{i:03}" for i in range(args.pieces))
    ]  # fmt: skip
    return prepare(pieces, args.out, args.jobs)


def compose(soundfonts: list[Path], seed: tuple[int, ...]) -> dict[str, Sound]:
    """Return a random piece of music."""
    rng = np.random.default_rng(seed)
    tune = draw_tune(SECONDS, rng)
    parts = [*draw_leads(tune, rng), *draw_backing(tune, rng)]
    soundfont = str(rng.choice([str(path) for path in soundfonts])) if soundfonts else None
    music = mix(parts, soundfont, rng)
    music *= 10 ** (rng.uniform(-22, -15) / 20) / np.sqrt(np.square(music).mean())
    music *= min(1.0, LOUDEST / np.abs(music).max())
    return {"accompaniment": (music.astype(np.float32), RATE)}


def draw_backing(tune: Tune, rng: np.random.Generator) -> list[Part]:
    """Return the parts that accompany the leads."""
    makers = ((drums, 0.75), (bass, 0.8), (harmony, 0.7), (pad, 0.4))
    parts = [
        Part(thinned(maker(tune, rng), tune, rng), rng.uniform(-14, -3), wet=rng.uniform(0, 0.2))
        for maker, share in makers
        if rng.random() < share
    ]
    if rng.random() < 0.35:
        chords = thinned(power_chords(tune, rng), tune, rng)
        drive, wet = rng.uniform(15, 45), rng.uniform(0, 0.2)
        parts.append(Part(chords, rng.uniform(-8, 2), drive, wet, doubled=rng.random() < 0.6))
    return parts


def thinned(played: Instrument, tune: Tune, rng: np.random.Generator) -> Instrument:
    """Remove an instrument from some groups of four bars."""
    group = 64 * tune.step
    out = rng.random(int(SECONDS / group) + 2) < 0.2
    played.notes = [n for n in played.notes if not out[int(n.start / group)]]
    return played


def draw_leads(tune: Tune, rng: np.random.Generator) -> Iterator[Part]:
    """Yield one to three leads; one of four is doubled at an interval."""
    for _ in range(rng.integers(1, 4)):
        kind = str(rng.choice([*LEADS], p=SHARES))
        lead = draw_lead(tune, kind, rng)
        drive = rng.uniform(15, 50) if kind == "guitar" else None
        if kind == "synthesizer" and rng.random() < 0.3:
            drive = rng.uniform(5, 25)
        echo = tune.step * rng.choice([3, 4, 6]) * (rng.random() < 0.3)
        wet, doubled = rng.uniform(0, 0.6), rng.random() < 1 / 3
        yield Part(lead, rng.uniform(-4, 2), drive, wet, echo, doubled)
        if rng.random() < 0.25:
            twin = deepcopy(lead)
            interval = int(rng.choice([-12, -5, 3, 4, 7, 12]))
            for played in twin.notes:
                played.pitch += interval
            yield Part(twin, rng.uniform(-8, -1), drive, wet, echo, doubled)


def draw_lead(tune: Tune, kind: str, rng: np.random.Generator) -> Instrument:
    """Return a melody with its pitch bends for an instrument of this kind."""
    programs, middles = LEADS[kind]
    keys = keys_around(rng.uniform(*middles), rng.uniform(4, 7), tune.tonic, tune.scale)
    beat = 4 * tune.step
    style = Style(
        glide=log_uniform(rng, 0.02, 0.3),
        vibrato=rng.choice([0.0, 1.0, 1.0]) * rng.uniform(0.1, 0.8),
        speed=rng.uniform(4, 7),
        scoop=rng.choice([0.0, 1.0]) * rng.uniform(0.5, 2),
        drift=rng.uniform(0, 0.05),
    )
    # a plucked string would have died away before a whole phrase is over
    bound = 0.0 if kind == "guitar" else rng.uniform(0, 0.6)
    played = Instrument(int(rng.choice(programs)))
    played.control_changes = [ControlChange(*change, 0.0) for change in BEND_RANGE]
    last = 0.0
    for phrase in split_phrases(draw_phrases(keys, beat, SECONDS, rng)):
        moved = beat * np.ceil(max(last, phrase[0].begin) / beat) - phrase[0].begin
        last = phrase[-1].end + moved
        if last < SECONDS:
            notes = [Note(n.begin + moved, n.end + moved, n.key) for n in phrase]
            play_phrase(played, notes, style, rng.random() < bound, rng)
    return played


def play_phrase(
    played: Instrument, notes: list[Note], style: Style, bound: bool, rng: np.random.Generator
) -> None:
    """Add a phrase to an instrument: with a new note for each note, or one note that is bent."""
    times = np.arange(notes[0].begin, notes[-1].end, FRAME)
    line = melody_line(notes, times, style, rng)
    middle = float(round((line.min() + line.max()) / 2))
    struck = [Note(notes[0].begin, notes[-1].end, middle)] if bound else notes
    for n in struck:
        velocity = int(np.clip(rng.normal(100, 10), 1, 127))
        played.notes.append(note(n.begin, n.end - n.begin, int(n.key), velocity, rng))
    begins = np.array([n.begin for n in struck])
    keys = np.array([n.key for n in struck])
    bends = line - keys[np.searchsorted(begins, times + 1e-9) - 1]
    for time, bend in zip(times, np.clip(8192 * bends / BEND, -8192, 8191), strict=True):
        played.pitch_bends.append(PitchBend(int(bend), time))


def mix(parts: list[Part], soundfont: str | None, rng: np.random.Generator) -> Samples:
    """Return the sound of all parts in one room, ``(samples, 2)``."""
    keep_in_memory(soundfont)
    synthesizer, number, _ = get_fluidsynth_instance(soundfont, fs=RATE)
    for effect in ("reverb", "chorus"):
        synthesizer.setting(f"synth.{effect}.active", 0)
    dry, sent = np.zeros((2, round(SECONDS * RATE), 2))
    for part in parts:
        if not part.instrument.notes:
            continue
        sides = [heard(part, synthesizer, number, rng) for _ in range(1 + part.doubled)]
        angle = np.pi / 2 * (0.5 if part.doubled else rng.uniform(0.2, 0.8))
        wide = np.stack([np.cos(angle) * sides[0], np.sin(angle) * sides[-1]], axis=1)
        dry += (1 - part.wet) * wide
        sent += part.wet * wide
    synthesizer.delete()
    return dry + fftconvolve(sent, draw_room(rng), axes=0)[: len(dry)]


def heard(
    part: Part, synthesizer: fluidsynth.Synth, number: int, rng: np.random.Generator
) -> Samples:
    """Return the sound of one take of a part, ``(samples,)``, at its level."""
    synthesizer.system_reset()
    played = deepcopy(part.instrument)
    for n in played.notes:  # no two takes are equal
        late = rng.normal(0, 0.004)
        n.start, n.end = max(0.0, n.start + late), n.end + late
    sound = played.fluidsynth(synthesizer=synthesizer, sfid=number)
    sound = np.pad(sound, (0, max(0, round(SECONDS * RATE) - len(sound))))[: round(SECONDS * RATE)]
    if part.drive is not None:
        sound = amplified(sound, part.drive, rng)
    sound = echoed(sound, part.echo)
    loud = sound[np.abs(sound) > 0.01 * np.abs(sound).max()]
    return sound * 10 ** (part.level / 20) / np.sqrt(np.square(loud).mean())


@lru_cache
def keep_in_memory(soundfont: str | None) -> fluidsynth.Synth:
    """Return a synthesizer that keeps its SoundFont in memory, so that it is read only once."""
    return get_fluidsynth_instance(soundfont)[0]


def amplified(sound: Samples, drive: float, rng: np.random.Generator) -> Samples:
    """Return a sound after an overdriven guitar amplifier and its loudspeaker.

    Parameters
    ----------
    sound : float64 array, (samples,)
    drive : float
        Gain before the amplifier's limit, in dB, relative to the loudest sample.
    rng : numpy.random.Generator
        Draws the high-pass at the input, the asymmetry of the valves and the loudspeaker's filters.
    """
    thin = butter(1, rng.uniform(60, 400), "highpass", fs=RATE, output="sos")
    sound = sosfilt(thin, sound / np.abs(sound).max())
    lopsided = rng.uniform(0, 0.5)
    # at four times the rate, because distortion makes frequencies above half the rate
    valves = np.tanh(10 ** (drive / 20) * resample_poly(sound, 4, 1) + lopsided)
    sound = resample_poly(valves - np.tanh(lopsided), 1, 4)
    lows = butter(2, rng.uniform(60, 120), "highpass", fs=RATE, output="sos")
    highs = butter(4, log_uniform(rng, 3_000, 8_000), fs=RATE, output="sos")
    middle = log_uniform(rng, 600, 3_500)
    tone = butter(1, (0.7 * middle, 1.4 * middle), "bandpass", fs=RATE, output="sos")
    sound = sosfilt(highs, sosfilt(lows, sound))
    return sound + rng.uniform(-0.5, 2) * sosfilt(tone, sound)


def echoed(sound: Samples, seconds: float) -> Samples:
    """Return a sound with four echoes, each 8 dB below the one before; none for 0 seconds."""
    delay = round(seconds * RATE)
    out = sound.copy()
    for i in range(1, 5 if delay else 0):
        out[i * delay :] += 0.4**i * sound[: -i * delay]
    return out


def draw_room(rng: np.random.Generator) -> Samples:
    """Return the impulse response of a room, ``(samples, 2)``: high frequencies decay sooner."""
    seconds = log_uniform(rng, 0.3, 5)  # time in which the sound falls by 60 dB
    times = np.arange(round(seconds * RATE))[:, None] / RATE
    noise = rng.normal(size=(len(times), 2))
    highs = butter(2, log_uniform(rng, 1_000, 6_000), "highpass", fs=RATE, output="sos")
    high = sosfilt(highs, noise, axis=0)
    decay = np.log(1_000) / seconds
    room = (noise - high) * np.exp(-decay * times) + high * np.exp(-2.5 * decay * times)
    before = round(rng.uniform(0, 0.08) * RATE)
    return np.pad(room / np.sqrt(np.square(room).sum(axis=0)), ((before, 0), (0, 0)))


if __name__ == "__main__":
    sys.exit(main())
