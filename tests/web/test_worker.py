"""Workers: what they publish, what they do with bad songs, and that they can be killed."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import soundfile
from django.contrib.auth.models import User
from django.utils import timezone

from wavesep import Separator
from wavesep.audio import Audio
from wavesep.web import jobs, storage
from wavesep.web.models import Job
from wavesep.web.worker import HUNG, STALL, Watch, Worker

from .conftest import CONFIG, new_job

RATE = 44_100


@pytest.fixture(autouse=True)
def _model(tiny_file: Path) -> None:
    shutil.copy(tiny_file, CONFIG.model)


def job_of(owner: User, audio: Audio, **settings: Any) -> Job:
    """Queue a job for a song of 16 bits."""
    job = new_job(owner, **settings)
    path = storage.song_path(job.song_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio, RATE, format="WAV", subtype="PCM_16")
    storage.publish(path)
    return job


def noise(seconds: float, level: float = 0.1) -> Audio:
    """Stereo noise."""
    rng = np.random.default_rng(0)
    return rng.uniform(-level, level, (round(seconds * RATE), 2)).astype(np.float32)


def expected_hashes(job: Job, tmp_path: Path) -> dict[str, str]:
    """Return the hashes of the stems that the library writes for a job's song."""
    paths = Separator(CONFIG.model).separate_to_file(
        storage.song_path(job.song_id), tmp_path, filename="{stem}.{ext}", codec=job.codec,
        overwrite=True,
    )  # fmt: skip
    return {s: hashlib.sha256(path.read_bytes()).hexdigest() for s, path in paths.items()}


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("codec", ["flac", "wav", "mp3"])
def test_stems_are_those_of_the_library(owner: User, tmp_path: Path, codec: str) -> None:
    job = job_of(owner, noise(2.5, level=1.0), codec=codec)

    assert Worker(CONFIG).work()

    job.refresh_from_db()
    assert (job.state, job.done, job.total) == (Job.State.DONE, 110_250, 110_250)
    assert {s.source: s.sha256 for s in job.stems.all()} == expected_hashes(job, tmp_path)
    for stem in job.stems.all():
        path = storage.fetched(storage.attempt_folder(job.pk, job.attempt) / stem.file)
        assert path.stat().st_size == stem.bytes
        assert (stem.samples, stem.sample_rate, stem.channels) == (110_250, RATE, 2)
    assert not Worker(CONFIG).work()


def test_previews_are_the_stems_before_the_common_gain(
    owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(owner, noise(1.5, level=0.02))  # nothing clips
    kept: dict[str, bytes] = {}

    def keep(key: UUID, attempt: int) -> None:
        paths = storage.attempt_folder(key, attempt).glob("*.pcm")
        kept.update({path.name: path.read_bytes() for path in paths})
        delete(key, attempt)

    delete = storage.delete_previews
    monkeypatch.setattr(storage, "delete_previews", keep)
    Worker(CONFIG).work()

    job.refresh_from_db()
    assert not list(storage.attempt_folder(job.pk, 1).glob("*.pcm"))
    folder = storage.attempt_folder(job.pk, 1)
    for stem in job.stems.all():
        audio, _ = soundfile.read(folder / stem.file, dtype="float32")
        samples = np.frombuffer(kept[f"{stem.source}.pcm"], "<i2").reshape(-1, 2)
        np.testing.assert_allclose(samples / 32_767, np.clip(audio, -1, 1), atol=2 / 32_767)
        peaks = np.frombuffer((folder / f"{stem.source}.peaks").read_bytes(), np.int8).reshape(
            -1, 2
        )
        assert len(peaks) == -(-len(audio) // 1_024)
        for i, (lowest, highest) in enumerate(peaks / 127):
            piece = audio[1_024 * i : 1_024 * (i + 1)]
            assert lowest <= max(piece.min(), -1) + 1e-6
            assert highest >= min(piece.max(), 1) - 1e-6
            assert max(piece.min() - lowest, highest - piece.max()) < 2 / 127 + 1e-6


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (b"no audio at all", "unreadable", "song.wav holds no sound"),
        (b"", "empty", "song.wav"),
        (None, "too_long", "song.wav is longer than 60 s"),
    ],
)
def test_a_bad_song_fails_and_the_worker_goes_on(
    owner: User, content: bytes | None, code: str, message: str
) -> None:
    bad, good = job_of(owner, noise(61 if content is None else 1)), job_of(owner, noise(0.5))
    if content is not None:
        storage.song_path(bad.song_id).write_bytes(content)
        storage.publish(storage.song_path(bad.song_id))
    worker = Worker(CONFIG)

    worker.work()
    worker.work()

    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.state, bad.error_code, good.state) == (Job.State.FAILED, code, Job.State.DONE)
    assert message in bad.error
    assert str(CONFIG.folder) not in bad.error


def test_an_unknown_model_fails(owner: User) -> None:
    job = job_of(owner, noise(0.5))
    Job.objects.update(model="nothing")

    Worker(CONFIG).work()

    job.refresh_from_db()
    assert (job.state, job.error_code) == (Job.State.FAILED, "model")


@pytest.mark.usefixtures("place")
def test_a_cancelled_job_ends_while_it_runs(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    job = job_of(owner, noise(20))
    monkeypatch.setattr("wavesep.web.worker.RENEWALS", 500)  # in a lease of 10 s

    def slow(_: Audio) -> bytes:
        time.sleep(0.05)
        return b""

    monkeypatch.setattr("wavesep.web.previews.to_pcm", slow)
    worker = Worker(CONFIG)
    thread = threading.Thread(target=worker.work)
    thread.start()
    wait_for(lambda: Job.objects.filter(pk=job.pk, done__gt=0).exists())

    jobs.cancel(job)
    thread.join()

    job.refresh_from_db()
    assert job.state == Job.State.CANCELLED
    assert 0 < job.done < 20 * RATE


@pytest.mark.usefixtures("place")
def test_a_worker_that_stops_hands_its_job_back(
    owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(owner, noise(5))
    worker = Worker(CONFIG)

    def stop(_: Audio) -> bytes:
        worker.stop.set()  # in the first block
        return b""

    monkeypatch.setattr("wavesep.web.previews.to_pcm", stop)

    worker.run()

    job.refresh_from_db()
    assert (job.state, job.attempt, job.done) == (Job.State.QUEUED, 0, 0)


def test_a_lost_lease_ends_the_separation(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wavesep.web.worker.RENEWALS", 1_000)
    job = job_of(owner, noise(1))
    claimed = jobs.claim("frozen")
    assert claimed is not None
    watch = Watch(claimed)
    Job.objects.update(worker="successor", attempt=2)

    with watch.watching():
        wait_for(lambda: watch.order is not jobs.Order.GO_ON)

    assert watch.order is jobs.Order.LOST
    job.refresh_from_db()
    assert job.worker == "successor"


RUN = """
import django, logging, signal, sys
django.setup()
from wavesep.web.settings import CONFIG
from wavesep.web.worker import Worker
worker = Worker(CONFIG)
signal.signal(signal.SIGTERM, lambda *_: worker.stop.set())
worker.run()
"""


def start_worker() -> subprocess.Popen[bytes]:
    """Start a worker in a process of its own."""
    environment = os.environ | CONFIG.to_environment()
    return subprocess.Popen([sys.executable, "-c", RUN], env=environment)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_killed_workers_lose_nothing(owner: User, tmp_path: Path) -> None:
    songs = [job_of(owner, noise(10 + i)) for i in range(2)]
    rng = np.random.default_rng(1)
    worker = start_worker()
    try:
        for _ in range(2):
            wait_for(lambda: Job.objects.filter(state=Job.State.RUNNING).exists())
            time.sleep(rng.uniform(0, 0.3))
            worker.kill()
            worker.wait()
            Job.objects.filter(state=Job.State.RUNNING).update(lease_until=timezone.now())
            worker = start_worker()
        wait_for(lambda: Job.objects.filter(state=Job.State.DONE).count() == len(songs))
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(20) == 0
    finally:
        worker.kill()
        worker.wait()

    for job in Job.objects.all():
        assert {s.source: s.sha256 for s in job.stems.all()} == expected_hashes(job, tmp_path)
        (folder,) = storage.job_folder(job.pk).iterdir()  # nothing is left of other attempts
        assert folder.name == str(job.attempt)
        assert not list(folder.glob(".*"))


def test_a_worker_that_hangs_fails_its_job_and_ends(
    owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ended(Exception):
        pass

    def end(code: int) -> None:
        raise Ended(code)

    monkeypatch.setattr(os, "_exit", end)
    monkeypatch.setattr("wavesep.web.worker.RENEWALS", 1_000)
    new_job(owner)
    job = jobs.claim("a worker")
    assert job is not None
    watch = Watch(job)
    watch.moved -= STALL - 0.1
    with pytest.raises(Ended, match=str(HUNG)):
        watch.run()
    job.refresh_from_db()
    assert (job.state, job.error_code) == (Job.State.FAILED, "timeout")
