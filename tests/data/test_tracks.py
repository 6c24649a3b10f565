"""Songs with known stems are found in every layout, and read as what they are."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wavesep.audio import Audio
from wavesep.data.tracks import find_tracks
from wavesep.errors import AudioError, OptionError

RATE = 8_000


def sound(seconds: float, seed: int, channels: int = 2) -> Audio:
    rng = np.random.default_rng(seed)
    return rng.uniform(-0.3, 0.3, (round(seconds * RATE), channels)).astype(np.float32)


def write(path: Path, audio: Audio, rate: int = RATE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio, rate, subtype="FLOAT")


@pytest.mark.parametrize("kind", ["musdb_hq", "musdb18"])
def test_musdb(kind: str, ffmpeg: None, request: pytest.FixtureRequest) -> None:
    root = request.getfixturevalue(kind)

    (track,) = find_tracks(root)
    stems = track.load()

    assert (track.name, track.subset) == ("Nobody - Song", "test")
    assert [t.name for t in find_tracks(root, "valid")] == ["Actions - One Minute Smile"]
    assert [t.name for t in find_tracks(root, "train")] == ["Blåbär - Två"]
    assert stems.sample_rate == 44_100
    assert stems.vocals.dtype == np.float32
    # as is coded: exactly in wav files, near in AAC
    coded = {"musdb_hq": 1e-4, "musdb18": 0.05}[kind]
    inside = slice(22_050, 66_150)
    total = stems.vocals + stems.accompaniment
    np.testing.assert_allclose(total[inside], stems.mixture[inside], atol=coded)
    true, _ = soundfile.read(request.getfixturevalue("musdb_hq") / "test/Nobody - Song/vocals.wav")
    errors = np.abs(stems.vocals[inside] - true[inside])
    assert errors.max() < coded + 1e-4


def test_a_musdb_song_without_a_stem_is_told(ffmpeg: None, musdb_hq: Path, tmp_path: Path) -> None:
    shutil.copytree(musdb_hq, tmp_path / "HQ")
    (tmp_path / "HQ" / "test" / "Nobody - Song" / "bass.wav").unlink()
    (track,) = find_tracks(tmp_path / "HQ")

    with pytest.raises(AudioError, match="Nobody - Song has no bass"):
        track.load()


def test_musdb_without_ffmpeg_is_told(musdb18: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.devnull)

    with pytest.raises(OptionError, match="install FFmpeg"):
        find_tracks(musdb18)


def test_pairs_and_prepared_sets(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for kind in ("vocals", "accompaniment"):
            write(tmp_path / split / kind / "a.wav", sound(1, len(kind)))
            write(tmp_path / split / kind / f"{kind}.wav", sound(1, 0))

    (track,) = find_tracks(tmp_path / "train")
    stems = track.load()

    assert (track.name, track.subset) == ("a", "")
    np.testing.assert_array_equal(stems.vocals, sound(1, 6))
    np.testing.assert_array_equal(stems.mixture, sound(1, 6) + sound(1, 13))
    assert [(t.name, t.subset) for t in find_tracks(tmp_path)] == [("a", "test")]
    assert [(t.name, t.subset) for t in find_tracks(tmp_path, "train")] == [("a", "train")]


def test_folders_of_stems(tmp_path: Path) -> None:
    for i, stem in enumerate(("vocals", "drums", "keys", "mixture")):
        write(tmp_path / "Ä song" / f"{stem}.wav", sound(1 if stem != "keys" else 0.5, i))
    (tmp_path / "notes").mkdir()

    (track,) = find_tracks(tmp_path)
    stems = track.load()

    assert track.name == "Ä song"
    keys = np.pad(sound(0.5, 2), ((0, RATE // 2), (0, 0)))  # shorter: silence follows
    np.testing.assert_allclose(stems.accompaniment, sound(1, 1) + keys, atol=1e-6)
    np.testing.assert_allclose(stems.mixture, stems.vocals + stems.accompaniment, atol=1e-6)


def test_mistakes_are_told(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="no song with vocals and other stems"):
        find_tracks(tmp_path)
    write(tmp_path / "alone" / "vocals.wav", sound(1, 0))
    with pytest.raises(AudioError, match="has vocals but no other stem"):
        find_tracks(tmp_path)[0].load()
    write(tmp_path / "alone" / "drums.wav", sound(1, 0), rate=16_000)
    with pytest.raises(AudioError, match="differ in sample rate or channels"):
        find_tracks(tmp_path)[0].load()
    with pytest.raises(AudioError, match="no song"):
        find_tracks(tmp_path, "valid")


def test_a_bad_file_is_a_song_that_cannot_be_read(tmp_path: Path) -> None:
    for kind in ("vocals", "accompaniment"):
        write(tmp_path / kind / "good.wav", sound(1, 0))
        write(tmp_path / kind / "nan.wav", sound(1, 0) * np.float32(np.nan))
    for bad in ("vocals/alone.wav", "accompaniment/pair.wav"):
        (tmp_path / bad).write_bytes(b"RIFFxxxx")
    write(tmp_path / "vocals" / "pair.wav", sound(1, 0))

    tracks = {track.name: track for track in find_tracks(tmp_path)}

    assert list(tracks) == ["alone", "good", "nan", "pair"]
    assert tracks["good"].load().mixture.any()
    for name in ("alone", "nan", "pair"):
        with pytest.raises(AudioError, match=rf"{name}\.wav"):
            tracks[name].load()
    with pytest.raises(AudioError, match=r"\.wav holds no sound .*, and 1 more in"):
        find_tracks(tmp_path, strict=True)


@pytest.mark.parametrize("mixture", ["Mixture", "MIXTURE", "mix", "Mix"])
def test_a_mixture_is_no_stem_however_it_is_written(tmp_path: Path, mixture: str) -> None:
    for i, stem in enumerate(("Vocals", "instrumental", mixture, "._instrumental")):
        write(tmp_path / "s" / f"{stem}.wav", sound(1, i))
    write(tmp_path / "__MACOSX" / "vocals.wav", sound(1, 0))

    (track,) = find_tracks(tmp_path)

    np.testing.assert_array_equal(track.load().accompaniment, sound(1, 1))
    (tmp_path / "s" / "Vocals.wav").write_bytes(b"RIFFxxxx")
    with pytest.raises(AudioError, match=r"Vocals\.wav holds no sound"):
        find_tracks(tmp_path)[0].load()
    with pytest.raises(AudioError, match=r"Vocals\.wav holds no sound"):
        find_tracks(tmp_path, strict=True)
