"""Layers: a normalised convolution against Keras's own normalisation and convolution."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers
from numpy.typing import NDArray

from wavesep.models.wavenet.architecture import EPSILON
from wavesep.models.wavenet.layers import MOMENTUM, SAMPLED, NormalisedConvolution

SHAPES = [(2, 40, 4), (2, 40, 6, 4)]  # without cells, and with six of them


def pair(shape: tuple[int, ...]) -> tuple[NormalisedConvolution, keras.Sequential]:
    """A layer with random weights, and what it is said to be."""
    rng = np.random.default_rng(len(shape))
    layer = NormalisedConvolution(5, 3, 2)
    layer.build(shape)
    mean, variance = rng.normal(size=4), rng.uniform(0.1, 2, 4)
    kernel, bias = rng.normal(size=layer.kernel.shape), rng.normal(size=5)
    layer.set_weights([kernel, bias, mean, variance])

    normalise = layers.BatchNormalization(
        center=False, scale=False, epsilon=EPSILON, momentum=MOMENTUM
    )
    convolve = (
        layers.Conv1D(5, 3, dilation_rate=2)
        if len(shape) == 3
        else layers.Conv2D(5, 3, dilation_rate=(2, 1))
    )
    reference = keras.Sequential([keras.Input(shape[1:]), normalise, convolve])
    normalise.set_weights([mean, variance])
    convolve.set_weights([kernel, bias])
    return layer, reference


def signal(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Noise whose mean and variance are those of every fourth frame."""
    frames = np.random.default_rng(0).normal(1, 3, (shape[0], shape[1] // SAMPLED, *shape[2:]))
    return frames.repeat(SAMPLED, axis=1).astype(np.float32)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_batch_normalisation_and_a_convolution(
    shape: tuple[int, ...], training: bool
) -> None:
    layer, reference = pair(shape)
    x = signal(shape)

    y = np.asarray(layer(x, training=training))

    np.testing.assert_allclose(y, reference(x, training=training), atol=1e-4)
    assert layer.compute_output_shape(shape) == y.shape
    for mine, theirs in zip((layer.mean, layer.variance), reference.layers[0].weights, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4)


@pytest.mark.parametrize("level", [0.0, 1e-30, 1e3])
def test_what_stands_still_stays_finite(level: float) -> None:
    layer, _ = pair(SHAPES[1])
    x = np.full(SHAPES[1], level, np.float32)

    for _ in range(3):
        assert np.isfinite(np.asarray(layer(x, training=True))).all()
    assert (np.asarray(layer.variance) >= 0).all()
