"""Deletes what has expired, and files that belong to nothing."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from django.contrib.sessions.models import Session
from django.utils import timezone

from . import songs
from .models import OPEN, Invitation, Job, Song
from .settings import CONFIG

UPLOADS_LAST = timedelta(days=1)
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
    delete_orphans()
    return len(gone)


def delete_orphans() -> None:
    """Delete files whose rows are gone: a process was killed between the row and the file."""
    known = {str(key) for key in Song.objects.values_list("pk", flat=True)}
    jobs = {str(key) for key in Job.objects.values_list("pk", flat=True)}
    for name, rows in (("incoming", known), ("songs", known), ("stems", jobs)):
        for path in orphans(CONFIG.folder / name, rows):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


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
