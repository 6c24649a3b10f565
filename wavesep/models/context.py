"""How far a WaveNet sees, worked out from its architecture alone. No Keras."""

from __future__ import annotations

from typing import Any


def layer_context(kernel_size: int, dilation: int) -> tuple[int, int]:
    """Return the frames that a convolution needs before and after its output frame.

    An even kernel cannot be centred: its extra frame lies ahead.
    """
    margin = (kernel_size - 1) * dilation
    return margin // 2, margin - margin // 2


def layer_dilations(stacks: int, layers_per_stack: int, dilation_base: int) -> list[int]:
    """Return the dilation of every layer, in frames: each stack starts again at 1."""
    return [dilation_base**i for _ in range(stacks) for i in range(layers_per_stack)]


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
    dilations = layer_dilations(
        architecture["stacks"], architecture["layers_per_stack"], architecture["dilation_base"]
    )
    contexts = [layer_context(architecture["kernel_size"], dilation) for dilation in dilations]
    left, right = (sum(side) for side in zip(*contexts, strict=True))
    return architecture["frame_size"] * left, architecture["frame_size"] * right
