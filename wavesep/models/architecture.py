"""What follows from a WaveNet's architecture alone, the arguments of `WaveNet`. No Keras."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from .filterbank import filter_pairs

CHOICES = {
    "filterbank": (0, 2, 3, 4),
    "kernel_size": (2, 3),
    "activation": ("relu", "linear"),
    "padding": ("same", "valid"),
}


# Variables of a layer that shifts and scales: Keras's names
NORMALISATION = ("gamma", "beta", "moving_mean", "moving_variance")
EPSILON = 1e-5  # that is added to its variances


def check_architecture(architecture: dict[str, Any]) -> None:
    """Raise ValueError on the first argument of `WaveNet` that is out of its range."""
    for name, value in architecture.items():
        if name in CHOICES:
            if value not in CHOICES[name]:
                raise ValueError(f"{name} must be one of {CHOICES[name]}. Received: {value!r}")
        elif isinstance(value, int) and value < 1:
            raise ValueError(f"{name} must be 1 or more. Received: {name}={value}")


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


def stack_context(architecture: dict[str, Any]) -> tuple[int, int]:
    """Return the frames that all dilated layers together need before and after a frame."""
    kernel_size = architecture["kernel_size"]
    contexts = [layer_context(kernel_size, d) for d in layer_dilations(architecture)]
    left, right = (sum(side) for side in zip(*contexts, strict=True))
    return left, right


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
    overlap = max(architecture["filterbank"] - 1, 0)  # frames of a filter beside its own one
    left, right = (architecture["frame_size"] * (n + overlap) for n in stack_context(architecture))
    return left, right


def array_shapes(architecture: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return the shape of every weight by "layer/variable".

    Kernels are ``(taps, in, out)``, those of the filterbank ``(taps, 1, in, out)``.
    """
    filters, skip_filters = architecture["filters"], architecture["skip_filters"]
    frame_size, channels = architecture["frame_size"], architecture["channels"]
    taps = architecture["filterbank"]
    pairs = filter_pairs(frame_size, taps)
    width = channels * (pairs if taps else frame_size)
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
    last = ("mask", channels * pairs) if taps else ("decoder", channels * frame_size)
    kernels[last[0]] = (1, widths[-1], last[1] * architecture["targets"])
    shapes: dict[str, tuple[int, ...]] = {}
    for name, kernel in kernels.items():
        shapes |= {f"{name}/kernel": kernel, f"{name}/bias": kernel[2:]}
    if taps:  # without biases: silence stays silence
        shapes["analysis/kernel"] = (taps, 1, frame_size, 2 * pairs)
        shapes["synthesis/kernel"] = (taps, 1, 2 * pairs, frame_size)
        normalised = {f"layer{i}_norm": filters for i in range(layer_count)}
        for name, size in (normalised | {"encoder_norm": width, "mask_norm": widths[-1]}).items():
            shapes |= {f"{name}/{variable}": (size,) for variable in NORMALISATION}
    return shapes


def operations(architecture: dict[str, Any]) -> float:
    """Return the multiplications and additions of all convolutions per sample of audio."""
    shapes = array_shapes(architecture)
    # the filterbank's kernels run once for every channel
    times = {
        "analysis/kernel": architecture["channels"],
        "synthesis/kernel": architecture["channels"] * architecture["targets"],
    }
    products = sum(math.prod(s) * times.get(n, 1) for n, s in shapes.items() if len(s) > 1)
    return 2 * products / architecture["frame_size"]
