"""The recipes of the two networks, which are trained on windows of spectrograms."""

from __future__ import annotations

from functools import partial

import keras
import numpy as np

from ...audio import Audio
from ...dsp.stft import frame_windows
from ..recipe import Batch, Recipe
from .architecture import FrameCnnArchitecture

WINDOWS, SPACING = 8, 16  # windows of each mixture, and frames from one to the next

# It needs no conversion: its examples are `wavesep.data.labels.ActivityExamples`
ACTIVITY_RECIPE = Recipe(
    "binary_crossentropy",
    lambda rate: keras.optimizers.SGD(rate, momentum=0.9, nesterov=True),
    learning_rate=1e-3,
)


def mask_recipe(architecture: FrameCnnArchitecture) -> Recipe:
    """Return how a `FrameCnn` is trained."""
    return Recipe(
        "mse",
        keras.optimizers.Adam,
        learning_rate=1e-3,
        examples=partial(mask_examples, architecture),
        samples=architecture.samples_of((WINDOWS - 1) * SPACING + architecture.frames),
    )


def mask_examples(architecture: FrameCnnArchitecture, mixtures: Audio, targets: Audio) -> Batch:
    """Return windows of the mixtures' magnitudes, and the ideal binary masks.

    The shapes are ``(batch * WINDOWS, bins, frames)`` and ``(batch * WINDOWS, bins * targets)``. A
    mask is 1 where the target is louder than the rest of the mixture in the window's middle frame.
    """
    mixed, wanted = architecture.stft.spectra(mixtures), architecture.stft.spectra(targets)
    frames = architecture.frames
    windows = frame_windows(np.abs(mixed[:, 0]), frames)[:, ::SPACING]
    masks = (np.abs(wanted) > np.abs(mixed - wanted)).astype(np.float32)
    middle = masks[..., frames // 2 :: SPACING][..., :WINDOWS]
    batch, count, bins, places = middle.shape
    truth = middle.transpose(0, 3, 1, 2).reshape(batch * places, count * bins)
    return windows.reshape(-1, bins, frames), truth
