"""The WaveNet that isolates vocals: gated dilated convolutions on raw samples, not causal.

The network follows J. Vossen, "Using Deep Learning to isolate vocals from songs" (2019), which
takes its layers from A. van den Oord et al., "WaveNet: A Generative Model for Raw Audio",
arXiv:1609.03499, section 2.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from .architecture import (
    check_architecture,
    layer_dilations,
    network_context,
    stack_context,
    whole_dilations,
)
from .filterbank import HINTS, cell_count
from .layers import Remember, convolution, crop, gated_layers, normalise
from .sub_bands import analyse, cells, synthesise


def estimate(
    mixture: Any,
    config: dict[str, Any],
    remember: Remember | None = None,
) -> Any:
    """Apply the whole network to ``(batch, samples, channels)``, unpadded.

    Parameters
    ----------
    mixture : Keras tensor
    config : dict
        The arguments of `WaveNet`.
    remember : callable, optional
        For a network that is given a sound piece after piece. Called with a signal, a number of
        frames and a name, it returns the signal with so many of its past frames in front. Default:
        the mixture holds its context.
    """
    if config["filterbank"]:
        return weigh(mixture, config, remember)
    width = config["frame_size"] * config["channels"]
    x = layers.Reshape((-1, width), name="fold")(mixture)
    total = whole_layers(x, config, layer_dilations(config), remember)
    frames = layers.Conv1D(
        width * config["targets"],
        1,
        # begins near silence: a loud first guess drives the first steps so far that units die
        kernel_initializer=keras.initializers.RandomNormal(stddev=1e-3),
        dtype="float32",  # sound has finer steps than bfloat16, whatever the layers compute in
        name="decoder",
    )(total)
    samples = layers.Reshape(
        (-1, config["channels"] * config["targets"]), dtype="float32", name="unfold"
    )
    return samples(frames)


def whole_layers(
    x: Any, config: dict[str, Any], dilations: list[int], remember: Remember | None
) -> Any:
    """Map frames, ``(batch, frames, width)``, to what layers and the head make of them."""
    x = convolution(x, config["filters"], activation=config["activation"], name="encoder")
    total = gated_layers(
        x, config, remember, dilations=dilations,
        filters=config["filters"], skip_filters=config["skip_filters"], name="layer",
    )  # fmt: skip
    for i, size in enumerate(config["head"]):
        total = convolution(total, size, activation="relu", name=f"head{i}")
    return total


def weigh(mixture: Any, config: dict[str, Any], remember: Remember | None) -> Any:
    """Apply a network with a filterbank; see `estimate`.

    ::

        mixture ─ analysis ─┬─ loudness ─┬─ layers over all cells ─ hints ─┐
                            │            └─ crop ──────────────────────────┴─ layers from cell
                            └─ crop ─(×)─ synthesis ─ estimate                to cell ─┐
                                      └──────────────────────── sigmoid, mask ─────────┘
    """
    count, filters = cell_count(config["filterbank"]), config["cell_filters"]
    whole_context = stack_context(config, whole_dilations(config))
    cell_context = stack_context(config, layer_dilations(config))

    def later(x: Any, contexts: list[tuple[int, int]], name: str) -> Any:
        """Leave out the contexts of layers that others went through."""
        left, right = map(sum, zip(*contexts, strict=True))
        if remember:
            x, left = remember(x, right, f"{name}_past"), 0
        return crop(x, left, right, name)

    analysed = analyse(mixture, config, remember)
    x = cells(analysed, config)
    width = x.shape[-1]
    x = normalise(layers.Reshape((-1, count * width), name="spectrum")(x), "spectrum_norm")

    whole = whole_layers(x, config, whole_dilations(config), remember)
    whole = layers.Activation("relu", name="hints_relu")(normalise(whole, "hints_norm"))
    hints = convolution(whole, count * HINTS, name="hints")
    hints = layers.Reshape((-1, count, HINTS), name="hints_cells")(hints)
    x = later(x, [whole_context], "spectrum_crop")
    x = layers.Reshape((-1, count, width), name="spectrum_cells")(x)
    x = layers.Concatenate(name="hinted")([x, hints])

    x = convolution(x, filters, activation=config["activation"], name="cell_encoder")
    x = gated_layers(
        x, config, remember, dilations=layer_dilations(config),
        filters=filters, skip_filters=filters, name="cell_layer",
    )  # fmt: skip
    x = layers.Activation("relu", name="mask_relu")(normalise(x, "mask_norm"))
    mask = convolution(x, width * config["targets"], activation="sigmoid", name="mask")
    analysed = later(analysed, [whole_context, cell_context], "analysed_crop")
    return synthesise(mask, analysed, config, remember)


@keras.saving.register_keras_serializable(package="wavesep")
class WaveNet(keras.Model):
    """A non-causal WaveNet that maps the samples of a mixture to the samples of its targets.

    ``frame_size`` consecutive samples are folded into the channels at the input and unfolded at the
    output. Each frame of the output depends on the same frame of the input, on ``left_context``
    samples before its first and ``right_context`` samples after its last sample, and on nothing
    else. Convolutions inside are unpadded, so a piece of a song that is given with its true
    context comes out as it does in the whole song.

    The defaults are the network of the post [1]_, to the letter.

    Parameters
    ----------
    filters : int, >= 1
        Channels of the gated convolutions and of the residual path.
    skip_filters : int, >= 1
        Channels of the skip connections.
    kernel_size : {2, 3}
        Taps of the dilated convolutions. The extra tap of an even kernel lies ahead.
    stacks : int, >= 1
        How often the run of dilations is repeated.
    layers_per_stack : int, >= 1
        Layers in a stack; layer i has the dilation ``dilation_base ** i`` frames.
    dilation_base : int, >= 1
        Growth of the dilation from layer to layer.
    frame_size : int, >= 1
        Samples folded into one frame. The number of samples given must be a multiple of it.
    channels : int, >= 1
        Audio channels of the mixture and of each target.
    targets : int, >= 1
        Stems that come out, one after the other in the last axis: target 0's channels first.
    head : tuple of int
        Filters of the 1x1 ReLU convolutions between the sum of the skips and the output.
    filterbank : int, >= 0
        Step of the first filters of a learned filterbank, in samples; it divides ``frame_size``.
        With one, the network weighs the sub-bands that its filters make of each channel and puts
        them together again; without, 0, it sees the folded samples and computes the estimate's.
        Filters are two steps long, those of the second level two frames, and begin as Fourier's.
    cell_filters : int, >= 1
        With a filterbank, a single stack as above hears the whole spectrum; what it makes of it is
        heard by ``stacks`` that go from cell to cell of it, each with its neighbours. Channels of
        the latter.
    activation : {"relu", "linear"}
        Of the encoder and of the 1x1 convolutions in each layer: "relu" in the post, "linear" in
        the WaveNet paper.
    padding : {"same", "valid"}
        "same": zeros, once and at the very input, stand for what lies beyond the ends;
        ``(batch, samples, channels)`` becomes ``(batch, samples, channels * targets)``.
        "valid": the input holds its context, ``(batch, left_context + samples + right_context,
        channels)``, and the output is shorter by it. Weights are the same.
    name : str, optional
        Of the Keras model.

    Attributes
    ----------
    left_context, right_context : int
        Samples that a frame of the output needs before and after itself.
    receptive_field : int
        What a frame of the output depends on: ``left_context + frame_size + right_context``.
    dilations : list of int
        Of the layers, in frames.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    References
    ----------
    .. [1] J. Vossen, "Using Deep Learning to isolate vocals from songs", 2019.
    """

    kind = "wavenet"

    def __init__(
        self,
        *,
        filters: int = 128,
        skip_filters: int = 192,
        kernel_size: int = 2,
        stacks: int = 3,
        layers_per_stack: int = 10,
        dilation_base: int = 2,
        frame_size: int = 1,
        channels: int = 2,
        targets: int = 1,
        head: tuple[int, ...] = (),
        filterbank: int = 0,
        cell_filters: int = 32,
        activation: str = "relu",
        padding: str = "same",
        name: str | None = None,
    ) -> None:
        config: dict[str, Any] = {
            "filters": filters,
            "skip_filters": skip_filters,
            "kernel_size": kernel_size,
            "stacks": stacks,
            "layers_per_stack": layers_per_stack,
            "dilation_base": dilation_base,
            "frame_size": frame_size,
            "channels": channels,
            "targets": targets,
            "head": tuple(head),
            "filterbank": filterbank,
            "cell_filters": cell_filters,
            "activation": activation,
            "padding": padding,
        }
        check_architecture(config)
        left, right = network_context(config)

        mixture = keras.Input((None, channels), name="mixture")
        x = mixture
        if padding == "same":
            x = layers.ZeroPadding1D((left, right), name="pad")(x)
        super().__init__(inputs=mixture, outputs=estimate(x, config), name=name)

        self.config = config
        self.dilations = layer_dilations(config)
        self.left_context = left
        self.right_context = right
        self.receptive_field = left + frame_size + right

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return self.config | {"name": self.name}
