"""Where the files of songs and stems are.

::

    incoming/ID             an upload that is not complete
    songs/ID                the file of a song, as it was uploaded
    stems/ID/ATTEMPT/       the stems of a job, and their previews while it runs

Names that people choose are never part of a path. All is in the data folder, unless the settings
name a store. Then ``songs`` and ``stems`` are there, and the data folder of each machine holds:

::

    incoming/ID             as above
    stems/ID/ATTEMPT/       what a worker is writing, and mixes
    cache/                  copies of files of the store; what is not used any more is deleted
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID

from ..errors import StoreError
from .settings import CONFIG
from .stores import Store

log = logging.getLogger(__name__)

ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
CACHE = CONFIG.folder / "cache"
GROWING = "growing"  # the name of the folder of pieces of previews: see `wavesep.web.pieces`
SONG = "song"  # the name of the copy of a song in the folder of an attempt
STORE = Store(CONFIG.store) if CONFIG.store else None
fetching = [threading.Lock() for _ in range(64)]  # so that a file is seldom fetched twice


def incoming_path(song: UUID) -> Path:
    """Return where an upload grows."""
    return CONFIG.folder / "incoming" / str(song)


def song_path(song: UUID) -> Path:
    """Return where the complete file of a song is."""
    return CONFIG.folder / "songs" / str(song)


def job_folder(job: UUID) -> Path:
    """Return the folder of all attempts of a job."""
    return CONFIG.folder / "stems" / str(job)


def attempt_folder(job: UUID, attempt: int) -> Path:
    """Return the folder of one attempt; attempts never share a file."""
    return job_folder(job) / str(attempt)


def key_of(path: Path) -> str:
    """Return the name of a file or folder in the store: its path below the data folder."""
    return path.relative_to(CONFIG.folder).as_posix()


def copy_of(path: Path) -> Path:
    """Return where this machine keeps its copy of a file or a folder of the store."""
    return CACHE / key_of(path)


def publish(path: Path) -> None:
    """Copy a complete file into the store, if there is one.

    Raises
    ------
    StoreError, DiskFullError
        If the store cannot take it.
    """
    if STORE:
        STORE.put(path, key_of(path))


def write(path: Path, content: bytes) -> None:
    """Make a file in the store.

    Raises
    ------
    StoreError, DiskFullError
        If the store cannot take it.
    """
    if STORE:
        STORE.write(key_of(path), content)


def sizes(folder: Path) -> dict[str, int]:
    """Return the names in a folder of the store, with the sizes of files, or raise StoreError."""
    return STORE.sizes(key_of(folder)) if STORE else {}


def fetched(path: Path) -> Path:
    """Return a file of a song or a job, or else the copy of it that is on this machine.

    Raises
    ------
    FileNotFoundError
        If the store has no such file.
    StoreError, OutputError
        If it cannot be fetched.
    """
    if STORE is None:
        return path
    copy = copy_of(path)
    with fetching[hash(copy) % len(fetching)]:
        try:
            os.utime(copy)  # copies that nobody has used for a while are deleted
        except FileNotFoundError:
            STORE.get(key_of(path), copy)
    return copy


def fetched_song(song: UUID, attempt: Path) -> Path:
    """Return the file of a song that a worker reads, or its copy in the folder of the attempt.

    It may be missing, in the data folder as in the store.

    Raises
    ------
    StoreError, OutputError
        If it cannot be fetched.
    """
    if STORE is None:
        return song_path(song)
    copy = attempt / SONG
    with suppress(FileNotFoundError):
        STORE.get(key_of(song_path(song)), copy)
    return copy


@contextmanager
def working(job: UUID, attempt: int) -> Iterator[None]:
    """Delete the files of an attempt at its end if those that are needed are in a store."""
    try:
        yield
    finally:
        if STORE:
            delete_here(attempt_folder(job, attempt))


def delete_song(song: UUID) -> None:
    """Delete the files of a song."""
    incoming_path(song).unlink(missing_ok=True)
    delete(song_path(song))


def delete_job(job: UUID) -> None:
    """Delete the files of all attempts of a job."""
    delete(job_folder(job))


def delete(path: Path) -> None:
    """Delete a file or a folder, and its copies."""
    delete_here(path)
    if STORE:
        delete_here(copy_of(path))
        delete_stored(key_of(path))


def delete_here(path: Path) -> None:
    """Delete a file or a folder on this machine."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def delete_stored(*keys: str) -> None:
    """Delete files and folders of the store; what cannot be deleted now becomes an orphan."""
    try:
        if STORE:
            STORE.delete(*keys)
    except StoreError as error:
        log.warning("%s", error)


def delete_other_attempts(job: UUID, attempt: int) -> None:
    """Delete what earlier attempts of a job left."""
    for folder in job_folder(job).glob("*"):
        if folder.name != str(attempt):
            shutil.rmtree(folder, ignore_errors=True)
    delete_stored(key_of(job_folder(job)))  # an attempt that was handed back had the same number


def delete_previews(job: UUID, attempt: int) -> None:
    """Delete the samples that were played while a job ran; its stems are played now."""
    for path in attempt_folder(job, attempt).glob("*.pcm"):
        path.unlink(missing_ok=True)
    delete_stored(key_of(attempt_folder(job, attempt) / GROWING))


def stored(kind: str) -> set[UUID]:
    """Return the songs ("songs"), or the jobs ("stems"), that have files in the store."""
    try:
        names = sizes(CONFIG.folder / kind)
    except StoreError as error:
        log.warning("%s", error)
        names = {}
    return {UUID(name) for name in names if ID.fullmatch(name)}
