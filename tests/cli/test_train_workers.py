"""Workers on this machine are started, watched, started again, and ended."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wavesep.cli import main, workers
from wavesep.cli.console import INTERRUPTED
from wavesep.cli.workers import supervise
from wavesep.errors import WorkerError
from wavesep.models.arrays import load_arrays
from wavesep.training.fit import CHECKPOINT, LOG
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


def train_command(tiny_file: Path, folder: Path, run: str, *options: str) -> list[str]:
    """Return a short training of two songs."""
    rng = np.random.default_rng(0)
    for kind in ("vocals", "accompaniment"):
        (folder / kind).mkdir(exist_ok=True)
        for song in "ab":
            sound = 0.1 * rng.standard_normal((44_100, 2))
            soundfile.write(folder / kind / f"{song}.wav", sound, 44_100)
    return [
        sys.executable, "-m", "wavesep", "train", str(folder / "vocals"),
        str(folder / "accompaniment"), "--start", str(tiny_file), "--epochs", "4", "--steps", "5",
        "--seconds", "0.1", "--batch-size", "2", "--most", "1", "--run", str(folder / run),
        *options,
    ]  # fmt: skip


@pytest.fixture
def jax_alone(tmp_path: Path) -> dict[str, str]:
    """An environment with Keras on JAX, in which TensorFlow is not loaded: it takes long."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text("import sys; sys.modules['tensorflow'] = None")
    paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    quick = {"XLA_FLAGS": "--xla_backend_optimization_level=0"}
    return os.environ | quick | {"KERAS_BACKEND": "jax", "PYTHONPATH": os.pathsep.join(paths)}


@pytest.mark.slow
@pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed")
@pytest.mark.skipif(shutil.which("pgrep") is None, reason="pgrep finds the worker to kill")
def test_a_run_whose_worker_is_killed_ends_as_one_of_one_worker(
    tiny_file: Path, tmp_path: Path, jax_alone: dict[str, str]
) -> None:
    alone = train_command(tiny_file, tmp_path, "alone")
    subprocess.run(alone, env=jax_alone, check=True, capture_output=True)
    together = train_command(tiny_file, tmp_path, "together", "--workers", "2")
    parent = subprocess.Popen(together, env=jax_alone, stderr=subprocess.PIPE, text=True)
    log = tmp_path / "together" / LOG
    while not log.exists():
        assert parent.poll() is None
        time.sleep(0.02)
    found = ["pgrep", "-P", str(parent.pid), "-f", "--", "--rank 1"]
    worker = subprocess.run(found, capture_output=True, text=True, check=True).stdout
    os.kill(int(worker), signal.SIGKILL)
    _, errors = parent.communicate(timeout=300)

    assert parent.returncode == 0, errors
    assert "worker 1 has died (SIGKILL): all workers start again from the checkpoint" in errors
    one, two = (load_arrays(tmp_path / run / CHECKPOINT)[0] for run in ("alone", "together"))
    for name, array in one.items():
        np.testing.assert_allclose(two[name], array, atol=1e-5, err_msg=name)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed")
def test_ctrl_c_ends_all_workers_with_one_line(
    tiny_file: Path, tmp_path: Path, jax_alone: dict[str, str]
) -> None:
    command = train_command(tiny_file, tmp_path, "stopped", "--workers", "2", "--epochs", "1000")
    parent = subprocess.Popen(command, env=jax_alone, stderr=subprocess.PIPE, text=True)
    log = tmp_path / "stopped" / LOG
    while not log.exists():
        assert parent.poll() is None
        time.sleep(0.02)
    parent.send_signal(signal.SIGINT)
    _, errors = parent.communicate(timeout=60)  # the pipe ends with the last worker

    assert parent.returncode == INTERRUPTED
    assert errors.count("stopped: run the same command to resume") == 1


@pytest.mark.slow
def test_tensorflow_is_refused(tiny_file: Path, tmp_path: Path) -> None:
    command = train_command(tiny_file, tmp_path, "run", "--workers", "2")
    environment = os.environ | {"KERAS_BACKEND": "tensorflow"}
    answer = subprocess.run(command, env=environment, capture_output=True, text=True)

    assert answer.returncode == 1
    assert answer.stderr.splitlines()[-1] == (
        "wavesep: Keras does not train on several workers with TensorFlow (Keras issue 20585): "
        "set KERAS_BACKEND=jax"
    )
    assert not (tmp_path / "run").exists()
