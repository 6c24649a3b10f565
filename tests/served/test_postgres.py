"""The life of jobs in PostgreSQL: Debian's, started here."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Caller, Server, song, within

ROOT = Path(__file__).parents[2]
BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not BINARIES, reason="PostgreSQL is not installed"),
]


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """The URL of an empty database."""
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


def test_the_tests_of_jobs_and_of_the_interface_pass(database: str) -> None:
    tests = [f"tests/web/test_{name}.py" for name in ("jobs", "worker", "api", "operations")]
    # threads of the tests leave their connections to the garbage collector
    quiet = ["-W", "ignore::pytest.PytestUnraisableExceptionWarning"]
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", *quiet, *tests], cwd=ROOT, text=True,
        capture_output=True, env=os.environ | {"WAVESEP_TEST_DATABASE": database},
    )  # fmt: skip
    assert found.returncode == 0, found.stdout[-3_000:]


def test_two_workers_share_a_queue(database: str, tiny_file: Path, tmp_path: Path) -> None:
    server = Server(
        tmp_path, "--database", database, "--workers", "2", "--model", str(tiny_file)
    )  # fmt: skip
    caller = Caller(server)
    jobs = [caller.submit(song(20.0, seed)) for seed in range(6)]
    within(120, lambda: all(caller("GET", f"/jobs/{job}")["state"] == "done" for job in jobs))
    assert {caller("GET", f"/jobs/{job}")["attempt"] for job in jobs} == {1}
    server.stop()


def test_workers_on_other_machines_need_the_database_and_the_store(
    database: str, tiny_file: Path, tmp_path: Path
) -> None:
    shared = ["--database", database, "--store", f"file://{tmp_path}/store"]
    server = Server(tmp_path / "web", *shared, "--workers", "0", "--model", str(tiny_file))
    workers = [start_worker(tmp_path / name, *shared) for name in ("one", "two")]
    try:
        caller = Caller(server)
        jobs = [caller.submit(song(20.0, seed)) for seed in range(4)]
        within(120, lambda: all(caller("GET", f"/jobs/{job}")["state"] == "done" for job in jobs))
        for job in jobs:
            for stem in caller("GET", f"/jobs/{job}")["stems"]:
                content = caller("GET", f"/jobs/{job}/stems/{stem['source']}")
                assert hashlib.sha256(content).hexdigest() == stem["sha256"]
    finally:
        for worker in workers:
            worker.terminate()
        assert [worker.wait(20) for worker in workers] == [0, 0]
        server.stop()
    for name in ("one", "two"):
        assert not [path for path in (tmp_path / name).rglob("*") if path.suffix == ".flac"]


def start_worker(data: Path, *options: str) -> subprocess.Popen[bytes]:
    """Start a worker as on another machine."""
    command = [sys.executable, "-m", "wavesep", "worker", "--data", str(data), *options]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)
