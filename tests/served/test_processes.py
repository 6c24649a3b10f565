"""A server whose processes are killed, and addresses that it refuses."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from wavesep import Separator

from .conftest import Caller, Server, song, within

SERVE = [sys.executable, "-m", "wavesep", "serve", "--port", "0"]


def run(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*SERVE, *map(str, arguments)], capture_output=True, text=True, timeout=60,
        env=os.environ | variables,
    )  # fmt: skip


def hashes(model: Path, folder: Path, content: bytes) -> dict[str, str]:
    """Return the hashes of the stems that the library makes of a song."""
    (folder / "reference.wav").write_bytes(content)
    stems = Separator(model).separate_to_file(
        folder / "reference.wav", folder, codec="flac", overwrite=True
    )
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in stems.items()}


def kills(server: Server, caller: Caller, jobs: list[str], count: int) -> None:
    """Kill a process of the server at random moments while it works on jobs."""
    dice = random.Random(0)
    for _ in range(count):
        time.sleep(dice.uniform(0.2, 2.0))
        children = server.children()
        if children:
            os.kill(dice.choice(list(children)), signal.SIGKILL)
        if all(caller("GET", f"/jobs/{job}")["state"] == "done" for job in jobs):
            return


def ended(caller: Caller, job: str) -> dict[str, Any]:
    """Wait for the end of a job, and return it."""
    within(120, lambda: caller("GET", f"/jobs/{job}")["state"] not in ("queued", "running"))
    found: dict[str, Any] = caller("GET", f"/jobs/{job}")
    return found


@pytest.mark.parametrize(("songs", "count"), [(2, 2), pytest.param(20, 30, marks=pytest.mark.slow)])
def test_nothing_is_lost_when_processes_are_killed(
    tiny_file: Path, tmp_path: Path, songs: int, count: int
) -> None:
    contents = [song(8.0 + n, n) for n in range(songs)]
    server = Server(tmp_path / "data", "--model", str(tiny_file))
    caller = Caller(server)
    jobs = [caller.submit(content) for content in contents]
    kills(server, caller, jobs, count)
    for job, content in zip(jobs, contents, strict=True):
        found = ended(caller, job)
        assert found["state"] == "done", found
        stems = {
            stem["source"]: hashlib.sha256(
                caller("GET", f"/jobs/{job}/stems/{stem['source']}")
            ).hexdigest()
            for stem in found["stems"]
        }
        assert stems == hashes(tiny_file, tmp_path, content)
        attempts = list((tmp_path / "data" / "stems" / job).iterdir())
        assert [path.name for path in attempts] == [str(found["attempt"])]
    server.stop()


def test_the_log_can_be_json_and_children_end_with_a_supervisor_that_is_killed(
    tiny_file: Path, tmp_path: Path
) -> None:
    log = (tmp_path / "log").open("w")
    server = Server(tmp_path / "data", "--json-log", "--model", str(tiny_file), stderr=log)
    with urllib.request.urlopen(f"{server.site}/healthz", timeout=60) as answer:
        assert answer.read() == b"ok\n"
    within(20, lambda: len(server.children()) == 2)
    children = list(server.children())
    server.process.kill()
    server.process.wait()
    server.close()
    within(20, lambda: not any(is_alive(child) for child in children))
    log.close()
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert any("/healthz" in line["message"] for line in lines)
    assert all({"time", "levelname", "process"} <= set(line) for line in lines)


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_an_address_that_others_reach_needs_a_password(tmp_path: Path) -> None:
    refused = run("--data", tmp_path, "--host", "0.0.0.0")
    assert refused.returncode == 1
    assert refused.stderr == (
        "wavesep: others can reach 0.0.0.0: add --admin NAME, which asks for a password\n"
    )
    weak = run("--data", tmp_path, "--admin", "ada", WAVESEP_ADMIN_PASSWORD="12345678")
    assert weak.returncode == 1
    assert "the password is too weak" in weak.stderr
    server = Server(
        tmp_path, "--host", "0.0.0.0", "--admin", "ada",
        WAVESEP_ADMIN_PASSWORD="correct horse battery",
    )  # fmt: skip
    assert "key" not in server.link
    port = int(server.site.rpartition(":")[2])
    within(20, lambda: answer_to(port, "localhost") == 302)
    assert answer_to(port, "attacker.example") == 400  # DNS that was rebound
    server.stop()


def answer_to(port: int, host: str) -> int:
    """Return the status of the first page, asked for by a host name."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", "/", headers={"Host": host})
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = run("--data", tmp_path, "--port", port)
    assert found.returncode == 1
    assert found.stderr == (
        f"wavesep: cannot listen at 127.0.0.1, port {port}: Address already in use; "
        "choose another --port\n"
    )
