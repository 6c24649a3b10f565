"""The U-Net of Spleeter, which maps the magnitudes of a mixture to masks."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from ..keras_model import ArchitectureModel
from ..unet.architecture import KERNEL, SLOPE
from ..unet.network import DROPOUT, DROPPED
from .architecture import MASK_DILATION, MASK_KERNEL, SpleeterArchitecture


def estimate_masks(magnitudes: Any, architecture: SpleeterArchitecture) -> Any:
    """Map ``(batch, bins, frames, channels)`` to masks of the same bins and frames."""
    form = {"kernel_size": KERNEL, "strides": 2, "padding": "same"}
    depth, outputs = architecture.depth, architecture.channels * architecture.targets
    x = magnitudes[:, : architecture.bins - 1]
    passed = []
    for i, width in enumerate(architecture.widths):
        if i:
            x = normalise(x, f"down{i - 1}_norm")
            x = layers.LeakyReLU(SLOPE, name=f"down{i - 1}_relu")(x)
        x = layers.Conv2D(width, name=f"down{i}", **form)(x)
        passed.append(x)
    for i in reversed(range(depth)):
        width = passed[i - 1].shape[-1] if i else 1
        x = layers.Conv2DTranspose(width, activation="relu", name=f"up{i}", **form)(x)
        x = normalise(x, f"up{i}_norm")
        if depth - i <= DROPPED:
            x = layers.Dropout(DROPOUT, name=f"up{i}_dropout")(x)
        if i:
            x = layers.Concatenate(name=f"up{i}_beside")([passed[i - 1], x])
    masks = layers.Conv2D(
        outputs, MASK_KERNEL, dilation_rate=MASK_DILATION, padding="same", activation="sigmoid",
        dtype="float32", name="mask",
    )(x)  # fmt: skip
    return ops.concatenate([masks, masks[:, -1:]], axis=1)


def normalise(x: Any, name: str) -> Any:
    """Apply a normalisation whose statistics and parameters are not trained.

    The statistics of Spleeter's weights are 0 and 1, so it was trained without normalisation.
    """
    return layers.BatchNormalization(name=name, trainable=False)(x)


@keras.saving.register_keras_serializable(package="wavesep")
class SpleeterUNet(ArchitectureModel):
    """The U-Net of Spleeter: magnitudes of a mixture to masks of the same size, from 0 to 1.

    Its input and output are those of `UNet`. It differs from `UNet` in five ways [1]_. Its input
    is not compressed. A skip connection passes the output of a convolution before it is
    normalised. On the way up, the normalisation follows the ReLU. The lowest level is linear. A
    dilated convolution maps the single channel of the last level to the masks.

    Parameters
    ----------
    window, hop, filters, depth, channels, targets, name
        See `UNet`.
    bottleneck : int
        Filters of the lowest level. Spleeter has 512.

    Attributes
    ----------
    architecture : SpleeterArchitecture
        The arguments.
    left_context, right_context : int
        Samples that the estimate needs on both sides.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    References
    ----------
    .. [1] R. Hennequin, A. Khlif, F. Voituret and M. Moussallam, "Spleeter: a fast and efficient
       music source separation tool with pre-trained models", JOSS 5(50), 2020, and its published
       code.
    """

    architecture: SpleeterArchitecture

    def __init__(self, *, name: str | None = None, **arguments: Any) -> None:
        architecture = SpleeterArchitecture(**arguments)
        magnitudes = keras.Input(
            (architecture.bins, None, architecture.channels), name="magnitudes"
        )
        masks = estimate_masks(magnitudes, architecture)
        super().__init__(architecture, magnitudes, masks, name)
