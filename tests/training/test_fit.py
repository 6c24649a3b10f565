"""Training: it learns, it resumes as if nothing had been, and it says how it goes."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from wavesep import WaveNet, load_model
from wavesep.data import MixGenerator
from wavesep.errors import ModelFileError, OptionError, OtherRunError
from wavesep.models.arrays import load_arrays, save_arrays
from wavesep.models.files import read_model_file
from wavesep.models.wavenet import recipe
from wavesep.training import Validation, fit
from wavesep.training.fit import BEST, CHECKPOINT, LOG
from wavesep.training.resume import Progress

from .conftest import QUICK_XLA, Setup

pytestmark = pytest.mark.usefixtures("no_board")

Make = Callable[[], Setup]
FIT = sys.modules["wavesep.training.fit"]  # wavesep.training.fit is the function


class Kill(keras.callbacks.Callback):
    """Raises in the middle of an epoch, as a kill would stop it."""

    def __init__(self, batch: int) -> None:
        super().__init__()
        self.left = batch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


class Said(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@dataclass
class Whole:
    """A run of three epochs that nothing has stopped, and what it started from."""

    run: Path
    progress: Progress
    network: WaveNet
    before: float
    said: str
    mixes: MixGenerator
    validation: Validation


OPTIONS: dict[str, Any] = {"epochs": 3, "learning_rate": 2e-2, "limit": 1e6}


@pytest.fixture(scope="module")
def whole(setup: Make, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    run = tmp_path_factory.mktemp("whole")
    network, mixes, validation = setup()
    before = validation.score(validation.estimate(network.predict_on_batch)).si_sdr
    said = Said()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FIT.log, "level", logging.INFO)
        FIT.log.addHandler(said)
        progress = fit(network, mixes, validation, run=run, **OPTIONS)
        FIT.log.removeHandler(said)
    return Whole(run, progress, network, before, "\n".join(said.lines), mixes, validation)


def test_it_learns(whole: Whole) -> None:
    progress, validation = whole.progress, whole.validation

    assert progress.epoch == 3
    assert max(progress.scores) > whole.before + 3
    best = read_model_file(whole.run / BEST)
    assert best.sources == ("vocals", "accompaniment")
    rebuilt = best.build(padding="valid")
    scored = validation.score(validation.estimate(rebuilt.predict_on_batch)).si_sdr
    assert scored == pytest.approx(max(progress.scores), abs=0.02)  # in half precision
    assert load_model(whole.run / BEST).count_params() == whole.network.count_params()


def train_until(make: Make, run: Path, step: int) -> tuple[Setup, Progress | None, int]:
    """Train until a step of this call; return what was trained and the steps that were done."""
    network, mixes, validation = make()
    original, kill = network.fit, Kill(step)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            network,
            "fit",
            lambda *a, **k: original(*a, **k | {"callbacks": [*k["callbacks"], kill]}),
        )
        try:
            progress = fit(network, mixes, validation, run=run, **OPTIONS)
        except KeyboardInterrupt:
            progress = None
    return (network, mixes, validation), progress, step - kill.left


def test_a_run_that_was_stopped_ends_as_one_that_was_not(
    setup: Make, whole: Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = 0
    for stop, save_seconds in ((1, 300), (7, 300), (8, 0), (10, 0)):
        monkeypatch.setattr(FIT, "SAVE_SECONDS", save_seconds)
        _, progress, steps = train_until(setup, tmp_path, stop - kept)
        assert progress is None
        assert steps == stop - kept
        # nothing is done twice that was saved: the last step of an epoch is saved with its scores
        kept = (stop - 1) // 5 * 5 if save_seconds else stop - (stop % 5 == 0)
        if kept:
            state = json.loads(load_arrays(tmp_path / CHECKPOINT)[1]["progress"])
            assert 5 * len(state["scores"]) + state["step"] == kept
    monkeypatch.setattr(FIT, "SAVE_SECONDS", 300)
    (resumed, _, _), progress, steps = train_until(setup, tmp_path, 99)

    assert steps == 15 - kept
    assert progress == whole.progress
    logs = [
        [json.loads(line) for line in (folder / LOG).read_text().splitlines()]
        for folder in (tmp_path, whole.run)
    ]
    assert [line["step"] for line in logs[0]] == sorted({line["step"] for line in logs[0]})
    ours, theirs = (
        {line["step"]: line for line in lines if "validation/loss" in line} for lines in logs
    )
    assert ours.keys() == theirs.keys() == {5, 10, 15}
    for step, line in ours.items():
        assert line["loss"] == pytest.approx(theirs[step]["loss"], abs=2e-6)
    for mine, theirs in zip(resumed.weights, whole.network.weights, strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())
    for name in (CHECKPOINT, BEST):
        assert (tmp_path / name).read_bytes() == (whole.run / name).read_bytes()


TRAIN = """
import sys, keras
from wavesep import WaveNet
from wavesep.data import Clips, MixGenerator
from wavesep.training import Validation, fit

clips, run, epochs, batches = sys.argv[1:]
keras.utils.set_random_seed(3)
network = WaveNet(filters=4, skip_filters=4, stacks=1, layers_per_stack=2, padding="valid")
form = {"samples": 4_096, "sample_rate": 8_000, "left_context": network.left_context,
        "right_context": network.right_context}
stems = Clips(clips + "/vocals"), Clips(clips + "/accompaniment")
mixes = MixGenerator(*stems, batch_size=2, batches=int(batches), seed=1, workers=2, **form)
print("training", flush=True)
fit(network, mixes, Validation(*stems, **form), run=run, epochs=int(epochs))
print("done", flush=True)
"""


def train(clips: Path, run: Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", TRAIN, str(clips), str(run), "5", "20"],
        env=os.environ | environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.slow
def test_a_run_killed_at_any_moment_goes_on(clips: Path, tmp_path: Path) -> None:
    whole = train(clips, tmp_path / "whole")
    assert "done" in whole.communicate(timeout=120)[0]

    rng = np.random.default_rng()
    kills = 0
    for _ in range(2):
        killed = train(clips, tmp_path / "killed")
        assert killed.stdout is not None
        assert killed.stdout.readline() == "training\n"
        time.sleep(rng.uniform(3, 9))
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        kills += killed.returncode == -signal.SIGKILL
    last = train(clips, tmp_path / "killed")
    assert "done" in last.communicate(timeout=120)[0]

    assert kills
    for name in (CHECKPOINT, BEST):
        one, other = (load_arrays(tmp_path / run / name)[0] for run in ("killed", "whole"))
        for key, array in one.items():
            np.testing.assert_array_equal(array, other[key])


def test_a_finished_run_is_not_trained_further(setup: Make, whole: Whole) -> None:
    run, progress, network = whole.run, whole.progress, whole.network
    again, mixes, validation = setup()

    assert fit(again, mixes, validation, run=run, **OPTIONS) == progress
    for mine, theirs in zip(again.weights, network.weights, strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())


def test_another_setting_is_refused(
    setup: Make, whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = whole.run
    network, mixes, validation = setup()

    with pytest.raises(OtherRunError, match=r"epochs=3, not 2: use the settings"):
        fit(network, mixes, validation, run=run, **OPTIONS | {"epochs": 2})
    mixes.seed = 9
    with pytest.raises(OptionError, match=r"seed=1, not 9"):
        fit(network, mixes, validation, run=run, **OPTIONS)
    mixes.seed = 1
    by_adam = replace(recipe.RECIPE, optimizer=keras.optimizers.Adam)
    monkeypatch.setattr(recipe, "RECIPE", by_adam)
    with pytest.raises(OptionError, match=r"optimizer=Muon, not Adam"):
        fit(network, mixes, validation, run=run, **OPTIONS)


def test_a_damaged_checkpoint_is_told(setup: Make, tmp_path: Path) -> None:
    (tmp_path / CHECKPOINT).write_bytes(b"half a file")
    network, mixes, validation = setup()

    with pytest.raises(ModelFileError, match="damaged"):
        fit(network, mixes, validation, run=tmp_path, epochs=1)


def test_it_stops_early_and_stays_stopped(setup: Make, tmp_path: Path) -> None:
    # a learning rate of nothing: no epoch is better than the first
    network, mixes, validation = setup()
    mixes.batches = 1
    options: dict[str, Any] = {"run": tmp_path, "epochs": 9, "learning_rate": 1e-30, "patience": 2}

    progress = fit(network, mixes, validation, **options)

    assert progress.epoch == 3
    assert progress.best_epoch == 0
    assert fit(network, mixes, validation, **options).epoch == 3


def test_progress_derives_the_rest() -> None:
    progress = Progress({}, [1.0, 3.0, 2.0, 3.0])

    assert (progress.epoch, progress.best_epoch, progress.epochs_since_best) == (4, 1, 2)
    assert Progress({}).best_epoch == -1


def test_a_network_that_pads_is_refused(setup: Make, tmp_path: Path) -> None:
    network, mixes, validation = setup()
    padding = network.architecture.network("same")

    with pytest.raises(OptionError, match="valid"):
        fit(padding, mixes, validation, run=tmp_path, epochs=1)


def test_it_says_how_fast_it_is(whole: Whole) -> None:
    assert "snippets per second" in whole.said
    assert re.search(
        r"epoch 1 of 3: loss \S+, SI-SDR \S+ dB, \S+ dB above the mixture's, the best so far; "
        r"\d+ s, \S+ s of audio per second",
        whole.said,
    )
    said, *_ = (json.loads(line) for line in (whole.run / LOG).read_text().splitlines())
    assert (said["epoch"], said["step"]) == (1, 5)
    # a step computes three times what an estimate does
    work = 3 * whole.network.architecture.operations * whole.mixes.sample_rate
    share = said["speed/audio_seconds_per_second"] * work / 1e6
    assert said["speed/share_of_limit"] == pytest.approx(share, rel=0.01)


def test_a_checkpoint_of_the_version_before_goes_on(
    setup: Make, whole: Whole, tmp_path: Path
) -> None:
    run, progress = whole.run, whole.progress
    arrays, metadata = load_arrays(run / CHECKPOINT)
    state = json.loads(metadata["progress"])
    del state["step"], state["loss"], state["settings"]["kind"]
    state["settings"]["padding"] = "valid"
    save_arrays(arrays, {"progress": json.dumps(state)}, tmp_path / CHECKPOINT)
    network, mixes, validation = setup()

    assert fit(network, mixes, validation, run=tmp_path, **OPTIONS) == progress


def test_what_is_no_checkpoint_is_told(setup: Make, whole: Whole, tmp_path: Path) -> None:
    run = whole.run
    arrays, metadata = load_arrays(run / CHECKPOINT)
    network, mixes, validation = setup()

    (tmp_path / CHECKPOINT).write_bytes((run / BEST).read_bytes())
    with pytest.raises(ModelFileError, match="not a checkpoint of this version"):
        fit(network, mixes, validation, run=tmp_path, **OPTIONS)
    del arrays["optimizer/1"]
    save_arrays(arrays, metadata, tmp_path / CHECKPOINT)
    with pytest.raises(ModelFileError, match="another network or optimizer"):
        fit(network, mixes, validation, run=tmp_path, **OPTIONS)


RESUME = """
import sys, keras, numpy as np
from pathlib import Path
from wavesep import UNet
from wavesep.data import Clips, MixGenerator
from wavesep.training import Validation, fit
from wavesep.models.arrays import load_arrays

FIT = sys.modules["wavesep.training.fit"]
FIT.SAVE_SECONDS, FIT.open_board = 0, lambda *_: None
clips, runs = Path(sys.argv[1]), Path(sys.argv[2])

class Kill(keras.callbacks.Callback):
    left = 4
    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt

def train(run, kill=None):
    keras.utils.set_random_seed(3)
    network = UNet(window=64, hop=32, depth=2, filters=2, channels=1, targets=1)
    stems = Clips(clips / "vocals"), Clips(clips / "accompaniment")
    form = {"sample_rate": 8_000, "channels": 1}
    mixes = MixGenerator(
        *stems, batch_size=2, batches=3, samples=network.architecture.recipe().samples,
        left_context=0, right_context=0, **form,
    )
    validation = Validation(
        *stems, samples=4_096, left_context=network.left_context,
        right_context=network.right_context, **form,
    )
    original = network.fit
    network.fit = lambda *a, **k: original(
        *a, **k | {"callbacks": [*k["callbacks"], *([kill] if kill else [])]}
    )
    fit(network, mixes, validation, run=runs / run, epochs=2)

train("whole")
try:
    train("killed", Kill())
except KeyboardInterrupt:
    print("killed")
train("killed")
one, other = (load_arrays(runs / run / "checkpoint.safetensors")[0] for run in ("killed", "whole"))
assert one.keys() == other.keys()
print(all(np.array_equal(array, other[name]) for name, array in one.items()))
"""


WITHOUT = "import sys; sys.modules['tensorflow'] = None\n" + TRAIN


# other tests stop and resume on TensorFlow, and train on JAX
SLOW = [pytest.param(backend, marks=pytest.mark.slow) for backend in ("tensorflow", "jax")]


@pytest.mark.parametrize("backend", [*SLOW, "torch"])
def test_in_the_middle_of_an_epoch_every_backend_goes_on(
    clips: Path, tmp_path: Path, backend: str
) -> None:
    """All but TensorFlow do so without TensorFlow, and say so in one line for each run."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    alone = backend != "tensorflow"

    answer = subprocess.run(
        [sys.executable, "-c", (WITHOUT if alone else "") + RESUME, clips, tmp_path, "1", "2"],
        env=os.environ
        | {"KERAS_BACKEND": backend, "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "jax")}
        | QUICK_XLA,
        capture_output=True,
        text=True,
    )

    trained = "training\ndone\n" if alone else ""
    assert answer.stdout == f"{trained}killed\nTrue\n", answer.stderr
    said = [line for line in answer.stderr.splitlines() if "TensorBoard" in line]
    line = "TensorFlow is not installed: training continues without TensorBoard"
    assert said == [line] * alone
    assert not (tmp_path / "logs").exists()
    if alone:
        assert read_model_file(tmp_path / BEST).parameters
