"""The songs of a catalogue."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavesep.catalogue.manifest import Song, find_songs, write_manifest
from wavesep.catalogue.run import share_of
from wavesep.errors import AudioError, OptionError

IDS = ["a.wav", "b.flac", "bad.mp3", "cd/a again.wav", "cd/c.wav", "cut.wav"]


def test_a_folder_is_its_audio_files(music: Path) -> None:
    songs = list(find_songs(str(music)))

    assert [song.id for song in songs] == IDS
    assert songs[0].uri == f"file://{music}/a.wav"
    assert songs[0].bytes == (music / "a.wav").stat().st_size


def test_a_pattern_is_what_it_matches(music: Path) -> None:
    assert [song.id for song in find_songs(f"{music}/*.wav")] == ["a.wav", "cut.wav"]
    assert [song.id for song in find_songs(f"{music}/**/c.wav")] == ["cd/c.wav"]


def test_a_file_is_a_song(music: Path) -> None:
    assert [song.id for song in find_songs(str(music / "a.wav"))] == ["a.wav"]


def test_stems_in_the_folder_are_no_songs(music: Path) -> None:
    assert [song.id for song in find_songs(str(music), str(music / "cd"))] == [
        "a.wav", "b.flac", "bad.mp3", "cut.wav",
    ]  # fmt: skip


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_manifest_is_the_songs_that_were_listed(music: Path, suffix: str) -> None:
    manifest = str(music.parent / f"songs.{suffix}")
    songs = list(find_songs(str(music)))

    assert write_manifest(songs, manifest) == len(IDS)

    assert list(find_songs(manifest)) == songs


def test_paths_in_a_manifest_start_at_its_folder(tmp_path: Path) -> None:
    manifest = tmp_path / "songs.csv"
    manifest.write_text("uri,id,mood\nsub/ä.wav,1,sad\ns3://bucket/b.wav,2,gay\n/c.wav,3,\n")

    found = {song.id: song.uri for song in find_songs(str(manifest))}

    assert found == {"1": f"{tmp_path}/sub/ä.wav", "2": "s3://bucket/b.wav", "3": "/c.wav"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,uri\n1,a.wav\n1,b.wav\n", "has the id '1' twice"),
        ("id,path\n1,a.wav\n", "row 1 of .* lacks id or uri"),
        ("id,uri\n,a.wav\n", "row 1 of .* lacks id or uri"),
        ("id,uri,bytes\n1,a.wav,many\n", "cannot be read"),
        (b"\xff\xfe\xfa", "cannot be read"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_refused(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    manifest = tmp_path / "songs.csv"
    manifest.write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(OptionError, match=message):
        list(find_songs(str(manifest)))


def test_no_song_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="no song in"):
        list(find_songs(str(tmp_path)))
    with pytest.raises(AudioError, match="does not exist"):
        list(find_songs(str(tmp_path / "missing")))
    with pytest.raises(OptionError, match="cannot be read"):
        list(find_songs(str(tmp_path / "missing.csv")))
    with pytest.raises(OptionError, match="cannot be opened"):
        list(find_songs("gopher://songs"))


def test_a_parquet_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "songs.parquet").write_text("id,uri\n")

    with pytest.raises(OptionError, match="cannot be read"):
        list(find_songs(str(tmp_path / "songs.parquet")))


@given(st.sets(st.text(), max_size=30), st.integers(1, 7))
def test_each_song_is_in_one_share(ids: set[str], count: int) -> None:
    songs = [Song(name, "x.wav") for name in ids]

    shares = [list(share_of(songs, number, count)) for number in range(1, count + 1)]

    assert sorted(song.id for share in shares for song in share) == sorted(ids)


@given(st.text(), st.text(), st.text())
def test_the_name_of_a_song_depends_on_its_id_and_version_alone(
    id: str, version: str, uri: str
) -> None:
    name = Song(id, uri, version).name

    assert name == Song(id, "", version, 5).name
    assert name != Song(id + "x", uri, version).name
    assert name != Song(id, uri, version + "x").name
    assert set(name) <= set("0123456789abcdef-")
