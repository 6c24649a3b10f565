"""A server in processes of its own, started as its users start it."""

from __future__ import annotations

import http.client
import http.cookiejar
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
import soundfile

RATE = 44_100
PATIENCE = 120_000  # milliseconds for what a page waits for, on a busy machine
BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


class Server:
    """``wavesep serve`` and what it prints.

    Attributes
    ----------
    process : Popen
    link, site : str
        What it prints, and the address without the key.
    """

    def __init__(
        self, data: Path, *options: str, stderr: IO[str] | None = None, cwd: Path | None = None,
        **variables: str,
    ) -> None:  # fmt: skip
        environment = {k: v for k, v in os.environ.items() if not k.startswith("WAVESEP_")}
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "wavesep", "serve", "--data", data, "--port", "0",
                "--threads", "1", *options,  # on a busy machine, threads wait for each other
            ],
            stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment | variables, cwd=cwd,
        )  # fmt: skip
        assert self.process.stdout
        self.link = self.process.stdout.readline().split()[-1]
        self.site = self.link.partition("/enter")[0]

    def stop(self) -> None:
        """End it as Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(20) == 0
        self.close()

    def close(self) -> None:
        """Close the pipe of a server that has ended."""
        assert self.process.stdout
        self.process.stdout.close()

    def children(self) -> dict[int, str]:
        """Return the processes of the server, "web" or "worker", by their number."""
        found = subprocess.run(
            ["ps", "--ppid", str(self.process.pid), "-o", "pid=,args="],
            capture_output=True, text=True,
        )  # fmt: skip
        rows = [line.split() for line in found.stdout.splitlines()]
        return {int(row[0]): row[4] for row in rows if "wavesep.web.processes" in row}


class Caller:
    """A program that calls the interface of a server with a token; it waits for a dead server."""

    def __init__(self, server: Server) -> None:
        jar = http.cookiejar.CookieJar()
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        opener.open(server.link, timeout=60).close()
        opener.open(f"{server.site}/account", timeout=20).close()
        key = next(cookie.value for cookie in jar if cookie.name == "csrftoken")
        form = urllib.parse.urlencode({"name": "test", "csrfmiddlewaretoken": key}).encode()
        with opener.open(f"{server.site}/account/tokens", form, timeout=20) as answer:
            found = re.search("<code>(.*?)</code>", answer.read().decode())
        assert found
        self._site, self._token = server.site, found[1]

    def __call__(self, method: str, path: str, body: bytes | dict[str, Any] | None = None) -> Any:
        """Return the answer: from JSON if it is JSON, else bytes."""
        raw = json.dumps(body).encode() if isinstance(body, dict) else body
        headers = {"Authorization": f"Bearer {self._token}", "Upload-Offset": "0"}
        request = urllib.request.Request(
            f"{self._site}/api/v1{path}", raw, headers, method=method
        )  # fmt: skip
        for _ in range(100):
            try:
                with urllib.request.urlopen(request, timeout=20) as answer:
                    content = answer.read()
                is_json = answer.headers["Content-Type"].startswith("application/json")
                return json.loads(content) if is_json and content else content
            except (ConnectionError, TimeoutError, http.client.IncompleteRead):
                time.sleep(0.1)
            except urllib.error.URLError as error:
                if isinstance(error, urllib.error.HTTPError):
                    raise
                time.sleep(0.1)
        raise AssertionError("the server does not come back")

    def submit(self, content: bytes, codec: str = "flac") -> str:
        """Upload a song and queue it; return the id of the job."""
        song = self("POST", "/songs", {"name": "song.wav", "bytes": len(content)})["id"]
        self("PUT", f"/songs/{song}/body", content)
        job: str = self("POST", "/jobs", {"song": song, "codec": codec})["id"]
        return job


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("served"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """The URL of an empty database of Debian's PostgreSQL, which is started here."""
    if not BINARIES:
        pytest.skip("PostgreSQL is not installed")
    user = "postgres" if os.getuid() == 0 else None  # PostgreSQL does not run as root
    folder = tempfile.mkdtemp(prefix="wavesep-pg-")
    if user:
        shutil.chown(folder, user)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    def call(program: str, *arguments: str) -> None:
        command = [str(BINARIES[-1] / program), "-D", f"{folder}/data", *arguments]
        subprocess.run(command, user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL)

    call("initdb", "-U", "wavesep", "--auth", "trust")
    call("pg_ctl", "-w", "-l", f"{folder}/log", "-o", f"-p {port} -k {folder}", "start")
    try:
        yield f"postgres://wavesep@127.0.0.1:{port}/postgres"
    finally:
        call("pg_ctl", "-m", "immediate", "stop")
        shutil.rmtree(folder)


def song(seconds: float, seed: int = 0) -> bytes:
    """Return a stereo song of noise and a tone."""
    rng, t = np.random.default_rng(seed), np.arange(round(seconds * RATE)) / RATE
    audio = rng.normal(0, 0.03, (len(t), 2)) + 0.2 * np.sin(2 * np.pi * 220 * t)[:, None]
    file = io.BytesIO()
    soundfile.write(file, audio, RATE, format="WAV")
    return file.getvalue()


def within(seconds: float, check: Callable[[], bool]) -> None:
    """Wait until a check holds."""
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end
        time.sleep(0.05)
