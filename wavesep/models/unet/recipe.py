"""The recipe of a U-Net, whose loss is the error of the masked magnitudes."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops

from ...audio import Audio
from ..recipe import Batch, Recipe
from .architecture import UNetArchitecture

PATCH = 128  # frames of an example


def recipe(architecture: UNetArchitecture, patch: int = PATCH) -> Recipe:
    """Return how a `UNet` is trained, on examples of ``patch`` frames."""
    return Recipe(
        masked_error,
        lambda rate: keras.optimizers.Adam(rate, weight_decay=1e-5),
        learning_rate=1e-4,
        examples=partial(magnitude_examples, architecture),
        samples=architecture.samples_of(patch),
    )


def masked_error(truth: Any, masks: Any) -> Any:
    """Return the mean absolute error of masked magnitudes; see `magnitude_examples`.

    Equation 1 of A. Jansson et al. (2017).
    """
    targets, mixtures = ops.split(truth, 2, axis=-1)
    return ops.mean(ops.abs(masks * mixtures - targets), axis=-1)


def magnitude_examples(architecture: UNetArchitecture, mixtures: Audio, targets: Audio) -> Batch:
    """Return the network's input and the truth for `masked_error`.

    The input is the mixtures' magnitudes, ``(batch, bins, frames, channels)``. The truth is
    ``(batch, bins, frames, 2 * channels * targets)``: the targets' magnitudes, then the mixtures'
    magnitudes, once for each target.
    """
    mixed, wanted = (
        np.abs(architecture.stft.spectra(audio)).transpose(0, 2, 3, 1)
        for audio in (mixtures, targets)
    )
    masked = np.tile(mixed, architecture.targets)
    return mixed, np.concatenate([wanted, masked], axis=-1)
