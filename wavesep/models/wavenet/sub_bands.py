"""The learned filterbank of a WaveNet: analysis into sub-bands, masking and synthesis."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from ..base import Remember
from .architecture import WaveNetArchitecture
from .filterbank import (
    QUIET,
    band_count,
    band_filters,
    band_signs,
    cell_count,
    cell_width,
    sub_band_filters,
)


def mid_and_side(stereo: Any) -> Any:
    """Return half the sum and half the difference of left and right, ``(batch, samples, 2)``.

    Singers are mostly in the middle, so mid and side are easier to mask than left and right.
    """
    left, right = stereo[..., :1], stereo[..., 1:]
    return ops.concatenate([(left + right) / 2, (left - right) / 2], axis=-1)


def left_and_right(targets: Any) -> Any:
    """Return left and right from the mid and side of targets, ``(batch, samples, 2 * targets)``."""
    mid, side = targets[..., ::2], targets[..., 1::2]
    pairs = ops.stack([mid + side, mid - side], axis=-1)
    return layers.Reshape((-1, targets.shape[-1]), dtype="float32", name="left_and_right")(pairs)


def analyse(mixture: Any, architecture: WaveNetArchitecture, remember: Remember | None) -> Any:
    """Map ``(batch, samples, channels)`` to ``(batch, frames, channels * bands, sub-bands)``.

    The last axis has the real parts of all sub-bands of a band, then the imaginary parts.
    """
    step, channels = architecture.filterbank, architecture.channels
    steps, bands = architecture.frame_size // step, band_count(step)
    x = layers.Reshape((-1, step, channels), name="fold")(mixture)
    x = layers.Permute((1, 3, 2), name="steps_first")(x)
    if remember:
        x = remember(x, steps, "analysis_bands_past")
    x = filters(x, band_filters(step)[0], "analysis_bands")
    x = layers.Cropping2D(((0, steps - 1), (0, 0)), name="analysis_whole_frames")(x)
    x = layers.Reshape((-1, steps, channels, 2, bands), name="analysis_frames")(x)
    x = layers.Permute((1, 3, 5, 2, 4), name="bands_first")(x)
    x = x * ops.cast(band_signs(step, steps), x.dtype)
    x = layers.Reshape((-1, channels * bands, steps * 2), name="bands")(x)
    if remember:
        x = remember(x, 1, "analysis_sub_bands_past")
    return filters(x, sub_band_filters(steps)[0], "analysis_sub_bands")


def cells(analysed: Any, architecture: WaveNetArchitecture) -> Any:
    """Return the square roots of magnitudes, ``(batch, frames, cells, channels * sub-bands)``."""
    step, channels = architecture.filterbank, architecture.channels
    sub_bands = analysed.shape[3] // 2
    power = ops.square(analysed[..., :sub_bands]) + ops.square(analysed[..., sub_bands:])
    x = ops.sqrt(ops.sqrt(power + QUIET))
    count = cell_count(step)
    x = layers.Reshape((-1, channels * 2, count, sub_bands), name="halves")(x)
    x = layers.Permute((1, 3, 2, 4), name="cells_first")(x)
    width = channels * cell_width(architecture.frame_size, step)
    return layers.Reshape((-1, count, width), name="cells")(x)


def synthesise(
    mask: Any, analysed: Any, architecture: WaveNetArchitecture, remember: Remember | None
) -> Any:
    """Mask the sub-bands and synthesise the samples.

    Parameters
    ----------
    mask : Keras tensor, (batch, frames, cells, channels * targets * sub-bands)
        A sub-band's real and imaginary parts have the same mask.
    analysed : Keras tensor
        The mixture's sub-bands, from `analyse`, of the same frames.
    architecture : WaveNetArchitecture
    remember : callable, optional
        See `wavesep.models.wavenet.network.estimate`.

    Returns
    -------
    Keras tensor, (batch, samples, channels * targets)
    """
    step, outputs = architecture.filterbank, architecture.channels * architecture.targets
    steps, bands, count = architecture.frame_size // step, band_count(step), cell_count(step)
    mask = layers.Reshape((-1, count, outputs * 2, 2 * steps), name="mask_cells")(mask)
    mask = layers.Permute((1, 3, 2, 4), name="mask_halves")(mask)
    mask = layers.Reshape((-1, outputs * bands, 2 * steps), name="mask_bands")(mask)
    mask = layers.Concatenate(name="mask_parts")([mask, mask])
    if architecture.targets > 1:
        analysed = layers.Concatenate(axis=2, name="mask_targets")(
            [analysed] * architecture.targets
        )
    x = layers.Multiply(name="masked")([mask, analysed])
    if remember:
        x = remember(x, 1, "synthesis_sub_bands_past")
    x = filters(x, sub_band_filters(steps)[1], "synthesis_sub_bands")
    x = layers.Reshape((-1, outputs, bands, steps, 2), name="synthesis_frames")(x)
    x = x * ops.cast(band_signs(step, steps), x.dtype)
    x = layers.Permute((1, 4, 2, 5, 3), name="synthesis_steps_first")(x)
    x = layers.Reshape((-1, outputs, 2 * bands), name="synthesis_steps")(x)
    if remember:
        x = remember(x, steps, "synthesis_bands_past")
    x = layers.Cropping2D(((steps - 1, 0), (0, 0)), name="synthesis_whole_frames")(x)
    x = filters(x, band_filters(step)[1], "synthesis_bands")
    x = layers.Permute((1, 3, 2), name="samples_first")(x)
    return layers.Reshape((-1, outputs), dtype="float32", name="unfold")(x)


def filters(x: Any, kernel: Any, name: str) -> Any:
    """Apply a learned convolution over time, the same for all bands; ``kernel`` is initial."""
    return layers.Conv2D(
        kernel.shape[-1],
        (len(kernel), 1),
        use_bias=False,  # silence stays silence
        kernel_initializer=keras.initializers.Constant(kernel[:, None]),
        name=name,
    )(x)
