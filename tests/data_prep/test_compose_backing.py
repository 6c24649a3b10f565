"""A backing is composed for singing: as long, as loud, in its key, on its beat."""

from __future__ import annotations

from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
from librosa.onset import onset_strength

from wavesep.audio import Audio

from . import RATE, by_path, run, skipped, write

pytest.importorskip("fluidsynth", reason="needs FluidSynth's library", exc_type=ImportError)

SCALE = (0, 2, 4, 5, 7, 9, 11)
MELODY = (0, 4, 7, 5, 9, 7, 4, 2, 0, 7, 11, 0)  # above the tonic, in semitones
NOTE = 0.5  # seconds
TONICS = {"c": 60, "f sharp": 54}  # as MIDI's keys: they share two of their seven tones
VOICES = 4  # of each


def sung(tonic: int) -> Audio:
    """Return a melody of harmonics, each note struck and fading, after half a second of silence."""
    pitch = librosa.midi_to_hz(tonic + np.array(MELODY))
    seconds = np.arange(round(NOTE * RATE)) / RATE
    notes = [
        sum(np.sin(2 * np.pi * i * hertz * seconds) / i for i in range(1, 8)) * np.exp(-2 * seconds)
        for hertz in pitch
    ]
    voice = np.concatenate([np.zeros(RATE // 2), *notes])
    noise = np.random.default_rng(tonic).normal(0, 1e-3, len(voice))
    return (0.2 * voice + noise)[:, None].astype(np.float32)


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is composed for a melody in two keys, several times, and for one where nobody sings."""
    folder = tmp_path_factory.mktemp("recorded")
    for name, tonic in TONICS.items():
        for i in range(VOICES):
            write(folder / "v" / f"{name} {i}.wav", sung(tonic))
    write(folder / "v" / "silent.wav", np.zeros((RATE, 1), np.float32))
    vocals = ["--vocals", folder / "v", "--licence", "CC0"]
    run("compose_backing.py", folder / "out", *vocals, "-j", 1, code=1)
    return folder / "out"


def backing(composed: Path, name: str, i: int) -> Audio:
    audio: Audio = soundfile.read(composed / f"train/accompaniment/{name} {i}.flac")[0]
    return audio


def test_length_rate_and_level(composed: Path) -> None:
    for name, tonic in TONICS.items():
        voice = sung(tonic)[:, 0]
        for i in range(VOICES):
            path = f"train/accompaniment/{name} {i}.flac"
            entry, audio = by_path(composed)[path], backing(composed, name, i)
            assert (entry.sample_rate, audio.shape) == (RATE, voice.shape)
            # what would clip is turned down
            assert np.std(audio) <= 1.01 * np.std(voice)
            assert entry.peak > 0.99 or np.std(audio) == pytest.approx(np.std(voice), rel=0.01)


def test_key(composed: Path) -> None:
    for name, tonic in TONICS.items():
        chroma = np.mean([
            librosa.feature.chroma_cqt(y=backing(composed, name, i), sr=RATE).mean(axis=1)
            for i in range(VOICES)
        ], axis=0)  # fmt: skip
        by_key = [chroma[(key + np.array(SCALE)) % 12].sum() for key in range(12)]
        # a neighbour in the circle of fifths differs in one tone only
        assert np.argmax(by_key) in {(tonic + fifth) % 12 for fifth in (-7, 0, 7)}
        assert by_key[tonic % 12] > 1.25 * by_key[(tonic + 6) % 12]


def test_beat(composed: Path) -> None:
    """More begins with the sung notes than a quarter of a note away from them."""
    met: list[float] = []
    missed: list[float] = []
    for name in TONICS:
        for i in range(VOICES):
            strength = onset_strength(y=backing(composed, name, i), sr=RATE)
            begins = 0.5 + NOTE * np.arange(len(MELODY))
            for found, shift in ((met, 0.0), (missed, NOTE / 4), (missed, -NOTE / 4)):
                frames = librosa.time_to_frames(begins + shift, sr=RATE)
                # the strongest of the five frames, 116 ms, around each
                found.append(float(np.mean([strength[f - 2 : f + 3].max() for f in frames])))
    assert np.mean(met) > 1.1 * np.mean(missed)


def test_it_plays_to_the_end(composed: Path) -> None:
    last = [backing(composed, name, i)[-RATE:] for name in TONICS for i in range(VOICES)]
    assert all(np.std(audio) > 1e-3 for audio in last)


def test_what_is_told_of_them(composed: Path) -> None:
    assert skipped(composed).keys() == {"silent"}
    entries = by_path(composed).values()
    assert len(entries) == len(TONICS) * VOICES
    assert {e.source for e in entries} == {"composed for v, seed 0"}
    assert {e.licence for e in entries} == {"CC0"}
    assert len({e.sha256 for e in entries}) == len(entries)  # no two are alike


def test_the_seed_decides_the_music(composed: Path, tmp_path: Path) -> None:
    one = tmp_path / "v" / "c 0.wav"
    write(one, sung(TONICS["c"]))
    run("compose_backing.py", tmp_path / "same", "--vocals", one.parent, "-j", 1)
    run("compose_backing.py", tmp_path / "other", "--vocals", one.parent, "-j", 1, "--seed", 1)

    path = "train/accompaniment/c 0.flac"
    assert by_path(tmp_path / "same")[path].sha256 == by_path(composed)[path].sha256
    assert by_path(tmp_path / "other")[path].sha256 != by_path(composed)[path].sha256


@pytest.mark.parametrize(
    ("folder", "more", "message"),
    [
        ("nowhere", [], "no folder"),
        ("v", [], "no audio file"),
        ("sung", ["--soundfonts", "nothing.sf2"], "no file nothing.sf2"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, folder: str, more: list[str], message: str) -> None:
    (tmp_path / "v").mkdir()
    write(tmp_path / "sung" / "one.wav", sung(60))

    vocals = ["--vocals", tmp_path / folder]
    printed = run("compose_backing.py", tmp_path / "out", *vocals, *more, code=2)

    assert message in printed
    assert not (tmp_path / "out").exists()
