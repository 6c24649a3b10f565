"""A catalogue in an object store: a server of S3 on the loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from wavesep.cli import main

from .conftest import MODEL

pytestmark = pytest.mark.slow


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an empty bucket."""
    server = pytest.importorskip("moto.server", reason="needs moto and flask-cors")
    pytest.importorskip("s3fs", reason="needs s3fs")
    thread = server.ThreadedMotoServer("127.0.0.1", 0)
    thread.start()
    host, port = thread.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    fs = fsspec.filesystem("s3", skip_instance_cache=True)
    fs.mkdir("bucket")
    yield "s3://bucket"
    thread.stop()
    fsspec.filesystem("s3").clear_instance_cache()


def test_songs_and_stems_are_in_an_object_store(
    bucket: str, music: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    fs = fsspec.filesystem("s3")
    fs.put(str(music), f"{bucket}/music", recursive=True)
    run = ["catalogue", f"{bucket}/music", "--out", f"{bucket}/out"]
    options = ["--model", MODEL, "--flac", "-q", "--workers", "2"]

    assert main([*run, *options]) == 1
    assert capfd.readouterr().out == "6 songs: 4 done, 2 failed\n"
    assert main([*run, *options]) == 1
    assert capfd.readouterr().out == "6 songs: 4 done, 2 failed\n"

    fs.invalidate_cache()
    markers = [json.loads(fs.cat_file(path)) for path in fs.glob("bucket/out/done/*/*.json")]
    assert len(markers) == 4
    assert main([*run, "--verify", "-q"]) == 0
    fs.rm_file(f"bucket/out/{markers[0]['stems']['vocals']['file']}")
    assert main([*run, "--verify", "-q"]) == 1
    assert main([*run, *options]) == 1
    assert main([*run, "--verify", "-q"]) == 0
    assert main([*run, "--status", "--report"]) == 0
