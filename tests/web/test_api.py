"""The interface: what its users can do, and what they cannot see of one another."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import soundfile
from django.contrib.auth.models import User
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wavesep.web import access, storage
from wavesep.web.downloads import range_of
from wavesep.web.models import Job, Song
from wavesep.web.worker import Watch, Worker

from .conftest import CONFIG

API = "/api/v1"


def client(token: str = "", **options: Any) -> Client:
    """Return a client of Django's that calls the server by a name that it knows."""
    headers = {"Host": "localhost"} | ({"Authorization": f"Bearer {token}"} if token else {})
    return Client(headers=headers, **options)


class Caller:
    """A program that calls the interface with a token."""

    def __init__(self, user: User) -> None:
        self._client = client(access.new_token(user, "test"))

    def __call__(
        self, method: str, path: str, body: Any = None, status: int = 200, **headers: str
    ) -> Any:
        """Return the answer, from JSON if it is JSON."""
        answer = self.ask(method, path, body, **headers)
        assert answer.status_code == status, answer.content[:500]
        is_json = answer.headers.get("Content-Type", "").startswith("application/json")
        return json.loads(answer.content) if is_json and answer.content else answer

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Return the answer, whatever it is."""
        raw = isinstance(body, bytes)
        content = body if raw else json.dumps(body)
        return self._client.generic(
            method, API + path, content, "application/octet-stream" if raw else "application/json",
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )  # fmt: skip

    def download(self, path: str, status: int = 200, **headers: str) -> tuple[bytes, Any]:
        """Return the content of a file, and the answer."""
        answer = self("GET", path, None, status, **headers)

        async def read() -> bytes:
            return b"".join([block async for block in answer.streaming_content])

        return asyncio.run(read()), answer

    def upload(self, content: bytes, name: str = "song.wav", chunk: int = 100_000) -> Any:
        """Upload a song in chunks; return it."""
        song = self("POST", "/songs", {"name": name, "bytes": len(content)}, 201)["id"]
        for at in range(0, len(content), chunk):
            piece = content[at : at + chunk]
            self("PUT", f"/songs/{song}/body", piece, upload_offset=str(at))
        return self("GET", f"/songs/{song}")


@pytest.fixture
def ada(owner: User) -> Caller:
    return Caller(owner)


@pytest.fixture
def bob() -> Caller:
    return Caller(User.objects.create_user("bob"))


def wav(seconds: float = 1.0, channels: int = 2) -> bytes:
    """Return a song."""
    rng = np.random.default_rng(0)
    file = io.BytesIO()
    audio = rng.uniform(-0.1, 0.1, (round(seconds * 44_100), channels))
    soundfile.write(file, audio, 44_100, format="WAV")
    return file.getvalue()


@pytest.mark.usefixtures("place")
def test_a_song_is_uploaded_separated_and_downloaded(ada: Caller, tiny_file: Path) -> None:
    shutil.copy(tiny_file, CONFIG.model)
    song = ada.upload(wav(1.5), "my song.wav")
    assert (song["title"], song["state"], song["seconds"]) == ("my song.wav", "ready", 1.5)

    job = ada("POST", "/jobs", {"song": song["id"], "codec": "wav"}, 202)
    assert (job["state"], job["stems"]) == ("queued", [])
    Worker(CONFIG).work()

    job = ada("GET", f"/jobs/{job['id']}")
    assert (job["state"], job["done"]) == ("done", 66_150)
    total = 0
    for stem in job["stems"]:
        content, answer = ada.download(f"/jobs/{job['id']}/stems/{stem['source']}")
        assert answer["Content-Disposition"] == (
            f'attachment; filename="my song.wav - {stem["file"]}"'
        )
        assert len(content) == stem["bytes"]
        total = total + soundfile.read(io.BytesIO(content), dtype="int16")[0].astype(int)
    mixture = soundfile.read(io.BytesIO(wav(1.5)), dtype="int16")[0]
    assert job["gain_db"] < 0 or (total == mixture).all()


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_an_upload_can_be_resumed_anywhere(ada: Caller, data: st.DataObject) -> None:
    content = wav(0.2)
    song = ada("POST", "/songs", {"name": "a", "bytes": len(content)}, 201)["id"]
    arrived = 0
    while arrived < len(content):
        at = data.draw(st.integers(0, arrived), "from")  # the client does not know what arrived
        end = min(len(content), arrived + data.draw(st.integers(5_000, 20_000), "new"))
        told = ada("PUT", f"/songs/{song}/body", content[at:end], upload_offset=str(at))
        arrived = end
        assert told["offset"] == arrived == ada("GET", f"/songs/{song}/body")["offset"]

    found = ada("GET", f"/songs/{song}")
    assert found["state"] == "ready"
    assert storage.song_path(found["id"]).read_bytes() == content


def test_gaps_and_wrong_sizes_are_refused(ada: Caller) -> None:
    song = ada("POST", "/songs", {"name": "a", "bytes": 10}, 201)["id"]

    assert ada("PUT", f"/songs/{song}/body", b"x", 409, upload_offset="3")["code"] == "gap"
    assert ada("PUT", f"/songs/{song}/body", b"x" * 11, 413, upload_offset="0")
    assert ada("PUT", f"/songs/{song}/body", b"x", 422, upload_offset="-1")
    for size in (0, -1, CONFIG.largest_song + 1):
        assert ada("POST", "/songs", {"name": "a", "bytes": size}, 413)["code"] == "too_large"
    assert ada("GET", f"/songs/{song}/body")["offset"] == 0


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no audio", "a.mp3 holds no sound"),
        (wav(61), "61 s; 60 s are allowed"),
        (wav(0.1, channels=9), "9 channels; 8 are allowed"),
    ],
)
def test_bad_songs_are_told_and_not_kept(ada: Caller, content: bytes, message: str) -> None:
    song = ada.upload(content, "a.mp3", 8_000_000)

    assert song["state"] == "bad"
    assert message in song["error"]
    assert ada("POST", "/jobs", {"song": song["id"]}, 409)["code"] == "not_ready"
    assert not storage.song_path(song["id"]).exists()


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a\x00b", "x" * 900, "\u202eevil", "CON", "<img onerror=x>", ""]
)
def test_names_are_never_paths(ada: Caller, name: str) -> None:
    song = ada.upload(wav(0.1), name)

    assert song["state"] == "ready"
    assert 0 < len(song["title"]) <= 255
    assert song["title"].isprintable()
    files = [path for path in CONFIG.folder.rglob("*") if path.is_file()]
    assert {path.parent.name for path in files if song["id"] in path.name} == {"songs"}


def test_a_request_repeated_makes_one_job(ada: Caller, bob: Caller) -> None:
    song, other = ada.upload(wav(0.1)), bob.upload(wav(0.1))
    ask = {"song": song["id"]}

    first = ada("POST", "/jobs", ask, 202, idempotency_key="k")
    assert ada("POST", "/jobs", ask, 202, idempotency_key="k")["id"] == first["id"]
    assert ada("POST", "/jobs", ask, 202)["id"] != first["id"]
    assert bob("POST", "/jobs", {"song": other["id"]}, 202, idempotency_key="k") != first
    assert len(ada("GET", "/jobs")) == 2


def test_jobs_are_cancelled_queued_again_and_deleted(ada: Caller) -> None:
    song = ada.upload(wav(0.1))
    job = f"/jobs/{ada('POST', '/jobs', {'song': song['id']}, 202)['id']}"

    assert ada("POST", f"{job}/retry", None, 409)["code"] == "not_ended"
    assert ada("POST", f"{job}/cancel")["state"] == "cancelled"
    assert ada("POST", f"{job}/retry")["state"] == "queued"
    ada("DELETE", job, status=204)
    ada("GET", job, status=404)
    ada("DELETE", f"/songs/{song['id']}", status=204)
    assert not Song.objects.exists()
    assert not [path for path in (CONFIG.folder / "songs").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "job", [{"song": "x"}, {"song": "S", "codec": "exe"}, {"song": "S", "model": "../x"}, {}]
)
def test_bad_jobs_are_refused(ada: Caller, job: dict[str, str]) -> None:
    song = ada.upload(wav(0.1))
    job = {name: song["id"] if value == "S" else value for name, value in job.items()}

    assert ada("POST", "/jobs", job, 422)["code"] == "invalid"


@pytest.mark.usefixtures("place")
def test_nobody_sees_what_is_another_s(ada: Caller, bob: Caller, tiny_file: Path) -> None:
    shutil.copy(tiny_file, CONFIG.model)
    song = ada.upload(wav(0.1))["id"]
    job = ada("POST", "/jobs", {"song": song}, 202)["id"]
    Worker(CONFIG).work()
    source = ada("GET", f"/jobs/{job}")["stems"][0]["source"]
    known = {"song": song, "job": job, "source": source, "codec": "wav"}
    document = ada("GET", "/openapi.json")

    seen = 0
    for path, methods in document["paths"].items():
        if "{" in path:
            for method in methods:
                url = path.removeprefix(API).format(**known)
                body = b"x" if method == "put" else None
                answer = bob(method.upper(), f"{url}?at=0&count=1", body, 404, upload_offset="0")
                assert answer["code"] == "not_found"
                seen += 1
    assert seen == 13
    assert bob("GET", "/songs") == bob("GET", "/jobs") == []
    bob("POST", "/jobs", {"song": song}, 404)
    assert Job.objects.get(pk=job).state == Job.State.DONE


def test_without_credentials_nothing_answers() -> None:
    document = json.loads(client().get(f"{API}/openapi.json").content)
    for path, methods in document["paths"].items():
        for method in methods:
            url = path.format(song=UUID(int=0), job=UUID(int=0), source="x", codec="wav")
            for token in ("", "wrong"):
                answer = client(token).generic(method.upper(), url)
                assert answer.status_code == HTTPStatus.UNAUTHORIZED
                assert json.loads(answer.content)["code"] == "unauthorised"


def test_a_browser_s_session_needs_protection_against_forged_requests(owner: User) -> None:
    browser = client(enforce_csrf_checks=True)
    browser.force_login(owner)

    assert browser.get(f"{API}/me").json()["name"] == "ada"
    answer = browser.post(f"{API}/songs", {"name": "a", "bytes": 1}, "application/json")
    assert answer.status_code == HTTPStatus.FORBIDDEN


def test_the_pages_of_the_interface_load_nothing_from_elsewhere(owner: User) -> None:
    browser = client()
    browser.force_login(owner)
    page = browser.get(f"{API}/docs").content.decode()

    assert "openapi.json" in page
    assert "http://" not in page
    assert "https://" not in page


@given(st.integers(1, 200), st.data())
def test_ranges_are_those_of_the_standard(size: int, data: st.DataObject) -> None:
    content = bytes(i % 251 for i in range(size))
    first = data.draw(st.integers(0, 250))
    last = data.draw(st.integers(0, 250))

    for wanted, part in (
        (f"bytes={first}-{last}", content[first : last + 1] if first <= last else b""),
        (f"bytes={first}-", content[first:]),
        (f"bytes=-{last}", content[-last:] if last else b""),
    ):
        found = range_of(wanted, size)
        assert (content[slice(*found)] if found else b"") == part
    for wrong in ("bytes=-", "bytes=a-b", "items=0-1", "bytes=0-1,3-4", ""):
        assert range_of(wrong, size) is None


@pytest.mark.usefixtures("place")
def test_parts_of_a_stem_can_be_read(ada: Caller, tiny_file: Path) -> None:
    shutil.copy(tiny_file, CONFIG.model)
    job = ada("POST", "/jobs", {"song": ada.upload(wav(0.3))["id"]}, 202)["id"]
    Worker(CONFIG).work()
    stem = f"/jobs/{job}/stems/vocals"
    whole, _ = ada.download(stem)

    part, answer = ada.download(stem, 206, range="bytes=100-299")
    assert part == whole[100:300]
    assert answer["Content-Range"] == f"bytes 100-299/{len(whole)}"
    assert answer["Content-Length"] == "200"
    assert ada("GET", stem, status=416, range=f"bytes={len(whole)}-")
    assert ada("GET", stem, status=304, if_none_match=answer["ETag"])
    # of a file that has changed, a part would not fit to the part that is there
    assert ada.download(stem, range="bytes=0-1", if_range='"other"')[0] == whole


def test_a_player_gets_samples_while_the_stems_grow(
    ada: Caller, tiny_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(tiny_file, CONFIG.model)
    job = ada("POST", "/jobs", {"song": ada.upload(wav(3))["id"], "codec": "wav"}, 202)["id"]
    pcm, peaks = f"/jobs/{job}/pcm/vocals", f"/jobs/{job}/peaks/vocals"
    assert ada("GET", f"{pcm}?at=0&count=9", None, 425)["code"] == "too_early"
    heard: list[bytes] = []

    def listen(self: Watch, done: int) -> None:
        self.__dict__["done"] = done
        if not heard and done:
            heard.append(ada("GET", f"{pcm}?at=1000&count=500").content)
            ada("GET", f"{pcm}?at={done + 1}&count=9", None, 425)
            assert len(ada("GET", peaks).content) == 2 * (done // 1_024)

    monkeypatch.setattr(Watch, "done", property(lambda self: self.__dict__["done"], listen), False)
    Worker(CONFIG).work()

    (first,) = heard
    assert len(first) == 500 * 2 * 2
    found = ada("GET", f"/jobs/{job}")
    assert found["state"] == "done"
    gain = 10 ** (found["gain_db"] / 20)
    final = np.frombuffer(ada("GET", f"{pcm}?at=1000&count=500").content, "<i2")
    clipped = np.abs(np.frombuffer(first, "<i2").astype(int)) >= 32_767
    np.testing.assert_allclose(
        final[~clipped], np.frombuffer(first, "<i2")[~clipped] * gain, atol=2
    )
    assert len(ada("GET", f"{pcm}?at=132000&count=1000").content) == 300 * 4  # 132,300 in all
    assert ada("GET", f"{pcm}?at=999999&count=5").content == b""
    assert len(ada("GET", f"{pcm}?at=0&count=10000000").content) == 132_300 * 4
    assert len(ada("GET", f"{peaks}?at=129").content) == 2  # the last of 130, of fewer samples
    for wrong in ("?at=-1&count=1", "?at=0&count=0", "?at=0"):
        ada("GET", pcm + wrong, None, 422)
    ada("GET", f"/jobs/{job}/pcm/..%2Fdb.sqlite3?at=0&count=9", None, 404)
