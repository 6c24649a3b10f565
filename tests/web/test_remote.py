"""The client of a server, against a real server and a worker."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from django.contrib.auth.models import User
from django.db import connections

from wavesep import Separator
from wavesep.cli import main
from wavesep.cli.console import INTERRUPTED
from wavesep.errors import AudioError, OptionError, OutputExistsError, RemoteError, WavesepError
from wavesep.remote import Client, client, server
from wavesep.web import access, downloads, storage
from wavesep.web.models import Job, Song
from wavesep.web.worker import Worker

from .conftest import CONFIG, WebServer

RATE = 44_100


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """Three seconds of noise, more than the blocks of a download."""
    path = tmp_path / "my song.wav"
    rng = np.random.default_rng(0)
    soundfile.write(path, rng.uniform(-0.1, 0.1, (3 * RATE, 2)), RATE, subtype="PCM_16")
    return path


@pytest.fixture
def token(owner: User) -> str:
    return access.new_token(owner, "test")


@pytest.fixture
def url(web: WebServer) -> str:
    return f"http://127.0.0.1:{web.port}"


@pytest.fixture
def remote(url: str, token: str) -> Client:
    return Client(url, token)


@pytest.fixture
def worker(tiny_file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    """A worker in a thread."""
    shutil.copy(tiny_file, CONFIG.model)
    worker = Worker(CONFIG)
    monkeypatch.setattr("wavesep.web.worker.PAUSE", 0.05)

    def run() -> None:
        worker.run()
        connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    yield worker
    worker.stop.set()
    thread.join()


def expected_stems(song: Path, folder: Path, codec: str) -> dict[str, bytes]:
    """Return the stems that the library writes."""
    paths = Separator(CONFIG.model).separate_to_file(song, folder, codec=codec)
    return {source: path.read_bytes() for source, path in paths.items()}


def left_in(folder: Path) -> list[Path]:
    """Return all files in a folder, also hidden ones."""
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("codec", ["flac", "mp3"])
def test_stems_are_those_of_the_library(
    remote: Client, song: Path, tmp_path: Path, codec: str
) -> None:
    steps: list[str] = []

    def progress(step: str, done: int, total: int) -> None:
        assert 0 <= done <= total
        if step not in steps:
            steps.append(step)

    stems = remote.separate(song, tmp_path / "out", codec=codec, progress=progress)

    assert stems == {
        source: tmp_path / "out" / "my song" / f"{source}.{codec}"
        for source in ("vocals", "accompaniment")
    }
    found = {source: path.read_bytes() for source, path in stems.items()}
    assert found == expected_stems(song, tmp_path / "own", codec)
    assert len(left_in(tmp_path / "out")) == 2
    assert (steps[0], steps[-1]) == ("uploading", "downloading")


@pytest.mark.usefixtures("worker")
def test_a_server_that_is_restarted_between_two_chunks(
    remote: Client, web: WebServer, song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "CHUNK", 200_000)
    timer = threading.Timer(0.3, web.start)
    sent: list[int] = []

    def progress(step: str, done: int, total: int) -> None:
        if step == "uploading":
            sent.append(done)
            if done == 400_000 and not timer.is_alive():
                web.stop()
                timer.start()

    stems = remote.separate(song, tmp_path / "out", progress=progress)

    assert sent == [0, 200_000, 400_000, song.stat().st_size]
    assert storage.song_path(Song.objects.get().pk).read_bytes() == song.read_bytes()
    assert {*stems} == {"vocals", "accompaniment"}


@contextmanager
def cutting(port: int, most: int, cuts: int) -> Iterator[tuple[int, list[bytes]]]:
    """Pass connections on to a port; cut the first few answers after ``most`` bytes.

    Yields
    ------
    port : int
    heads : list of bytes
        The first bytes of each request.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    heads: list[bytes] = []
    cut: list[int] = []

    def pass_on(source: socket.socket, target: socket.socket, is_answer: bool) -> None:
        seen = 0
        with suppress(OSError):
            while block := source.recv(65_536):
                seen += len(block)
                if not is_answer and seen == len(block):
                    heads.append(block)
                if is_answer and seen > most and len(cut) < cuts:
                    cut.append(seen)
                    break
                target.sendall(block)
        for end in (source, target) if is_answer else ():
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def serve() -> None:
        with ExitStack() as stack, suppress(OSError):
            while True:
                inner = stack.enter_context(listener.accept()[0])
                outer = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
                for way in ((inner, outer, False), (outer, inner, True)):
                    threads.append(threading.Thread(target=pass_on, args=way))
                    threads[-1].start()

    threads = [threading.Thread(target=serve)]
    threads[0].start()
    yield listener.getsockname()[1], heads
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    for thread in threads:
        thread.join()


@pytest.mark.usefixtures("worker")
def test_a_download_goes_on_where_the_connection_was_lost(
    web: WebServer, token: str, song: Path, tmp_path: Path
) -> None:
    with cutting(web.port, 200_000, cuts=2) as (port, heads):
        remote = Client(f"http://127.0.0.1:{port}", token)
        stems = remote.separate(song, tmp_path / "out", codec="wav")

    ranges = re.findall(rb"Range: bytes=(\d+)-", b"".join(heads))
    assert len(ranges) == 2
    assert 50_000 < int(ranges[0]) < int(ranges[1])
    found = {source: path.read_bytes() for source, path in stems.items()}
    assert found == expected_stems(song, tmp_path / "own", "wav")


@pytest.mark.usefixtures("worker")
def test_a_damaged_download_is_refused(
    remote: Client, song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def damaged(_: Path, begin: int, end: int) -> AsyncIterator[bytes]:
        yield bytes(end - begin)

    monkeypatch.setattr(downloads, "piece", damaged)

    with pytest.raises(RemoteError, match="arrived damaged"):
        remote.separate(song, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("step", ["uploading", "waiting", "downloading"])
def test_an_interruption_leaves_nothing(
    remote: Client, song: Path, tmp_path: Path, request: pytest.FixtureRequest, step: str
) -> None:
    if step == "downloading":
        request.getfixturevalue("worker")

    def progress(name: str, *_: int) -> None:
        if name == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        remote.separate(song, tmp_path / "out", progress=progress)

    assert not (tmp_path / "out").exists()
    assert Song.objects.exists() is (step != "uploading")
    state = Job.objects.values_list("state", flat=True)
    assert [*state] == {"uploading": [], "waiting": ["cancelled"], "downloading": ["done"]}[step]


def test_what_the_server_says_is_told(remote: Client, song: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.mp3"
    text.write_text("no sound at all")

    with pytest.raises(RemoteError, match=r"text\.mp3 holds no sound") as bad:
        remote.separate(text, tmp_path / "out")
    with pytest.raises(RemoteError, match="choose one of /models") as invalid:
        remote.separate(song, tmp_path / "out", model="nothing")
    assert (bad.value.code, invalid.value.code) == ("bad", "invalid")
    assert not Song.objects.exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("worker")
def test_a_job_that_fails_is_told(remote: Client, song: Path, tmp_path: Path) -> None:
    Path(CONFIG.model).unlink()

    with pytest.raises(RemoteError, match=r"tiny\.safetensors") as failed:
        remote.separate(song, tmp_path / "out")
    assert failed.value.code == "model"


def test_what_is_wrong_here_is_not_sent(remote: Client, song: Path, tmp_path: Path) -> None:
    there = tmp_path / "out" / "my song" / "vocals.flac"
    there.parent.mkdir(parents=True)
    there.touch()

    with pytest.raises(OutputExistsError, match=r"vocals\.flac exists"):
        remote.separate(song, tmp_path / "out")
    with pytest.raises(AudioError, match="no file"):
        remote.separate(tmp_path / "missing.wav", tmp_path)
    with pytest.raises(OptionError, match="no codec 'ogg'"):
        remote.separate(song, tmp_path, codec="ogg")
    assert not Song.objects.exists()


def test_a_song_that_becomes_shorter_is_not_waited_for(
    remote: Client, song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "CHUNK", 200_000)

    def progress(_: str, done: int, total: int) -> None:
        if done:
            os.truncate(song, 1_000)

    with pytest.raises(AudioError, match="become shorter"):
        remote.separate(song, tmp_path / "out", progress=progress)


def test_a_repeated_request_makes_one_job(
    remote: Client, song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = server.Server.once
    tries: list[str] = []

    def lossy(self: server.Server, method: str, path: str, *rest: Any, **options: Any) -> Any:
        answer = once(self, method, path, *rest, **options)
        if path == "/jobs":
            tries.append(path)
            if len(tries) == 1:
                raise server.Passing("the answer was lost")
        return answer

    def progress(step: str, *_: int) -> None:
        if step == "waiting":
            raise KeyboardInterrupt

    monkeypatch.setattr(server.Server, "once", lossy)
    with pytest.raises(KeyboardInterrupt):
        remote.separate(song, tmp_path / "out", progress=progress)
    assert len(tries) == 2
    assert Job.objects.count() == 1


def test_a_server_cannot_choose_other_files(
    remote: Client, song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for source in ("../../evil", "..", "/evil"):
        stem = {"source": source, "bytes": 0, "sha256": ""}
        monkeypatch.setattr(Client, "_wait", lambda *_, stem=stem: [stem])
        with pytest.raises(WavesepError):
            remote.separate(song, tmp_path / "out")
    assert left_in(tmp_path) == [song]


def test_a_wrong_token_is_refused(url: str) -> None:
    with pytest.raises(RemoteError, match="log in, or send a token") as refused:
        Client(url, "wrong").me()
    assert refused.value.code == "unauthorised"


@pytest.mark.usefixtures("worker")
def test_the_command_separates_songs_and_lists_jobs(
    url: str, token: str, song: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("WAVESEP_SERVER", url)
    monkeypatch.setenv("WAVESEP_TOKEN", token)
    text = tmp_path / "text.mp3"
    text.write_text("no sound at all")
    out = tmp_path / "out"

    code = main(["remote", "separate", str(text), str(song), "-o", str(out), "--codec", "wav"])

    told = capfd.readouterr()
    stems = [out / "my song" / f"{source}.wav" for source in ("vocals", "accompaniment")]
    assert (code, told.out) == (1, f"{song} -> {stems[0]}, {stems[1]}\n")
    assert told.err.startswith(f"wavesep: {text}: ") or "text.mp3 holds no sound" in told.err
    assert sorted(left_in(out)) == sorted(stems)
    assert main(["remote", "separate", str(song), "-o", str(out), "--codec", "wav"]) == 1
    assert "exists" in capfd.readouterr().err
    assert main(["remote", "jobs"]) == 0
    (line,) = [line for line in capfd.readouterr().out.splitlines() if "my song.wav" in line]
    assert "done" in line
    assert main(["remote", "models"]) == 0
    assert "vocals" in capfd.readouterr().out
    assert main(["remote", "separate", str(song), "--token", "wrong"]) == 1
    assert "log in, or send a token" in capfd.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_cancels_the_job(url: str, token: str, song: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "wavesep", "remote", "separate", str(song)]
    environment = os.environ | {"WAVESEP_SERVER": url, "WAVESEP_TOKEN": token}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE)
    while not Job.objects.exists():  # nobody works on it
        assert process.poll() is None
        time.sleep(0.05)

    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=30)

    assert process.returncode == INTERRUPTED
    assert b"interrupted" in told
    # if the client did not know the job yet, it has deleted the song with it
    assert {job.state for job in Job.objects.all()} <= {Job.State.CANCELLED}
    assert left_in(tmp_path) == [song]
