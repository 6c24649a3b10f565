"""The two networks of Koretzky (2019): they map 25 frames to an output for the middle one."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from ..compress import compress
from ..keras_model import ArchitectureModel
from .architecture import (
    POOL,
    SLOPE,
    ActivityArchitecture,
    FrameArchitecture,
    FrameCnnArchitecture,
)

CONV_DROPOUT, DENSE_DROPOUT = 0.25, 0.5


def answer(magnitudes: Any, architecture: FrameArchitecture) -> Any:
    """Apply the layers: map ``(batch, bins, frames)`` to ``(batch, outputs)``, from 0 to 1."""
    shape = (architecture.bins, architecture.frames, 1)
    x = layers.Reshape(shape, name="image")(compress(magnitudes, architecture.window))
    for i, width in enumerate(architecture.filters):
        x = layers.Conv2D(width, 3, padding="same", name=f"conv{i}")(x)
        x = layers.LeakyReLU(SLOPE, name=f"conv{i}_relu")(x)
        if i % 2:
            x = layers.MaxPooling2D(POOL, name=f"pool{i}")(x)
            x = layers.Dropout(CONV_DROPOUT, name=f"pool{i}_dropout")(x)
    x = layers.Dense(architecture.units, name="dense")(layers.Flatten(name="flat")(x))
    x = layers.LeakyReLU(SLOPE, name="dense_relu")(x)
    x = layers.Dropout(DENSE_DROPOUT, name="dense_dropout")(x)
    return layers.Dense(architecture.outputs, activation="sigmoid", dtype="float32", name="answer")(
        x
    )


class FrameNetwork(ArchitectureModel):
    """The base class of `FrameCnn` and `ActivityCnn`."""

    architecture: FrameArchitecture

    def __init__(self, architecture: FrameArchitecture, name: str | None) -> None:
        magnitudes = keras.Input((architecture.bins, architecture.frames), name="magnitudes")
        outputs = answer(magnitudes, architecture)
        super().__init__(architecture, magnitudes, outputs, name)


@keras.saving.register_keras_serializable(package="wavesep")
class FrameCnn(FrameNetwork):
    """A CNN that maps consecutive frames of a mixture's magnitudes to the masks of the middle one.

    It maps ``(batch, bins, frames)`` to ``(batch, bins * targets)``: masks from 0 to 1, target 0's
    bins first. The layers are two pairs of 3 x 3 convolutions, each pair followed by pooling, and
    two dense layers [1]_. The input is compressed by a logarithm. In the article, the 513 bins are
    interpolated to the mel scale instead, but it does not state how.

    Parameters
    ----------
    window, hop : int
        Of the STFT, in samples.
    frames : int
        Frames in a window; odd, and at least 9.
    filters : tuple of four int
        Filters of the convolutions.
    units : int
        Units of the first dense layer.
    channels : {1}
        Audio channels of the mixture.
    targets : int, >= 1
        Number of masks.
    name : str, optional
        Of the Keras model.

    Attributes
    ----------
    architecture : FrameCnnArchitecture
        The arguments.
    left_context, right_context : int
        Samples that the estimate needs on both sides.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    References
    ----------
    .. [1] A. Koretzky, "Audio AI: isolating vocals from stereo music using Convolutional Neural
       Networks", 2019.
    """

    def __init__(self, *, name: str | None = None, **arguments: Any) -> None:
        super().__init__(FrameCnnArchitecture(**arguments), name)


@keras.saving.register_keras_serializable(package="wavesep")
class ActivityCnn(FrameNetwork):
    """A CNN that maps consecutive frames of magnitudes to the probability that somebody sings.

    It maps ``(batch, bins, frames)`` to ``(batch, 1)``: the probability for the middle frame. It
    has the layers and arguments of `FrameCnn`, with fewer filters by default. ``targets`` is 1.

    Parameters
    ----------
    window, hop, frames, filters, units, channels, targets, name
        See `FrameCnn`.

    Attributes
    ----------
    architecture : ActivityArchitecture
        The arguments.
    left_context, right_context : int
        Samples that the estimate needs on both sides.

    Raises
    ------
    ValueError
        If an argument is out of its range.
    """

    def __init__(self, *, name: str | None = None, **arguments: Any) -> None:
        super().__init__(ActivityArchitecture(**arguments), name)
