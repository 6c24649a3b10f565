"""Deletes what has expired, files that belong to nothing, and copies that nobody uses."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from django.contrib.sessions.models import Session
from django.db import DatabaseError, connection
from django.utils import timezone

from . import songs, storage
from .jobs import midnight
from .models import OPEN, Invitation, Job, LiveUse, Song
from .settings import CONFIG

log = logging.getLogger(__name__)

UPLOADS_LAST = timedelta(days=1)
PAUSE = 600.0  # seconds between two looks for what has expired
COPIES_LAST = 3 * 3_600.0  # seconds after their last use
YOUNG = 3_600.0  # seconds: the row of a younger file may not be written yet


def sweep() -> int:
    """Delete expired songs, old uploads, links and sessions, and orphans; return how many songs.

    A song stays while one of its jobs waits or runs.
    """
    now = timezone.now()
    expired = Song.objects.filter(expires__lt=now)
    stopped = Song.objects.filter(state=Song.State.UPLOADING, created__lt=now - UPLOADS_LAST)
    gone = {*expired.exclude(jobs__state__in=OPEN), *stopped}
    for song in gone:
        songs.delete_song(song)
    Invitation.objects.filter(expires__lt=now).delete()
    Session.objects.filter(expire_date__lt=now).delete()
    LiveUse.objects.filter(began__lt=midnight()).delete()
    delete_orphans()
    if storage.STORE:
        delete_stored_orphans()
        delete_old_copies()
    return len(gone)


def sweep_forever() -> None:
    """Sweep again and again."""
    while True:
        try:
            sweep()
        except DatabaseError:
            log.exception("the database cannot be reached")
        finally:
            connection.close()
        time.sleep(PAUSE)


def delete_orphans() -> None:
    """Delete files whose rows are gone: a process was killed between the row and the file."""
    known = {str(key) for key in Song.objects.values_list("pk", flat=True)}
    jobs = {str(key) for key in Job.objects.values_list("pk", flat=True)}
    for name, rows in (("incoming", known), ("songs", known), ("stems", jobs)):
        for path in orphans(CONFIG.folder / name, rows):
            storage.delete_here(path)


def delete_stored_orphans() -> None:
    """Delete files of the store whose rows are gone. A row is there before its files are."""
    stored_songs, stored_jobs = storage.stored("songs"), storage.stored("stems")
    for song in stored_songs - {*Song.objects.values_list("pk", flat=True)}:
        storage.delete_song(song)
    for job in stored_jobs - {*Job.objects.values_list("pk", flat=True)}:
        storage.delete_job(job)


def delete_old_copies() -> None:
    """Delete what this machine can fetch or make again, and has not used for a while."""
    old = time.time() - COPIES_LAST
    for top in (storage.CACHE, CONFIG.folder / "stems"):
        for folder, _, names in os.walk(top, topdown=False):
            for path in (*(Path(folder, name) for name in names), Path(folder)):
                if is_older(path, old):
                    with suppress(OSError):  # a folder has other files, or another has deleted it
                        path.rmdir() if path.is_dir() else path.unlink()


def orphans(folder: Path, rows: Iterable[str]) -> list[Path]:
    """Return the entries of a folder that are old and have no row."""
    if not folder.is_dir():
        return []
    old = time.time() - YOUNG
    return [path for path in folder.iterdir() if path.name not in rows and is_older(path, old)]


def is_older(path: Path, than: float) -> bool:
    """Return whether a file that may vanish was last changed before a time."""
    try:
        return path.stat().st_mtime < than
    except FileNotFoundError:
        return False
