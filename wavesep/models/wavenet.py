"""The WaveNet that isolates vocals: gated dilated convolutions on raw samples, not causal.

The network follows J. Vossen, "Using Deep Learning to isolate vocals from songs" (2019), which
takes its layers from A. van den Oord et al., "WaveNet: A Generative Model for Raw Audio",
arXiv:1609.03499, section 2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import layers, ops

from .architecture import (
    EPSILON,
    check_architecture,
    layer_context,
    layer_dilations,
    network_context,
    stack_context,
)
from .filterbank import QUIET, fourier_filterbank

Remember = Callable[[Any, int, str], Any]  # puts so many past frames of a signal in front of it


def gated_layer(
    x: Any,
    *,
    filters: int,
    skip_filters: int,
    kernel_size: int,
    dilation: int,
    activation: str,
    normalised: bool,
    name: str,
) -> tuple[Any, Any]:
    """Apply one dilated layer; both results are shorter than ``x`` by the layer's context.

    ::

        x ─┬─ (norm) ─┬─ conv, tanh ─────┐
           │          └─ conv, sigmoid ─(×)─┬─ 1×1, activation ─── skip
           │                                └─ 1×1, activation ─┐
           └─ crop ────────────────────────────────────────────(+)── x
    """
    conv = {"kernel_size": kernel_size, "dilation_rate": dilation, "padding": "valid"}
    given = normalise(x, f"{name}_norm") if normalised else x
    tanh = layers.Conv1D(filters, activation="tanh", name=f"{name}_tanh", **conv)(given)
    gate = layers.Conv1D(filters, activation="sigmoid", name=f"{name}_sigmoid", **conv)(given)
    gated = layers.Multiply(name=f"{name}_gated")([tanh, gate])

    skip = layers.Conv1D(skip_filters, 1, activation=activation, name=f"{name}_skip")(gated)
    residual = layers.Conv1D(filters, 1, activation=activation, name=f"{name}_residual")(gated)
    x = layers.Cropping1D(layer_context(kernel_size, dilation), name=f"{name}_crop")(x)
    return layers.Add(name=f"{name}_out")([x, residual]), skip


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
    width = config["frame_size"] * config["channels"]
    if config["filterbank"]:
        analysed = analyse(mixture, config, remember)
        x = normalise(loudness(analysed), "encoder_norm")
    else:
        x = layers.Reshape((-1, width), name="fold")(mixture)
    x = layers.Conv1D(config["filters"], 1, activation=config["activation"], name="encoder")(x)
    total = None
    for i, dilation in enumerate(layer_dilations(config)):
        context = layer_context(config["kernel_size"], dilation)
        if remember:
            x = remember(x, sum(context), f"layer{i}_past")
        x, skip = gated_layer(
            x,
            filters=config["filters"],
            skip_filters=config["skip_filters"],
            kernel_size=config["kernel_size"],
            dilation=dilation,
            activation=config["activation"],
            normalised=config["filterbank"] > 0,
            name=f"layer{i}",
        )
        if total is None:
            total = skip
        else:  # the skips so far stand for earlier and later frames, too
            left, right = context
            if remember:
                total, left = remember(total, right, f"layer{i}_past_skips"), 0
            total = layers.Cropping1D((left, right), name=f"layer{i}_crop_skips")(total)
            total = layers.Add(name=f"layer{i}_skips")([total, skip])
    for i, size in enumerate(config["head"]):
        total = layers.Conv1D(size, 1, activation="relu", name=f"head{i}")(total)
    if config["filterbank"]:
        return synthesise(normalise(total, "mask_norm"), analysed, config, remember)
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


def normalise(x: Any, name: str) -> Any:
    """Shift and scale every channel alike at all times: by what is usual, learned in training."""
    return layers.BatchNormalization(epsilon=EPSILON, name=name)(x)


def analyse(mixture: Any, config: dict[str, Any], remember: Remember | None) -> Any:
    """Map ``(batch, samples, channels)`` to ``(batch, frames, channels, filters)``."""
    taps = config["filterbank"]
    kernel, _ = fourier_filterbank(config["frame_size"], taps)
    fold = layers.Reshape((-1, config["frame_size"], config["channels"]), name="fold")
    x = layers.Permute((1, 3, 2), name="frames_first")(fold(mixture))
    if remember:
        x = remember(x, taps - 1, "analysis_past")
    return layers.Conv2D(
        kernel.shape[-1],
        (taps, 1),
        use_bias=False,
        kernel_initializer=keras.initializers.Constant(kernel[:, None]),
        name="analysis",
    )(x)


def loudness(analysed: Any) -> Any:
    """Return the square root of the magnitude of every pair, ``(batch, frames, width)``."""
    pairs = analysed.shape[3] // 2
    cosine, sine = analysed[..., :pairs], analysed[..., pairs:]
    power = ops.square(cosine) + ops.square(sine)
    width = analysed.shape[2] * pairs
    return layers.Reshape((-1, width), name="loudness")(ops.sqrt(ops.sqrt(power + QUIET)))


def synthesise(head: Any, analysed: Any, config: dict[str, Any], remember: Remember | None) -> Any:
    """Weigh what the filters gave, every pair alike, and map it back to frames of samples."""
    taps, channels, targets = config["filterbank"], config["channels"], config["targets"]
    _, kernel = fourier_filterbank(config["frame_size"], taps)
    pairs = kernel.shape[1] // 2
    mask = layers.Conv1D(targets * channels * pairs, 1, activation="sigmoid", name="mask")(head)
    mask = layers.Reshape((-1, targets * channels, pairs), name="mask_frames")(mask)
    mask = layers.Concatenate(name="mask_pairs")([mask, mask])

    left, right = stack_context(config)
    if remember:
        analysed, left = remember(analysed, right, "mask_past"), 0
    analysed = layers.Cropping2D(((left, right), (0, 0)), name="mask_crop")(analysed)
    if targets > 1:
        analysed = layers.Concatenate(axis=2, name="mask_targets")([analysed] * targets)
    x = layers.Multiply(name="masked")([mask, analysed])
    if remember:
        x = remember(x, taps - 1, "synthesis_past")
    x = layers.Conv2D(
        config["frame_size"],
        (taps, 1),
        use_bias=False,
        kernel_initializer=keras.initializers.Constant(kernel[:, None]),
        dtype="float32",
        name="synthesis",
    )(x)
    x = layers.Permute((1, 3, 2), dtype="float32", name="samples_first")(x)
    return layers.Reshape((-1, channels * targets), dtype="float32", name="unfold")(x)


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
    filterbank : {0, 2, 3, 4}
        Frames that the filters of a learned filterbank span. With one, the network weighs what its
        filters make of each channel and puts the rest together again; without, 0, it sees the
        folded samples and computes the estimate's. The filters begin as those of Fourier.
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
