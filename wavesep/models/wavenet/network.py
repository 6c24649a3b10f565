"""The WaveNet that isolates vocals: non-causal gated dilated convolutions on raw samples.

The network follows J. Vossen, "Using Deep Learning to isolate vocals from songs" (2019), which
takes its layers from A. van den Oord et al., "WaveNet: A Generative Model for Raw Audio",
arXiv:1609.03499, section 2.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from ..base import Remember
from ..keras_model import ArchitectureModel
from .architecture import WaveNetArchitecture
from .filterbank import HINTS, STEREO, cell_count
from .layers import convolution, crop, gated_layers, normalise
from .sub_bands import analyse, cells, left_and_right, mid_and_side, synthesise

PADDINGS = ("same", "valid")


def estimate(
    mixture: Any,
    architecture: WaveNetArchitecture,
    remember: Remember | None = None,
) -> Any:
    """Apply the whole network, without padding, to ``(batch, samples, channels)``.

    Parameters
    ----------
    mixture : Keras tensor
    architecture : WaveNetArchitecture
    remember : callable, optional
        For a network that stores past frames: see `Architecture.step_network`. Default: the mixture
        contains its context.
    """
    if architecture.filterbank:
        return masked_estimate(mixture, architecture, remember)
    width = architecture.frame_size * architecture.channels
    x = layers.Reshape((-1, width), name="fold")(mixture)
    total = whole_layers(x, architecture, architecture.dilations, remember)
    frames = layers.Conv1D(
        width * architecture.targets,
        1,
        # training begins near silence; with loud first estimates, large first steps kill units
        kernel_initializer=keras.initializers.RandomNormal(stddev=1e-3),
        dtype="float32",  # bfloat16 is not precise enough for samples
        name="decoder",
    )(total)
    samples = layers.Reshape(
        (-1, architecture.channels * architecture.targets), dtype="float32", name="unfold"
    )
    return samples(frames)


def whole_layers(
    x: Any, architecture: WaveNetArchitecture, dilations: list[int], remember: Remember | None
) -> Any:
    """Apply the layers and the head to frames, ``(batch, frames, width)``."""
    x = convolution(x, architecture.filters, activation=architecture.activation, name="encoder")
    total = gated_layers(
        x, architecture, remember, dilations=dilations,
        filters=architecture.filters, skip_filters=architecture.skip_filters, name="layer",
    )  # fmt: skip
    for i, size in enumerate(architecture.head):
        total = convolution(total, size, activation="relu", name=f"head{i}")
    return total


def masked_estimate(
    mixture: Any, architecture: WaveNetArchitecture, remember: Remember | None
) -> Any:
    """Apply a network with a filterbank; see `estimate`.

    ::

        mixture ─ analysis ─┬─ loudness ─┬─ layers over all cells ─ hints ─┐
                            │            └─ crop ──────────────────────────┴─ layers from cell
                            └─ crop ─(×)─ synthesis ─ estimate                to cell ─┐
                                      └──────────────────────── sigmoid, mask ─────────┘
    """
    count, filters = cell_count(architecture.filterbank), architecture.cell_filters
    whole_context = architecture.stack_context(architecture.whole_dilations)
    cell_context = architecture.stack_context(architecture.dilations)

    def crop_context(x: Any, contexts: list[tuple[int, int]], name: str) -> Any:
        """Crop the frames that layers with these contexts have cropped from other signals."""
        left, right = map(sum, zip(*contexts, strict=True))
        if remember:
            x, left = remember(x, right, f"{name}_past"), 0
        return crop(x, left, right, name)

    if architecture.channels == STEREO:
        mixture = mid_and_side(mixture)
    analysed = analyse(mixture, architecture, remember)
    x = cells(analysed, architecture)
    width = x.shape[-1]
    x = normalise(layers.Reshape((-1, count * width), name="spectrum")(x), "spectrum_norm")

    whole = whole_layers(x, architecture, architecture.whole_dilations, remember)
    whole = layers.Activation("relu", name="hints_relu")(normalise(whole, "hints_norm"))
    hints = convolution(whole, count * HINTS, name="hints")
    hints = layers.Reshape((-1, count, HINTS), name="hints_cells")(hints)
    x = crop_context(x, [whole_context], "spectrum_crop")
    x = layers.Reshape((-1, count, width), name="spectrum_cells")(x)
    x = layers.Concatenate(name="hinted")([x, hints])

    x = convolution(x, filters, activation=architecture.activation, name="cell_encoder")
    x = gated_layers(
        x, architecture, remember, dilations=architecture.dilations,
        filters=filters, skip_filters=filters, name="cell_layer",
    )  # fmt: skip
    x = layers.Activation("relu", name="mask_relu")(normalise(x, "mask_norm"))
    mask = convolution(x, width * architecture.targets, activation="sigmoid", name="mask")
    analysed = crop_context(analysed, [whole_context, cell_context], "analysed_crop")
    targets = synthesise(mask, analysed, architecture, remember)
    return left_and_right(targets) if architecture.channels == STEREO else targets


@keras.saving.register_keras_serializable(package="wavesep")
class WaveNet(ArchitectureModel):
    """A non-causal WaveNet that maps the samples of a mixture to the samples of its targets.

    ``frame_size`` consecutive samples are folded into the channels at the input and unfolded at the
    output. Each frame of the output depends on the same frame of the input, on ``left_context``
    samples before it and on ``right_context`` samples after it, and on no other samples. The
    convolutions inside are unpadded. So the network maps a chunk of a song, with its context, to
    the same samples as the whole song.

    The defaults are exactly the network of the post [1]_.

    Parameters
    ----------
    filters : int, >= 1
        Channels of the gated convolutions and of the residual path.
    skip_filters : int, >= 1
        Channels of the skip connections.
    kernel_size : {2, 3}
        Taps of the dilated convolutions. An even kernel has one tap more ahead.
    stacks : int, >= 1
        Number of stacks, each with the same dilations.
    layers_per_stack : int, >= 1
        Layers in a stack. Layer i has a dilation of ``dilation_base ** i`` frames.
    dilation_base : int, >= 1
        Factor of the dilation from layer to layer.
    frame_size : int, >= 1
        Samples that are folded into one frame. The number of samples must be a multiple of it.
    channels : int, >= 1
        Audio channels of the mixture and of each target.
    targets : int, >= 1
        Number of estimated stems. The last axis of the output has target 0's channels first.
    head : tuple of int
        Filters of the 1x1 ReLU convolutions between the sum of the skips and the output.
    filterbank : int, >= 0
        Step of the first level of a learned filterbank, in samples; it divides ``frame_size``. With
        a filterbank, the network masks the sub-bands of each channel and synthesises the estimate
        from them. Two channels are analysed and masked as mid and side. With 0, there is none: the
        network maps folded samples to folded samples. Filters
        of the first level are two steps long, filters of the second level are two frames long.
        Their initial weights are Fourier filters.
    cell_filters : int, >= 1
        Channels of the layers over the cells of a filterbank. These layers form ``stacks`` stacks
        and cover each cell and its neighbours. One more stack, with ``filters`` channels, is given
        the whole spectrum; its output is part of their input.
    activation : {"relu", "linear"}
        Of the encoder and of the 1x1 convolutions in each layer: "relu" in the post, "linear" in
        the WaveNet paper.
    padding : {"same", "valid"}
        "same": the input, ``(batch, samples, channels)``, is padded with zeros once, and the output
        is ``(batch, samples, channels * targets)``.
        "valid": the input contains its context, ``(batch, left_context + samples + right_context,
        channels)``, and the output is shorter by it. The weights are the same.
    name : str, optional
        Of the Keras model.

    Attributes
    ----------
    architecture : WaveNetArchitecture
        All arguments except the padding and the name.
    padding : str
    left_context, right_context : int
        Samples that a frame of the output needs before and after itself.
    receptive_field : int
        Samples that a frame of the output depends on:
        ``left_context + frame_size + right_context``.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    References
    ----------
    .. [1] J. Vossen, "Using Deep Learning to isolate vocals from songs", 2019.
    """

    architecture: WaveNetArchitecture

    def __init__(self, *, padding: str = "same", name: str | None = None, **arguments: Any) -> None:
        architecture = WaveNetArchitecture(**arguments)
        if padding not in PADDINGS:
            raise ValueError(f"padding must be one of {PADDINGS}, not {padding!r}")

        mixture = keras.Input((None, architecture.channels), name="mixture")
        x = mixture
        if padding == "same":
            x = layers.ZeroPadding1D(architecture.context, name="pad")(x)
        super().__init__(architecture, mixture, estimate(x, architecture), name)

        self.padding = padding
        self.receptive_field = self.left_context + architecture.frame_size + self.right_context

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return super().get_config() | {"padding": self.padding}


def step_network(
    architecture: WaveNetArchitecture, groups: int, samples: int, remember: Remember
) -> keras.Model:
    """Build a network that is given a sound step by step and stores past frames."""
    mixture = keras.Input(batch_shape=(groups, samples, architecture.channels))
    return keras.Model(mixture, estimate(mixture, architecture, remember))
