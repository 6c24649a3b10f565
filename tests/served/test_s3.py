"""A server and its worker with songs and stems in S3: that of moto, started here."""

from __future__ import annotations

import hashlib
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from .conftest import Caller, Server, song, within
from .test_processes import hashes, run

pytestmark = pytest.mark.slow


@pytest.fixture
def s3() -> Iterator[dict[str, str]]:
    """The environment that leads to an S3 with the bucket "songs"."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    site = f"http://127.0.0.1:{port}"
    try:
        within(60, lambda: answers(f"{site}/moto-api"))
        urllib.request.urlopen(urllib.request.Request(f"{site}/songs", method="PUT")).close()
        yield {
            "AWS_ENDPOINT_URL": site, "AWS_ACCESS_KEY_ID": "ada", "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_SECRET_ACCESS_KEY": "a-secret",
        }  # fmt: skip
    finally:
        process.terminate()
        process.wait()


def answers(address: str) -> bool:
    """Return whether a server answers."""
    try:
        urllib.request.urlopen(address, timeout=5).close()
    except OSError:
        return False
    return True


def names_in(s3: dict[str, str]) -> str:
    """Return what S3 tells about the objects of the bucket."""
    with urllib.request.urlopen(f"{s3['AWS_ENDPOINT_URL']}/songs?list-type=2") as answer:
        return str(answer.read().decode())


def test_songs_and_stems_are_in_s3(s3: dict[str, str], tiny_file: Path, tmp_path: Path) -> None:
    data, log = tmp_path / "data", tmp_path / "log"
    options = ["--model", str(tiny_file), "--store", "s3://songs/here"]
    with log.open("w") as stderr:
        server = Server(data, *options, stderr=stderr, cwd=None, **s3)
        try:
            check_a_songs_life(server, s3, tiny_file, tmp_path)
            with urllib.request.urlopen(f"{server.site}/readyz") as answer:
                assert answer.read() == b"ready\n"
        finally:
            server.stop()
    assert "a-secret" not in log.read_text()
    assert "Traceback" not in log.read_text()
    assert not [path for path in (data / "songs").iterdir()]


def check_a_songs_life(server: Server, s3: dict[str, str], model: Path, folder: Path) -> None:
    """Upload a song, listen while it is separated, download the stems and a mix, delete it."""
    caller, content = Caller(server), song(40.0)
    job = caller.submit(content)
    within(120, lambda: is_heard(caller, job))
    within(120, lambda: is_done(caller, job))
    found = caller("GET", f"/jobs/{job}")
    stems = {stem["source"]: f"/jobs/{job}/stems/{stem['source']}" for stem in found["stems"]}
    assert {
        source: hashlib.sha256(caller("GET", path)).hexdigest() for source, path in stems.items()
    } == hashes(model, folder, content)
    assert len(caller("GET", f"/jobs/{job}/mix.flac?vocals=1")) > 100_000
    assert f"here/songs/{found['song']}" in names_in(s3)
    assert f"here/stems/{job}/1/vocals.flac" in names_in(s3)
    assert "growing" not in names_in(s3)
    caller("DELETE", f"/songs/{found['song']}")
    assert "here/songs" not in names_in(s3)
    assert "here/stems" not in names_in(s3)


def is_done(caller: Caller, job: str) -> bool:
    return bool(caller("GET", f"/jobs/{job}")["state"] == "done")


def is_heard(caller: Caller, job: str) -> bool:
    """Return whether a stem can be played."""
    try:
        return len(caller("GET", f"/jobs/{job}/pcm/vocals?at=0&count=44100")) > 0
    except urllib.error.HTTPError as error:
        if error.code != HTTPStatus.TOO_EARLY:
            raise
        return False


@pytest.mark.parametrize(
    ("store", "change", "told"),
    [
        ("s3://nowhere/here", {}, "bucket does not exist"),
        ("s3://songs/here", {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "Could not connect"),
    ],
)
def test_an_s3_that_cannot_be_used_is_one_line(
    s3: dict[str, str], tmp_path: Path, store: str, change: dict[str, str], told: str
) -> None:
    found: Any = run("--data", tmp_path, "--store", store, **(s3 | change))
    assert found.returncode == 1
    assert found.stderr.startswith(f"wavesep: {store} cannot be used: ")
    assert told in found.stderr
    assert found.stderr.count("\n") == 1
