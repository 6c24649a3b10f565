"""A worker: claims jobs, separates their songs and publishes the stems.

Several workers, on one machine or on several, share a database and a data folder, or a database
and a store. Each has one `Separator` and separates one song at a time. While a song is separated,
a thread renews the lease of the job. If the process is killed, the lease lapses and another worker
begins the job anew.
"""

from __future__ import annotations

import hashlib
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import DatabaseError, connection
from django.utils import timezone

from ..audio import Audio
from ..errors import StoreError, WavesepError
from ..separator import Separator, StemFiles
from . import jobs, retention, storage
from .config import Config
from .jobs import LEASE, Order
from .models import Job, Stem
from .pieces import sending
from .previews import Preview

log = logging.getLogger(__name__)

PAUSE = 0.5  # seconds between two looks at an empty queue
CLEAN = 600.0  # seconds between two looks for what has expired
STALL = 300.0  # seconds without progress after which a worker hangs
TOO_LARGE = "the song needs more memory than a worker may use"
NO_STORE = "the store of the server could not be reached: try again later"
HUNG = 70  # the exit code of a worker that hung
RENEWALS = 10  # in a lease: pages show the progress that they store


class Stopped(Exception):
    """The separation ends because of an order, not because of an error."""


class Watch:
    """Renews the lease of a job in a thread of its own.

    Attributes
    ----------
    order : Order
        What the worker has to do; it changes once at most.
    done, total : int
        Samples, set by the worker and stored with each renewal.
    moved : float
        When the worker last got on (`time.monotonic`); it is set by the worker.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.order = Order.GO_ON
        self.done = self.total = 0
        self._begun = self.moved = time.monotonic()
        self._ended = threading.Event()

    @property
    def seconds(self) -> float:
        """How long the job has been worked on."""
        return time.monotonic() - self._begun

    def run(self) -> None:
        """Renew until the job ends or is taken away."""
        until = timezone.now() + LEASE
        while self.order is Order.GO_ON and not self._ended.wait(LEASE.seconds / RENEWALS):
            if time.monotonic() > self.moved + STALL:
                self.give_up()
            try:
                self.order = jobs.renew(self.job, self.done, self.total)
                until = timezone.now() + LEASE
            except DatabaseError:
                log.exception("the lease of job %s could not be renewed", self.job.pk)
                if timezone.now() > until:
                    self.order = Order.LOST
        connection.close()

    def give_up(self) -> None:
        """Fail the job and end the process: nothing else stops code that hangs."""
        log.error("job %s has not got on for %.0f s", self.job.pk, STALL)
        jobs.fail(self.job, "timeout", f"the separation has not got on for {STALL:.0f} s")
        os._exit(HUNG)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Renew the lease while a job is worked on."""
        thread = threading.Thread(target=self.run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()


class Worker:
    """Works on one job after the other.

    Parameters
    ----------
    config : Config
    name : str, optional
        Identifies the worker. Default: made from the host and the process.

    Attributes
    ----------
    stop : threading.Event
        Set it to end `run`; a job that is being worked on is handed back.
    """

    def __init__(self, config: Config, name: str | None = None) -> None:
        self.name = name or f"{socket.gethostname()}:{os.getpid()}"
        self.stop = threading.Event()
        self._config = config
        self._separator: tuple[str, Separator] | None = None
        self._next_clean = 0.0

    def run(self) -> None:
        """Work until `stop` is set."""
        while not self.stop.is_set():
            try:
                worked = self.work()
                self.clean()
            except DatabaseError:
                log.exception("the database cannot be reached")
                worked = False
            if not worked:
                self.stop.wait(PAUSE)

    def clean(self) -> None:
        """Delete what has expired, once in a while."""
        if time.monotonic() < self._next_clean:
            return
        self._next_clean = time.monotonic() + CLEAN
        count = retention.sweep()
        if count:
            log.info("deleted %d expired songs", count)

    def work(self) -> bool:
        """Take over lapsed jobs, and work on the next job; return whether there was one."""
        jobs.sweep()
        job = jobs.claim(self.name)
        if job is None:
            return False
        watch = Watch(job)
        try:
            with watch.watching(), storage.working(job.pk, job.attempt):
                files = self.separate(job, watch)
                stems = [stem_of(job, source, path, files) for source, path in files.items()]
                publish(job, files, watch)
            if jobs.finish(job, stems, done=files.samples, gain_db=files.gain_db):
                log.info("separated %.0f s in %.1f s", job.song.seconds, watch.seconds)
                storage.delete_previews(job.pk, job.attempt)
        except Stopped:
            if watch.order is Order.CANCEL:
                jobs.end_cancelled(job)
            elif watch.order is Order.GO_ON:
                jobs.hand_back(job)
        except WavesepError as error:
            jobs.fail(job, error.code, message_of(error, job))
        except MemoryError:
            jobs.fail(job, "too_large", TOO_LARGE)
        except Exception as error:  # one song must not end the worker
            log.exception("job %s failed", job.pk)
            jobs.fail(job, "internal", f"unexpected error: {type(error).__name__}")
        return True

    def separate(self, job: Job, watch: Watch) -> StemFiles:
        """Separate the song of a job into the folder of this attempt.

        Raises
        ------
        Stopped
            If the worker stops, or the job is cancelled or lost.
        WavesepError
            See `Separator.separate_to_file` and `storage.fetched_song`.
        """
        separator = self.separator_of(job.model)
        folder = storage.attempt_folder(job.pk, job.attempt)
        folder.mkdir(parents=True, exist_ok=True)
        storage.delete_other_attempts(job.pk, job.attempt)

        def on_block(_: int, stems: dict[str, Audio]) -> None:
            if self.stop.is_set() or watch.order is not Order.GO_ON:
                raise Stopped
            preview.write(stems)

        def progress(done: int, total: int) -> None:
            watch.done, watch.total, watch.moved = done, total, time.monotonic()

        song = storage.fetched_song(job.song_id, folder)
        with Preview(folder, separator.sources) as preview, sending(folder):
            files = separator.separate_to_file(
                song, folder, filename="{stem}.{ext}", codec=job.codec,
                most_seconds=self._config.longest_song, overwrite=True, progress=progress,
                on_block=on_block,
            )  # fmt: skip
            preview.finish()
        return files

    def separator_of(self, model: str) -> Separator:
        """Return the Separator of a model; the last one is kept.

        Raises
        ------
        ModelFileError, OptionError
            See `Separator`.
        """
        if self._separator is None or self._separator[0] != model:
            self._separator = None  # two models at a time would need the memory of both
            threads = self._config.threads or None
            self._separator = model, Separator(model, threads=threads)
        return self._separator[1]


def publish(job: Job, files: StemFiles, watch: Watch) -> None:
    """Put the stems of a job and their peaks into the store, if there is one.

    Raises
    ------
    StoreError, DiskFullError
        If the store cannot take them.
    """
    folder = storage.attempt_folder(job.pk, job.attempt)
    for path in (*files.values(), *folder.glob("*.peaks")):
        storage.publish(path)
        watch.moved = time.monotonic()


def stem_of(job: Job, source: str, path: Path, files: StemFiles) -> Stem:
    """Return the row of a finished stem."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Stem(
        job=job, source=source, file=path.name, sample_rate=files.sample_rate,
        channels=job.song.channels, samples=files.samples, bytes=path.stat().st_size,
        sha256=digest,
    )  # fmt: skip


def message_of(error: WavesepError, job: Job) -> str:
    """Return the message of an error with the title of the song instead of its path."""
    if isinstance(error, StoreError):
        log.warning("job %s: %s", job.pk, error)
        return NO_STORE
    copy = storage.attempt_folder(job.pk, job.attempt) / storage.SONG
    text = str(error).replace(str(storage.song_path(job.song_id)), job.song.title)
    return text.replace(str(copy), job.song.title)
