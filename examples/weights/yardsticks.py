"""Measure models on all sets that the shipped weights are chosen by.

    python examples/weights/yardsticks.py DATA --model vocals --model runs/first/best.safetensors

DATA is the folder of real audio that the project trains and measures with. The script prints SI-SDR
and its gain on each set; the level of the vocals below the mixture where nobody sings; the level of
the estimated vocals relative to the true ones, by octaves; and the gain for unseen voices with each
studio effect, over their own karaoke and over other music.
"""

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from wavesep import Separator
from wavesep.audio import Audio
from wavesep.audio.read import read_audio
from wavesep.data import effects
from wavesep.data.tracks import Stems, find_tracks
from wavesep.evaluation import si_sdr
from wavesep.evaluation.scoring import sung_windows

RATE = 44_100
WINDOW = 10  # seconds of the long song
SONG = "songs/karissa_hobbs_lets_go_fishin.ogg"
WITHOUT_SINGER = ((0, 10), (18.5, 21), (28, 32), (54.5, 63), (70, 73), (81, 84), (113, 117),
                  (126, 131))  # fmt: skip
OCTAVES = 125 * 2.0 ** np.arange(8)  # Hz, lower edges
VOICES = 16  # clips with effects, of the 84 of MIR-1K valid

Voice = NDArray[np.float32]  # (1, 1, samples)
Separate = Callable[[Audio, int], dict[str, Audio]]
noise = np.random.default_rng(0).standard_normal((1, 1, 6 * RATE)).astype(np.float32)


def wet(voice: Voice, share: float, delay: float, decay: float, damping: float) -> Voice:
    """Add reverberation to a voice."""
    response = effects.room(noise, RATE, delay=delay, decay=decay, damping=damping, gate=9.0)
    heard = effects.with_power_of(effects.convolve(voice, response), voice)
    return np.asarray(effects.mix(voice, heard, share))


def bright(voice: Voice) -> Voice:
    """Compress a voice four to one from 12 dB below its RMS, and raise it by 8 dB above 4 kHz."""
    threshold = np.sqrt(np.square(voice).mean()) / 4
    voice = effects.compress(voice, RATE, threshold=threshold, ratio=4.0)
    return np.asarray(
        effects.equalise(voice, RATE, low=60.0, high=30_000.0, shelf=4_000.0, gain=2.5)
    )


def echoed(voice: Voice) -> Voice:
    """Add echoes every third of a second, each 6 dB quieter than the last."""
    delay = np.full((1, 1, 1), round(0.33 * RATE))
    heard = effects.echoes(voice, RATE, delay=delay, feedback=0.5, cutoff=6_000.0, count=6)
    return np.asarray(voice + 0.5 * heard)


def doubled(voice: Voice) -> Voice:
    """Add two copies of the voice, later and with a vibrato of 10 cents."""
    total = voice
    for seconds, rate, phase in ((0.018, 0.6, 0.0), (0.031, 0.9, 2.0)):
        depth = (2 ** (10 / 1200) - 1) / (np.pi * rate)
        swing = effects.wobble(voice, RATE, rate=rate, depth=depth, phase=phase)
        total = total + 0.7 * effects.warp(voice, seconds * RATE + swing)
    return np.asarray(total)


def harmonised(voice: Voice) -> Voice:
    """Add the voice a third and a fifth higher, and an octave lower."""
    ratios = (np.full((1, 1, 1), 2 ** (step / 12), np.float32) for step in (4, 7, -12))
    return np.asarray(
        voice + sum(0.6 * effects.transpose(voice, r, round(0.07 * RATE)) for r in ratios)
    )


def chorused(voice: Voice) -> Voice:
    """Add a copy of the voice, 12 to 17 ms later, with a slow vibrato."""
    swing = effects.wobble(voice, RATE, rate=0.8, depth=0.005, phase=1.0)
    return np.asarray(voice + 0.8 * effects.warp(voice, 0.012 * RATE + swing))


def distorted(voice: Voice) -> Voice:
    """Overdrive a voice."""
    return np.asarray(effects.saturate(voice, drive=2.0, bias=0.2))


plate = partial(wet, share=0.25, delay=0.01, decay=1.5, damping=0.9)
hall = partial(wet, share=0.7, delay=0.04, decay=4.0, damping=0.9)


def everything(voice: Voice) -> Voice:
    """Apply all effects in turn."""
    for effect in (distorted, harmonised, doubled, bright, chorused, echoed, hall):
        voice = effect(voice)
    return voice


PRODUCED: dict[str, Callable[[Voice], Voice]] = {
    "dry": lambda voice: voice,
    "compressed, brightened": bright,
    "plate reverb, 25 % wet": plate,
    "hall reverb, 70 % wet": hall,
    "echo, 0.33 s": echoed,
    "doubled": doubled,
    "harmonies (+4, +7, -12)": harmonised,
    "chorus": chorused,
    "distorted": distorted,
    "all of them": everything,
}


def gains(separate: Separate, songs: list[Stems], window: int | None) -> NDArray[np.float64]:
    """Return SI-SDR and its gain of every song, or of its sung windows, (windows, 2)."""
    rows = []
    for song in songs:
        estimate = separate(song.mixture, song.sample_rate)["vocals"]
        for part in sung_windows(song.vocals, window and window * song.sample_rate):
            score = si_sdr(song.vocals[part], estimate[part])
            rows.append((score, score - si_sdr(song.vocals[part], song.mixture[part])))
    return np.array(rows)


def produced(songs: list[Stems], music: list[Audio], effect: str) -> Iterator[list[Stems]]:
    """Yield mixtures of voices with an effect and their own karaoke, then with other music."""
    for other in (False, True):
        mixed = []
        for i, song in enumerate(songs):
            voice, karaoke = (
                soxr.resample(sound.mean(axis=1), song.sample_rate, RATE)
                for sound in (song.vocals, song.accompaniment)
            )
            vocals = PRODUCED[effect](voice[None, None].astype(np.float32))[0].T
            backing = music[i % len(music)] if other else karaoke[:, None]
            vocals, backing = (
                sound[: min(len(vocals), len(backing))] for sound in (vocals, backing)
            )
            vocals = vocals * np.sqrt(np.square(backing).sum() / np.square(vocals).sum())
            mixed.append(Stems(vocals + backing, vocals, backing, RATE))
        yield mixed


def passages(separate: Separate, song: Path) -> list[float]:
    """Return the level of the vocals below the mixture where nobody sings, in dB."""
    mixture, rate = read_audio(song)
    vocals = separate(mixture, rate)["vocals"]
    parts = [slice(round(a * rate), round(b * rate)) for a, b in WITHOUT_SINGER]
    ratios = [np.square(mixture[p]).sum() / np.square(vocals[p]).sum() for p in parts]
    return [float(10 * np.log10(ratio)) for ratio in ratios]


def octave_levels(separate: Separate, songs: list[Stems]) -> NDArray[np.float64]:
    """Return the power of the estimates over that of the true vocals in every octave, in dB."""
    powers = np.zeros((2, len(OCTAVES)))
    for song in songs:
        estimate = separate(song.mixture, song.sample_rate)["vocals"]
        hz = np.fft.rfftfreq(len(estimate), 1 / song.sample_rate)
        octave = np.digitize(hz, OCTAVES) - 1
        for row, audio in enumerate((song.vocals, estimate)):
            power = (np.abs(np.fft.rfft(audio, axis=0)) ** 2).sum(axis=1)
            powers[row] += np.bincount(octave[octave >= 0], power[octave >= 0], len(OCTAVES))
    return np.asarray(10 * np.log10(powers[1] / powers[0]))


def load(folder: Path, step: int = 1) -> list[Stems]:
    """Return the songs of a folder, or every n-th of them."""
    return [song.load() for song in find_tracks(folder)[::step]]


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", action="append", help="name or file (default: vocals)")
    parser.add_argument("--quick", action="store_true", help="a quarter of the clips and voices")
    args = parser.parse_args()
    models = args.model or ["vocals"]
    step = 4 if args.quick else 1

    produced_valid = load(args.data / "produced/valid")
    captain = load(args.data / "produced/captain")
    clips = load(args.data / "mir1k/valid")
    potassium = load(args.data / "everything_is_free/valid")
    music = [
        song.accompaniment.mean(axis=1, keepdims=True)
        for song in produced_valid if song.accompaniment.shape[0] == 12 * RATE
    ]  # fmt: skip
    table = Table("model", *models)
    columns: list[dict[str, str]] = []
    for model in models:
        # in bfloat16 the figures would depend on the machine
        separate = Separator(model, precision="float32").separate
        column: dict[str, str] = {}
        sets = {
            "produced/valid, 18 clips": (produced_valid, None),
            "captain": (captain, None),
            "MIR-1K valid": (clips[::step], None),
            "potassium, windows of 10 s": (potassium, WINDOW),
        }
        for name, (songs, window) in track(sets.items(), model):
            scores = gains(separate, songs, window)
            mean, gain = scores.mean(axis=0)
            worst = scores[:, 1].min()
            column[name] = f"{mean:.2f}, gain {gain:.2f} (least {worst:.1f})"
        below = passages(separate, args.data / SONG)
        column["nobody sings, dB below"] = " ".join(f"{db:.0f}" for db in below)
        for hz, db in zip(OCTAVES, octave_levels(separate, produced_valid), strict=True):
            column[f"level from {hz:.0f} Hz"] = f"{db:.1f}"
        voices = clips[:: len(clips) // VOICES][:VOICES][::step]
        for effect in track(PRODUCED, f"{model}: voices produced"):
            means = [
                gains(separate, songs, None)[:, 1].mean()
                for songs in produced(voices, music, effect)
            ]
            column[effect] = "{:.1f} | {:.1f}".format(*means)
        columns.append(column)
    for name in columns[0]:
        table.add_row(name, *(column[name] for column in columns))
    Console(width=60 + 40 * len(models)).print(table)


if __name__ == "__main__":
    main()
