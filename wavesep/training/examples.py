"""The data that `fit` is given: batches of examples, and clips for validation."""

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
    """Reproducible batches: `MixGenerator` or `ActivityExamples`.

    Attributes
    ----------
    epoch : int
        The epoch of the batches; `fit` sets it.
    seed : int
    batch_size : int
        Examples in a batch.
    rows : range
        The examples of a batch that this worker makes; `fit` sets it.
    samples : int
        Length of an example, without its context.
    sample_rate : int
        In Hz.
    """

    epoch: int
    seed: int
    batch_size: int
    rows: range
    samples: int
    sample_rate: int

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        ...

    def __getitem__(self, index: int) -> Batch:
        """Return batch ``index`` of the epoch."""
        ...

    def settings(self) -> dict[str, Any]:
        """Return the settings that determine the batches, for a checkpoint."""
        ...

    def report(self) -> str:
        """Return a line about the data for the log."""
        ...


class Score(Protocol):
    """Scores of a network on the validation clips: a dataclass of numbers."""

    @property
    def best(self) -> float:
        """The score that selects the best epoch; larger is better."""
        ...

    @property
    def said(self) -> str:
        """The scores as text for the log."""
        ...


class Validating(Protocol):
    """Clips for validation: `Validation` or `ActivityValidation`."""

    def estimate(self, estimator: Callable[[Audio], Outputs], /) -> Outputs:
        """Return the estimates of a network for all clips."""
        ...

    def score(self, estimates: Outputs, /) -> Score:
        """Compare estimates with the targets."""
        ...

    def show(self, board: Board, epoch: int, estimates: Outputs) -> None:
        """Show estimates in TensorBoard."""
        ...


class Examples(keras.utils.PyDataset):
    """The batches of a generator, converted to examples by the recipe of a network.

    Parameters
    ----------
    mixes : Mixes
    examples : callable
        See `Recipe.examples`.
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
