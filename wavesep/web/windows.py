"""Pieces of stems for a player, while the stems grow and when they are finished."""

from __future__ import annotations

from pathlib import Path

from ..audio.read import read_part
from . import pieces, storage
from .models import OPEN, Job
from .previews import to_pcm
from .problems import Problem, not_found

SAMPLE = 2  # bytes


def window(job: Job, source: str, at: int, count: int) -> bytes:
    """Return samples of a stem as 16-bit integers, little-endian with interleaved channels.

    Parameters
    ----------
    job : Job
    source : str
    at, count : int, >= 0
        The first sample and the number of samples. Fewer are returned at the end of the stem, or
        where it has not grown any further.

    Raises
    ------
    Problem
        If there is no such stem, or none of these samples yet.
    """
    stem = job.stems.filter(source=source).first()
    if stem is not None:
        count = min(count, stem.samples - at)
        path = storage.fetched(storage.attempt_folder(job.pk, job.attempt) / stem.file)
        return to_pcm(read_part(path, at, count)) if count > 0 else b""
    size = SAMPLE * job.song.channels
    return grown(job, f"{source}.pcm", at * size, count * size)


def peaks(job: Job, source: str, at: int) -> bytes:
    """Return the peaks of a stem from number ``at`` on; see `wavesep.web.previews`.

    Raises
    ------
    Problem
        If there is no such stem, or none of these peaks yet.
    """
    return grown(job, f"{source}.peaks", 2 * at, -1)


def grown(job: Job, name: str, at: int, size: int) -> bytes:
    """Return a part of a file that grows while a job runs.

    Raises
    ------
    Problem
        If there is no such file, or it ends before the part begins and still grows.
    """
    folder = storage.attempt_folder(job.pk, job.attempt)
    try:
        if storage.STORE:
            part = pieces.read(folder, name, at, size)
        else:
            part = pieces.part_of(folder / name, at, size) if name in names_in(folder) else None
    except FileNotFoundError:  # the job has ended since it was read
        raise too_early() from None
    if part is None and job.state not in OPEN:
        raise not_found()
    if part is None or (not part and job.state == Job.State.RUNNING):
        raise too_early()
    return part


def names_in(folder: Path) -> list[str]:
    """Return the names of files; a name from outside is only compared with them."""
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


def too_early() -> Problem:
    """Return the answer for what is not separated yet."""
    return Problem(425, "too_early", "this part is not separated yet", {"Retry-After": "1"})
