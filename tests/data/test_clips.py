"""Clips: what is found, and that nothing but the snippet is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given
from hypothesis import strategies as st

from wavesep.audio import Audio, read
from wavesep.data import Clips, clips, pairs
from wavesep.data.clips import split_names
from wavesep.errors import AudioError, ClipError, OptionError


def ramp(samples: int, channels: int = 1) -> Audio:
    """A sound whose every sample is another: its own place."""
    place = np.arange(samples * channels) / (samples * channels)
    return place.reshape(samples, channels).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three clips: mono and stereo, at two rates, one in a folder below."""
    (tmp_path / "below").mkdir()
    soundfile.write(tmp_path / "one.wav", ramp(8_000), 8_000, subtype="FLOAT")
    soundfile.write(tmp_path / "two.flac", ramp(32_000, 2), 16_000, subtype="PCM_24")
    soundfile.write(tmp_path / "below" / "three.wav", ramp(24_000, 2), 8_000, subtype="FLOAT")
    (tmp_path / "notes.txt").write_text("no audio")
    (tmp_path / ".hidden.wav").write_text("no audio")
    return tmp_path


def test_the_audio_files_of_a_folder_are_found(folder: Path) -> None:
    found = Clips(folder)

    assert found.names == ["below/three", "one", "two"]
    np.testing.assert_allclose(found.seconds, [3, 1, 2])
    assert Clips(folder, names=["two", "one"]).names == ["one", "two"]


def test_links_are_followed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "a").symlink_to(folder, target_is_directory=True)

    assert Clips(elsewhere).names == ["a/below/three", "a/one", "a/two"]


def test_a_folder_without_audio_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="no audio file in"):
        Clips(tmp_path)
    with pytest.raises(AudioError, match="no folder"):
        Clips(tmp_path / "missing")


@given(start=st.floats(-0.5, 1.5), samples=st.integers(1, 9_000))
def test_a_snippet_is_what_the_clip_has_there_and_silence_beyond(
    tmp_path_factory: pytest.TempPathFactory, start: float, samples: int
) -> None:
    folder = tmp_path_factory.getbasetemp() / "ramp"
    if not folder.exists():
        folder.mkdir()
        soundfile.write(folder / "one.wav", ramp(8_000), 8_000, subtype="FLOAT")
    first = round(start * 8_000)
    padded = np.pad(ramp(8_000)[:, 0], (4_000, 14_000))

    snippet = Clips(folder).read(0, start, samples, 8_000, 2)

    expected = padded[4_000 + first : 4_000 + first + samples]
    np.testing.assert_array_equal(snippet, np.stack([expected, expected], axis=1))


@pytest.mark.parametrize("speed", [0.5, 0.8, 1.0, 1.3, 2.0])
def test_a_clip_is_played_faster_and_higher(tmp_path: Path, speed: float) -> None:
    time = np.arange(16_000) / 16_000
    soundfile.write(tmp_path / "tone.wav", np.sin(2 * np.pi * 400 * time), 16_000, subtype="FLOAT")

    snippet = Clips(tmp_path).read(0, 0.1, 6_000, 16_000, 1, speed)

    expected = np.sin(2 * np.pi * 400 * (0.1 + speed * np.arange(6_000) / 16_000))
    assert snippet.shape == (6_000, 1)
    np.testing.assert_allclose(snippet[500:-500, 0], expected[500:-500], atol=1e-3)


def test_a_snippet_is_resampled_and_mixed_down(folder: Path) -> None:
    snippet = Clips(folder).read(2, 0.5, 11_025, 22_050, 1)

    part = ramp(32_000, 2)[8_000:16_001].mean(axis=1)
    np.testing.assert_allclose(
        snippet[:, 0], soxr.resample(part, 16_000, 22_050)[:11_025], atol=1e-4
    )


def test_nothing_but_the_snippet_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []

    def note(path: Path, start: int, samples: int) -> Audio:
        asked.append((start, samples))
        return read.read_part(path, start, samples)

    found = Clips(folder)
    monkeypatch.setattr(clips, "read_part", note)

    found.read(0, 1.0, 800, 8_000, 2)

    assert asked == [(8_000, 801)]


def test_in_memory_a_file_is_read_once_and_sounds_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = (-0.01, 0.02, 0.5)
    snippets = [Clips(folder).read(1, start, 900, 4_000, 2) for start in starts]
    kept, asked = Clips(folder, in_memory=True), []

    def note(path: Path, start: int, samples: int) -> Audio:
        asked.append(path)
        return read.read_part(path, start, samples)

    monkeypatch.setattr(clips, "read_part", note)

    for start, snippet in zip(starts, snippets, strict=True):
        np.testing.assert_array_equal(kept.read(1, start, 900, 4_000, 2), snippet)
    assert asked == [kept.paths[1]]


def test_every_second_is_equally_likely(folder: Path) -> None:
    found = Clips(folder)
    rng = np.random.default_rng(0)

    drawn = np.bincount([found.draw(rng) for _ in range(6_000)])

    np.testing.assert_allclose(drawn / 6_000, [3 / 6, 1 / 6, 2 / 6], atol=0.03)


def test_pairs_have_the_same_name(tmp_path: Path) -> None:
    for name in ("vocals/a", "vocals/b", "backing/b", "backing/c"):
        path = tmp_path / f"{name}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, ramp(100), 8_000)
    vocals, backing = Clips(tmp_path / "vocals"), Clips(tmp_path / "backing")

    assert [(vocals.names[i], backing.names[j]) for i, j in pairs(vocals, backing)] == [("b", "b")]
    assert pairs(vocals, backing, vocals) == [(1, 0, 1)]


@given(count=st.integers(2, 60), share=st.floats(0.01, 0.99), seed=st.integers(0, 99))
def test_names_are_divided_once_and_for_all(count: int, share: float, seed: int) -> None:
    names = [f"song {i}" for i in range(count)]

    training, validation = split_names(names, share, seed)

    assert training | validation == set(names)
    assert not training & validation
    assert training
    assert validation
    assert abs(len(validation) - share * count) <= 1
    assert split_names(names[::-1], share, seed) == (training, validation)


def test_one_name_cannot_be_divided() -> None:
    with pytest.raises(OptionError, match="two songs with both stems"):
        split_names(["one"], 0.1, 0)


def test_files_are_found_by_one_table_of_suffixes(tmp_path: Path) -> None:
    tone = 0.3 * np.sin(np.arange(40_000) / 20)
    soundfile.write(tmp_path / "A.WAV", tone, 8_000)
    soundfile.write(tmp_path / "b.opus", tone, 8_000, format="OGG", subtype="OPUS")
    soundfile.write(tmp_path / "._c.wav", tone, 8_000)
    (tmp_path / "notes.txt").write_text("no sound")

    clips = Clips(tmp_path)

    assert clips.names == ["A", "b"]
    for index in (0, 1):
        snippet = clips.read(index, 2.0, 8_000, 8_000, 1)[:, 0]
        assert np.corrcoef(snippet, tone[16_000:24_000])[0, 1] > 0.99
        assert clips.sounding(index, 0.5, 2) == 1


def test_two_files_of_one_name_are_told(tmp_path: Path) -> None:
    for suffix in ("wav", "flac"):
        soundfile.write(tmp_path / f"a.{suffix}", np.zeros(100), 8_000)

    with pytest.raises(AudioError, match="have the same name"):
        Clips(tmp_path)


def broken_flac(path: Path) -> None:
    """Write 4 s of noise whose header is whole and whose end is not."""
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, 32_000)
    soundfile.write(path, noise, 8_000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_bad_files_are_left_out_and_named(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "bad.wav").write_bytes(b"RIFFxxxx")
    (folder / "empty.flac").touch()
    soundfile.write(folder / "silent.wav", np.zeros(0), 8_000)
    soundfile.write(folder / "rate.wav", np.zeros(100), 1)

    found = Clips(folder)

    assert found.names == ["below/three", "one", "two"]
    assert found.skipped.keys() == {"bad", "empty", "silent", "rate"}
    assert all(str(folder / name) in reason for name, reason in found.skipped.items())
    assert len(caplog.records) == 4
    with pytest.raises(AudioError, match="4 of 7 files in"):
        Clips(folder, strict=True)
    assert not Clips(folder, ["one"], strict=True).skipped
    with pytest.raises(AudioError, match="1 of 1 files in"):
        Clips(folder, ["bad"])


def test_what_macos_lays_beside_sound_is_not_sound(folder: Path) -> None:
    for name in ("._one.wav", "__MACOSX/._one.wav", "__MACOSX/one.wav", ".Trashes/one.wav"):
        (folder / name).parent.mkdir(exist_ok=True)
        soundfile.write(folder / name, ramp(100), 8_000)

    assert Clips(folder).names == ["below/three", "one", "two"]


@pytest.mark.parametrize("in_memory", [False, True])
def test_damage_is_told_once_and_where_it_lies(
    tmp_path: Path, in_memory: bool, caplog: pytest.LogCaptureFixture
) -> None:
    broken_flac(tmp_path / "cut.flac")
    clips = Clips(tmp_path, in_memory=in_memory)

    for _ in range(3):
        with pytest.raises(ClipError, match=r"cut\.flac") as error:
            clips.read(0, 3.0, 800, 8_000, 1)
    assert error.value.path == tmp_path / "cut.flac"
    assert len(caplog.records) == 1
    if not in_memory:  # what lies before it is there
        assert clips.read(0, 0.5, 800, 8_000, 1).any()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e38, 32_768.0])
def test_what_is_no_sound_is_not_read(tmp_path: Path, value: float) -> None:
    sound = ramp(8_000, 2)
    sound[5_000, 1] = value
    soundfile.write(tmp_path / "a.wav", sound, 8_000, subtype="FLOAT")

    with pytest.raises(ClipError, match="sample 5000"):
        Clips(tmp_path).read(0, 0.5, 2_000, 8_000, 2)
    assert Clips(tmp_path).read(0, 0.1, 2_000, 8_000, 2).any()


def test_clips_are_drawn_without_some(folder: Path) -> None:
    found = Clips(folder)
    rng = np.random.default_rng(0)

    without = {found.paths[0], found.paths[2]}
    assert {found.draw(rng, without) for _ in range(50)} == {1}
    with pytest.raises(AudioError, match="no file of"):
        found.draw(rng, {*found.paths})
