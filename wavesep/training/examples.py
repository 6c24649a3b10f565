"""What `fit` is given: batches of examples, and clips to measure with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import keras
import numpy as np
from numpy.typing import NDArray

from ..audio import Audio
from ..models.recipe import Batch

if TYPE_CHECKING:
    from .tensorboard import Board

Outputs = NDArray[np.float32]


class Mixes(Protocol):
    """Batches that are made again alike: `MixGenerator`, or `ActivityExamples`.

    Attributes
    ----------
    epoch : int
        The epoch whose batches are made; `fit` sets it.
    seed : int
    batch_size : int
        Examples in a batch.
    samples : int
        Samples in an example, without its context.
    sample_rate : int
        In Hz.
    """

    epoch: int
    seed: int
    batch_size: int
    samples: int
    sample_rate: int

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        ...

    def __getitem__(self, index: int) -> Batch:
        """Return batch ``index`` of the epoch."""
        ...

    def settings(self) -> dict[str, Any]:
        """Return what decides the batches, for a checkpoint."""
        ...

    def report(self) -> str:
        """Return a line for the log of a run that begins."""
        ...


class Score(Protocol):
    """How a network did on the validation clips: a dataclass of figures."""

    @property
    def best(self) -> float:
        """The figure that decides which epoch is the best: larger is better."""
        ...

    @property
    def said(self) -> str:
        """The figures for a person to read."""
        ...


class Validating(Protocol):
    """Clips to measure with: `Validation`, or `ActivityValidation`."""

    def estimate(self, estimator: Callable[[Audio], Outputs], /) -> Outputs:
        """Return what a network estimates of the clips."""
        ...

    def score(self, estimates: Outputs, /) -> Score:
        """Compare estimates with the truth."""
        ...

    def show(self, board: Board, epoch: int, estimates: Outputs) -> None:
        """Show estimates in TensorBoard."""
        ...


class Examples(keras.utils.PyDataset):
    """The batches of a generator, made into examples of a network by its recipe.

    Parameters
    ----------
    mixes : Mixes
    examples : callable
        See `Recipe`.
    """

    def __init__(self, mixes: Mixes, examples: Callable[[Audio, Audio], Batch]) -> None:
        super().__init__(workers=1)
        self.mixes = mixes
        self.examples = examples

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return len(self.mixes)

    def __getitem__(self, index: int) -> Batch:
        """Return batch ``index`` of the epoch."""
        return self.examples(*self.mixes[index])
