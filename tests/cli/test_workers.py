"""Workers on this machine are started, watched, started again, and ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wavesep.cli import main, workers
from wavesep.cli.workers import supervise
from wavesep.errors import WorkerError
from wavesep.workers import LOST

# a worker that only knows its rank; each start leaves a file
FAKE = """
import os, pathlib, signal, sys, time
rank = int(sys.argv[sys.argv.index("--rank") + 1])
folder = pathlib.Path(sys.argv[-1])
start = len(list(folder.glob(f"{rank}.*")))
(folder / f"{rank}.{start}").write_text(" ".join(sys.argv[1:]))
"""
SLEEP = "time.sleep(60)"
KILL = "os.kill(os.getpid(), signal.SIGKILL)"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often, and do not wait long."""
    monkeypatch.setattr(workers, "LOOK", 0.02)
    monkeypatch.setattr(workers, "GRACE", 0.3)


def train(monkeypatch: pytest.MonkeyPatch, folder: Path, does: str, count: int = 2) -> int:
    monkeypatch.setattr(workers, "START", FAKE + does)
    return supervise(["train", str(folder)], count)


def starts(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_each_worker_has_its_rank(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert train(monkeypatch, tmp_path, "", count=3) == 0
    assert starts(tmp_path) == ["0.0", "1.0", "2.0"]
    words = [(tmp_path / f"{rank}.0").read_text().split() for rank in range(3)]
    for rank, (command, name, address, _, number, folder) in enumerate(words):
        assert (command, name, number) == ("train", "--coordinator", str(rank))
        assert (address, folder) == (words[0][2], str(tmp_path))


def test_if_a_worker_dies_all_start_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    does = f"start or ({KILL} if rank else {SLEEP})"

    assert train(monkeypatch, tmp_path, does) == 0
    assert starts(tmp_path) == ["0.0", "0.1", "1.0", "1.1"]
    assert caplog.messages == [
        "worker 1 has died (SIGKILL): all workers start again from the checkpoint"
    ]


def test_they_start_again_three_times_at_most(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    does = f"{KILL} if rank else sys.exit({LOST})"  # worker 0 has noticed it

    with pytest.raises(WorkerError, match=r"worker 1 has died \(SIGKILL\), after 3 restarts"):
        train(monkeypatch, tmp_path, does)
    assert len(starts(tmp_path)) == 8


def test_a_worker_that_says_why_is_not_started_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    does = f"sys.exit('wavesep: there is not enough memory') if rank else sys.exit({LOST})"

    assert train(monkeypatch, tmp_path, does) == 1
    assert len(starts(tmp_path)) == 2
    assert caplog.messages == ["worker 1: wavesep: there is not enough memory"]


def test_an_error_of_worker_0_is_not_said_twice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    does = f"sys.exit({LOST}) if rank else sys.exit('wavesep: the disk is full')"

    assert train(monkeypatch, tmp_path, does) == 1
    assert capfd.readouterr().err == "wavesep: the disk is full\n"
    assert not caplog.messages


# workers that train for ever, in the real way of ending with their parent
PARENT = """
import sys
from wavesep.cli import workers
workers.START = '''
import os, pathlib, sys, time, wavesep.__main__, wavesep.cli.workers
folder, rank = sys.argv[-1], sys.argv[5]
pathlib.Path(folder, rank).write_text(str(os.getpid()))
wavesep.__main__.run = lambda: time.sleep(60)
wavesep.cli.workers.work()
'''
try:
    workers.supervise(["train", sys.argv[1]], 2)
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_the_process_that_started_them(
    number: signal.Signals, tmp_path: Path
) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 30
    while len(pids := started(tmp_path)) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    assert len(pids) == 2

    parent.send_signal(number)
    out, _ = parent.communicate(timeout=30)

    assert out == ("interrupted\n" if number == signal.SIGINT else "")
    while any(map(runs, pids)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(runs, pids))


def started(folder: Path) -> list[int]:
    """Return the workers' processes."""
    texts = [path.read_text().split() for path in folder.iterdir()]
    return [int(words[0]) for words in texts if words]


def runs(pid: int) -> bool:
    """Tell if a process runs."""
    try:
        os.kill(pid, 0)
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]
    except OSError:
        return False


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--workers", "0"], "--workers must be 1 or more"),
        (
            ["--workers", "3"],
            "3 workers cannot have equal shares of 8 mixtures: "
            "--batch-size must be a multiple of 3",
        ),
        (
            ["--workers", "2", "--rank", "0"],
            "--coordinator and --rank are given together, or neither is",
        ),
        (
            ["--workers", "2", "--rank", "2", "--coordinator", "a:1"],
            "--rank must be from 0 to 1, not 2",
        ),
    ],
)
def test_wrong_options_are_told(
    options: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "a", "b", *options]) == 1
    assert capsys.readouterr().err == f"wavesep: {told}\n"


@pytest.mark.parametrize("address", ["host", "host:", ":29500", "host:70000", "host:port"])
def test_an_address_needs_a_host_and_a_port(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["train", "a", "b", "--coordinator", address])
    assert f"invalid address value: '{address}'" in capsys.readouterr().err
