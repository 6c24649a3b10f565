"""Speed of training steps, and of the generator that makes their mixtures."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import soundfile

from ..audio import TWO_STEMS
from ..models.recipe import BACKWARD
from . import limits
from .networks import NETWORKS
from .timing import RATE, Row, alternate, median, noise, ratio

if TYPE_CHECKING:  # only the process that measures loads Keras
    from ..data import MixGenerator
    from ..models.wavenet.network import WaveNet

SNIPPET = 4 * RATE  # samples
BATCH_SIZE = 4
CLIPS = 6  # of each stem, to draw snippets from
CLIP_SECONDS = 30
BATCHES = 10  # in a call of the generator


def training_speed(name: str, precision: str, device: str) -> list[Row]:
    """Measure training steps of one of `NETWORKS`, and the generator that feeds them.

    The generator is fast enough if it makes at least one snippet per snippet used. ``share of
    limit`` counts `BACKWARD` times the operations of an estimate.
    """
    import keras

    from ..engines.devices import computing_in, device_type, jit_compile, on

    architecture = NETWORKS[name]
    recipe = architecture.recipe()
    samples = SNIPPET // architecture.frame_size * architecture.frame_size
    with tempfile.TemporaryDirectory() as folder, on(device):
        with computing_in(precision):
            network = architecture.network()
        network.compile(
            recipe.optimizer(recipe.learning_rate),
            recipe.loss,
            jit_compile=jit_compile(device_type(device)),
        )
        mixes = generator(Path(folder), network, samples)
        products = limits.matrix_products(device)
        functions = products | {
            "step": partial(network.train_on_batch, *mixes[0]),
            "mixes": partial(make_batches, mixes),
        }
        for function in functions.values():
            function()
        times = alternate(functions)

    seconds = median(times, "step")
    row: Row = {
        "network": name,
        "backend": keras.backend.backend(),
        "precision": precision,
        "steps/s": 1 / seconds,
        "times real time": BATCH_SIZE * samples / RATE / seconds,
        "snippets/s": BATCHES * BATCH_SIZE / median(times, "mixes"),
        "snippets made per snippet used": BATCHES * ratio(times, "step", "mixes"),
    }
    if precision in products:
        work = BACKWARD * BATCH_SIZE * samples * architecture.operations
        row["share of limit"] = ratio(times, precision, "step") * work / limits.operations(device)
    return [row]


def generator(folder: Path, network: WaveNet, samples: int) -> MixGenerator:
    """Return a generator that reads clips of noise, 16-bit FLAC files, in two threads."""
    from ..data import Clips, MixGenerator

    clip = noise(CLIP_SECONDS * RATE)
    for stem in TWO_STEMS:
        (folder / stem).mkdir()
        for i in range(CLIPS):
            soundfile.write(folder / stem / f"{i}.flac", clip, RATE, subtype="PCM_16")
    return MixGenerator(
        Clips(folder / "vocals"), Clips(folder / "accompaniment"),
        samples=samples, channels=network.architecture.channels, batch_size=BATCH_SIZE, workers=2,
        left_context=network.left_context, right_context=network.right_context,
    )  # fmt: skip


def make_batches(mixes: MixGenerator) -> None:
    """Make batches of a new epoch, since none of them has been made in advance."""
    mixes.epoch += 1
    for i in range(BATCHES):
        mixes[i]
