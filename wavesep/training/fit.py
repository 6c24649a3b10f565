"""Train a network with Keras's fit; score it after every epoch, save it every few minutes."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import keras

from ..audio import TWO_STEMS, Audio
from ..engines.devices import computing_in, device_type, jit_compile
from ..engines.mask_engine import network_engine
from ..errors import OptionError
from ..models.base import Architecture
from ..models.files import ModelFile
from ..models.recipe import BACKWARD
from ..models.spectrograms import MaskArchitecture
from ..workers import alone, check_same, place, rows, shared
from .examples import Examples, Mixes, Outputs, Validating
from .meter import Meter, span
from .resume import Progress, Rest, append_log, load_checkpoint, save_checkpoint, trim_log
from .tensorboard import Board, open_board

BEST = "best.safetensors"  # the model file of the best epoch
CHECKPOINT = "checkpoint.safetensors"  # from which the run continues
LOG = "log.jsonl"  # a line of JSON for each checkpoint
SAVE_SECONDS = 300.0  # between two saves

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class About:
    """The contents of a run's model files beside the network; see `ModelFile`.

    Attributes
    ----------
    sources : tuple of str
        The network's targets, then the name of the remainder.
    licence : str
        Of the weights.
    card : dict
        The data card.
    """

    sources: tuple[str, ...] = TWO_STEMS
    licence: str = "not stated"
    card: dict[str, Any] = field(default_factory=dict)


def fit(
    network: keras.Model,
    mixes: Mixes,
    validation: Validating,
    *,
    run: str | os.PathLike[str],
    epochs: int,
    learning_rate: float | None = None,
    patience: int | None = None,
    about: About | None = None,
    limit: float | None = None,
) -> Progress:
    """Train a network on mixtures, by the recipe of its architecture.

    After every epoch the network is scored on the validation clips. The run's folder contains

    * ``best.safetensors``, the model file of the best epoch, ready for `Separator`;
    * ``checkpoint.safetensors``, written after every epoch and every five minutes. The same call
      continues from it: a run that is killed at any time and started again ends with the same
      weights as a run that is not killed;
    * ``log.jsonl``, a line of JSON for each checkpoint;
    * ``logs``, the data for TensorBoard. It needs TensorFlow; without it, a warning is logged.

    During training, a line on standard error shows the progress. If that is not a terminal, the
    log has such a line every minute.

    Several workers (`wavesep.workers.joined`) call it alike. Each makes and computes its share of
    every batch, so together they train as one does. Worker 0 alone scores, saves and shows. A run
    can continue with another number of workers.

    Parameters
    ----------
    network : WaveNet, built with ``padding="valid"``, FrameCnn, ActivityCnn, UNet
        Or any other Keras model with an ``architecture``. To repeat a run that was killed before
        its first checkpoint, begin with the same weights: ``keras.utils.set_random_seed``.
    mixes : MixGenerator, or ActivityExamples for an `ActivityCnn`
        For a WaveNet, with the network's contexts. For the others, without contexts and with
        `Recipe.samples` samples.
    validation : Validation, or ActivityValidation for an `ActivityCnn`
    run : path
        Folder of this run. It is made if it is missing.
    epochs : int, >= 1
        Of ``len(mixes)`` batches each. The learning rate falls to zero at the end of the last.
    learning_rate : float, optional
        Of the first step. Default: the recipe's.
    patience : int, optional
        Stop after this many epochs without a new best score. Default: never.
    about : About, optional
        Contents of the model files beside the network.
    limit : float, optional
        Operations per second that each worker's device can compute. With it, TensorBoard and
        ``log.jsonl`` have the share that training uses.

    Returns
    -------
    Progress
        The scores of every epoch. The network has the weights of the last epoch.

    Raises
    ------
    OptionError
        If the network's padding is not "valid", or the workers cannot have equal shares of a batch.
    OtherRunError
        If the folder contains a run with other settings.
    ModelFileError
        If the folder's checkpoint is damaged or of another network.
    OutputError
        If the model file or the checkpoint cannot be written.
    AudioError
        If no clip of a stem can be read.
    WorkerError
        If worker 0 has other settings.
    """
    if getattr(network, "padding", "valid") != "valid":
        raise OptionError('training needs WaveNet(..., padding="valid")')
    recipe = network.architecture.recipe()
    learning_rate = learning_rate or recipe.learning_rate
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, epochs * len(mixes))
    network.compile(
        optimizer=recipe.optimizer(schedule),
        loss=recipe.loss,
        jit_compile=jit_compile(device_type(None)),
    )
    # if Keras builds the optimizer within its first step, TensorFlow traces that step twice
    network.optimizer.build(network.trainable_variables)
    settings = describe(network, mixes, epochs, learning_rate)
    check_same(settings)
    progress = load_checkpoint(Path(run) / CHECKPOINT, network, settings)

    if progress.epoch < epochs and not is_tired(progress, patience):
        mixes.rows = rows(mixes.batch_size)
        log.info(mixes.report())
        watch = watch_of(
            Run(Path(run), mixes, validation, about or About(), patience, limit), progress
        )
        examples = Examples(mixes, recipe.examples) if recipe.examples else mixes
        if progress.step:
            train(network, Rest(examples, progress.step), progress.epoch + 1, watch)
        if progress.epoch < epochs and not is_tired(progress, patience):
            train(network, examples, epochs, watch)
    return progress


def estimator_of(network: keras.Model, architecture: Architecture) -> Callable[[Audio], Outputs]:
    """Return a function that maps a batch of mixtures, or of spectra, to estimates."""
    if isinstance(architecture, MaskArchitecture):
        return network_engine(network.predict_on_batch, architecture)
    predict: Callable[[Audio], Outputs] = network.predict_on_batch
    return predict


def train(
    network: keras.Model, examples: Mixes | keras.utils.PyDataset, epochs: int, watch: Watch
) -> None:
    """Train with Keras from the position of a run until ``epochs`` epochs are done."""
    watch.run.mixes.epoch = watch.progress.epoch
    try:
        network.fit(
            examples,
            initial_epoch=watch.progress.epoch,
            epochs=epochs,
            shuffle=False,  # batches are random already, and the index of a batch is its seed
            verbose=0,
            callbacks=[watch],
        )
    finally:
        watch.clear()


def describe(
    network: keras.Model, mixes: Mixes, epochs: int, learning_rate: float
) -> dict[str, Any]:
    """Return the settings that determine the final weights of a run."""
    settings = network.architecture.arguments | mixes.settings()
    settings |= {
        "kind": network.architecture.kind,
        "epochs": epochs,
        "learning_rate": learning_rate,
    }
    settings |= {"optimizer": type(network.optimizer).__name__}
    settings |= {"precision": network.dtype_policy.name}
    settings |= {"frozen": [layer.name for layer in network.layers if not layer.trainable]}
    plain: dict[str, Any] = json.loads(json.dumps(settings))  # as a checkpoint returns it
    return plain


def is_tired(progress: Progress, patience: int | None) -> bool:
    """Tell if at least ``patience`` epochs have passed since the best one."""
    return patience is not None and progress.epochs_since_best >= patience


@dataclass(frozen=True)
class Run:
    """The arguments of a run; see `fit`."""

    folder: Path
    mixes: Mixes
    validation: Validating
    about: About
    patience: int | None
    limit: float | None


def watch_of(run: Run, progress: Progress) -> Watch:
    """Return the callback of this worker."""
    if place()[0]:
        return Watch(run, progress)
    return RunCallback(run, progress, open_board(run.folder / "logs", progress.settings))


class Watch(keras.callbacks.Callback):
    """Set the generator's epoch; wait for the score of worker 0 after every epoch.

    Parameters
    ----------
    run : Run
    progress : Progress
        It is updated.
    """

    def __init__(self, run: Run, progress: Progress) -> None:
        super().__init__()
        self.run = run
        self.progress = progress

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Set the generator's epoch, which Keras does not do."""
        self.run.mixes.epoch = epoch

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Wait for worker 0."""
        self.progress.scores.append(json.loads(shared(b"")))
        self.progress.step, self.progress.loss = 0, 0.0
        self.model.stop_training = is_tired(self.progress, self.run.patience)

    def clear(self) -> None:
        """Do nothing: this worker shows nothing."""


class RunCallback(Watch):
    """Score, save and show the network after every epoch.

    It also saves a checkpoint every five minutes.

    Parameters
    ----------
    run : Run
    progress : Progress
        It is updated.
    board : Board, optional
    """

    def __init__(self, run: Run, progress: Progress, board: Board | None) -> None:
        super().__init__(run, progress)
        self.board = board
        self.meter = Meter(progress.settings["epochs"], len(run.mixes))
        self.meter.begin(self._steps)
        trim_log(run.folder / LOG, self._steps)
        self._saved = time.monotonic()

    @property
    def _steps(self) -> int:
        """Steps of the run up to the last checkpoint."""
        return self.progress.epoch * len(self.run.mixes) + self.progress.step

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Note where the epoch begins."""
        super().on_epoch_begin(epoch, logs)
        self._begin = time.perf_counter()
        self._before = self.progress.step, self.progress.loss  # where the epoch continues

    def on_train_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Seed PyTorch by the step: dropout uses its generator, which no checkpoint contains.

        On other backends, dropout uses a state that is one of the network's variables.
        """
        if keras.backend.backend() == "torch":
            step = self.progress.epoch * len(self.run.mixes) + self._before[0] + batch
            import_module("torch").manual_seed(self.run.mixes.seed + step)

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Show the progress; save a checkpoint if the last one is five minutes old."""
        step = self._before[0] + batch + 1
        self.meter.step(
            self.progress.epoch * len(self.run.mixes) + step, lambda: self._loss(step, logs)
        )
        if step < len(self.run.mixes) and time.monotonic() - self._saved >= SAVE_SECONDS:
            self.progress.step, self.progress.loss = step, self._loss(step, logs)
            self._save({"loss": self.progress.loss})

    def _loss(self, step: int, logs: dict[str, float] | None) -> float:
        """Return the mean loss of an epoch's first steps; ``logs`` has that since the start."""
        before, loss = self._before
        return (before * loss + (step - before) * float((logs or {})["loss"])) / step

    def _save(self, record: dict[str, float]) -> None:
        """Write a line of the log and a checkpoint."""
        append_log(
            self.run.folder / LOG, {"step": self._steps, "epoch": self.progress.epoch} | record
        )
        save_checkpoint(self.run.folder / CHECKPOINT, self.model, self.progress)
        self._saved = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Score; save the best model, and after it the checkpoint that refers to it."""
        seconds = time.perf_counter() - self._begin
        estimates = self._estimate()
        scores = self.run.validation.score(estimates)
        loss = self._loss(len(self.run.mixes), logs)
        self.progress.scores.append(scores.best)
        self.progress.step, self.progress.loss = 0, 0.0
        if self.progress.best_epoch == epoch:
            model = ModelFile.from_network(
                self.model, sample_rate=self.run.mixes.sample_rate, **vars(self.run.about)
            )
            model.halved().save(self.run.folder / BEST)
        scalars = {
            "loss": loss,
            **{f"validation/{name}": value for name, value in vars(scores).items()},
            **self._speed(seconds),
        }
        self._save({name: round(value, 6) for name, value in scalars.items()})
        self.meter.clear()
        best = self.progress.best_epoch
        log.info(
            "epoch %d of %d: loss %.4g, %s, %s; %s, %.3g s of audio per second",
            epoch + 1, self.progress.settings["epochs"], loss, scores.said,
            "the best so far" if best == epoch else f"the best was epoch {best + 1}",
            span(seconds), scalars["speed/audio_seconds_per_second"],
        )  # fmt: skip
        if self.board:
            self.board.write(epoch, scalars)
            self.run.validation.show(self.board, epoch, estimates)
        if is_tired(self.progress, self.run.patience):
            log.info("stopped early: no better score for %d epochs", self.run.patience)
            self.model.stop_training = True
        shared(json.dumps(scores.best).encode())

    def _estimate(self) -> Outputs:
        """Return the estimates for the validation clips, computed by this worker only."""
        architecture, validation = self.model.architecture, self.run.validation
        if place() == (0, 1):
            return validation.estimate(estimator_of(self.model, architecture))
        with alone(), computing_in(self.model.dtype_policy.name):
            copy = architecture.network()
            for mine, theirs in zip(copy.weights, self.model.weights, strict=True):
                mine.assign(theirs.numpy())
            return validation.estimate(estimator_of(copy, architecture))

    def clear(self) -> None:
        """Clear the progress on the terminal."""
        self.meter.clear()

    def _speed(self, seconds: float) -> dict[str, float]:
        """Return the training speed, given the seconds that an epoch took."""
        mixes = self.run.mixes
        samples = (len(mixes) - self._before[0]) * mixes.batch_size * mixes.samples / seconds
        speed = {"speed/audio_seconds_per_second": samples / mixes.sample_rate}
        operations = self.model.architecture.operations
        if self.run.limit and operations:
            limit = self.run.limit * place()[1]
            speed["speed/share_of_limit"] = samples * BACKWARD * operations / limit
        return speed
