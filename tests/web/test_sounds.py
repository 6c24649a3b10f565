"""Downloads that are made of finished stems: a zip file of all, and own mixes."""

from __future__ import annotations

import ntpath
import shutil
import tracemalloc
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from email.message import Message
from io import BytesIO
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
from django.contrib.auth.models import User
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from wavesep.audio import Audio
from wavesep.audio.write import StemFormat, open_stems
from wavesep.separator import StemFiles
from wavesep.web import jobs, mixes, storage, zips
from wavesep.web.models import Job, Song
from wavesep.web.worker import Worker, stem_of

from .conftest import CONFIG, new_job
from .test_api import Caller

RATE = 44_100
STEP = 2.0**-15  # of 16 bits
NASTY = ["../../etc/passwd", "..", "", ".", "CON", "aux.", "nul .x", "a\\b:c", "\u202eevil", "-rf",
         "é" * 255, "🎵", "C:\\x", "/abs", "a\u2215b", "..\uff0f..", "com1.mp3"]  # fmt: skip
one_for_all = settings(
    max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # a job that stays the same


@pytest.fixture
def ada(owner: User) -> Caller:
    return Caller(owner)


def sound(seed: int, samples: int = 30_000, channels: int = 2, level: float = 0.4) -> Audio:
    """Noise of 16 bits."""
    rng = np.random.default_rng(seed)
    whole = rng.integers(-round(level / STEP), round(level / STEP), (samples, channels))
    return (whole * STEP).astype(np.float32)


def finished(owner: User, codec: str = "flac", /, **stems: Audio) -> Job:
    """Return a finished job with these stems, written by the library."""
    new_job(owner, codec=codec)
    job = jobs.claim("w")
    assert job is not None
    folder = storage.attempt_folder(job.pk, job.attempt)
    first = next(iter(stems.values()))
    form = StemFormat(codec, 16, RATE, first.shape[1])
    paths = {source: folder / f"{source}.{codec}" for source in stems}
    with open_stems(paths, form, samples=len(first)) as writer:
        writer.write(stems)
    files = StemFiles(paths, RATE, len(first), 0.0)
    rows = [stem_of(job, source, path, files) for source, path in paths.items()]
    song = storage.song_path(job.song_id)
    song.parent.mkdir(parents=True, exist_ok=True)
    song.touch()
    for path in (song, *paths.values()):
        storage.publish(path)
    assert jobs.finish(job, rows, done=len(first), gain_db=0.0)
    return job


def stem_bytes(job: Job) -> list[bytes]:
    """Return the content of each stem of a job."""
    folder = storage.attempt_folder(job.pk, job.attempt)
    return [(folder / stem.file).read_bytes() for stem in job.stems.all()]


def is_reserved(name: str) -> bool:
    """Return whether Windows keeps a name for a device."""
    if hasattr(ntpath, "isreserved"):
        return bool(ntpath.isreserved(name))
    return PureWindowsPath(name).is_reserved()


@contextmanager
def peak_of_memory() -> Iterator[list[int]]:
    """Measure the peak of what Python and NumPy allocate, in bytes."""
    peak: list[int] = []
    tracemalloc.start()
    try:
        yield peak
        peak.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


def with_examples(test: Any) -> Any:
    """Try the nasty titles too."""
    for title in NASTY:
        test = example(title=title)(test)
    return test


@settings(max_examples=40)
@with_examples
@given(title=st.text(max_size=300))
def test_an_entry_is_a_file_on_every_system(title: str) -> None:
    name = zips.entry_name(title, "vocals.flac")

    assert name.endswith("vocals.flac")
    assert PurePosixPath(name).parts == PureWindowsPath(name).parts == (name,)
    assert not is_reserved(name)
    assert name.isprintable()
    assert ".." not in name
    assert name[0] not in " .-"
    assert len(name.encode()) <= 255


@one_for_all
@with_examples
@given(title=st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=255))
def test_a_zip_of_any_title_is_extracted_into_one_folder(
    ada: Caller, owner: User, tmp_path: Path, title: str
) -> None:
    job = Job.objects.first() or finished(owner, vocals=sound(1, 99), accompaniment=sound(2, 99))
    Song.objects.update(title=title)
    folder = tmp_path / "out"
    shutil.rmtree(folder, ignore_errors=True)

    content, answer = ada.download(f"/jobs/{job.pk}.zip")

    assert len(content) == int(answer["Content-Length"])
    archive = zipfile.ZipFile(BytesIO(content))
    archive.extractall(folder)
    assert {path.name for path in folder.iterdir()} == {*archive.namelist()}
    assert [(folder / name).read_bytes() for name in archive.namelist()] == stem_bytes(job)


def test_a_zip_is_made_in_blocks(tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(100_000_000)

    with peak_of_memory() as peak:
        sizes = [len(block) for block in zips.zip_blocks({"a": large}, datetime(2026, 1, 1))]

    assert peak[0] < 4_000_000
    assert sum(sizes) == zips.zip_size({"a": large})


def test_a_zip_of_a_very_large_song_can_be_read(
    ada: Caller, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = finished(owner, vocals=sound(1, 999), accompaniment=sound(2, 999))
    for module in (zipfile, zips):  # from this size on, the form of a zip file is another
        monkeypatch.setattr(module, "ZIP64_LIMIT", 1_000)

    content, answer = ada.download(f"/jobs/{job.pk}.zip")

    assert "Content-Length" not in answer
    archive = zipfile.ZipFile(BytesIO(content))
    assert [archive.read(name) for name in archive.namelist()] == stem_bytes(job)


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("channels", [1, 2])
def test_a_mix_of_all_stems_is_the_song(
    ada: Caller, owner: User, tiny_file: Path, channels: int
) -> None:
    shutil.copy(tiny_file, CONFIG.model)
    song = sound(1, 66_000, channels, level=0.02)  # nothing clips
    file = BytesIO()
    soundfile.write(file, song, RATE, format="WAV", subtype="PCM_16")
    uploaded = ada.upload(file.getvalue())
    job = ada("POST", "/jobs", {"song": uploaded["id"]}, 202)["id"]
    Worker(CONFIG).work()

    content, answer = ada.download(f"/jobs/{job}/mix.wav?vocals=1&accompaniment=1")

    assert ada("GET", f"/jobs/{job}")["gain_db"] == 0
    mixed, _ = soundfile.read(BytesIO(content), dtype="float32", always_2d=True)
    np.testing.assert_array_equal(mixed, song)
    assert answer["Content-Disposition"] == 'attachment; filename="song.wav - mix.wav"'


@settings(one_for_all, max_examples=10)
@given(gains=st.tuples(st.floats(0, 2), st.floats(0, 2)))
@example(gains=(0.0, 0.0))
@example(gains=(2.0, 2.0))
def test_a_mix_is_the_sum_of_the_stems_times_their_gains(
    ada: Caller, owner: User, gains: tuple[float, float]
) -> None:
    stems = {"vocals": sound(1), "accompaniment": sound(2)}
    job = Job.objects.first() or finished(owner, **stems)

    content, _ = ada.download(f"/jobs/{job.pk}/mix.wav?vocals={gains[0]}&accompaniment={gains[1]}")

    mixed, _ = soundfile.read(BytesIO(content), dtype="float64")
    expected = sum(
        gain * stem.astype(float) for gain, stem in zip(gains, stems.values(), strict=True)
    )
    peak = np.abs(expected).max()
    full = 1 - STEP
    np.testing.assert_allclose(mixed, expected * min(1, full / max(peak, full)), atol=0.51 * STEP)


@pytest.mark.parametrize("codec", ["flac", "mp3"])
def test_a_mix_of_one_stem_is_the_stem_in_another_codec(
    ada: Caller, owner: User, codec: str
) -> None:
    vocals = sound(1, level=0.1)
    job = finished(owner, "wav", vocals=vocals, accompaniment=sound(2))

    content, answer = ada.download(f"/jobs/{job.pk}/mix.{codec}?vocals=1")

    assert answer["Content-Type"] == {"flac": "audio/flac", "mp3": "audio/mpeg"}[codec]
    found, rate = soundfile.read(BytesIO(content), dtype="float32")
    assert (found.shape, rate) == (vocals.shape, RATE)
    assert np.abs(found - vocals).max() < (0.1 if codec == "mp3" else 1e-9)


@pytest.mark.parametrize("codec", ["wav", "flac", "mp3"])
def test_stems_of_every_codec_can_be_mixed(ada: Caller, owner: User, codec: str) -> None:
    stems = {"vocals": sound(1, 140_000), "accompaniment": sound(2, 140_000)}
    job = finished(owner, codec, **stems)

    content, _ = ada.download(f"/jobs/{job.pk}/mix.wav?vocals=1&accompaniment=0.5")

    assert soundfile.info(BytesIO(content)).frames == 140_000


@pytest.mark.parametrize(
    "query",
    ["", "?", "?vocals=", "?vocals=nan", "?vocals=inf", "?vocals=-0.1", "?vocals=2.01", "?drums=1",
     "?vocals=1&drums=1", "?vocals=1;2", "?vocals=0x1"],
)  # fmt: skip
def test_wrong_gains_are_refused(ada: Caller, owner: User, query: str) -> None:
    job = finished(owner, vocals=sound(1, 99), accompaniment=sound(2, 99))

    assert ada("GET", f"/jobs/{job.pk}/mix.wav{query}", None, 422)["code"] == "invalid"
    assert ada("GET", f"/jobs/{job.pk}/mix.exe?vocals=1", None, 422)["code"] == "invalid"


def test_what_a_codec_cannot_hold_is_refused(ada: Caller, owner: User) -> None:
    job = finished(owner, vocals=sound(1, 99, channels=3), accompaniment=sound(2, 99, channels=3))

    answer = ada("GET", f"/jobs/{job.pk}/mix.mp3?vocals=1", None, 422)
    assert "choose wav or flac" in answer["message"]


def test_only_finished_jobs_of_one_s_own_have_sounds(ada: Caller, owner: User) -> None:
    bob = Caller(User.objects.create_user("bob"))
    job = finished(owner, vocals=sound(1, 99), accompaniment=sound(2, 99))
    waiting = new_job(owner)

    for path in (".zip", "/mix.wav?vocals=1"):
        bob("GET", f"/jobs/{job.pk}{path}", None, 404)
        assert ada("GET", f"/jobs/{waiting.pk}{path}", None, 409)["code"] == "not_done"
        Job.objects.filter(pk=waiting.pk).update(state=Job.State.FAILED)
        assert ada("GET", f"/jobs/{waiting.pk}{path}", None, 409)["code"] == "not_done"


@pytest.mark.usefixtures("place")
def test_a_mix_is_made_once_and_goes_with_the_job(
    ada: Caller, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = finished(owner, vocals=sound(1), accompaniment=sound(2))
    mix = f"/jobs/{job.pk}/mix.flac?vocals=0.5"
    whole, first = ada.download(mix)
    monkeypatch.delattr(mixes, "make_mix")

    part, answer = ada.download(mix + "0", 206, range="bytes=100-199", if_range=first["ETag"])
    assert part == whole[100:200]
    assert answer["ETag"] == first["ETag"]
    folder = storage.attempt_folder(job.pk, job.attempt) / "mixes"
    assert len([*folder.iterdir()]) == 1  # and nothing unfinished
    ada("DELETE", f"/jobs/{job.pk}", None, 204)
    assert not folder.exists()


def test_the_mixes_asked_for_last_are_kept(
    ada: Caller, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mixes, "KEPT", 2)
    job = finished(owner, vocals=sound(1, 99), accompaniment=sound(2, 99))
    mix = f"/jobs/{job.pk}/mix.wav?vocals="

    for gain in (1, 2, 1, 0.5):
        ada.download(f"{mix}{gain}")

    kept = {path.name for path in (storage.attempt_folder(job.pk, 1) / "mixes").iterdir()}
    assert kept == {mixes.path_of(job, {"vocals": gain}, "wav").name for gain in (1.0, 0.5)}


def test_two_mixes_are_made_at_a_time_and_each_once(
    ada: Caller, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = finished(owner, vocals=sound(1, 99), accompaniment=sound(2, 99))
    mix = f"/jobs/{job.pk}/mix.wav?vocals="
    ada.download(f"{mix}2")
    make_mix = mixes.make_mix
    gains = [1, 0.5]  # the second is asked for while the first is being made

    def meanwhile(*arguments: Any) -> None:
        answer = ada("GET", f"{mix}{gains.pop(0)}", None, 429)
        assert (answer["code"], "try again" in answer["message"]) == ("busy", True)
        if gains:
            ada.download(f"{mix}{gains[0]}")
        else:
            ada("GET", f"{mix}0.25", None, 429)
            ada.download(f"{mix}2")  # it is there
        make_mix(*arguments)

    monkeypatch.setattr(mixes, "make_mix", meanwhile)
    ada.download(f"{mix}1")
    assert gains == []
    assert len(ada.download(f"{mix}1")[0]) == len(ada.download(f"{mix}0.5")[0])
    assert not mixes.making


def test_no_mix_is_made_on_a_full_disk(
    ada: Caller, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = finished(owner, vocals=sound(1, 99), accompaniment=sound(2, 99))
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))

    assert ada("GET", f"/jobs/{job.pk}/mix.wav?vocals=1", None, 507)["code"] == "disk_full"
    assert not mixes.path_of(job, {"vocals": 1.0}, "wav").parent.exists()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_job_that_is_deleted_while_its_mix_is_made_leaves_nothing(
    ada: Caller, owner: User, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    job = finished(owner, vocals=sound(1, 99), accompaniment=sound(2, 99))
    make_mix = mixes.make_mix

    def meanwhile(*arguments: Any) -> None:
        if when == "after":
            make_mix(*arguments)
        ada("DELETE", f"/jobs/{job.pk}", None, 204)
        if when == "before":
            make_mix(*arguments)

    monkeypatch.setattr(mixes, "make_mix", meanwhile)
    ada("GET", f"/jobs/{job.pk}/mix.wav?vocals=1", None, 404)
    assert not storage.job_folder(job.pk).exists()


def test_the_memory_of_a_mix_does_not_grow_with_the_song(owner: User, tmp_path: Path) -> None:
    long = sound(1, 60 * RATE)
    job = finished(owner, "wav", vocals=long, accompaniment=long)

    with peak_of_memory() as peak:
        mixes.make_mix(job, {"vocals": 1, "accompaniment": 1}, "wav", tmp_path / "x.wav")

    assert peak[0] < long.nbytes / 2


@one_for_all
@given(title=st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=100))
@example(title='"; filename="evil.exe')
def test_download_names_say_the_title(ada: Caller, owner: User, title: str) -> None:
    job = Job.objects.first() or finished(owner, vocals=sound(1, 99))
    Song.objects.update(title=title)

    for path, name in (("/stems/vocals", " - vocals.flac"), (".zip", ".zip")):
        told = Message()
        told["Content-Disposition"] = ada.download(f"/jobs/{job.pk}{path}")[1][
            "Content-Disposition"
        ]
        assert told.get_content_disposition() == "attachment"
        assert told.get_filename() == title + name
