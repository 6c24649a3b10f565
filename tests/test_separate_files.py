"""The Separator from file to file, on a small network with random weights."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wavesep import Separator
from wavesep.audio import Audio
from wavesep.audio.read import audio_info
from wavesep.errors import (
    AudioError,
    NonFiniteAudioError,
    OptionError,
    OutputExistsError,
    TooLongError,
    TruncatedAudioError,
)
from wavesep.models.files import read_model_file


def test_a_file_gives_what_its_array_gives(
    separator: Separator, song: Path, noise: Audio, tmp_path: Path
) -> None:
    mixture, rate = soundfile.read(song, dtype="float32")

    paths = separator.separate_to_file(song, tmp_path / "out", bits=32)

    stems = separator.separate(mixture, rate)
    assert paths == {stem: tmp_path / "out" / "song" / f"{stem}.wav" for stem in stems}
    for name, path in paths.items():
        audio, file_rate = soundfile.read(path, dtype="float32")
        assert file_rate == rate
        np.testing.assert_array_equal(audio, stems[name])
    assert sorted(path.name for path in (tmp_path / "out" / "song").iterdir()) == [
        "accompaniment.wav", "vocals.wav",
    ]  # fmt: skip


def test_files_add_up_to_the_song(tiny_file: Path, noise: Audio, tmp_path: Path) -> None:
    song = tmp_path / "quiet.wav"
    soundfile.write(song, 0.05 * noise, 44_100, subtype="PCM_16")
    scaled = read_model_file(tiny_file)
    scaled.arrays["decoder/kernel"] *= 0.01
    scaled.arrays["decoder/bias"] *= 0.01
    scaled.save(tmp_path / "scaled.safetensors")

    paths = Separator(tmp_path / "scaled.safetensors").separate_to_file(song, tmp_path)

    total = sum(soundfile.read(path, dtype="int16")[0] for path in paths.values())
    np.testing.assert_array_equal(total, soundfile.read(song, dtype="int16")[0])


@pytest.mark.parametrize(
    ("source", "codec", "bits"),
    [("PCM_16", "wav", 16), ("PCM_24", "wav", 24), ("FLOAT", "wav", 32), ("FLOAT", "flac", 24)],
)
def test_the_depth_is_the_song_s_own(
    separator: Separator, noise: Audio, tmp_path: Path, source: str, codec: str, bits: int
) -> None:
    song = tmp_path / "deep.wav"
    soundfile.write(song, noise, 44_100, subtype=source)

    paths = separator.separate_to_file(song, tmp_path, codec=codec)

    assert audio_info(paths["vocals"]).bits == bits


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize(("start", "duration"), [(0.0, 0.5), (0.7, 0.31), (2.9, None), (1.5, 99.0)])
def test_a_part_has_just_the_samples_of_the_whole(
    separator: Separator,
    tmp_path: Path,
    rng: np.random.Generator,
    rate: int,
    start: float,
    duration: float | None,
) -> None:
    song = tmp_path / "song.wav"
    soundfile.write(song, rng.uniform(-0.5, 0.5, (round(3.5 * rate), 2)), rate, subtype="FLOAT")

    whole = separator.separate_to_file(song, tmp_path / "whole")
    part = separator.separate_to_file(song, tmp_path / "part", start=start, duration=duration)

    first = round(start * rate)
    end = None if duration is None else round((start + duration) * rate)
    for stem, path in part.items():
        expected, _ = soundfile.read(whole[stem], dtype="float32")
        found, _ = soundfile.read(path, dtype="float32")
        np.testing.assert_array_equal(found, expected[first:end])


def test_a_part_that_cannot_be_is_refused(separator: Separator, song: Path, tmp_path: Path) -> None:
    for options, message in (
        ({"start": 5.0}, "ends before 5 s"),
        ({"start": -1.0}, "start must be 0 s or more"),
        ({"duration": 0.0}, "duration more than 0"),
        ({"two_stems": "drums"}, "no source 'drums': it has vocals, accompaniment"),
        ({"filename": "{song}.wav"}, "is not a valid template"),
        ({"filename": "{track}.wav"}, re.escape("add {stem} to it")),
        ({"codec": "mp4"}, "no codec 'mp4'"),
    ):
        with pytest.raises(OptionError, match=message):
            separator.separate_to_file(song, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_filenames(separator: Separator, song: Path, tmp_path: Path) -> None:
    paths = separator.separate_to_file(
        song, tmp_path, filename="{stem}s/{track} ({stem}).{ext}", codec="flac"
    )

    assert paths["vocals"] == tmp_path / "vocalss" / "song (vocals).flac"
    assert audio_info(paths["vocals"]).samples == 88_201


def test_bad_files_leave_nothing(
    separator: Separator, song: Path, tmp_path: Path, rng: np.random.Generator
) -> None:
    content = song.read_bytes()
    (tmp_path / "cut.wav").write_bytes(content[: len(content) // 2])
    (tmp_path / "text.wav").write_text("no sound")
    broken = rng.uniform(-0.5, 0.5, (90_000, 2))
    broken[80_000] = np.nan
    soundfile.write(tmp_path / "nan.wav", broken, 44_100, subtype="FLOAT")

    for name, error in (
        ("cut.wav", TruncatedAudioError), ("text.wav", AudioError),
        ("nan.wav", NonFiniteAudioError), ("missing.wav", AudioError),
    ):  # fmt: skip
        with pytest.raises(error):
            separator.separate_to_file(tmp_path / name, tmp_path / "out")
        assert not (tmp_path / "out").exists()


def test_of_a_cut_song_what_is_good_can_be_had(
    separator: Separator, song: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cut = tmp_path / "cut.wav"
    cut.write_bytes(song.read_bytes()[: 44 + 4 * 50_000])
    with pytest.raises(TruncatedAudioError, match="only 50000 samples"):
        separator.separate_to_file(cut, tmp_path / "a")

    paths = separator.separate_to_file(cut, tmp_path / "b", keep_truncated=True)

    whole = separator.separate_to_file(song, tmp_path / "c")
    found, expected = (soundfile.read(p["vocals"], dtype="int16")[0] for p in (paths, whole))
    assert len(found) == 50_000
    before = 50_000 - separator.right_context
    np.testing.assert_array_equal(found[:before], expected[:before])
    assert "only 50000 samples are there: the rest is left out" in caplog.text


def test_a_track_of_a_film_is_separated(separator: Separator, song: Path, tmp_path: Path) -> None:
    for track in (2, 0, "first"):
        with pytest.raises(OptionError, match=f"no audio track {track}: it has 1"):
            separator.separate_to_file(song, tmp_path, track=track)  # type: ignore[arg-type]
    assert separator.separate_to_file(song, tmp_path, track=1)


def test_stems_that_exist_are_kept(separator: Separator, song: Path, tmp_path: Path) -> None:
    paths = separator.separate_to_file(song, tmp_path)
    before = paths["vocals"].read_bytes()

    with pytest.raises(OutputExistsError):
        separator.separate_to_file(song, tmp_path)
    separator.separate_to_file(song, tmp_path, overwrite=True)

    assert paths["vocals"].read_bytes() == before


def test_stems_grow_while_the_song_runs(
    separator: Separator, tmp_path: Path, rng: np.random.Generator
) -> None:
    song = tmp_path / "song.wav"
    soundfile.write(song, rng.uniform(-0.5, 0.5, (600_000, 2)), 44_100)
    sizes: list[int] = []

    def look(done: int, total: int) -> None:
        (growing,) = tmp_path.glob(".wavesep-unfinished-*/vocals.wav")
        sizes.append(growing.stat().st_size)
        assert not (tmp_path / "song" / "vocals.wav").exists()

    separator.separate_to_file(song, tmp_path, progress=look)

    assert len(sizes) > 5
    assert all(later > earlier for earlier, later in pairwise(sizes))


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(samples=st.integers(1, 200_000), start=st.floats(0, 2), loud=st.booleans())
def test_blocks_are_given_as_they_are_made(
    separator: Separator, tmp_path: Path, samples: int, start: float, loud: bool
) -> None:
    song = tmp_path / "song.wav"
    mixture = np.random.default_rng(samples).uniform(-1, 1, (samples, 2))
    soundfile.write(song, mixture * (1 if loud else 0.1), 44_100, subtype="PCM_24")
    start = min(start, (samples - 1) / 44_100)
    blocks: list[tuple[int, dict[str, Audio]]] = []

    paths = separator.separate_to_file(
        song, tmp_path, start=start, overwrite=True, on_block=lambda *block: blocks.append(block)
    )

    places = [place for place, _ in blocks]
    lengths = [len(stems["vocals"]) for _, stems in blocks]
    assert places == [0, *np.cumsum(lengths)[:-1]]
    assert sum(lengths) == paths.samples
    assert paths.sample_rate == 44_100
    for stem, path in paths.items():
        joined = np.concatenate([stems[stem] for _, stems in blocks])
        np.testing.assert_allclose(
            joined * 10 ** (paths.gain_db / 20), soundfile.read(path, always_2d=True)[0], atol=1e-6
        )


def test_an_error_in_a_block_stops_the_separation(separator: Separator, tmp_path: Path) -> None:
    song = tmp_path / "song.wav"
    soundfile.write(song, np.full((600_000, 2), 0.1), 44_100)
    seen: list[int] = []

    def stop(place: int, _: dict[str, Audio]) -> None:
        seen.append(place)
        if len(seen) == 2:
            raise InterruptedError("cancelled")

    with pytest.raises(InterruptedError, match="cancelled"):
        separator.separate_to_file(song, tmp_path / "out", on_block=stop)

    assert len(seen) == 2
    assert not (tmp_path / "out").exists()


def test_a_song_longer_than_allowed_is_refused_whatever_its_header_says(
    separator: Separator, tmp_path: Path, rng: np.random.Generator
) -> None:
    song = tmp_path / "song.flac"
    soundfile.write(song, rng.uniform(-0.1, 0.1, (5 * 44_100, 2)), 44_100)
    content = bytearray(song.read_bytes())
    content[21:26] = bytes([content[21] & 0xF0, *(44_100).to_bytes(4, "big")])  # one second
    song.write_bytes(content)
    assert audio_info(song).samples == 44_100

    with pytest.raises(TooLongError, match=r"song\.flac is longer than 4\.9 s"):
        separator.separate_to_file(song, tmp_path / "out", most_seconds=4.9)
    assert not (tmp_path / "out").exists()
    assert separator.separate_to_file(song, tmp_path / "out", most_seconds=5).samples == 220_500
