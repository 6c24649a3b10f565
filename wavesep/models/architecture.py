"""What follows from a WaveNet's architecture alone, the arguments of `WaveNet`. No Keras."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from .filterbank import HINTS, band_count, cell_count, cell_width

CHOICES = {
    "kernel_size": (2, 3),
    "activation": ("relu", "linear"),
    "padding": ("same", "valid"),
}

BACKWARD = 3  # a training step computes about three times what an estimate does
CELL_TAPS = 3  # of the layers that go from cell to cell

# Variables of a layer that shifts and scales: Keras's names
NORMALISATION = ("gamma", "beta", "moving_mean", "moving_variance")
AVERAGES = ("mean", "variance")  # of a convolution that normalises
# That is added to its variances, and far above their rounding errors: Keras takes them as the
# difference of two means, which for a signal that stands still can come out negative.
EPSILON = 1e-3


def check_architecture(architecture: dict[str, Any]) -> None:
    """Raise ValueError on the first argument of `WaveNet` that is out of its range."""
    for name, value in architecture.items():
        if name in CHOICES:
            if value not in CHOICES[name]:
                raise ValueError(f"{name} must be one of {CHOICES[name]}. Received: {value!r}")
        elif isinstance(value, int) and value < 1 and name != "filterbank":
            raise ValueError(f"{name} must be 1 or more. Received: {name}={value}")
    step = architecture["filterbank"]
    if step < 0 or (step and architecture["frame_size"] % step):
        raise ValueError(
            f"filterbank must be 0 or divide frame_size={architecture['frame_size']}. "
            f"Received: filterbank={step}"
        )


def layer_context(kernel_size: int, dilation: int) -> tuple[int, int]:
    """Return the frames that a convolution needs before and after its output frame.

    An even kernel cannot be centred: its extra frame lies ahead.
    """
    margin = (kernel_size - 1) * dilation
    return margin // 2, margin - margin // 2


def layer_dilations(architecture: dict[str, Any]) -> list[int]:
    """Return the dilation of every layer, in frames: each stack starts again at 1."""
    return whole_dilations(architecture) * architecture["stacks"]


def whole_dilations(architecture: dict[str, Any]) -> list[int]:
    """Return the dilations of the layers that hear the whole spectrum: those of one stack."""
    return [architecture["dilation_base"] ** i for i in range(architecture["layers_per_stack"])]


def stack_context(architecture: dict[str, Any], dilations: list[int]) -> tuple[int, int]:
    """Return the frames that layers of these dilations need before and after a frame."""
    contexts = [layer_context(architecture["kernel_size"], d) for d in dilations]
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
    left, right = stack_context(architecture, layer_dilations(architecture))
    if architecture["filterbank"]:
        more = stack_context(architecture, whole_dilations(architecture))
        # and a frame for each level of filters
        left, right = left + more[0] + 2, right + more[1] + 2
    return left * architecture["frame_size"], right * architecture["frame_size"]


def array_shapes(architecture: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return the shape of every weight by "layer/variable".

    Kernels are ``(taps, in, out)``, or ``(taps, cells, in, out)``.
    """
    frame_size, channels = architecture["frame_size"], architecture["channels"]
    step, filters = architecture["filterbank"], architecture["filters"]
    cell_filters = architecture["cell_filters"]
    in_cell = channels * cell_width(frame_size, step) if step else 0
    width = in_cell * cell_count(step) if step else channels * frame_size
    widths = [architecture["skip_filters"], *architecture["head"]]

    kernels: dict[str, tuple[int, ...]] = {"encoder": (1, width, filters)}
    count = len(layer_dilations(architecture))
    whole_count = len(whole_dilations(architecture)) if step else count
    kernels |= layer_kernels(architecture, "layer", whole_count, (), filters, widths[0])
    for i, (before, after) in enumerate(pairwise(widths)):
        kernels[f"head{i}"] = (1, before, after)
    if step:
        kernels["hints"] = (1, widths[-1], cell_count(step) * HINTS)
        kernels["cell_encoder"] = (1, 1, in_cell + HINTS, cell_filters)
        kernels |= layer_kernels(
            architecture, "cell_layer", count, (CELL_TAPS,), cell_filters, cell_filters
        )
        kernels["mask"] = (1, 1, cell_filters, in_cell * architecture["targets"])
    else:
        kernels["decoder"] = (1, widths[-1], width * architecture["targets"])
    shapes: dict[str, tuple[int, ...]] = {}
    for name, kernel in kernels.items():
        shapes |= {f"{name}/kernel": kernel, f"{name}/bias": kernel[-1:]}
    if step:
        band, sub_band = 2 * band_count(step), 2 * frame_size // step
        shapes["analysis_bands/kernel"] = (2, 1, step, band)
        shapes["analysis_sub_bands/kernel"] = (2, 1, sub_band, 2 * sub_band)
        shapes["synthesis_sub_bands/kernel"] = (2, 1, 2 * sub_band, sub_band)
        shapes["synthesis_bands/kernel"] = (2, 1, band, step)
        normalised = {"spectrum_norm": width, "hints_norm": widths[-1], "mask_norm": cell_filters}
        for name, size in normalised.items():
            shapes |= {f"{name}/{variable}": (size,) for variable in NORMALISATION}
        averaged = {f"layer{i}_gates": filters for i in range(whole_count)}
        averaged |= {f"cell_layer{i}_gates": cell_filters for i in range(count)}
        for name, size in averaged.items():
            shapes |= {f"{name}/{average}": (size,) for average in AVERAGES}
    return shapes


def layer_kernels(
    architecture: dict[str, Any],
    name: str,
    count: int,
    cells: tuple[int, ...],
    filters: int,
    skip_filters: int,
) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the kernels of dilated layers, which span so many cells."""
    kernels: dict[str, tuple[int, ...]] = {}
    taps = (architecture["kernel_size"], *cells, filters)
    pointwise = (1, *(1 for _ in cells), filters)
    for i in range(count):
        if architecture["filterbank"]:
            kernels[f"{name}{i}_gates"] = (*taps, 2 * filters)
        else:
            kernels |= {f"{name}{i}_tanh": (*taps, filters), f"{name}{i}_sigmoid": (*taps, filters)}
        kernels[f"{name}{i}_skip"] = (*pointwise, skip_filters)
        if i + 1 < count:  # nothing listens to the last residual
            kernels[f"{name}{i}_residual"] = (*pointwise, filters)
    return kernels


def operations(architecture: dict[str, Any]) -> float:
    """Return the multiplications and additions of all convolutions per sample of audio."""
    step, frame_size = architecture["filterbank"], architecture["frame_size"]
    outputs = architecture["channels"] * architecture["targets"]
    times = {}  # a frame, by the beginning of the layer's name, where it is not once
    if step:
        steps, bands = frame_size // step, band_count(step)
        times = {
            "analysis_bands": steps * architecture["channels"],
            "analysis_sub_bands": bands * architecture["channels"],
            "synthesis_bands": steps * outputs,
            "synthesis_sub_bands": bands * outputs,
            "cell_": cell_count(step),
            "mask": cell_count(step),
        }
    products = 0
    for name, shape in array_shapes(architecture).items():
        if name.endswith("/kernel"):
            runs = [n for start, n in times.items() if name.startswith(start)]
            products += math.prod(shape) * (runs[0] if runs else 1)
    return 2 * products / frame_size
