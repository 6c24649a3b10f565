"""Train a network with Keras's own fit: measured and shown after every epoch, saved by minutes."""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import keras

from ..data.labels import ActivityExamples
from ..data.mixes import MixGenerator
from ..engines.keras_engine import find_place, jit_compile
from ..errors import OptionError
from ..models.architecture import BACKWARD, operations
from ..models.files import ModelFile
from .activity import ActivityValidation
from .meter import Meter, span
from .recipes import recipe_of
from .resume import Progress, Rest, append_log, load_checkpoint, save_checkpoint, trim_log
from .tensorboard import Board, open_board
from .validation import Validation

BEST = "best.safetensors"  # the model file of the best epoch
CHECKPOINT = "checkpoint.safetensors"  # where the run goes on
LOG = "log.jsonl"  # a line of JSON for each epoch, and for each save in the middle of one
SAVE_SECONDS = 300.0  # between two saves

log = logging.getLogger(__name__)


def fit(
    network: keras.Model,
    mixes: MixGenerator | ActivityExamples,
    validation: Validation | ActivityValidation,
    *,
    run: str | os.PathLike[str],
    epochs: int,
    learning_rate: float | None = None,
    patience: int | None = None,
    sources: tuple[str, ...] = ("vocals", "accompaniment"),
    licence: str = "not stated",
    card: dict[str, Any] | None = None,
    limit: float | None = None,
) -> Progress:
    """Train a network on mixtures, by the recipe of its kind: see `wavesep.training.recipes`.

    After every epoch the validation clips are separated and scored. The run's folder holds

    * ``best.safetensors``, the model file of the best epoch, ready for `Separator`;
    * ``checkpoint.safetensors``, written after every epoch and every five minutes, from which the
      same call goes on: a run that is killed at any moment and started again ends with the same
      weights as one that was never killed;
    * ``log.jsonl``, a line of JSON with each of these;
    * ``logs``, what TensorBoard shows (needs TensorFlow; without it, one line says so).

    Parameters
    ----------
    network : WaveNet, built with ``padding="valid"``, FrameCnn or UNet
        Start from the same weights when resuming before the first epoch is done:
        ``keras.utils.set_random_seed``.
    mixes : MixGenerator, or ActivityExamples for a network that says when somebody sings
        With the network's contexts for a WaveNet; for the others, with none and snippets as long as
        `wavesep.data.spectrograms.snippet_samples` says.
    validation : Validation or ActivityValidation
    run : path
        Folder of this run, made where it is missing.
    epochs : int, >= 1
        Of ``len(mixes)`` batches each. The learning rate falls to zero at the end of the last.
    learning_rate : float, optional
        Of the first step; default: the recipe's.
    patience : int, optional
        Stop when this many epochs have not been better than the best one. Default: never.
    sources : tuple of str
        The network's targets, then the name of the remainder.
    licence : str
        Of the weights, for the model file.
    card : dict, optional
        The data card, for the model file.
    limit : float, optional
        Operations that the device is able to in a second. With it, the share of them that training
        has use for is logged.

    While it trains, a line on standard error says how far it is; where that is no terminal, the
    log has one a minute.

    Returns
    -------
    Progress
        The scores of every epoch. The network has the weights of the last epoch.

    Raises
    ------
    OptionError
        If the network is not "valid".
    OtherRunError
        If the folder holds a run with other settings.
    ModelFileError
        If the folder's checkpoint is damaged.
    AudioError
        If no clip of a stem can be read.
    """
    if network.config.get("padding", "valid") != "valid":
        raise OptionError('training needs WaveNet(..., padding="valid")')
    run = Path(run)
    recipe = recipe_of(network)
    learning_rate = learning_rate or recipe.learning_rate
    steps = epochs * len(mixes)
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    network.compile(
        optimizer=recipe.optimizer(schedule),
        loss=recipe.loss,
        jit_compile=jit_compile(find_place(None)),
    )
    settings = describe(network, mixes, epochs, learning_rate)
    progress = load_checkpoint(run / CHECKPOINT, network, settings)

    if progress.epoch < epochs and not is_tired(progress, patience):
        if isinstance(mixes, MixGenerator):
            log.info("%.0f snippets a second can be made", mixes.snippets_per_second(seconds=1.0))
        about = {
            "sample_rate": mixes.sample_rate,
            "sources": sources,
            "licence": licence,
            "card": card or {},
        }
        board = open_board(run / "logs", settings)
        watch = Watch(mixes, validation, progress, run, patience, about, board, limit)
        examples = recipe.examples(mixes, network)
        if progress.step:
            train(network, Rest(examples, progress.step), progress.epoch + 1, watch)
        if progress.epoch < epochs and not is_tired(progress, patience):
            train(network, examples, epochs, watch)
    return progress


def train(network: keras.Model, examples: keras.utils.PyDataset, epochs: int, watch: Watch) -> None:
    """Let Keras train from where a run is until so many epochs are done."""
    watch.mixes.epoch = watch.progress.epoch
    try:
        network.fit(
            examples,
            initial_epoch=watch.progress.epoch,
            epochs=epochs,
            shuffle=False,  # a batch is random as it is, and its index is its seed
            verbose=0,
            callbacks=[watch],
        )
    finally:
        watch.meter.clear()


def describe(
    network: keras.Model, mixes: MixGenerator | ActivityExamples, epochs: int, learning_rate: float
) -> dict[str, Any]:
    """Return what decides the weights that a run of a compiled network ends with."""
    settings = network.config | mixes.settings()
    settings |= {"epochs": epochs, "learning_rate": learning_rate}
    settings |= {"optimizer": type(network.optimizer).__name__}
    settings |= {"precision": network.dtype_policy.name}
    settings |= {"frozen": [layer.name for layer in network.layers if not layer.trainable]}
    plain: dict[str, Any] = json.loads(json.dumps(settings))  # as a checkpoint gives it back
    return plain


def is_tired(progress: Progress, patience: int | None) -> bool:
    """Tell if a run has not become better for too many epochs."""
    return patience is not None and progress.epochs_since_best >= patience


class Watch(keras.callbacks.Callback):
    """Tell the generator its epoch; score, save and show the network after each; save by minutes.

    Parameters are those of `fit`, and what came of them.
    """

    def __init__(
        self,
        mixes: MixGenerator | ActivityExamples,
        validation: Validation | ActivityValidation,
        progress: Progress,
        run: Path,
        patience: int | None,
        about: dict[str, Any],
        board: Board | None,
        limit: float | None,
    ) -> None:
        super().__init__()
        self.mixes = mixes
        self.validation = validation
        self.progress = progress
        self.run = run
        self.patience = patience
        self.about = about
        self.board = board
        self.limit = limit
        self.meter = Meter(progress.settings["epochs"], len(mixes))
        self.meter.begin(self._steps)
        trim_log(run / LOG, self._steps)
        self._saved = time.monotonic()

    @property
    def _steps(self) -> int:
        """Steps of all epochs that are done and saved."""
        return self.progress.epoch * len(self.mixes) + self.progress.step

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Set the generator's epoch: Keras does not tell it."""
        self.mixes.epoch = epoch
        self._begin = time.perf_counter()
        self._before = self.progress.step, self.progress.loss  # that the epoch goes on from

    def on_train_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Begin PyTorch's own random numbers anew: dropout draws them, and no checkpoint has them.

        Other backends draw from a state that is among the network's variables.
        """
        if keras.backend.backend() == "torch":
            step = self.progress.epoch * len(self.mixes) + self._before[0] + batch
            import_module("torch").manual_seed(self.mixes.seed + step)

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Say how far the run is; save it, if it is time to."""
        step = self._before[0] + batch + 1
        self.meter.step(
            self.progress.epoch * len(self.mixes) + step, lambda: self._loss(step, logs)
        )
        if step < len(self.mixes) and time.monotonic() - self._saved >= SAVE_SECONDS:
            self.progress.step, self.progress.loss = step, self._loss(step, logs)
            self._save({"loss": self.progress.loss})

    def _loss(self, step: int, logs: dict[str, float] | None) -> float:
        """Return the mean loss of an epoch's first steps; Keras knows that of this process."""
        before, loss = self._before
        return (before * loss + (step - before) * float((logs or {})["loss"])) / step

    def _save(self, record: dict[str, float]) -> None:
        """Write log and checkpoint."""
        append_log(self.run / LOG, {"step": self._steps, "epoch": self.progress.epoch} | record)
        save_checkpoint(self.run / CHECKPOINT, self.model, self.progress)
        self._saved = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Score, then save the best model before the checkpoint that says it is there."""
        seconds = time.perf_counter() - self._begin
        estimates = self.validation.estimate(recipe_of(self.model).answer(self.model))
        scores = self.validation.score(estimates)
        loss = self._loss(len(self.mixes), logs)
        self.progress.scores.append(scores.best)
        self.progress.step, self.progress.loss = 0, 0.0
        if self.progress.best_epoch == epoch:
            model = ModelFile.from_network(self.model, **self.about)
            model.halved().save(self.run / BEST)
        steps = len(self.mixes) - self._before[0]
        samples = steps * self.mixes.batch_size * self.mixes.samples / seconds
        scalars = {
            "loss": loss,
            **{f"validation/{name}": value for name, value in asdict(scores).items()},
            "speed/audio_seconds_per_second": samples / self.mixes.sample_rate,
        }
        if self.limit and self.model.kind == "wavenet":
            work = BACKWARD * operations(self.model.config)
            scalars["speed/share_of_limit"] = samples * work / self.limit
        self._save({name: round(value, 6) for name, value in scalars.items()})
        self.meter.clear()
        best = self.progress.best_epoch
        log.info(
            "epoch %d of %d: loss %.4g, %s, %s; %s, %.3g s of audio a second",
            epoch + 1, self.progress.settings["epochs"], loss, scores.said,
            "the best so far" if best == epoch else f"the best was epoch {best + 1}",
            span(seconds), scalars["speed/audio_seconds_per_second"],
        )  # fmt: skip
        if self.board:
            self.board.write(epoch, scalars)
            if isinstance(self.validation, Validation):
                self.board.show(epoch, self.validation, estimates)
        if is_tired(self.progress, self.patience):
            log.info("no better for %d epochs: stopped early", self.patience)
            self.model.stop_training = True
