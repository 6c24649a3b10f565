"""One song of a catalogue."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from wavesep import Separator
from wavesep.catalogue.job import Job
from wavesep.catalogue.manifest import Song, find_songs
from wavesep.catalogue.song import separate_song
from wavesep.catalogue.store import Store, done_file
from wavesep.errors import AudioError, StoreError

from .faulty import FaultyFileSystem

fsspec.register_implementation("countdown", FaultyFileSystem)


@pytest.fixture
def song(music: Path) -> Song:
    """A song of this machine."""
    return next(iter(find_songs(str(music / "a.wav"))))


@pytest.fixture
def faulty() -> Iterator[type[FaultyFileSystem]]:
    """A file system that fails when it is told."""
    yield FaultyFileSystem
    FaultyFileSystem.countdown = 10**9
    FaultyFileSystem.store.clear()
    FaultyFileSystem.pseudo_dirs[:] = [""]


def sha256(content: bytes) -> str:
    """Return a hash as text."""
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("output", ["folder", "memory"])
def test_the_stems_are_those_of_the_separator(
    song: Song, job: Job, centre: Separator, tmp_path: Path, memory: str, output: str
) -> None:
    store = Store(str(tmp_path / "out") if output == "folder" else memory)

    facts = separate_song(song, job, store, centre)

    path = song.uri.removeprefix("file://")
    wanted = centre.separate_to_file(path, tmp_path / "wanted", codec="flac")
    assert facts["stems"].keys() == wanted.keys()
    for source, stem in facts["stems"].items():
        content = store.read(stem["file"])
        assert content == wanted[source].read_bytes()
        assert (stem["bytes"], stem["sha256"]) == (len(content), sha256(content))
    assert facts["sha256"] == sha256(Path(path).read_bytes())
    assert facts["seconds"] == pytest.approx(9_000 / 22_050, abs=1e-3)
    assert json.loads(store.read(done_file(song.name)) or b"") == facts


def test_a_song_that_is_done_is_left_alone(
    song: Song, job: Job, centre: Separator, tmp_path: Path
) -> None:
    store = Store(str(tmp_path / "out"))
    facts = separate_song(song, job, store, centre)
    stem = tmp_path / "out" / facts["stems"]["vocals"]["file"]
    before = stem.stat().st_mtime_ns

    assert separate_song(song, job, store, centre)["already"]

    assert stem.stat().st_mtime_ns == before


def test_a_song_in_a_store_is_fetched(song: Song, job: Job, centre: Separator, memory: str) -> None:
    local = Path(song.uri.removeprefix("file://"))
    fsspec.filesystem("memory").pipe_file("/songs/a.wav", local.read_bytes())
    store = Store(memory)

    facts = separate_song(Song("a", "memory://songs/a.wav"), job, store, centre)

    assert facts["sha256"] == sha256(local.read_bytes())
    with pytest.raises(AudioError, match=r"memory://songs/b\.wav does not exist"):
        separate_song(Song("b", "memory://songs/b.wav"), job, store, centre)


def test_stems_have_names_that_depend_on_the_content(
    song: Song, job: Job, centre: Separator, tmp_path: Path
) -> None:
    files = []
    for name, codec in (("1", "flac"), ("2", "flac"), ("3", "wav")):
        settings = Job(model=job.model, codec=codec).resolved(None)
        store = Store(str(tmp_path / name))
        files.append(separate_song(song, settings, store, centre)["stems"]["vocals"]["file"])

    assert files[0] == files[1]
    assert Path(files[0]).parent != Path(files[2]).parent


def test_whatever_call_fails_nothing_is_half_done(
    song: Song, job: Job, centre: Separator, faulty: type[FaultyFileSystem]
) -> None:
    local = Path(song.uri.removeprefix("file://"))
    for failing in range(100):
        faulty.store.clear()
        faulty.pseudo_dirs[:] = [""]
        fsspec.filesystem("countdown").pipe_file("/songs/a.wav", local.read_bytes())
        song = Song("a", "countdown://songs/a.wav")
        faulty.countdown = failing
        try:
            store = Store("countdown://out")
            separate_song(song, job, store, centre)
        except StoreError:
            pass
        if faulty.countdown >= 0:
            break
        faulty.countdown = 10**9
        store = Store("countdown://out")
        if marker := store.read(done_file(song.name)):
            stems = json.loads(marker)["stems"].values()
            assert all(sha256(store.read(s["file"]) or b"") == s["sha256"] for s in stems)
        separate_song(song, job, store, centre)
        assert store.names("done") == {song.name}
    assert 5 < failing < 99
