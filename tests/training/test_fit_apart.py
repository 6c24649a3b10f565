"""Training in processes of its own: killed at any moment, and on every backend."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from wavesep import load_model
from wavesep.models.arrays import load_arrays
from wavesep.training.fit import BEST, CHECKPOINT

from .conftest import QUICK_XLA

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
MIXTURE = np.random.default_rng(4).standard_normal((1, 200, 2)).astype(np.float32)
ESTIMATE = """
import numpy as np
from wavesep import load_model
best = load_model(run + "/best.safetensors")
np.save(run + "/estimate.npy", best.predict(np.load(run + "/mixture.npy"), verbose=0))
"""


# other tests stop and resume on TensorFlow, and train on JAX
SLOW = [pytest.param(backend, marks=pytest.mark.slow) for backend in ("tensorflow", "jax")]


@pytest.mark.parametrize("backend", [*SLOW, "torch"])
def test_in_the_middle_of_an_epoch_every_backend_goes_on(
    clips: Path, tmp_path: Path, backend: str
) -> None:
    """All but TensorFlow do so without it, say so in one line, and estimate what it estimates."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    alone = backend != "tensorflow"
    np.save(tmp_path / "mixture.npy", MIXTURE)

    program = (WITHOUT + ESTIMATE if alone else "") + RESUME

    answer = subprocess.run(
        [sys.executable, "-c", program, clips, tmp_path, "1", "2"],
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
        ours = load_model(tmp_path / BEST).predict(MIXTURE, verbose=0)
        np.testing.assert_allclose(np.load(tmp_path / "estimate.npy"), ours, rtol=1e-4, atol=1e-5)
