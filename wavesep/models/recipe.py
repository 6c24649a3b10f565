"""How a network is trained: its loss, its optimizer, its examples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..audio import Audio

if TYPE_CHECKING:
    import keras

BACKWARD = 3  # a training step computes about three times what an estimate does

Batch = tuple[NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes
    ----------
    loss : str or callable
        Keras's name of it, or a function of the truth and the network's output.
    optimizer : callable
        Makes Keras's optimizer of the learning rate or its schedule.
    learning_rate : float
        Of the first step, unless the caller gives another.
    examples : callable, optional
        Maps mixtures and their targets, both ``(batch, samples, channels)``, to the network's input
        and the truth. Default: the network maps samples to samples, so these are the example.
    samples : int, optional
        Length of the mixtures and targets that ``examples`` takes. They have no context. Default:
        mixtures of any length with their context.
    """

    loss: str | Callable[[Any, Any], Any]
    optimizer: Callable[[Any], keras.optimizers.Optimizer]
    learning_rate: float
    examples: Callable[[Audio, Audio], Batch] | None = None
    samples: int | None = None
