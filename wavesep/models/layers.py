"""The layers of a WaveNet: gated, dilated, with residual and skip connections.

Signals are ``(batch, frames, channels)``, or ``(batch, frames, cells, channels)``, where a
convolution sees a cell of the spectrum and its two neighbours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import layers

from .architecture import CELL_TAPS, EPSILON, layer_context, layer_dilations

Remember = Callable[[Any, int, str], Any]  # puts so many past frames of a signal in front of it


def gated_layers(
    x: Any,
    config: dict[str, Any],
    remember: Remember | None,
    *,
    filters: int,
    skip_filters: int,
    name: str = "layer",
) -> Any:
    """Apply all dilated layers and return the sum of their skip connections.

    Parameters
    ----------
    x : Keras tensor
        Unpadded: what comes out is shorter by `stack_context`.
    config : dict
        The arguments of `WaveNet`.
    remember : callable, optional
        See `wavesep.models.wavenet.estimate`.
    filters, skip_filters : int
    name : str
        Of the layers, before their number.
    """
    total = None
    for i, dilation in enumerate(layer_dilations(config)):
        left, right = layer_context(config["kernel_size"], dilation)
        if remember:
            x = remember(x, left + right, f"{name}{i}_past")
        x, skip = gated_layer(
            x,
            filters=filters,
            skip_filters=skip_filters,
            kernel_size=config["kernel_size"],
            dilation=dilation,
            activation=config["activation"],
            normalised=config["filterbank"] > 0,
            name=f"{name}{i}",
        )
        if total is None:
            total = skip
        else:  # the skips so far stand for earlier and later frames, too
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
    """Apply one dilated layer; both results are shorter than ``x`` by the layer's context.

    ::

        x ─┬─ (norm) ─┬─ conv, tanh ─────┐
           │          └─ conv, sigmoid ─(×)─┬─ 1×1, activation ─── skip
           │                                └─ 1×1, activation ─┐
           └─ crop ────────────────────────────────────────────(+)── x
    """
    given = x
    if len(x.shape) == 4:  # silence lies beyond the lowest and the highest cell
        given = layers.ZeroPadding2D((0, CELL_TAPS // 2), name=f"{name}_pad")(given)
    if normalised:
        given = normalise(given, f"{name}_norm")
    conv = {"kernel_size": kernel_size, "dilation": dilation}
    tanh = convolution(given, filters, activation="tanh", name=f"{name}_tanh", **conv)
    gate = convolution(given, filters, activation="sigmoid", name=f"{name}_sigmoid", **conv)
    gated = layers.Multiply(name=f"{name}_gated")([tanh, gate])

    skip = convolution(gated, skip_filters, activation=activation, name=f"{name}_skip")
    residual = convolution(gated, filters, activation=activation, name=f"{name}_residual")
    x = crop(x, *layer_context(kernel_size, dilation), f"{name}_crop")
    return layers.Add(name=f"{name}_out")([x, residual]), skip


def convolution(
    x: Any, filters: int, *, kernel_size: int = 1, dilation: int = 1, **options: Any
) -> Any:
    """Apply an unpadded convolution over frames; wider than one frame, over three cells, too."""
    if len(x.shape) == 3:
        return layers.Conv1D(filters, kernel_size, dilation_rate=dilation, **options)(x)
    cells = 1 if kernel_size == 1 else CELL_TAPS
    return layers.Conv2D(filters, (kernel_size, cells), dilation_rate=(dilation, 1), **options)(x)


def normalise(x: Any, name: str) -> Any:
    """Shift and scale every channel alike at all times: by what is usual, learned in training."""
    return layers.BatchNormalization(epsilon=EPSILON, name=name)(x)


def crop(x: Any, left: int, right: int, name: str) -> Any:
    """Leave out frames at the beginning and at the end."""
    if len(x.shape) == 3:
        return layers.Cropping1D((left, right), name=name)(x)
    return layers.Cropping2D(((left, right), (0, 0)), name=name)(x)
