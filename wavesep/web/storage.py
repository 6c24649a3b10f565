"""Where the files of songs and stems are.

::

    incoming/ID             an upload that is not complete
    songs/ID                the file of a song, as it was uploaded
    stems/ID/ATTEMPT/       the stems of a job, and their previews while it runs

Names that people choose are never part of a path.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from uuid import UUID

from .settings import CONFIG


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


def delete_song(song: UUID) -> None:
    """Delete the files of a song."""
    incoming_path(song).unlink(missing_ok=True)
    song_path(song).unlink(missing_ok=True)


def delete_job(job: UUID) -> None:
    """Delete the files of all attempts of a job."""
    shutil.rmtree(job_folder(job), ignore_errors=True)


def delete_other_attempts(job: UUID, attempt: int) -> None:
    """Delete what earlier attempts of a job left."""
    for folder in job_folder(job).glob("*"):
        if folder.name != str(attempt):
            shutil.rmtree(folder, ignore_errors=True)


def delete_previews(job: UUID, attempt: int) -> None:
    """Delete the samples that were played while a job ran; its stems are played now."""
    for path in attempt_folder(job, attempt).glob("*.pcm"):
        path.unlink(missing_ok=True)
