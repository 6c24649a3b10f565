"""Two workers train what one trains, on JAX; they go on where one stopped, and one after them."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from wavesep.cli.workers import free_port
from wavesep.models.arrays import load_arrays
from wavesep.training import fit
from wavesep.training.fit import CHECKPOINT, LOG, Watch
from wavesep.workers import LOST

from .conftest import QUICK_XLA, Setup

pytestmark = [
    pytest.mark.slow,  # two processes load Keras and compile the network
    pytest.mark.usefixtures("no_board"),
    pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed"),
]

EPOCHS, STEPS = 3, 8

# the second worker dies when the third epoch begins
WORKER = f"""
import os, signal, sys
sys.modules["tensorflow"] = None  # Keras would load it to ask whether the data are its own
from pathlib import Path
from wavesep import workers
from wavesep.errors import WorkerError

port, rank, clips, run = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
workers.meet("127.0.0.1", port, 2, rank)
try:
    with workers.joined("127.0.0.1", port, 2, rank, rank):
        import keras
        from wavesep import WaveNet
        from wavesep.data import Clips, MixGenerator
        from wavesep.training import Validation, fit
        from wavesep.training.fit import Watch

        keras.utils.set_random_seed(3)
        network = WaveNet(
            filters=4, skip_filters=4, kernel_size=3, stacks=1, layers_per_stack=2, padding="valid"
        )
        form = {{
            "samples": 4_096, "sample_rate": 8_000, "left_context": network.left_context,
            "right_context": network.right_context,
        }}
        stems = Clips(clips / "vocals"), Clips(clips / "accompaniment")
        mixes = MixGenerator(*stems, batch_size=2, batches={STEPS}, seed=1, **form)
        made, example = [], mixes.example
        mixes.example = lambda epoch, index, k: made.append(k) or example(epoch, index, k)
        begin = Watch.on_epoch_begin

        def begin_or_die(watch, epoch, logs=None):
            begin(watch, epoch, logs)
            if epoch == 2:
                print(set(made), flush=True)
                if rank == 1:
                    os.kill(os.getpid(), signal.SIGKILL)

        Watch.on_epoch_begin = begin_or_die
        fit(network, mixes, Validation(*stems, **form), run=run, epochs={EPOCHS})
except WorkerError as error:
    sys.exit(str(error))
"""


@dataclass
class Trained:
    """What two workers have left and said, and a run of one worker to compare with."""

    one: Path
    two: Path
    rows: list[str]
    last_words: str
    codes: list[int]
    seconds: float


def train_alone(setup: Callable[[], Setup], run: Path, copy: Path | None = None) -> None:
    """Train with one worker in this process; copy the run when an epoch is done."""
    network, mixes, validation = setup()
    mixes.batches = STEPS
    begin = Watch.on_epoch_begin

    def copy_and_begin(watch: Watch, epoch: int, logs: dict[str, float] | None = None) -> None:
        if epoch == 1 and copy:
            shutil.copytree(run, copy)
        begin(watch, epoch, logs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Watch, "on_epoch_begin", copy_and_begin)
        fit(network, mixes, validation, run=run, epochs=EPOCHS)


@pytest.fixture(scope="module")
def trained(
    setup: Callable[[], Setup], clips: Path, tmp_path_factory: pytest.TempPathFactory
) -> Trained:
    """A run of one worker; and one of one, two and one worker, an epoch each."""
    folder = tmp_path_factory.mktemp("trained")
    train_alone(setup, folder / "one", copy=folder / "two")
    begin, port = time.monotonic(), str(free_port())
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, port, str(rank), clips, folder / name],
            env=os.environ | QUICK_XLA | {"KERAS_BACKEND": "jax", "NPROC": "1"},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank, name in enumerate(["two", "not written"])
    ]  # fmt: skip
    said = [worker.communicate(timeout=300) for worker in workers]
    seconds = time.monotonic() - begin
    shutil.copytree(folder / "two", folder / "kept")
    train_alone(setup, folder / "two")
    rows = [out.splitlines()[-1] if out else errors for out, errors in said]
    codes = [worker.returncode for worker in workers]
    last_words = said[0][1].splitlines()[-1]
    return Trained(folder / "one", folder / "two", rows, last_words, codes, seconds)


def test_each_worker_makes_its_rows(trained: Trained) -> None:
    assert trained.rows == ["{0}", "{1}"]


def test_one_two_and_one_workers_train_what_one_trains(trained: Trained) -> None:
    logs = [
        [json.loads(line) for line in (run / LOG).read_text().splitlines()]
        for run in (trained.one, trained.two)
    ]
    for ours, theirs in zip(*logs, strict=True):
        assert ours["step"] == theirs["step"]
        assert ours["loss"] == pytest.approx(theirs["loss"], abs=1e-5)
        assert ours["validation/loss"] == pytest.approx(theirs["validation/loss"], abs=1e-5)
    ours, theirs = (load_arrays(run / CHECKPOINT)[0] for run in (trained.one, trained.two))
    for name, array in ours.items():
        np.testing.assert_allclose(array, theirs[name], atol=1e-5, err_msg=name)


def test_only_worker_0_writes(trained: Trained) -> None:
    assert sorted(path.name for path in trained.one.parent.iterdir()) == ["kept", "one", "two"]
    assert len((trained.one.parent / "kept" / LOG).read_text().splitlines()) == 2


def test_a_dead_worker_ends_the_others(trained: Trained) -> None:
    assert trained.codes == [LOST, -signal.SIGKILL]
    assert trained.last_words == "another worker has ended"
