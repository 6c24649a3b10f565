r"""Train a WaveNet with a filterbank on a GPU in a limited time (PyTorch).

    python examples/weights/train_on_gpu.py --vocals MIR1K/train/vocals singing \
        --accompaniment MIR1K/train/accompaniment instrumentals --valid MIR1K/valid --seconds 600

It differs from ``wavesep train`` in three ways: mixtures are made on the GPU, a step is two CUDA
graphs, and the learning rate falls to zero as a cosine of time. A folder that is given twice is
drawn twice as often. An epoch lasts --epoch seconds. At its end, the mean of the last weights is
measured and saved. Run the same command again to continue after the last whole epoch. With
--voices, it also reads the files that data_prep/change_voices.py writes below that folder during
the training. For a trial, it runs without a GPU, too. ``torchrun --nproc-per-node N`` before the
script trains on N GPUs, each with its share of every batch. Batch normalisation then uses the
statistics of each share.
"""

import argparse
import json
import logging
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import torch
from gpu_mixes import RATE, Bank, Mixer, Voices
from gpu_workers import Workers
from keras import ops

from wavesep.audio import TWO_STEMS
from wavesep.data import Clips
from wavesep.data.clips import find_audio
from wavesep.data.mixes import ALIGNED_SHARE, Augmentation
from wavesep.data.production import Production
from wavesep.engines.devices import computing_in
from wavesep.models.files import ModelFile, read_model_file
from wavesep.models.recipe import BACKWARD
from wavesep.training import Validation
from wavesep.training.fit import BEST, CHECKPOINT
from wavesep.training.resume import (
    Progress,
    load_checkpoint,
    save_checkpoint,
    state_variables,
)  # fmt: skip

SECONDS = 5  # of each mixture in the loss, without the context
WARM_UP = 0.02  # share of the time in which the learning rate rises
FREEZE = ("analysis_", "synthesis_")  # these start as Fourier filters and are not trained
INNER = ("encoder", "layer", "hints", "cell_", "spectrum_", "hinted", "mask_relu", "mask_norm")
LAST = 1000  # largest number of steps in the mean of the weights
FLOOR = 0.01  # error power over target power: an error below -20 dB hardly counts
SETTINGS = ("start", "seconds", "epoch", "batch_size", "learning_rate", "db", "precision", "seed")
AGREED = 20  # steps from one look at the clock of worker 0 to the next
SILENT = 1e-3  # RMS; a quieter target has no error in dB

Step = Callable[[torch.Tensor, torch.Tensor], None]

log = logging.getLogger("train_on_gpu")


def loss_of(estimate: torch.Tensor, target: torch.Tensor, share: float) -> torch.Tensor:
    """Return the MAE plus ``share`` times the mean error in dB of targets that are not silent."""
    error = estimate - target
    loss = error.abs().mean()
    if share:
        power = target.square().mean((1, 2))
        ratio = error.square().mean((1, 2)) / power.clamp(min=SILENT**2)
        loss = loss + share * (10 * torch.log10(ratio + FLOOR) * (power > SILENT**2)).mean()
    return loss


def build(start: str, precision: str) -> tuple[keras.Model, ModelFile]:
    """Return a network whose inner layers use a precision; layers of samples use float32."""
    file = read_model_file(start)
    with computing_in(precision):
        network = file.build(padding="valid")
    for layer in network.layers:
        if layer.name == "mask" or not layer.name.startswith(INNER):
            layer.dtype_policy = keras.dtype_policies.DTypePolicy("float32")
        layer.trainable = not layer.name.startswith(FREEZE)
    return network, file


def keep_numbers() -> None:
    """Make Keras copy each plain number to the GPU once, not in every step.

    A copy waits for the earlier work of the GPU, and a CUDA graph cannot contain it. Make all
    variables before: a later one could share memory with a kept number.
    """
    from keras.src.backend import torch as backend

    plain, known = backend.core.convert_to_tensor, {}

    def convert_to_tensor(x: object, dtype: object = None, **options: object) -> torch.Tensor:
        if type(x) not in (int, float, bool):
            return plain(x, dtype, **options)
        key = (type(x), x, str(dtype))
        if key not in known:
            known[key] = plain(x, dtype, **options)
        return known[key]

    for module in (*vars(backend).values(), backend):
        if getattr(module, "convert_to_tensor", None) is plain:
            module.convert_to_tensor = convert_to_tensor


class Trainer:
    """A network, its optimizer, and the mean of its last weights.

    Parameters
    ----------
    network : keras.Model
        Compiled.
    db : float
        Weight of the error in dB: ``share`` of `loss_of`.
    workers : Workers
    """

    def __init__(self, network: keras.Model, db: float, workers: Workers) -> None:
        self.network = network
        self.db = db
        self.workers = workers
        self.variables = network.trainable_variables
        network.optimizer.build(self.variables)
        self.weights = [v.value for v in network.variables if v.value.is_floating_point()]
        self.means = [w.detach().clone() for w in self.weights]
        self.pace = torch.ones((), device=self.means[0].device)  # weight of a step in the mean
        self.loss = torch.zeros((), device=self.means[0].device)
        self.steps = 0
        # the gradients and the loss, which the workers average at once
        sizes = [math.prod(v.shape) for v in self.variables]
        self.flat = torch.zeros(sum(sizes) + 1, device=self.means[0].device)
        *parts, self.last_loss = torch.split(self.flat, [*sizes, 1])
        self.gradients = [
            part.view(tuple(v.shape)) for part, v in zip(parts, self.variables, strict=True)
        ]

    def train(self, mixture: torch.Tensor, target: torch.Tensor) -> None:
        """Take one step."""
        self.backward(mixture, target)
        self.workers.average(self.flat)
        self.update()

    def backward(self, mixture: torch.Tensor, target: torch.Tensor) -> None:
        """Compute the gradients and the loss of this worker's share of a batch."""
        parameters = [v.value for v in self.variables]
        loss = loss_of(self.network(mixture, training=True), target, self.db)
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            torch.cat([part.flatten() for part in (*gradients, loss)], out=self.flat)

    def update(self) -> None:
        """Change the weights, and their means, by the gradients."""
        with torch.no_grad():
            self.network.optimizer.apply(self.gradients, self.variables)
            self.loss.lerp_(self.last_loss[0], 0.02)
            for mean, weight in zip(self.means, self.weights, strict=True):
                mean.lerp_(weight, self.pace)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the weights of the network and their means."""
        own = [w.clone() for w in self.weights]
        torch._foreach_copy_(self.weights, self.means)
        torch._foreach_copy_(self.means, own)

    def as_graph(self, batch_size: int, length: int, samples: int) -> Step:
        """Return `train` as two CUDA graphs: their kernels run without Python between them.

        Between the graphs, the workers average their gradients.
        """
        before = [w.clone() for w in self.weights]
        mixture, target = (
            torch.randn(batch_size, size, 1, device=self.pace.device) for size in (length, samples)
        )
        torch.backends.cudnn.benchmark = True
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(3):  # cuDNN selects its algorithms, buffers are allocated
                self.train(mixture, target)
        torch.cuda.current_stream().wait_stream(aside)
        backward, update = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        with torch.cuda.graph(backward):
            self.backward(mixture, target)
        with torch.cuda.graph(update):
            self.update()
        torch.backends.cudnn.benchmark = False  # validation has other shapes, each only once
        with torch.no_grad():  # undo these steps
            torch._foreach_copy_(self.weights, before)
            self.loss.zero_()
            for variable in self.network.optimizer.variables:
                variable.assign(ops.zeros_like(variable))

        def step(new_mixture: torch.Tensor, new_target: torch.Tensor) -> None:
            mixture.copy_(new_mixture)
            target.copy_(new_target)
            backward.replay()
            self.workers.average(self.flat)
            update.replay()

        return step

    def set_rate(self, rate: float) -> None:
        """Set the learning rate, and the weight of the next steps in the mean."""
        self.network.optimizer.learning_rate = rate
        self.pace.fill_(1 / min(self.steps + 1, LAST))


def rate_at(share: float) -> float:
    """Return the learning rate, relative to its maximum, at a share of the time."""
    return min(share / WARM_UP, 1.0) * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))


parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--vocals", type=Path, nargs="+", required=True, metavar="FOLDER")
parser.add_argument("--accompaniment", type=Path, nargs="+", required=True, metavar="FOLDER")
parser.add_argument(
    "--valid", type=Path, required=True, metavar="FOLDER", help="as in wavesep train"
)
parser.add_argument("--voices", type=Path, metavar="FOLDER", help="with changed voices")
parser.add_argument("--start", default="vocals", help="a name or a file (default: %(default)s)")
parser.add_argument("--run", type=Path, default=Path("runs/gpu"), help="default: %(default)s")
parser.add_argument("--seconds", type=float, default=600, help="default: %(default)s")
parser.add_argument("--epoch", type=float, default=60, help="seconds (default: %(default)s)")
parser.add_argument("--batch-size", type=int, default=32, help="default: %(default)s")
parser.add_argument("--learning-rate", type=float, default=2e-3, help="default: %(default)s")
parser.add_argument(
    "--db", type=float, default=1e-3,
    help="weight of the mean error in dB beside MAE (default: %(default)s)",
)  # fmt: skip
parser.add_argument("--precision", default="bfloat16", choices=["float32", "bfloat16"])
parser.add_argument(
    "--most", type=int, default=84, help="validation snippets at most (default: %(default)s)"
)
parser.add_argument(
    "--hours", type=float, default=30,
    help="memory for each stem, 0.3 GB an hour (default: %(default)s)",
)  # fmt: skip
parser.add_argument("--seed", type=int, default=0)


def main() -> None:
    """Read the command line and train."""
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    workers = Workers()
    device = workers.device
    share, rest = divmod(args.batch_size, workers.count)
    if rest:
        parser.error(f"--batch-size must be a multiple of {workers.count}, the number of workers")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    keras.utils.set_random_seed(args.seed + workers.rank)

    network, file = build(args.start, args.precision)
    network.compile(optimizer=network.architecture.recipe().optimizer(args.learning_rate))
    trainer = Trainer(network, args.db, workers)
    keep_numbers()
    frame = network.architecture.frame_size
    form = {
        "samples": math.ceil(SECONDS * RATE / frame) * frame,
        "left_context": network.left_context,
        "right_context": network.right_context,
    }
    step: Step = trainer.train
    if device.type == "cuda":
        step = trainer.as_graph(share, sum(form.values()), form["samples"])

    vocals, accompaniment = Bank(args.hours, device), Bank(args.hours, device)
    for bank, folders in ((vocals, args.vocals), (accompaniment, args.accompaniment)):
        for folder in folders:
            bank.read(find_audio(folder))
    valid = [Clips(args.valid / stem) for stem in TWO_STEMS]
    validation = Validation(*valid, **form, channels=1, most=args.most)
    mixer = Mixer(
        vocals, accompaniment, **form, batch_size=share, aligned_share=ALIGNED_SHARE,
        augmentation=Augmentation(), production=Production(),
    )  # fmt: skip
    voices = Voices(args.voices, vocals)
    settings = {name: value for name, value in vars(args).items() if name in SETTINGS}
    progress = Progress(settings)
    if workers.rank == 0:
        progress = load_checkpoint(args.run / CHECKPOINT, network, settings)
    seconds_a_step = args.batch_size * form["samples"] / RATE

    while True:
        progress = workers.give(progress, state_tensors(network))
        if (done := progress.epoch * args.epoch) >= args.seconds:
            break
        mixer.rng = np.random.default_rng((args.seed, progress.epoch, workers.rank))
        steps, spent = train_epoch(trainer, step, mixer, voices, done, args)
        audio = steps * seconds_a_step / spent
        if workers.rank:
            continue
        trainer.swap()
        scores = validation.score(validation.estimate(network.predict_on_batch))
        progress.scores.append(scores.best)
        save_model(file, network, args.run, progress)
        trainer.swap()
        save_checkpoint(args.run / CHECKPOINT, network, progress)
        shown = {
            "loss": float(trainer.loss),
            "validation/si_sdr_gain": scores.si_sdr_gain,
            "hours": vocals.used / RATE / 3600,
            "speed/audio_seconds_per_second": audio,
            "speed/tflops": audio * RATE * BACKWARD * network.architecture.operations / 1e12,
        }
        log.info(
            "epoch %d: %s",
            progress.epoch, json.dumps({k: float(f"{v:.4g}") for k, v in shown.items()}),
        )  # fmt: skip
    workers.part()


def train_epoch(
    trainer: Trainer, step: Step, mixer: Mixer, voices: Voices, done: float,
    args: argparse.Namespace,
) -> tuple[int, float]:  # fmt: skip
    """Train for an epoch by the clock of worker 0; return the steps and the seconds it took."""
    begin, steps, spent = time.perf_counter(), 0, 0.0
    while True:
        if trainer.workers.count == 1 or steps % AGREED == 0:
            spent = trainer.workers.tell(time.perf_counter() - begin)
        if spent >= args.epoch:
            return steps, spent
        if steps % AGREED == 0:  # both calls wait for the GPU
            trainer.set_rate(args.learning_rate * rate_at((done + spent) / args.seconds))
            voices.read()
        step(*mixer.batch())
        steps += 1
        trainer.steps += 1


def state_tensors(network: keras.Model) -> list[torch.Tensor]:
    """Return all that training changes: the weights and the state of the optimizer."""
    return [variable.value for variable in state_variables(network).values()]


def save_model(file: ModelFile, network: keras.Model, run: Path, progress: Progress) -> None:
    """Write the model file of the epoch, and that of the best epoch if this one is best."""
    about = {"sample_rate": file.sample_rate, "sources": file.sources, "licence": file.licence}
    model = ModelFile.from_network(network, **about).halved()
    model.save(run / f"epoch{progress.epoch:02d}.safetensors")
    if progress.epochs_since_best == 0:
        model.save(run / BEST)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("stopped: run the same command again to continue after the last whole epoch")
