"""The layers of a WaveNet: gated, dilated, with residual and skip connections.

Signals are ``(batch, frames, channels)`` or ``(batch, frames, cells, channels)``. With cells, a
convolution covers each cell of the spectrum and its two neighbours.
"""

from __future__ import annotations

from typing import Any

from keras import layers, ops

from ..base import Remember
from .architecture import CELL_TAPS, EPSILON, WaveNetArchitecture, layer_context

MOMENTUM = 0.99  # of the moving averages of a normalised convolution
SAMPLED = 4  # mean and variance use every fourth frame: as good, in a tenth of the time


def gated_layers(
    x: Any,
    architecture: WaveNetArchitecture,
    remember: Remember | None,
    *,
    dilations: list[int],
    filters: int,
    skip_filters: int,
    name: str,
) -> Any:
    """Apply dilated layers and return the sum of their skip connections.

    Parameters
    ----------
    x : Keras tensor
        It contains its context: the result is shorter by `WaveNetArchitecture.stack_context`.
    architecture : WaveNetArchitecture
    remember : callable, optional
        See `wavesep.models.wavenet.network.estimate`.
    dilations : list of int
        One for each layer, in frames.
    filters, skip_filters : int
        Channels of the gated convolutions and of the skip connections.
    name : str
        Prefix of the layers' names; their number follows.
    """
    total = None
    for i, dilation in enumerate(dilations):
        left, right = layer_context(architecture.kernel_size, dilation)
        if remember:
            x = remember(x, left + right, f"{name}{i}_past")
        x, skip = gated_layer(
            x,
            filters=filters,
            skip_filters=skip_filters,
            kernel_size=architecture.kernel_size,
            dilation=dilation,
            activation=architecture.activation,
            normalised=architecture.filterbank > 0,
            name=f"{name}{i}",
        )
        if total is None:
            total = skip
        else:  # the sum of earlier skips has more frames than this skip
            if remember:
                total, left = remember(total, right, f"{name}{i}_past_skips"), 0
            total = crop(total, left, right, f"{name}{i}_crop_skips")
            total = layers.Add(name=f"{name}{i}_skips")([total, skip])
    return total


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
    """Apply one dilated layer; return its output and its skip, shorter by the layer's context.

    ::

        x ─┬──┬─ conv, tanh ─────┐
           │  └─ conv, sigmoid ─(×)─┬─ 1×1, activation ─── skip
           │                        └─ 1×1, activation ─┐
           └─ crop ────────────────────────────────────(+)── x

    If ``normalised``, the first two convolutions are one `NormalisedConvolution` with twice the
    filters.
    """
    if normalised:
        given = x
        if len(x.shape) == 4:  # beyond the lowest and the highest cell there is silence
            given = layers.ZeroPadding2D((0, CELL_TAPS // 2), name=f"{name}_pad")(given)
        gates = NormalisedConvolution(2 * filters, kernel_size, dilation, name=f"{name}_gates")
        tanh, gate = ops.split(gates(given), 2, axis=-1)
        tanh, gate = ops.tanh(tanh), ops.sigmoid(gate)
    else:
        conv = {"kernel_size": kernel_size, "dilation_rate": dilation}
        tanh = convolution(x, filters, activation="tanh", name=f"{name}_tanh", **conv)
        gate = convolution(x, filters, activation="sigmoid", name=f"{name}_sigmoid", **conv)
    gated = layers.Multiply(name=f"{name}_gated")([tanh, gate])

    skip = convolution(gated, skip_filters, activation=activation, name=f"{name}_skip")
    residual = convolution(gated, filters, activation=activation, name=f"{name}_residual")
    x = crop(x, *layer_context(kernel_size, dilation), f"{name}_crop")
    return layers.Add(name=f"{name}_out")([x, residual]), skip


def convolution(x: Any, filters: int, *, kernel_size: int = 1, **options: Any) -> Any:
    """Apply an unpadded convolution over frames, with or without cells."""
    if len(x.shape) == 4:
        return layers.Conv2D(filters, kernel_size, **options)(x)
    return layers.Conv1D(filters, kernel_size, **options)(x)


class NormalisedConvolution(layers.Layer):
    """A dilated, unpadded convolution after batch normalisation: mean 0 and variance 1.

    The normalisation (Ioffe and Szegedy, arXiv:1502.03167) is part of the kernel. The result is the
    same, without a normalised copy of the signal. Training uses the mean and variance of the batch.
    Inference uses their moving averages.

    Parameters
    ----------
    filters : int
        Output channels.
    taps : int
        Size of the kernel in frames. If the input has cells, the kernel also covers three cells.
    dilation : int
        In frames.
    """

    def __init__(self, filters: int, taps: int, dilation: int, **options: Any) -> None:
        super().__init__(**options)
        self.filters = filters
        self.taps = taps
        self.dilation = dilation

    def build(self, shape: tuple[int, ...]) -> None:
        """Create the kernel, the bias and the averages."""
        spans = (self.taps,) if len(shape) == 3 else (self.taps, CELL_TAPS)
        width = shape[-1]
        self.kernel = self.add_weight(
            shape=(*spans, width, self.filters), initializer="glorot_uniform", name="kernel"
        )
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")
        self.mean = self.add_weight(
            shape=(width,), initializer="zeros", trainable=False, name="mean", autocast=False
        )
        self.variance = self.add_weight(
            shape=(width,), initializer="ones", trainable=False, name="variance", autocast=False
        )

    def call(self, x: Any, training: bool = False) -> Any:
        """Map ``(batch, frames, ..., width)`` to ``(batch, fewer frames, ..., filters)``."""
        mean, variance = self.mean, self.variance
        if training:
            axes = tuple(range(len(x.shape) - 1))
            some = ops.cast(x[:, ::SAMPLED], "float32")
            mean = ops.mean(some, axes)
            variance = ops.mean(ops.square(some - mean), axes)
            for average, value in ((self.mean, mean), (self.variance, variance)):
                average.assign(average * MOMENTUM + value * (1 - MOMENTUM))
        scale = ops.rsqrt(variance + EPSILON)
        kernel = ops.cast(self.kernel, "float32") * scale[:, None]
        spans = tuple(range(len(kernel.shape) - 2))
        bias = ops.cast(self.bias, "float32") - ops.matmul(mean, ops.sum(kernel, spans))
        dilation = self.dilation if len(x.shape) == 3 else (self.dilation, 1)
        x = ops.conv(x, ops.cast(kernel, x.dtype), dilation_rate=dilation)
        return x + ops.cast(bias, x.dtype)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the result of `call`."""
        frames = shape[1] and shape[1] - (self.taps - 1) * self.dilation
        if len(shape) == 3:
            return shape[0], frames, self.filters
        return shape[0], frames, shape[2] and shape[2] - CELL_TAPS + 1, self.filters


def normalise(x: Any, name: str) -> Any:
    """Apply batch normalisation; inference shifts and scales each channel by fixed numbers."""
    return layers.BatchNormalization(epsilon=EPSILON, name=name)(x)


def crop(x: Any, left: int, right: int, name: str) -> Any:
    """Remove frames at the beginning and at the end."""
    if len(x.shape) == 3:
        return layers.Cropping1D((left, right), name=name)(x)
    return layers.Cropping2D(((left, right), (0, 0)), name=name)(x)
