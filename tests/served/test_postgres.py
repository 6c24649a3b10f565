"""The life of jobs in PostgreSQL: Debian's, started here."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Caller, Server, song, within

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


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
