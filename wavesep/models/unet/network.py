"""The U-Net of Jansson et al. (2017), which maps the magnitudes of a mixture to masks."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from ..compress import compress
from ..keras_model import ArchitectureModel
from .architecture import KERNEL, SLOPE, UNetArchitecture

DROPOUT, DROPPED = 0.5, 3  # rate, and number of the first levels on the way up that have dropout
MOMENTUM = 0.9  # of moving averages; with Keras's 0.99, they lag behind by 100 batches, an epoch


def estimate_masks(magnitudes: Any, architecture: UNetArchitecture) -> Any:
    """Map ``(batch, bins, frames, channels)`` to masks of the same bins and frames."""
    form = {"kernel_size": KERNEL, "strides": 2, "padding": "same"}
    depth, outputs = architecture.depth, architecture.channels * architecture.targets
    x = compress(magnitudes[:, : architecture.bins - 1], architecture.window)
    passed = []
    for i, width in enumerate(architecture.widths):
        x = layers.Conv2D(width, name=f"down{i}", **form)(x)
        x = layers.BatchNormalization(momentum=MOMENTUM, name=f"down{i}_norm")(x)
        x = layers.LeakyReLU(SLOPE, name=f"down{i}_relu")(x)
        passed.append(x)
    for i in reversed(range(1, depth)):
        x = layers.Conv2DTranspose(passed[i - 1].shape[-1], name=f"up{i}", **form)(x)
        x = layers.BatchNormalization(momentum=MOMENTUM, name=f"up{i}_norm")(x)
        x = layers.Activation("relu", name=f"up{i}_relu")(x)
        if depth - i <= DROPPED:
            x = layers.Dropout(DROPOUT, name=f"up{i}_dropout")(x)
        x = layers.Concatenate(name=f"up{i}_beside")([x, passed[i - 1]])
    masks = layers.Conv2DTranspose(
        outputs, activation="sigmoid", dtype="float32", name="mask", **form
    )(x)
    return ops.concatenate([masks, masks[:, -1:]], axis=1)


@keras.saving.register_keras_serializable(package="wavesep")
class UNet(ArchitectureModel):
    """A U-Net that maps the magnitudes of a mixture to masks of the same size, from 0 to 1.

    It maps ``(batch, window / 2 + 1, frames, channels)`` to ``(batch, window / 2 + 1, frames,
    channels * targets)``, target 0's channels first. ``frames`` is a multiple of ``2 ** depth``.
    Strided 5 x 5 convolutions reduce the size, and transposed convolutions restore it. Skip
    connections concatenate each level on the way down with the same level on the way up [1]_. The
    highest bin would make the number of bins odd, so it gets the mask of the bin below it.

    Parameters
    ----------
    window, hop : int
        Of the STFT, in samples.
    filters : int
        Filters of the first level. Each level has twice as many as the one before.
    depth : int
        Number of levels. ``window`` is a multiple of ``2 ** (depth + 1)``.
    channels, targets : int, >= 1
        Audio channels of the mixture and of each target, and number of targets.
    name : str, optional
        Of the Keras model.

    Attributes
    ----------
    architecture : UNetArchitecture
        The arguments.
    left_context, right_context : int
        Samples that the estimate needs on both sides.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    References
    ----------
    .. [1] A. Jansson et al., "Singing Voice Separation with Deep U-Net Convolutional Networks",
       ISMIR 2017, section 3.
    """

    architecture: UNetArchitecture

    def __init__(self, *, name: str | None = None, **arguments: Any) -> None:
        architecture = UNetArchitecture(**arguments)
        magnitudes = keras.Input(
            (architecture.bins, None, architecture.channels), name="magnitudes"
        )
        masks = estimate_masks(magnitudes, architecture)
        super().__init__(architecture, magnitudes, masks, name)
