"""The two networks of Koretzky (2019): 25 frames in, the answer for the one in the middle out."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from .spectrogram import (
    CNN_SLOPE,
    LOUDNESS,
    MASK_CNN,
    POOL,
    check_frame_cnn,
    frame_cnn_context,
    stft_of,
)

CONV_DROPOUT, DENSE_DROPOUT = 0.25, 0.5


def compress(magnitudes: Any, window: int) -> Any:
    """Map the magnitudes of a full-scale sine to 6.9, and those of one of -60 dB to 0.7."""
    return ops.log1p(magnitudes * (LOUDNESS / window))


@keras.saving.register_keras_serializable(package="wavesep")
class FrameCnn(keras.Model):
    """Maps some frames of a mixture's magnitudes to the answer for the middle one.

    ``(batch, bins, frames)`` becomes ``(batch, bins * targets)``, values of the masks from 0 to 1,
    target 0's bins first; or ``(batch, 1)``, the probability that someone sings. Two pairs of 3 x 3
    convolutions, each followed by pooling, and two dense layers [1]_. The article interpolates its
    513 bins to the mel scale in a way that it does not state; here they are compressed by a
    logarithm.

    Parameters
    ----------
    window, hop : int
        Of the STFT, in samples.
    frames : int
        Odd: as many before the middle one as after it.
    filters : tuple of four int
        Of the convolutions.
    units : int
        Of the first dense layer.
    answer : {"mask", "activity"}
    channels : {1}
    targets : int, >= 1
        Masks.
    name : str, optional
        Of the Keras model.

    Attributes
    ----------
    config : dict
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

    kind = "frame_cnn"

    def __init__(
        self,
        *,
        window: int = 1024,
        hop: int = 256,
        frames: int = 25,
        filters: tuple[int, ...] = MASK_CNN["filters"],
        units: int = 128,
        answer: str = "mask",
        channels: int = 1,
        targets: int = 1,
        name: str | None = None,
    ) -> None:
        config: dict[str, Any] = {
            "window": window, "hop": hop, "frames": frames, "filters": tuple(filters),
            "units": units, "answer": answer, "channels": channels, "targets": targets,
        }  # fmt: skip
        check_frame_cnn(config)
        bins = stft_of(config).window // 2 + 1
        magnitudes = keras.Input((bins, frames), name="magnitudes")
        x = layers.Reshape((bins, frames, 1), name="image")(compress(magnitudes, window))
        for i, width in enumerate(filters):
            x = layers.Conv2D(width, 3, padding="same", name=f"conv{i}")(x)
            x = layers.LeakyReLU(CNN_SLOPE, name=f"conv{i}_relu")(x)
            if i % 2:
                x = layers.MaxPooling2D(POOL, name=f"pool{i}")(x)
                x = layers.Dropout(CONV_DROPOUT, name=f"pool{i}_dropout")(x)
        x = layers.Dense(units, name="dense")(layers.Flatten(name="flat")(x))
        x = layers.Dropout(DENSE_DROPOUT, name="dense_dropout")(
            layers.LeakyReLU(CNN_SLOPE, name="dense_relu")(x)
        )
        answers = 1 if answer == "activity" else bins * targets
        x = layers.Dense(answers, activation="sigmoid", dtype="float32", name="answer")(x)
        super().__init__(inputs=magnitudes, outputs=x, name=name)

        self.config = config
        self.left_context, self.right_context = frame_cnn_context(config)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return self.config | {"name": self.name}
