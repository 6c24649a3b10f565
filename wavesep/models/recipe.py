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

BACKWARD = 3  # a training step costs about three times as much as an estimate

Batch = tuple[NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes
    ----------
    loss : str or callable
        Its name in Keras, or a function of the truth and the network's output.
    optimizer : callable
        Returns a Keras optimizer, given the learning rate or its schedule.
    learning_rate : float
        Of the first step, unless the caller gives another.
    examples : callable, optional
        Maps mixtures and their targets, ``(batch, samples, channels)``, to the network's input and
        the truth. Default: mixtures and targets are used without conversion.
    samples : int, optional
        Length of the mixtures and targets that ``examples`` is given, without context. Default:
        mixtures have any length and contain their context.
    """

    loss: str | Callable[[Any, Any], Any]
    optimizer: Callable[[Any], keras.optimizers.Optimizer]
    learning_rate: float
    examples: Callable[[Audio, Audio], Batch] | None = None
    samples: int | None = None
