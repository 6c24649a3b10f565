"""Leads are played as they are written: in key, bent, distorted, in stereo."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from pretty_midi import ControlChange, Instrument
from pretty_midi.fluidsynth import get_fluidsynth_instance
from scipy import signal

from . import DATA_PREP, by_path, keys_sung, run

pytest.importorskip("fluidsynth", reason="needs FluidSynth's library", exc_type=ImportError)

sys.path.insert(0, str(DATA_PREP))
import band
import compose_leads
from melodies import Note, Style, melody_line

RATE = 44_100
PIECES = 3
SECONDS = 10  # of a piece, a sixth of what the script makes


@pytest.fixture(scope="module", autouse=True)
def short_pieces() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compose_leads, "SECONDS", float(SECONDS))
        yield


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("composed")
    run("compose_leads.py", out, "--pieces", PIECES, "--licence", "CC0", "-j", 1)
    return out


def test_what_is_told_of_them(composed: Path) -> None:
    entries = by_path(composed)
    assert entries.keys() == {f"train/accompaniment/leads_0_{i:03}.flac" for i in range(PIECES)}
    for entry in entries.values():
        assert (entry.source, entry.licence) == ("composed, seed 0", "CC0")
        assert (entry.seconds, entry.sample_rate, entry.channels) == (SECONDS, RATE, 2)
        assert entry.peak < 0.99
    assert len({entry.sha256 for entry in entries.values()}) == PIECES


def test_it_is_wide_and_sounds_throughout(composed: Path) -> None:
    for path in by_path(composed):
        audio, _ = soundfile.read(composed / path)
        assert 0.05 < np.std(audio) < 0.2
        assert np.std(audio[:, 0] - audio[:, 1]) > 0.05 * np.std(audio)
        assert (np.std(audio.reshape(-1, 10 * RATE, 2), axis=1) > 1e-3).all()


def test_the_seed_decides_the_music(composed: Path, tmp_path: Path) -> None:
    run("compose_leads.py", tmp_path / "same", "--pieces", 1, "-j", 1)
    run("compose_leads.py", tmp_path / "other", "--pieces", 1, "-j", 1, "--seed", 1)

    (same,), (other,) = (by_path(tmp_path / name).values() for name in ("same", "other"))
    assert same.sha256 == by_path(composed)["train/accompaniment/leads_0_000.flac"].sha256
    assert other.sha256 != same.sha256


@pytest.mark.parametrize("bound", [False, True])
def test_the_sound_follows_the_melody(bound: bool, rng: np.random.Generator) -> None:
    """A square wave's pitch, as pYIN tracks it, is the line that the bends were made of."""
    notes = [Note(0.5, 1.2, 60), Note(1.2, 2.0, 64), Note(2.0, 3.5, 57)]
    style = Style(glide=0.2, vibrato=0.6, speed=5, scoop=1, drift=0)
    played = Instrument(80)
    played.control_changes = [ControlChange(*c, 0.0) for c in compose_leads.BEND_RANGE]
    compose_leads.play_phrase(played, notes, style, bound, np.random.default_rng(1))
    synthesizer, number, _ = get_fluidsynth_instance(None, fs=RATE)

    sound = compose_leads.heard(compose_leads.Part(played, 0.0), synthesizer, number, rng)

    times = np.arange(0.5, 3.5, 0.01)
    line = melody_line(notes, times, style, np.random.default_rng(1))
    off = keys_sung(sound[: 4 * RATE].astype(np.float32), RATE, highest=800)[50:350] - line
    inside = off[10:-10]
    assert np.isfinite(inside).mean() > 0.9
    assert np.nanmedian(np.abs(inside - np.nanmedian(inside))) < 0.15
    assert abs(np.nanmedian(inside)) < 0.15


def test_chords_and_bass_are_in_the_key(rng: np.random.Generator) -> None:
    for _ in range(20):
        tune = band.draw_tune(30, rng)
        tones = {(tune.tonic + tone) % 12 for tone in tune.scale}
        for maker in (band.bass, band.harmony, band.pad):
            assert {n.pitch % 12 for n in maker(tune, rng).notes} <= tones
        roots = {n.pitch % 12 for n in band.power_chords(tune, rng).notes}
        assert roots & tones
        lead = compose_leads.draw_lead(tune, "strings", rng)
        assert all(39 <= n.pitch <= 80 for n in lead.notes)


@pytest.mark.parametrize("drive", [20.0, 45.0])
def test_an_amplifier_adds_harmonics_and_no_aliases(drive: float, rng: np.random.Generator) -> None:
    """A tone of 1,001 Hz gets harmonics, and nothing between them."""
    tone = np.sin(2 * np.pi * 1_001 * np.arange(2 * RATE) / RATE)

    out = compose_leads.amplified(tone, drive, rng)[RATE:]

    power = np.abs(np.fft.rfft(out * signal.windows.blackmanharris(RATE))) ** 2  # a bin is 1 Hz
    harmonic = np.abs(np.arange(len(power)) % 1_001 - 500.5) > 490
    assert power[2_990:3_010].sum() > 1e-3 * power[990:1_010].sum()
    assert power[~harmonic].sum() < 1e-4 * power.sum()
    assert power[15_000:].sum() < 1e-4 * power.sum()


def test_echoes_and_room() -> None:
    click = np.zeros(3 * RATE)
    click[0] = 1
    echoes = compose_leads.echoed(click, 0.5)
    assert np.flatnonzero(echoes).tolist() == [0, RATE // 2, RATE, 3 * RATE // 2, 2 * RATE]
    np.testing.assert_array_equal(compose_leads.echoed(click, 0.0), click)
    for seed in range(10):
        room = compose_leads.draw_room(np.random.default_rng(seed))
        np.testing.assert_allclose(np.square(room).sum(axis=0), 1)
        assert abs(room[:, 0] @ room[:, 1]) < 0.1
        third = len(room) // 3
        assert np.square(room[-third:]).sum() < 1e-2 * np.square(room[:-third]).sum()


def test_mistakes_are_told(tmp_path: Path) -> None:
    printed = run("compose_leads.py", tmp_path / "out", "--soundfonts", "nothing.sf2", code=2)

    assert "no file nothing.sf2" in printed
    assert not (tmp_path / "out").exists()
