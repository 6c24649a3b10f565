"""Separates one song of a catalogue: fetches it, writes its stems, marks it as done."""

from __future__ import annotations

import hashlib
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from .. import __version__
from ..audio.read import existing
from ..errors import AudioError
from ..separator import Separator
from ..stores import opened, reaching
from .job import LONGEST, Job
from .manifest import Song, digest
from .store import Store, done_file

Facts = dict[str, Any]


def separate_song(
    song: Song,
    job: Job,
    store: Store,
    separator: Separator,
    progress: Callable[[int, int], None] | None = None,
) -> Facts:
    """Separate a song, unless it is done, and return what its marker says.

    Parameters
    ----------
    song : Song
    job : Job
    store : Store
    separator : Separator
    progress : callable, optional
        See `Separator.separate_to_file`.

    Raises
    ------
    AudioError
        If the song does not exist or cannot be separated.
    StoreError
        If it cannot be fetched for another reason, or a stem or the marker cannot be stored.
    OutputError
        If a stem cannot be written.
    """
    if store.read(done_file(song.name)) is not None:
        return {"id": song.id, "already": True}
    begin = time.monotonic()
    with fetched(song) as path:
        content = file_digest(path)
        key = digest(f"{content} {job.key}")[:16]
        place = f"stems/{song.name[:2]}/{song.name}/{key}"
        with store.folder(place) as folder:
            files = separator.separate_to_file(
                path, folder, filename="{stem}.{ext}", codec=job.codec, bits=job.bits,
                two_stems=job.two_stems, keep_truncated=job.keep_truncated, overwrite=True,
                most_seconds=LONGEST, progress=progress,
            )  # fmt: skip
            stems = {source: about(file, place) for source, file in files.items()}
    facts: Facts = {
        "id": song.id, "uri": song.uri, "sha256": content, "stems": stems,
        "seconds": round(files.samples / files.sample_rate, 3), "gain_db": files.gain_db,
        "took": round(time.monotonic() - begin, 3), **circumstances(),
    }  # fmt: skip
    store.mark_done(song.name, facts)
    return facts


def about(file: Path, place: str) -> Facts:
    """Return what a marker says about a stem."""
    return {
        "file": f"{place}/{file.name}", "bytes": file.stat().st_size, "sha256": file_digest(file),
    }  # fmt: skip


def circumstances() -> Facts:
    """Return where and when something happens, and with what."""
    return {
        "host": platform.node(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "wavesep": __version__,
    }


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def fetched(song: Song) -> Iterator[Path]:
    """Yield a song as a file of this machine.

    Raises
    ------
    AudioError
        If there is no such file.
    StoreError
        If it cannot be fetched.
    """
    fs, place = opened(song.uri)
    if isinstance(fs, LocalFileSystem):
        yield existing(place)
        return
    with tempfile.TemporaryDirectory(prefix="wavesep-") as folder:
        path = Path(folder) / f"song{PurePosixPath(place).suffix}"
        try:
            with reaching(song.uri, FileNotFoundError):
                fs.get_file(place, str(path))
        except FileNotFoundError as error:
            raise AudioError(f"{song.uri} does not exist") from error
        yield path
