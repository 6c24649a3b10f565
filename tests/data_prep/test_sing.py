"""Syllables become songs: on the melody, without gaps or clicks, other ones for another seed."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal

from wavesep.audio import Audio
from wavesep.errors import AudioError

from . import DATA_PREP, by_path, keys_sung, run, skipped, write

sys.path.insert(0, str(DATA_PREP))
import melodies
import sing
import syllables

RATE = 48_000
VOWELS = ((750, 1_150, 2_600), (300, 2_200, 2_900), (350, 750, 2_500), (500, 1_800, 2_600))  # Hz
LENGTHS = (0.12, 0.3, 0.5, 0.8, 1.2)  # seconds, of sung vowels
PITCH = 196.0  # Hz, G3: key 55
SONGS = 2

# begin, seconds, key: an octave above the voice, notes of any length, two phrases
MELODY = (
    (0.3, 0.5, 67), (0.8, 0.5, 69), (1.3, 0.02, 60), (1.32, 0.03, 64), (1.35, 0.6, 62),
    (1.95, 0.1, 71), (2.05, 3.0, 64), (6.0, 0.4, 72), (6.4, 0.4, 67), (6.8, 0.7, 69),
)  # fmt: skip
PHRASES = ((0.3, 5.05), (6.0, 7.5))


def syllable(formants: tuple[int, ...], seconds: float, rng: np.random.Generator) -> Audio:
    """Return a burst of noise and a vowel: pulses that go through its formants."""
    noise = 0.5 * rng.normal(size=RATE // 25) * np.hanning(RATE // 25)
    noise = signal.sosfilt(signal.butter(8, 6_000, fs=RATE, output="sos"), noise)
    pulses = np.diff(np.floor(np.arange(round(seconds * RATE)) * PITCH / RATE), prepend=0)
    vowel = signal.lfilter([1], [1, -0.9], pulses)
    for hertz in formants:
        decay = np.exp(-np.pi * 90 / RATE)
        turn = np.cos(2 * np.pi * hertz / RATE)
        vowel = signal.lfilter([1], [1, -2 * decay * turn, decay**2], vowel)
    ramp = np.minimum(1, np.minimum(np.arange(len(vowel)), np.arange(len(vowel))[::-1]) / 480)
    sung = np.concatenate([noise, 0.5 * ramp * vowel / np.abs(vowel).max(), np.zeros(RATE // 5)])
    return (sung + rng.normal(0, 1e-4, len(sung)))[:, None].astype(np.float32)


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of two files, and one where nobody sings."""
    folder = tmp_path_factory.mktemp("libraries")
    for i, seed in enumerate((1, 2)):
        rng = np.random.default_rng(seed)
        sung = [syllable(v, s, rng) for v in VOWELS[2 * i : 2 * i + 2] for s in LENGTHS]
        write(folder / f"robot_{i}.wav", np.concatenate(sung), RATE)
    noise = np.random.default_rng(0).normal(0, 0.05, (3 * RATE, 1))
    write(folder / "wind_0.wav", noise.astype(np.float32), RATE)
    return folder


@pytest.fixture(scope="module")
def melody(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("melody") / "melody.csv"
    rows = [",".join(map(str, note)) for note in (("begin", "seconds", "key"), *MELODY)]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def sung(voices: Path, melody: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Songs of the library on the melody, of few syllables; the other library cannot sing."""
    out = tmp_path_factory.mktemp("sung")
    arguments = ["--voices", voices, "--melody", melody, "--songs", SONGS, "--licence", "CC0"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(syllables, "MOST", 8)
        printed = run("sing.py", out, *arguments, "-j", 1, code=1)
    assert "skipped wind_0_00: no sung syllable is found" in printed
    return out


def songs(folder: Path) -> list[Audio]:
    paths = sorted((folder / "train" / "vocals").glob("robot_*.flac"))
    return [soundfile.read(path, dtype="float32")[0] for path in paths]


def test_what_is_told_of_them(sung: Path) -> None:
    assert skipped(sung).keys() == {f"wind_0_{i:02}" for i in range(SONGS)}
    entries = by_path(sung)
    assert entries.keys() == {f"train/vocals/robot_0_{i:02}.flac" for i in range(SONGS)}
    for entry in entries.values():
        assert (entry.source, entry.licence) == ("robot, sung by WORLD, seed 0", "CC0")
        assert (entry.sample_rate, entry.channels) == (RATE, 1)
        assert entry.seconds == pytest.approx(MELODY[-1][0] + MELODY[-1][1] + 0.5, abs=1e-4)
    assert len({entry.sha256 for entry in entries.values()}) == SONGS


def test_the_pitch_is_that_of_the_melody_an_octave_lower(sung: Path) -> None:
    for song in songs(sung):
        keys = keys_sung(song, RATE, highest=600)
        for begin, seconds, key in MELODY:
            if seconds < 0.4:
                continue
            held = keys[round(100 * (begin + 0.4 * seconds)) : round(100 * (begin + 0.9 * seconds))]
            assert np.nanmedian(held) == pytest.approx(key - 12, abs=0.2)


def test_it_is_sung_from_the_beginning_of_a_phrase_to_its_end(sung: Path) -> None:
    for song in songs(sung):
        level = np.sqrt(np.square(song[: len(song) // 960 * 960].reshape(-1, 960)).mean(axis=1))
        for begin, end in PHRASES:
            # a vowel stops before a consonant, for less than a tenth of a second
            heard = level[round(50 * begin) : round(50 * (end - 0.1))] > 0.02
            silences = [
                len(list(run)) for is_heard, run in itertools.groupby(heard) if not is_heard
            ]
            assert max(silences, default=0) < 5
        assert level[round(50 * 5.1) : round(50 * 5.3)].max() < 1e-3
        loud = level[level > 0.01]
        assert 20 * np.log10(np.sqrt(np.square(loud).mean())) == pytest.approx(-20, abs=1)


def test_borders_of_notes_do_not_click(sung: Path) -> None:
    """A click has as much above 16 kHz as below; these vowels have nearly nothing there."""
    above = signal.butter(8, 16_000, "high", fs=RATE, output="sos")
    for song in songs(sung):
        assert np.abs(signal.sosfilt(above, song)).max() < 0.05 * np.abs(song).max()


@pytest.mark.slow
def test_the_seed_decides_the_songs(voices: Path, tmp_path: Path) -> None:
    only = tmp_path / "voices"
    only.mkdir()
    for path in voices.glob("robot_*"):
        (only / path.name).symlink_to(path)
    arguments = ["--voices", only, "--songs", 1, "-j", 1]
    run("sing.py", tmp_path / "one", *arguments)
    run("sing.py", tmp_path / "same", *arguments)
    run("sing.py", tmp_path / "other", *arguments, "--seed", 1)

    (one,), (same,), (other,) = (songs(tmp_path / name) for name in ("one", "same", "other"))
    np.testing.assert_array_equal(one, same)
    shorter = min(len(one), len(other))
    assert shorter > 60 * RATE
    assert np.std(one[:shorter] - other[:shorter]) > 0.05
    assert "there already" in run("sing.py", tmp_path / "one", *arguments)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read"),
        ("begin,seconds\n0,1\n", "must have the columns begin, seconds, key"),
        ("begin,seconds,key\n0,1,high\n", "with numbers"),
        ("begin,seconds,key\n", "no note"),
        ("begin,seconds,key\n1,0,60\n", r"shorter than 0\.02 s"),
        ("begin,seconds,key\n-1,1,60\n", "before 0"),
        ("begin,seconds,key\n0,1,60\n0.5,1,62\n", "sound at once"),
    ],
)
def test_melodies_that_cannot_be_sung(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "melody.csv"
    if content is not None:
        path.write_text(content, encoding="utf-8")

    with pytest.raises(AudioError, match=message):
        melodies.read_melody(path)


@given(st.integers(0, 10_000), st.floats(40, 80), st.floats(1, 200))
def test_a_drawn_melody_is_in_reach_and_in_time(seed: int, middle: float, seconds: float) -> None:
    notes = melodies.draw_melody(middle, seconds, np.random.default_rng(seed))

    phrases = melodies.split_phrases(notes)
    assert notes[-1].end <= seconds or len(phrases) == 1
    assert all(abs(note.key - middle) <= 7 for note in notes)
    assert all(note.end - note.begin >= 0.09 for note in notes)
    assert all(b.begin - a.end > -1e-9 for a, b in itertools.pairwise(notes))
    assert all(b[0].begin - a[-1].end >= 0.49 for a, b in itertools.pairwise(phrases))
    assert all(3 <= len(phrase) <= 10 for phrase in phrases)


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(16, 900)), min_size=1, max_size=8),
    st.data(),
)
def test_vowels_of_any_length_fill_notes_of_any_length(
    lengths: list[tuple[int, int]], data: st.DataObject
) -> None:
    """The words' frames hold their own number, then rise from 0 at the vowel's first frame."""
    words = [
        syllables.Syllable(
            np.column_stack([np.full(onset + vowel, i), np.arange(-onset, vowel)]).astype(float),
            np.zeros((onset + vowel, 2)), np.arange(-onset, vowel) >= 0, onset, 60.0,
        )
        for i, (onset, vowel) in enumerate(lengths)
    ]  # fmt: skip
    notes = st.lists(st.integers(3, 700), min_size=len(words), max_size=len(words))
    begins = np.cumsum([100, *data.draw(notes)])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sing, "BRIDGE", 0)
        envelope, noise, voiced = sing.join(words, begins[:-1].tolist(), int(begins[-1]))

    onsets = [words[0].onset, *np.minimum([w.onset for w in words[1:]], np.diff(begins)[:-1] // 2)]
    assert len(envelope) == len(noise) == len(voiced) == np.ptp(begins) + onsets[0]
    edges = begins - begins[0] + onsets[0] - np.array([*onsets, 0])
    for i, (first, last) in enumerate(itertools.pairwise(edges)):
        number, place = envelope[first:last].T
        assert (number == i).all()
        np.testing.assert_array_equal(voiced[first:last], place >= 0)
        np.testing.assert_array_equal(place[: onsets[i] + 1], np.arange(-onsets[i], 1))
        steps = np.diff(place[onsets[i] :])
        assert steps.size == 0 or 0 < steps.min() <= steps.max() < 1 + 1e-9
        assert place[-1] < lengths[i][1]


def test_mistakes_are_told(tmp_path: Path) -> None:
    printed = run("sing.py", tmp_path / "out", "--voices", tmp_path / "nowhere", code=2)

    assert "no folder" in printed
    assert not (tmp_path / "out").exists()
