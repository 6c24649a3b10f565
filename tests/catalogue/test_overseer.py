"""Workers that die, hang or fail, and what becomes of their songs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from wavesep.catalogue import overseer, process
from wavesep.catalogue.job import Job
from wavesep.catalogue.manifest import Song
from wavesep.catalogue.overseer import Outcome, Overseer
from wavesep.catalogue.store import Store, failed_file
from wavesep.errors import CatalogueError


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An output."""
    return Store(str(tmp_path / "out"))


@pytest.fixture
def watched(store: Store, job: Job, monkeypatch: pytest.MonkeyPatch) -> Iterator[Overseer]:
    """An overseer of a worker that dies or hangs on songs of certain names."""
    script = str(Path(__file__).with_name("worker.py"))
    monkeypatch.setattr(process, "COMMAND", [sys.executable, script])
    monkeypatch.setattr(overseer, "PAUSES", (0.0, 0.0))
    made = Overseer(job, store.url, None, 1)
    yield made
    made.close()


def row_of(store: Store, song: Song, tries: str) -> dict[str, Any]:
    """Return a row about a failure."""
    return dict(json.loads(store.read(failed_file(song.name, tries)) or b"{}"))


def test_what_may_pass_is_tried_three_times(watched: Overseer, store: Store, music: Path) -> None:
    song = Song("kill", str(music / "a.wav"))

    outcome = watched.separate(song)

    assert outcome.failed
    assert store.names("failed") == {f"{song.name}.{tries}" for tries in ("1", "2", "final")}
    row = row_of(store, song, "final")
    message = "the worker died of this song (SIGKILL)"
    assert (row["code"], row["message"], row["tries"]) == ("crashed", message, 3)
    assert not watched.separate(Song("good", song.uri)).failed
    assert len(store.names("done")) == 1


def test_a_row_says_what_was_wrong(
    watched: Overseer, store: Store, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overseer, "MOST_TRIES", 1)
    songs = [Song(name, str(music / "a.wav")) for name in ("lock", "memory", "leave")]

    for song in songs:
        watched.separate(song)

    rows = [row_of(store, song, "final") for song in songs]
    assert [(row["id"], row["code"], row["message"]) for row in rows] == [
        ("lock", "internal", "the network is away"),
        ("memory", "too_large", "MemoryError"),
        ("leave", "crashed", "the worker died of this song (exit code 3)"),
    ]


def test_what_cannot_pass_is_tried_once(watched: Overseer, store: Store, music: Path) -> None:
    songs = [Song(name, str(music / name)) for name in ("bad.mp3", "cut.wav", "missing.wav")]

    outcomes = [watched.separate(song) for song in songs]

    codes = [outcome.facts["code"] for outcome in outcomes]
    assert codes == ["unreadable", "truncated", "unreadable"]
    assert store.names("failed") == {f"{song.name}.final" for song in songs}


def test_tries_count_over_runs(watched: Overseer, store: Store, music: Path) -> None:
    song = Song("kill", str(music / "a.wav"))
    store.mark_failed(song.name, {"code": "crashed"}, final=False, tries=1)
    store.mark_failed(song.name, {"code": "crashed"}, final=False, tries=2)

    assert watched.separate(song).facts["tries"] == 3


def test_a_song_that_takes_too_long_is_ended(
    watched: Overseer, store: Store, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overseer, "FETCH", 0.2)
    monkeypatch.setattr(overseer, "MOST_TRIES", 1)

    outcome = watched.separate(Song("hang", str(music / "a.wav")))

    assert outcome.facts["code"] == "timeout"
    monkeypatch.setattr(overseer, "FETCH", 60.0)
    assert not watched.separate(Song("good", str(music / "a.wav"))).failed


def test_a_worker_that_cannot_start_ends_the_catalogue(
    store: Store, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CatalogueError, match="no model 'missing'"):
        Overseer(replace(job, model="missing"), store.url, None, 1).separate(Song("a", "a.wav"))
    monkeypatch.setattr(process, "COMMAND", [sys.executable, "-c", "raise SystemExit(5)"])
    with pytest.raises(CatalogueError, match=r"a worker cannot start \(exit code 5\)"):
        Overseer(job, store.url, None, 1).separate(Song("a", "a.wav"))


def test_a_worker_never_outlives_the_process_that_started_it(job: Job, store: Store) -> None:
    code = (
        "import sys, json; from wavesep.catalogue.overseer import *\n"
        "overseer = Overseer(Job(**json.loads(sys.argv[1])), sys.argv[2], None, 1)\n"
        "print(overseer.ready_worker().pid, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, job.to_json(), store.url],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as parent:  # fmt: skip
        assert parent.stdout
        worker = int(parent.stdout.readline())
        os.kill(worker, 0)
        parent.send_signal(signal.SIGKILL)
    for _ in range(100):
        if not Path(f"/proc/{worker}").exists():
            return
        time.sleep(0.05)
    pytest.fail("the worker still runs")


def test_an_outcome_can_travel_as_text() -> None:
    outcome = Outcome(song=Song("ä", "b", "c", 4), facts={"code": "x", "message": "y"})

    assert Outcome.from_json(outcome.to_json()) == outcome
