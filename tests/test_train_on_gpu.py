"""Training on a GPU: its mixtures and its script, which run on any device."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import signal

from wavesep.data.mixes import Augmentation
from wavesep.data.production import Production
from wavesep.models.files import read_model_file

EXAMPLES = Path(__file__).parents[1] / "examples" / "weights"
sys.path.insert(0, str(EXAMPLES))

torch: Any = None
gpu_mixes: Any = None
pytestmark = pytest.mark.skipif(find_spec("torch") is None, reason="PyTorch is not installed")


@pytest.fixture(scope="module", autouse=True)
def modules() -> None:
    """Import PyTorch where these tests run: it takes seconds, and collecting does not need it."""
    globals().update({name: import_module(name) for name in ("torch", "gpu_mixes")})
    torch.set_num_threads(1)  # for such short sounds, threads wait longer than they compute


CPU = "cpu"
LENGTH = 4_000
STILL = Augmentation(
    speed=(1.0, 1.0), gain_db=0.0, equalise=0.0, low_pass=0.0, noise=0.0, mute_vocals=0.0,
    mute_accompaniment=0.0,
)  # fmt: skip
DRY = Production(share=0.0, others=0.0, backing_reverb=0.0)


def bank_of(*clips: tuple[str, NDArray[np.int16]]) -> Any:
    bank = gpu_mixes.Bank(0.01, CPU)
    for name, audio in clips:
        bank.add(name, audio)
    return bank


def noise(samples: int, seed: int = 0, below: float = 8_000) -> NDArray[np.int16]:
    white = np.random.default_rng(seed).normal(0, 0.1, samples)
    sos = signal.butter(8, below, fs=44_100, output="sos")
    return np.asarray(np.rint(signal.sosfilt(sos, white) * 32768), np.int16)


def played(bank: Any, start: float, speed: float, samples: int = LENGTH) -> NDArray[np.float32]:
    offsets, lengths, *_ = bank.tables()
    numbers = [offsets[-1], lengths[-1], start, speed]
    given = torch.tensor(numbers, dtype=torch.float64)[:, None, None]
    return np.asarray(gpu_mixes.play(bank.flat, given, samples)[0])


def mixer_of(
    augmentation: Augmentation, vocals: Any, accompaniment: Any, *, size: int = 16,
    aligned_share: float = 0.5, production: Production = DRY,
) -> Any:  # fmt: skip
    return gpu_mixes.Mixer(
        vocals, accompaniment, samples=8_192, left_context=2_048, right_context=4_096,
        batch_size=size, aligned_share=aligned_share, augmentation=augmentation,
        production=production,
    )  # fmt: skip


@given(start=st.integers(-6_000, 8_000))
@settings(max_examples=40)
def test_what_is_not_changed_is_played_as_it_is(start: int) -> None:
    clip = noise(6_000)
    bank = bank_of(("before", noise(5_000, seed=1)), ("clip", clip))

    silence = np.zeros(LENGTH + 6_000, np.int16)
    around = np.concatenate([silence, clip, silence])
    expected = around[len(silence) + start :][:LENGTH] / 32768

    np.testing.assert_allclose(played(bank, start, 1.0), expected, atol=1e-6)


@given(speed=st.floats(0.7, 1.4))
@settings(max_examples=40)
def test_playing_faster_is_resampling(speed: float) -> None:
    clip = noise(12_000)
    expected = soxr.resample(clip / 32768, 44_100 * speed, 44_100)[:LENGTH]

    error = (played(bank_of(("clip", clip)), 0.0, speed) - expected)[500:-500]

    assert np.square(error).mean() < 1e-6 * np.square(expected).mean()


def test_stems_of_one_song_stay_together() -> None:
    ramp = np.arange(1, 30_001, dtype=np.int16)  # tells where in it a snippet was
    mixer = mixer_of(
        STILL,
        bank_of(("a", ramp), ("alone", ramp)),
        bank_of(("other", noise(9_000)), ("a", ramp // 2)),
        aligned_share=1.0,
    )

    mixtures, targets = mixer.batch()

    assert mixtures.shape == (16, 14_336, 1)
    assert targets.shape == (16, 8_192, 1)
    rest = mixtures[:, 2_048 : 2_048 + 8_192] - targets
    np.testing.assert_allclose(rest.abs(), targets.abs() / 2, atol=3e-5)
    assert len(targets[:, 0].abs().unique()) > 8  # here and there


@given(share=st.sampled_from([0.0, 1.0]), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=4)
def test_muted_vocals_are_silent_and_the_mixture_is_not(share: float, seed: int) -> None:
    mixer = mixer_of(
        Augmentation(mute_vocals=share, mute_accompaniment=0.0),
        bank_of(("a", noise(40_000))), bank_of(("a", noise(40_000, seed=1))), size=4,
        production=Production(),
    )  # fmt: skip
    mixer.rng = np.random.default_rng(seed)

    mixtures, targets = mixer.batch()

    assert (targets.abs().amax((1, 2)) == 0).all() == bool(share)
    assert (mixtures.square().mean((1, 2)) > 0).all()
    assert mixtures.isfinite().all()


def test_vocals_are_drawn_where_somebody_sings() -> None:
    clip = np.concatenate([np.zeros(150_000, np.int16), noise(50_000)])
    mixer = mixer_of(STILL, bank_of(("a", clip)), bank_of(("a", clip)), size=40)

    _, targets = mixer.batch()

    sounds = targets.square().mean((1, 2)) > 1e-4
    assert sounds.float().mean() > 0.7  # one in four, where all places are alike


def test_vocals_are_produced_as_mix_generator_does() -> None:
    """By the same `Studio`: of what one row gets, the mixture and the target have the same."""
    clip = noise(40_000, below=2_000)  # so that half a sample makes no difference
    banks = bank_of(("a", clip)), bank_of(("b", np.zeros(40_000, np.int16)))
    options: dict[str, Any] = {"size": 32, "aligned_share": 0.0}
    dry, wet = (
        mixer_of(STILL, *banks, production=production, **options).batch()
        for production in (DRY, Production(share=1.0, others=0.0, backing_reverb=0.0))
    )

    for mixtures, targets in (dry, wet):
        np.testing.assert_allclose(mixtures[:, 2_048 : 2_048 + 8_192], targets, atol=1e-6)
    # every dry row is a piece of the clip, and few wet ones are
    whole = clip / np.float32(32768)
    unchanged = [
        np.mean([alike(np.asarray(target[:, 0]), whole) > 0.98 for target in targets])
        for targets in (dry[1], wet[1])
    ]
    assert unchanged[0] == 1
    assert unchanged[1] < 0.3


def alike(part: NDArray[Any], whole: NDArray[Any]) -> float:
    """The largest correlation of a part with any place of the whole."""
    at = np.abs(signal.correlate(whole, part, "valid"))
    power = signal.fftconvolve(np.square(whole, dtype=float), np.ones(len(part)), "valid")
    return float((at / np.sqrt(power * np.square(part).sum() + 1e-9)).max())


def test_voices_that_come_later_belong_to_their_accompaniment() -> None:
    vocals, accompaniment = bank_of(("a", noise(9_000))), bank_of(("b", noise(9_000)))
    mixer = mixer_of(STILL, vocals, accompaniment)
    assert list(mixer.partners()) == [-1]

    vocals.add("b", noise(9_000))

    assert list(mixer.partners()) == [-1, 0]


def test_voices_are_taken_in_once_and_whole(tmp_path: Path) -> None:
    made = tmp_path / "seed 1" / "train" / "vocals"
    (made / "b").mkdir(parents=True)
    soundfile.write(made / "a.flac", noise(9_000), 44_100)
    (made / "c.part.wav").write_bytes(b"this still grows")
    bank = bank_of()
    voices = gpu_mixes.Voices(tmp_path, bank)

    voices.read()
    assert bank.names == ["a"]

    soundfile.write(made / "b" / "d.flac", noise(9_000), 44_100)
    voices.read()
    voices.read()

    assert bank.names == ["a", "b/d"]


ONE_STEP = """
import collections, json, sys
import torch
from torch.utils._python_dispatch import TorchDispatchMode
import train_on_gpu as t

network, _ = t.build(sys.argv[1], "bfloat16")
network.compile(optimizer=network.architecture.recipe().optimizer(1e-3))
trainer = t.Trainer(network, 1e-3, t.Workers())
t.keep_numbers()
frames = 4 * network.architecture.frame_size
target = torch.randn(2, frames, 1)
mixture = torch.randn(2, network.left_context + frames + network.right_context, 1)
trainer.train(mixture, target)
called = collections.Counter()

class Watch(TorchDispatchMode):
    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        called[function.overloadpacket._qualified_op_name] += 1
        return function(*arguments, **(options or {}))

with Watch():
    trainer.train(mixture, target)
assert int(network.optimizer.iterations) == 2
assert [int(t.ops.convert_to_tensor(number)) for number in (0, 1)] == [0, 1]
print(json.dumps(called), flush=True)
"""

# a fork of a process that has loaded PyTorch and Keras starts at once
THREE_FORKS = f"""
import multiprocessing, runpy, sys
import train_on_gpu

def fork(function, *arguments, **options):
    process = multiprocessing.get_context("fork").Process(
        target=function, args=arguments, kwargs=options
    )
    process.start()
    process.join()
    if process.exitcode:
        sys.exit(process.exitcode)
    print("END", file=sys.stderr, flush=True)

script, start, *options = sys.argv[1:]
sys.argv[1:] = [start]
fork(exec, {ONE_STEP!r}, {{}})
sys.argv = [script, "--start", start, *options]
fork(runpy.run_path, script, run_name="__main__")
fork(runpy.run_path, script, run_name="__main__")
"""


@dataclass
class Trained:
    """What one step called, what the script said in its two runs, and where it saved."""

    called: dict[str, int]
    first: str
    second: str
    folder: Path


@pytest.fixture(scope="module")
def trained(cells_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """One step, then the same command twice, on the script's backend."""
    folder = tmp_path_factory.mktemp("trained")
    for kind in ("vocals", "accompaniment"):
        (folder / kind).mkdir()
        soundfile.write(folder / kind / "a.wav", noise(300_000), 44_100)
    options = [
        "--vocals", "vocals", "--accompaniment", "accompaniment", "--valid", ".",
        "--seconds", "0.2", "--epoch", "0.1", "--batch-size", "2", "--hours", "0.02",
        "--run", "run",
    ]  # fmt: skip
    script = EXAMPLES / "train_on_gpu.py"
    environment = os.environ | {"KERAS_BACKEND": "torch", "OMP_NUM_THREADS": "1"}
    answer = subprocess.run(
        [sys.executable, "-c", THREE_FORKS, str(script), str(cells_file), *options],
        capture_output=True, text=True, cwd=folder,
        env=environment | {"PYTHONPATH": os.pathsep.join(sys.path)},  # with the scripts
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    _, first, second, _ = answer.stderr.split("END\n")
    return Trained(json.loads(answer.stdout), first, second, folder / "run")


@pytest.mark.slow
def test_a_step_can_be_a_graph(trained: Trained) -> None:
    assert trained.called["aten::convolution"] > 5
    # numbers that come from Python or go there: a CUDA graph can hold neither
    unfit = "lift_fresh|local_scalar|nonzero"
    assert not [name for name in trained.called if re.search(unfit, name)]


@pytest.mark.slow
def test_train_on_gpu_goes_on_where_it_was(trained: Trained, cells_file: Path) -> None:
    assert re.findall(r"epoch (\d)", trained.first) == ["1", "2"]
    assert not re.findall(r"epoch (\d)", trained.second)  # it was done
    assert (trained.folder / "best.safetensors").is_file()
    model = read_model_file(trained.folder / "epoch02.safetensors")
    before = read_model_file(cells_file)
    assert model.architecture == before.architecture
    np.testing.assert_array_equal(  # its filterbank is left alone
        model.arrays["analysis_bands/kernel"],
        before.arrays["analysis_bands/kernel"].astype(np.float16),
    )
    assert not np.allclose(model.arrays["mask/bias"], before.arrays["mask/bias"], atol=1e-4)


# one worker, and two as torchrun starts them; all are forks, which start at once
TWO_STEPS = """
import multiprocessing, os, sys
import keras, numpy as np, torch
import train_on_gpu as t

def steps(name, environment):
    os.environ |= environment
    workers = t.Workers()
    network, _ = t.build(sys.argv[1], "float32")
    network.compile(optimizer=network.architecture.recipe().optimizer(1e-2))
    trainer = t.Trainer(network, 1e-3, workers)
    torch.manual_seed(0)
    frames = 4 * network.architecture.frame_size
    targets = 0.1 * torch.randn(2, 4, frames, 2)
    mixtures = 0.1 * torch.randn(2, 4, network.left_context + frames + network.right_context, 2)
    share = 4 // workers.count
    rows = slice(workers.rank * share, (workers.rank + 1) * share)
    for mixture, target in zip(mixtures, targets):
        trainer.train(mixture[rows], target[rows])
    weights = {f"{i}": w.detach().numpy().copy() for i, w in enumerate(trainer.weights)}
    np.savez(name, loss=float(trainer.loss), **weights)
    if workers.rank:
        with torch.no_grad():
            torch._foreach_zero_(trainer.weights)
    given = workers.give(str(workers.rank), t.state_tensors(network))
    assert (given, workers.tell(float(workers.rank))) == ("0", 0.0)
    for i, weight in enumerate(trainer.weights):
        np.testing.assert_array_equal(weight.detach().numpy(), weights[f"{i}"])
    workers.part()

address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": sys.argv[2], "WORLD_SIZE": "2"}
ways = {"one": {}, "two": address | {"RANK": "0"}, "other": address | {"RANK": "1"}}
fork = multiprocessing.get_context("fork").Process
processes = [fork(target=steps, args=way) for way in ways.items()]
for process in processes:
    process.start()
for process in processes:
    process.join()
sys.exit(any(process.exitcode for process in processes))
"""


def test_two_workers_take_the_steps_of_one(tiny_file: Path, tmp_path: Path) -> None:
    """A network without batch normalisation, which each worker applies to its share."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
    environment = {"KERAS_BACKEND": "torch", "PYTHONPATH": os.pathsep.join(sys.path)}
    answer = subprocess.run(
        [sys.executable, "-c", TWO_STEPS, str(tiny_file), port],
        capture_output=True, text=True, cwd=tmp_path,
        env=os.environ | environment | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr

    one, two, other = (np.load(tmp_path / f"{name}.npz") for name in ("one", "two", "other"))
    for name, array in one.items():
        np.testing.assert_allclose(two[name], array, atol=1e-5, err_msg=name)
        np.testing.assert_array_equal(two[name], other[name])


@pytest.mark.slow
def test_torchrun_trains_on_two_workers(cells_file: Path, tmp_path: Path) -> None:
    for kind in ("vocals", "accompaniment"):
        (tmp_path / kind).mkdir()
        soundfile.write(tmp_path / kind / "a.wav", noise(300_000), 44_100)
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone",
        "--", str(EXAMPLES / "train_on_gpu.py"), "--start", str(cells_file), "--vocals", "vocals",
        "--accompaniment", "accompaniment", "--valid", ".", "--seconds", "0.2", "--epoch", "0.1",
        "--batch-size", "2", "--hours", "0.02", "--run", "run",
    ]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}

    for epochs in (["1", "2"], []):
        answer = subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, env=environment
        )
        assert answer.returncode == 0, answer.stderr
        assert re.findall(r"epoch (\d)", answer.stderr) == epochs
    assert read_model_file(tmp_path / "run" / "epoch02.safetensors").parameters
