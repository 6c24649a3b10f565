"""What follows from a WaveNet's architecture alone, the arguments of `WaveNet`. No Keras."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

CHOICES = {
    "kernel_size": (2, 3),
    "activation": ("relu", "linear"),
    "padding": ("same", "valid"),
}


def check_architecture(architecture: dict[str, Any]) -> None:
    """Raise ValueError on the first argument of `WaveNet` that is out of its range."""
    for name, value in architecture.items():
        if isinstance(value, int) and value < 1:
            raise ValueError(f"{name} must be 1 or more. Received: {name}={value}")
        if name in CHOICES and value not in CHOICES[name]:
            raise ValueError(f"{name} must be one of {CHOICES[name]}. Received: {value!r}")


def layer_context(kernel_size: int, dilation: int) -> tuple[int, int]:
    """Return the frames that a convolution needs before and after its output frame.

    An even kernel cannot be centred: its extra frame lies ahead.
    """
    margin = (kernel_size - 1) * dilation
    return margin // 2, margin - margin // 2


def layer_dilations(architecture: dict[str, Any]) -> list[int]:
    """Return the dilation of every layer, in frames: each stack starts again at 1."""
    base, layers = architecture["dilation_base"], architecture["layers_per_stack"]
    return [base**i for i in range(layers)] * architecture["stacks"]


def network_context(architecture: dict[str, Any]) -> tuple[int, int]:
    """Return the samples that a frame of the output needs before and after itself.

    Parameters
    ----------
    architecture : dict
        The arguments of `WaveNet`, all of them.

    Returns
    -------
    left_context, right_context : int
    """
    kernel_size = architecture["kernel_size"]
    contexts = [layer_context(kernel_size, d) for d in layer_dilations(architecture)]
    left, right = (sum(side) for side in zip(*contexts, strict=True))
    return architecture["frame_size"] * left, architecture["frame_size"] * right


def array_shapes(architecture: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return the shape of every weight by "layer/variable"; kernels are ``(taps, in, out)``."""
    filters, skip_filters = architecture["filters"], architecture["skip_filters"]
    width = architecture["frame_size"] * architecture["channels"]
    kernels = {"encoder": (1, width, filters)}
    layer_count = architecture["stacks"] * architecture["layers_per_stack"]
    for i in range(layer_count):
        dilated = (architecture["kernel_size"], filters, filters)
        kernels |= {f"layer{i}_tanh": dilated, f"layer{i}_sigmoid": dilated}
        kernels[f"layer{i}_skip"] = (1, filters, skip_filters)
        if i + 1 < layer_count:  # nothing listens to the last residual
            kernels[f"layer{i}_residual"] = (1, filters, filters)
    widths = [skip_filters, *architecture["head"]]
    for i, (before, after) in enumerate(pairwise(widths)):
        kernels[f"head{i}"] = (1, before, after)
    kernels["decoder"] = (1, widths[-1], width * architecture["targets"])
    shapes: dict[str, tuple[int, ...]] = {}
    for name, kernel in kernels.items():
        shapes |= {f"{name}/kernel": kernel, f"{name}/bias": kernel[2:]}
    return shapes


def operations(architecture: dict[str, Any]) -> float:
    """Return the multiplications and additions of all convolutions per sample of audio."""
    shapes = array_shapes(architecture).values()
    return 2 * sum(math.prod(s) for s in shapes if len(s) == 3) / architecture["frame_size"]
