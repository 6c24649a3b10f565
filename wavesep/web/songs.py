"""Uploads: they arrive in chunks, can be resumed, and become songs when they are complete."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Protocol
from uuid import UUID

from django.contrib.auth.models import User
from django.utils import timezone

from ..audio.read import audio_info
from ..errors import AudioError, DiskFullError, StoreError
from . import storage
from .allowances import check_upload, limits_of
from .models import Job, Song
from .problems import Problem, not_found, out_of_reach
from .settings import CONFIG

BLOCK = 262_144  # bytes of an upload that are read at a time
LONGEST_TITLE = 255  # characters


class Readable(Protocol):
    """A file, or the body of a request."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes; nothing at the end."""


def song_of(user: User, song: UUID, *, locked: bool = False) -> Song:
    """Return a song of a user; ``locked`` locks its row until the transaction ends.

    Raises
    ------
    Problem
        If there is none; another's song is reported as none.
    """
    rows = Song.objects.select_for_update() if locked else Song.objects.all()
    found = rows.filter(owner=user, pk=song).first()
    if found is None:
        raise not_found()
    return found


def begin_upload(user: User, title: str, size: int) -> Song:
    """Register a song that is going to be uploaded.

    Raises
    ------
    Problem
        If its size is not allowed, or there is no room for it.
    """
    if not 0 < size <= CONFIG.largest_song:
        raise Problem(
            413,
            "too_large",
            f"the file has {size:,} bytes; from 1 to {CONFIG.largest_song:,} are allowed",
        )  # fmt: skip
    check_upload(user, size)
    expires = timezone.now() + timedelta(days=limits_of(user).days_kept)
    plain = "".join(c for c in title if c.isprintable()).strip()[:LONGEST_TITLE]
    song = Song.objects.create(owner=user, title=plain or "untitled", bytes=size, expires=expires)
    path = storage.incoming_path(song.pk)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return song


def offset_of(song: Song) -> int:
    """Return how many bytes of an upload have arrived."""
    incoming = storage.incoming_path(song.pk)
    if song.state == Song.State.UPLOADING and incoming.exists():
        return incoming.stat().st_size
    return song.bytes


def add_chunk(song: Song, offset: int, chunk: Readable) -> int:
    """Append a chunk to an upload; return the new offset.

    A chunk that has arrived already, or a part of it, is skipped. So a client that does not know
    whether a chunk arrived sends it again. The caller holds a lock on the row of the song.

    Parameters
    ----------
    song : Song
    offset : int
        The place of the first byte of the chunk.
    chunk : file
        It is read in blocks, so that many uploads need little memory.

    Raises
    ------
    Problem
        If bytes before the chunk are missing, or the chunk goes beyond the announced size.
    """
    there = offset_of(song)
    if offset > there:
        raise Problem(409, "gap", f"send the bytes from {there} on", {"Upload-Offset": str(there)})
    known = sum(map(len, blocks_of(chunk, there - offset)))
    if known < there - offset or there == song.bytes:
        return check_end(chunk, song, there)
    with storage.incoming_path(song.pk).open("r+b") as file:
        file.seek(there)
        for block in blocks_of(chunk, song.bytes - there):
            file.write(block)
        end = file.tell()
        try:
            check_end(chunk, song, end)
        except Problem:
            file.truncate(there)
            raise
        file.flush()
        os.fsync(file.fileno())
    return end


def blocks_of(file: Readable, most: int) -> Iterator[bytes]:
    """Yield the next bytes of a file in blocks, ``most`` in all."""
    while most > 0 and (block := file.read(min(BLOCK, most))):
        most -= len(block)
        yield block


def check_end(chunk: Readable, song: Song, offset: int) -> int:
    """Return the offset if nothing follows.

    Raises
    ------
    Problem
        If the chunk goes beyond the announced size.
    """
    if offset == song.bytes and chunk.read(1):
        raise Problem(413, "too_large", f"the file was announced with {song.bytes:,} bytes")
    return offset


def finish_upload(song: Song) -> None:
    """Make a complete upload a song, ready or bad; this can be repeated after a crash.

    Raises
    ------
    Problem
        If the store cannot take the song: then this can be repeated, too.
    """
    incoming, path = storage.incoming_path(song.pk), storage.song_path(song.pk)
    if incoming.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        incoming.rename(path)
    with path.open("rb") as file:
        song.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    try:
        info = audio_info(path)
        song.seconds, song.sample_rate = info.samples / info.sample_rate, info.sample_rate
        song.channels = info.channels
        song.error = refusal(song)
    except AudioError as error:
        song.error = str(error).replace(str(path), song.title)[:500]
    song.state = Song.State.BAD if song.error else Song.State.READY
    if song.state == Song.State.READY:
        publish(path)
    song.save()
    if song.error or storage.STORE:
        path.unlink()


def publish(path: Path) -> None:
    """Put the file of a song into the store, if there is one.

    Raises
    ------
    Problem
        If the store cannot take it.
    """
    try:
        storage.publish(path)
    except (StoreError, DiskFullError) as error:
        raise out_of_reach(error) from error


def refusal(song: Song) -> str:
    """Return why a song is not allowed, or an empty text; its real length is checked later."""
    if song.seconds > CONFIG.longest_song:
        return f"the song has {song.seconds:,.0f} s; {CONFIG.longest_song:,.0f} s are allowed"
    if song.channels > CONFIG.most_channels:
        return f"the song has {song.channels} channels; {CONFIG.most_channels} are allowed"
    return ""


def delete_song(song: Song) -> None:
    """Delete a song with its jobs; jobs that run end by themselves, since their rows are gone."""
    jobs = list(Job.objects.filter(song=song).values_list("pk", flat=True))
    song_id = song.pk
    song.delete()
    storage.delete_song(song_id)
    for job in jobs:
        storage.delete_job(job)


def delete_job(job: Job) -> None:
    """Delete a job and its stems."""
    job_id = job.pk
    job.delete()
    storage.delete_job(job_id)
