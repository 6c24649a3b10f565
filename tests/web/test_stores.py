"""Songs and stems in a store: previews in pieces, stores that fail, copies that are deleted."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import fsspec
import numpy as np
import pytest
from django.contrib.auth.models import User
from django.test import Client
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wavesep.cli import main
from wavesep.errors import OptionError, StoreError
from wavesep.web import pieces, retention, storage
from wavesep.web.models import Job
from wavesep.web.stores import Store
from wavesep.web.worker import Watch, Worker

from .conftest import CONFIG, DATA
from .test_api import Caller, wav


class Faulty(MemoryFileSystem):
    """A store that fails once, at one of its calls, before or after it has done it."""

    protocol = "faulty"
    calls = 0
    fails_at = 0
    fails_after = False

    @classmethod
    def begin(cls, fails_at: int, fails_after: bool) -> None:
        """Count the calls anew."""
        cls.calls, cls.fails_at, cls.fails_after = 0, fails_at, fails_after

    def _call(self, name: str, *arguments: Any, **options: Any) -> Any:
        Faulty.calls += 1
        fails = Faulty.calls == Faulty.fails_at
        if fails and not Faulty.fails_after:
            raise ConnectionError("the network is down")
        answer = getattr(super(), name)(*arguments, **options)
        if fails:
            raise TimeoutError
        return answer

    @classmethod
    def _strip_protocol(cls, path: str) -> Any:
        return super()._strip_protocol(path.removeprefix("faulty://"))

    def info(self, *arguments: Any, **options: Any) -> Any:
        return self._call("info", *arguments, **options)

    def put_file(self, *arguments: Any, **options: Any) -> Any:
        return self._call("put_file", *arguments, **options)

    def get_file(self, *arguments: Any, **options: Any) -> Any:
        return self._call("get_file", *arguments, **options)

    def pipe_file(self, *arguments: Any, **options: Any) -> Any:
        return self._call("pipe_file", *arguments, **options)

    def find(self, *arguments: Any, **options: Any) -> Any:
        return self._call("find", *arguments, **options)

    def ls(self, *arguments: Any, **options: Any) -> Any:
        return self._call("ls", *arguments, **options)

    def rm(self, *arguments: Any, **options: Any) -> Any:
        return self._call("rm", *arguments, **options)


fsspec.register_implementation("faulty", Faulty)


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store that is used instead of the data folder."""
    store = Store("faulty://tests")
    monkeypatch.setattr(storage, "STORE", store)
    Faulty.begin(0, fails_after=False)
    yield store
    Faulty.begin(0, fails_after=False)
    store.delete("")


@pytest.fixture
def ada(owner: User, tiny_file: Path) -> Caller:
    shutil.copy(tiny_file, CONFIG.model)
    return Caller(owner)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_pieces_are_the_preview(
    faulty: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: st.DataObject
) -> None:
    monkeypatch.setattr(pieces, "LARGEST", data.draw(st.integers(1, 40), "largest"))
    folder = storage.attempt_folder(uuid4(), 1)
    folder.mkdir(parents=True)
    whole, there = b"", 0
    for _ in range(data.draw(st.integers(1, 3), "attempts of the same number")):
        content, sent = b"", dict[Path, int]()
        for _ in range(data.draw(st.integers(0, 6), "blocks")):
            size = data.draw(st.integers(0, 60))
            content += bytes((len(content) + i) % 251 for i in range(size))
            (folder / "a.pcm").write_bytes(content)
            Faulty.begin(data.draw(st.integers(0, 4), "fails at"), data.draw(st.booleans()))
            try:
                pieces.send_new(folder, sent)
                there = max(there, len(content))
            except StoreError:
                pass
        whole = max(whole, content, key=len)
    Faulty.begin(0, fails_after=False)

    at, size = data.draw(st.integers(0, 200)), data.draw(st.integers(-1, 200))
    part = pieces.read(folder, "a.pcm", at, size)
    expected = whole[at : at + size] if size >= 0 else whole[at:]
    assert expected.startswith(part or b"")
    sure = there - at if size < 0 else min(there - at, size)
    assert len(part or b"") >= sure
    assert pieces.read(folder, "b.pcm", 0, 9) is None
    shutil.rmtree(folder)


def test_a_piece_that_is_being_written_is_not_read(store: Store) -> None:
    folder = storage.attempt_folder(uuid4(), 1)
    storage.write(folder / "growing" / pieces.name_of("a.pcm", (0, 4)), b"abcd")
    storage.write(folder / "growing" / pieces.name_of("a.pcm", (4, 8)), b"ef")
    assert pieces.read(folder, "a.pcm", 0, -1) == b"abcd"


def test_a_player_on_another_machine_hears_stems_while_they_grow(
    ada: Caller, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "PAUSES", (0.001, 0.001))
    job = ada("POST", "/jobs", {"song": ada.upload(wav(3))["id"], "codec": "wav"}, 202)["id"]
    pcm, peaks = f"/jobs/{job}/pcm/vocals", f"/jobs/{job}/peaks/vocals"
    heard: list[bytes] = []

    def listen(self: Watch, done: int) -> None:
        self.__dict__["done"] = done
        if done and not heard:
            end = time.monotonic() + 20
            while len(store.sizes(f"stems/{job}/1/growing")) < 4:  # samples and peaks of two stems
                assert time.monotonic() < end
                time.sleep(0.01)
            heard.append(ada("GET", f"{pcm}?at=1000&count=500").content)
            assert ada("GET", peaks).content
            ada("GET", f"{pcm}?at=999999&count=9", None, 425)
            ada("GET", f"/jobs/{job}/pcm/drums?at=0&count=9", None, 425)

    monkeypatch.setattr(Watch, "done", property(lambda self: self.__dict__["done"], listen), False)
    Worker(CONFIG).work()

    assert ada("GET", f"/jobs/{job}")["state"] == "done"
    names = {"accompaniment.peaks", "accompaniment.wav", "vocals.peaks", "vocals.wav"}
    assert store.sizes(f"stems/{job}/1").keys() == names
    gain = 10 ** (ada("GET", f"/jobs/{job}")["gain_db"] / 20)
    first = np.frombuffer(heard[0], "<i2")
    final = np.frombuffer(ada("GET", f"{pcm}?at=1000&count=500").content, "<i2")
    softer = np.abs(first.astype(int)) < 32_767
    np.testing.assert_allclose(final[softer], first[softer] * gain, atol=2)
    assert len(ada("GET", peaks).content) == 2 * -(-132_300 // 1_024)
    ada("GET", f"/jobs/{job}/pcm/drums?at=0&count=9", None, 404)


def persist(ada: Caller, method: str, path: str, body: Any = None, **headers: str) -> Any:
    """Ask until the store is back, as clients do; nothing else may go wrong."""
    for _ in range(3):
        answer = ada.ask(method, path, body, **headers)
        if answer.status_code != 503:
            assert answer.status_code < 300, answer.content
            return answer
        assert json.loads(answer.content)["code"] == "store"
    raise AssertionError("the store is back, but the server does not notice")


def at_every_call(act: Callable[[], object]) -> None:
    """Do something while the store fails at its first call, then at its second, and so on."""
    Faulty.begin(0, fails_after=False)
    act()
    count = Faulty.calls
    assert count
    for fails_at in range(1, count + 1):
        for fails_after in (False, True):
            Faulty.begin(fails_at, fails_after)
            act()
            assert Faulty.calls >= fails_at
    Faulty.begin(0, fails_after=False)


def files_in(folder: Path) -> set[str]:
    """Return the names of all files in a folder."""
    return {path.name for path in folder.rglob("*") if path.is_file()}


def test_an_upload_is_finished_when_the_store_is_back(ada: Caller, faulty: Store) -> None:
    content = wav(0.1)

    def upload_and_delete() -> None:
        song = ada("POST", "/songs", {"name": "a", "bytes": len(content)}, 201)["id"]
        persist(ada, "PUT", f"/songs/{song}/body", content, upload_offset="0")
        assert ada("GET", f"/songs/{song}")["state"] == "ready"
        assert f"/tests/songs/{song}" in Faulty.store
        ada("DELETE", f"/songs/{song}", status=204)

    at_every_call(upload_and_delete)
    retention.sweep()  # it deletes what could not be deleted then
    assert not [key for key in Faulty.store if key.startswith("/tests/songs")]
    assert not files_in(DATA / "songs") | files_in(DATA / "incoming")


def test_a_job_is_done_when_the_store_has_its_stems(
    ada: Caller, faulty: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "PAUSES", (60, 60))  # so that the calls are always the same
    song, worker = ada.upload(wav(0.1))["id"], Worker(CONFIG)

    def separate() -> None:
        job = ada("POST", "/jobs", {"song": song, "codec": "wav"}, 202)["id"]
        worker.work()
        found = ada("GET", f"/jobs/{job}")
        if found["state"] == "failed":
            assert (found["error_code"], found["stems"]) == ("store", [])
            assert "the network" not in found["error"]
            ada("POST", f"/jobs/{job}/retry")
            worker.work()
            found = ada("GET", f"/jobs/{job}")
        assert found["state"] == "done"
        for stem in found["stems"]:
            stored = fsspec.filesystem("faulty").cat(f"/tests/stems/{job}/1/{stem['file']}")
            assert hashlib.sha256(stored).hexdigest() == stem["sha256"]

    at_every_call(separate)
    assert not files_in(DATA / "stems")


def test_what_could_not_be_fetched_can_be_asked_for_again(ada: Caller, faulty: Store) -> None:
    song = ada.upload(wav(0.1))["id"]
    job = f"/jobs/{ada('POST', '/jobs', {'song': song, 'codec': 'wav'}, 202)['id']}"
    Worker(CONFIG).work()
    answers = set()

    def listen() -> None:
        shutil.rmtree(DATA / "cache", ignore_errors=True)
        shutil.rmtree(DATA / "stems", ignore_errors=True)
        pcm, peaks = f"{job}/pcm/vocals?at=0&count=999", f"{job}/peaks/accompaniment"
        stem, mix = f"{job}/stems/accompaniment", f"{job}/mix.wav?vocals=1"
        small = [persist(ada, "GET", path).content for path in (pcm, peaks)]
        for path in (stem, mix):
            persist(ada, "GET", path)
        answers.add((*small, *(ada.download(path)[0] for path in (stem, mix))))

    at_every_call(listen)
    assert len(answers) == 1


def test_a_preview_that_cannot_be_stored_is_no_failure(
    ada: Caller, faulty: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "PAUSES", (0.001, 0.001))

    def fail(*_: Any) -> None:
        raise ConnectionError

    monkeypatch.setattr(Faulty, "pipe_file", fail)
    ada("POST", "/jobs", {"song": ada.upload(wav(1))["id"]}, 202)
    Worker(CONFIG).work()
    assert Job.objects.get().state == Job.State.DONE


def test_what_belongs_to_nothing_or_is_not_used_is_deleted(
    ada: Caller, owner: User, store: Store
) -> None:
    song = ada.upload(wav(0.2))["id"]
    job = ada("POST", "/jobs", {"song": song, "codec": "wav"}, 202)["id"]
    Worker(CONFIG).work()
    ada.download(f"/jobs/{job}/stems/vocals")
    ada.download(f"/jobs/{job}/mix.wav?vocals=1")
    for name in (
        f"stems/{uuid4()}/1/vocals.wav",
        f"songs/{uuid4()}",
        "songs/a note",
        "stems/a note",
    ):
        store.write(name, b"x")
    copies = files_in(DATA / "cache")
    assert copies == {song, "vocals.wav"}

    retention.sweep()
    assert copies == files_in(DATA / "cache")
    assert store.sizes("songs").keys() == {song, "a note"}
    assert store.sizes("stems").keys() == {job, "a note"}

    old = time.time() - retention.COPIES_LAST - 1
    for path in [*(DATA / "cache").rglob("*"), *(DATA / "stems").rglob("*")]:
        if path.name != song:
            os.utime(path, (old, old))
    ada.download(f"/jobs/{job}/mix.wav?vocals=1")  # this uses the mix, not the stem
    retention.sweep()
    assert copies - {"vocals.wav"} == files_in(DATA / "cache")
    assert len([*(DATA / "stems").rglob("*.wav")]) == 1
    ada.download(f"/jobs/{job}/stems/vocals")

    ada("DELETE", f"/songs/{song}", status=204)
    assert store.sizes("songs").keys() == store.sizes("stems").keys() == {"a note"}
    assert not files_in(DATA / "cache")


def test_readiness_depends_on_the_store(faulty: Store) -> None:
    client = Client(headers={"Host": "localhost"})
    assert client.get("/readyz").content == b"ready\n"
    Faulty.begin(1, fails_after=False)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.content) == (503, b"the store cannot be reached\n")
    assert client.get("/readyz").status_code == 200
    assert faulty.sizes("") == {"wavesep": 0}


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nothing://a/b", "nothing://a/b cannot be opened: Protocol not known: nothing"),
        ("s3://ada:secret@bucket", "the URL of the store holds a password: put it in the"),
        ("file:///dev/null/a", "file:///dev/null/a cannot be used: "),
    ],
)
def test_a_wrong_store_is_one_line(
    url: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["worker", "--data", str(tmp_path), "--store", url]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"wavesep: {message}")
    assert told.count("\n") == 1
    assert "secret" not in told


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("gcsfs", "gs://a cannot be opened: Please install gcsfs to access Google Storage"),
        ("fsspec.core", '--store needs fsspec: run pip install "wavesep[store]"'),
    ],
)
def test_a_missing_package_is_named(
    missing: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(OptionError) as refused:
        Store("gs://a")
    assert str(refused.value) == message


def test_the_data_folder_needs_no_fsspec() -> None:
    code = (
        "import sys, django; sys.modules['fsspec'] = None; django.setup()\n"
        "import wavesep.web.asgi, wavesep.web.worker, wavesep.cli.serve"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
