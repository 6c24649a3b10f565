"""What an output holds: figures, a table, damaged stems and leftovers."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..stores import reaching
from .manifest import Song, write_parquet
from .run import compared
from .store import FINAL, Store, done_file, failed_file

HOUR = 3_600.0
BLOCK = 1_048_576  # bytes of a stem that are read at a time
READS = 8  # files that are read at a time
REPORT = "report.parquet"

COLUMNS = (
    "id", "state", "seconds", "took", "gain_db", "code", "message", "stems", "sha256", "uri",
    "host", "at",
)  # fmt: skip

Rows = Iterator[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Status:
    """How far a catalogue is.

    Attributes
    ----------
    total, done, failed, left : int
        Songs.
    codes : dict of str to int
        Songs that failed, by the reason.
    songs_an_hour : float
        Songs that were done in the last hour, or in the time since the first of them.
    """

    total: int
    done: int
    failed: int
    left: int
    codes: dict[str, int]
    songs_an_hour: float

    @property
    def seconds_left(self) -> float | None:
        """Until all is done, at the speed of the last hour; None if none was done in it."""
        return HOUR * self.left / self.songs_an_hour if self.songs_an_hour else None


def status(songs: Iterable[Song], store: Store, now: float | None = None) -> Status:
    """Return how far a catalogue is, from its output alone.

    Parameters
    ----------
    songs : iterable of Song
    store : Store
    now : float, optional
        Seconds since 1970. Default: the current time.
    """
    now = time.time() if now is None else now
    marked = {name.removesuffix(".json"): changed(file) for name, file in store.files("done")}
    work = compared(songs, marked, store.final())
    rows = failures(store, [song.name for song in work.failed])
    recent = [at for at in marked.values() if at > now - HOUR]
    span = now - min(recent, default=now)
    return Status(
        total=work.total, done=work.done, failed=len(work.failed), left=len(work.left),
        codes=dict(Counter(row["code"] for row in rows).most_common()),
        songs_an_hour=HOUR * len(recent) / max(span, 1.0) if recent else 0.0,
    )  # fmt: skip


def changed(file: dict[str, Any]) -> float:
    """Return when a file was changed, in seconds since 1970; 0 if nobody knows."""
    for key in ("mtime", "LastModified", "updated", "created"):
        at = file.get(key)
        if isinstance(at, str):
            at = datetime.fromisoformat(at)
        if at:
            return at.timestamp() if isinstance(at, datetime) else float(at)
    return 0.0


def failures(store: Store, songs: list[str]) -> Rows:
    """Yield the final rows about songs that failed."""
    return read_all(store, songs, lambda song: failed_file(song, FINAL))


def read_all(store: Store, songs: list[str], file_of: Callable[[str], str]) -> Rows:
    """Yield the facts about songs; those that are not there or hold nothing are left out."""
    with ThreadPoolExecutor(READS) as pool:
        for content in pool.map(lambda song: store.read(file_of(song)), songs):
            if content:
                yield json.loads(content)


def write_report(store: Store) -> int:
    """Write a row for each song to report.parquet in the output; return how many these are."""
    done = read_all(store, sorted(store.names("done")), done_file)
    failed = failures(store, sorted(store.final()))
    rows = [
        row | {"state": "done", "stems": json.dumps(row["stems"])} for row in map(columns_of, done)
    ]
    rows += [row | {"state": "failed"} for row in map(columns_of, failed)]
    write_parquet(rows, f"{store.url}/{REPORT}")
    return len(rows)


def columns_of(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the columns of the report; what the facts lack is None."""
    return {name: facts.get(name) for name in COLUMNS}


def verify(store: Store, progress: Callable[[int, int], None]) -> list[str]:
    """Read all stems, and return the ids of the songs with a stem that is missing or damaged.

    Their markers are deleted, so the next run separates these songs again.

    Parameters
    ----------
    store : Store
    progress : callable
        Called with the number of songs that are read and the total.
    """
    names = sorted(store.names("done"))
    bad = []
    with ThreadPoolExecutor(READS) as pool:
        answers = pool.map(lambda song: fault_of(store, song), names)
        for number, (song, fault) in enumerate(zip(names, answers, strict=True), 1):
            if fault:
                bad.append(fault)
                store.forget([done_file(song)])
            progress(number, len(names))
    return bad


def fault_of(store: Store, song: str) -> str:
    """Return the id of a song if one of its stems is missing or damaged, or else nothing."""
    content = store.read(done_file(song))
    if not content:
        return song
    facts = json.loads(content)
    is_whole = all(
        digest_of(store, stem["file"]) == stem["sha256"] for stem in facts["stems"].values()
    )
    return "" if is_whole else facts["id"]


def digest_of(store: Store, name: str) -> str:
    """Return the SHA-256 of a file, or nothing if there is none."""
    total = hashlib.sha256()
    with (
        reaching(store.url),
        suppress(FileNotFoundError),
        store.fs.open(store.path(name), "rb") as file,
    ):
        while block := file.read(BLOCK):
            total.update(block)
        return total.hexdigest()
    return ""


def sweep(store: Store, now: float | None = None) -> int:
    """Delete files in the output that belong to no marker; return how many these were.

    Files that are younger than an hour may belong to a song that is being separated. They stay.

    Parameters
    ----------
    store : Store
    now : float, optional
        Seconds since 1970. Default: the current time.
    """
    now = time.time() if now is None else now
    kept = {
        stem["file"]
        for facts in read_all(store, sorted(store.names("done")), done_file)
        for stem in facts["stems"].values()
    }
    with reaching(store.url):
        store.fs.invalidate_cache()
        found = store.fs.find(store.path("stems"), detail=True)
    lost = [
        name
        for path, about in found.items()
        if (name := path.removeprefix(store.root).lstrip("/")) not in kept
        and changed(about) < now - HOUR
    ]
    store.forget(lost)
    return len(lost)
