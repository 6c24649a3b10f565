"""Singing becomes that of another voice: an octave away or none, in time, as loud."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from scipy import linalg, signal

from wavesep.audio import Audio
from wavesep.dsp.pitch import track_f0

from . import RATE, by_path, run, skipped, write

MELODY = (147.0, 165.0, 196.0)  # Hz
FORMANTS = (700.0, 1_100.0, 2_600.0)  # of an «a»
NOTE = 0.6  # seconds
VOICES = range(6)


def sung(seed: int) -> Audio:
    """Return a melody of pulses that go through a vowel's formants, after a little silence."""
    pitch = np.concatenate([np.zeros(RATE // 4), np.repeat(MELODY, round(NOTE * RATE))])
    voice = np.diff(np.floor(np.cumsum(pitch / RATE)), prepend=0)
    decay = np.exp(-np.pi * 90 / RATE)  # bandwidths of 90 Hz
    for hertz in FORMANTS:
        turn = np.cos(2 * np.pi * hertz / RATE)
        voice = signal.lfilter([1], [1, -2 * decay * turn, decay**2], voice)
    noise = np.random.default_rng(seed).normal(0, 1e-3, len(voice))
    return (0.3 * voice / np.abs(voice).max() + noise)[:, None].astype(np.float32)


def melody(audio: Audio) -> list[float]:
    """Return the pitch in the middle of each note, in Hz, as pYIN tracks it."""
    notes = [0.25 + NOTE * (i + 0.25) for i in range(len(MELODY))]
    parts = [audio[round(t * RATE) : round((t + NOTE / 2) * RATE)] for t in notes]
    f0 = (track_f0(part, RATE, 2_048, 512, highest=600)[0] for part in parts)
    return [float(np.median(hertz)) for hertz in f0]


def formants(audio: Audio) -> list[float]:
    """Return the three strongest resonances, in Hz, by linear prediction."""
    sound = soxr.resample(audio, RATE, 8_000)
    products = [float(sound[: len(sound) - lag] @ sound[lag:]) for lag in range(9)]
    roots = np.roots([1, *-linalg.solve_toeplitz(products[:-1], products[1:])])
    upper = roots[roots.imag > 0]
    strongest = upper[np.argsort(-np.abs(upper))[: len(FORMANTS)]]
    return sorted(np.angle(strongest) * 8_000 / (2 * np.pi))


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is made of one voice's recordings, and of one where nobody sings."""
    folder = tmp_path_factory.mktemp("recorded")
    for seed in VOICES:
        write(folder / "v" / f"{seed}.wav", sung(seed))
    write(folder / "v" / "silent.wav", np.zeros((RATE, 1), np.float32))
    vocals = ["--vocals", folder / "v", "--licence", "CC0"]
    run("change_voices.py", folder / "out", *vocals, "-j", 1, code=1)
    return folder / "out"


def test_pitch_time_and_level(changed: Path) -> None:
    octaves = set()
    for seed in VOICES:
        before = sung(seed)[:, 0]
        audio, rate = soundfile.read(changed / f"train/vocals/{seed}.flac", dtype="float32")
        assert (rate, audio.shape) == (RATE, before.shape)
        assert np.std(audio) == pytest.approx(np.std(before), rel=0.01)
        assert np.abs(audio[: RATE // 5]).max() < 0.1 * np.abs(audio).max()
        octave = 2 ** round(np.log2(melody(audio)[0] / MELODY[0]))
        np.testing.assert_allclose(melody(audio), octave * np.array(MELODY), rtol=0.02)
        octaves.add(octave)
    assert octaves == {1, 2}  # an octave lower, it would be below every voice


def test_formants_move_together(changed: Path) -> None:
    factors = []
    for seed in VOICES:
        audio, _ = soundfile.read(changed / f"train/vocals/{seed}.flac", dtype="float32")
        by_formant = np.divide(formants(audio), formants(sung(seed)[:, 0]))
        assert np.ptp(by_formant) < 0.25
        factors.append(np.median(by_formant))
    assert 0.75 < min(factors) < 0.95
    assert 1.1 < max(factors) < 1.35


def test_what_is_told_of_them(changed: Path) -> None:
    assert skipped(changed).keys() == {"silent"}
    entries = by_path(changed)
    assert entries.keys() == {f"train/vocals/{seed}.flac" for seed in VOICES}
    assert {e.source for e in entries.values()} == {"v, changed by WORLD, seed 0"}
    assert {e.licence for e in entries.values()} == {"CC0"}


def test_the_seed_decides_the_voices(changed: Path, tmp_path: Path) -> None:
    one = tmp_path / "v" / "0.wav"
    write(one, sung(0))
    run("change_voices.py", tmp_path / "same", "--vocals", one.parent, "-j", 1)
    run("change_voices.py", tmp_path / "other", "--vocals", one.parent, "-j", 1, "--seed", 1)

    path = "train/vocals/0.flac"
    assert by_path(tmp_path / "same")[path].sha256 == by_path(changed)[path].sha256
    assert by_path(tmp_path / "other")[path].sha256 != by_path(changed)[path].sha256


def test_stereo_becomes_mono_of_its_length(tmp_path: Path) -> None:
    voice = sung(0)[:-7]
    write(tmp_path / "v" / "wide.wav", np.hstack([voice, 0.5 * voice]))

    run("change_voices.py", tmp_path / "out", "--vocals", tmp_path / "v", "-j", 1)

    info = soundfile.info(tmp_path / "out/train/vocals/wide.flac")
    assert (info.channels, info.frames) == (1, len(voice))


@pytest.mark.parametrize(("folder", "message"), [("nowhere", "no folder"), ("v", "no audio file")])
def test_mistakes_are_told(tmp_path: Path, folder: str, message: str) -> None:
    (tmp_path / "v").mkdir()

    printed = run("change_voices.py", tmp_path / "out", "--vocals", tmp_path / folder, code=2)

    assert message in printed
    assert not (tmp_path / "out").exists()
