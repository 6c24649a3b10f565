"""What an output promises: whole files, each written once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from wavesep.catalogue.job import Job
from wavesep.catalogue.store import Store
from wavesep.errors import OptionError, OutputError


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path, memory: str) -> Store:
    """An output that is a folder, and one that is none."""
    return Store(str(tmp_path / "out") if request.param == "folder" else memory)


def test_a_file_is_written_once(store: Store) -> None:
    assert store.read("done/ab/abc.json") is None

    assert store.write_once("done/ab/abc.json", b"first")
    assert not store.write_once("done/ab/abc.json", b"second")

    assert store.read("done/ab/abc.json") == b"first"
    assert store.names("done") == {"abc"}


def test_one_of_many_writers_wins(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda n: store.write_once("done/00/0.json", b"%d" % n), range(40)))

    assert won.count(True) == 1
    assert store.read("done/00/0.json") == b"%d" % won.index(True)
    assert store.names("done") == {"0"}


def test_what_is_written_to_a_folder_is_in_the_output(store: Store) -> None:
    for content in (b"old", b"new"):
        with store.folder("stems/ab/abc/key") as folder:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "vocals.wav").write_bytes(content)

        assert store.read("stems/ab/abc/key/vocals.wav") == content


def test_failures_are_counted_by_song(store: Store) -> None:
    store.mark_failed("abc", {"code": "x"}, final=False, tries=1)
    store.mark_failed("abc", {"code": "x"}, final=True, tries=2)
    store.mark_failed("abcd", {"code": "x"}, final=False, tries=1)

    assert store.failures("abc") == 2
    assert store.failures("0") == 0
    assert store.names("failed") == {"abc.1", "abc.final", "abcd.1"}

    store.forget(["failed/ab/abc.1.json", "failed/ab/gone.1.json"])

    assert store.failures("abc") == 1


def test_an_output_has_one_set_of_settings(store: Store, job: Job) -> None:
    job.sign(store)
    job.sign(store)

    other = Job(model=job.model, codec="wav").resolved(None)
    with pytest.raises(OptionError, match="was begun with codec='flac', not 'wav'"):
        other.sign(store)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")

    with pytest.raises(OutputError, match="cannot be written"):
        Store(str(tmp_path / "out")).write_once("job.json", b"")
