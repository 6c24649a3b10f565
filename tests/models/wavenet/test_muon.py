"""Muon: against Keras's own where that can go, singular values, and what stays Adam's."""

from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops
from numpy.typing import NDArray

from wavesep.models.wavenet.muon import STEP_RMS, Muon, orthogonal


def trained(
    optimizer: keras.optimizers.Optimizer, shape: tuple[int, ...], steps: int = 5
) -> NDArray[np.float32]:
    """Return a weight that was zero after some steps along random gradients."""
    variable = keras.Variable(np.zeros(shape), dtype="float32", name="kernel")
    optimizer.build([variable])
    rng = np.random.default_rng(0)
    for _ in range(steps):
        gradient = ops.convert_to_tensor(rng.standard_normal(shape), "float32")
        optimizer.apply([gradient], [variable])
    weight: NDArray[np.float32] = ops.convert_to_numpy(variable.value)
    return weight


@given(rows=st.integers(1, 40), columns=st.integers(1, 40), seed=st.integers(0, 99))
def test_orthogonal_keeps_directions_and_evens_their_sizes(
    rows: int, columns: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    rank = min(rows, columns)
    left, _ = np.linalg.qr(rng.standard_normal((rows, rank)))
    right, _ = np.linalg.qr(rng.standard_normal((columns, rank)))
    matrix = left * rng.uniform(0.05, 1, rank) @ right.T
    found = ops.convert_to_numpy(orthogonal(ops.convert_to_tensor(matrix, "float32")))
    sizes = np.diag(left.T @ found @ right)
    np.testing.assert_allclose(found, left * sizes @ right.T, atol=1e-3)
    assert np.all(np.abs(sizes - 0.95) < 0.35)


@pytest.mark.skipif(not hasattr(keras.optimizers, "Muon"), reason="this Keras has no Muon")
@pytest.mark.parametrize("shape", [(7, 12), (12, 7), (5,)])
def test_muon_is_that_of_keras(shape: tuple[int, ...]) -> None:
    theirs = keras.optimizers.Muon(1e-2, weight_decay=None, adam_weight_decay=None)
    np.testing.assert_allclose(trained(Muon(1e-2), shape), trained(theirs, shape), atol=1e-6)


def test_a_kernel_is_a_matrix_from_its_taps_to_its_filters() -> None:
    kernel = trained(Muon(1e-2), (3, 3, 4, 8))
    np.testing.assert_array_equal(kernel.reshape(36, 8), trained(Muon(1e-2), (36, 8)))


@pytest.mark.parametrize("shape", [(3, 8, 16), (16, 8), (2, 3, 8, 4)])
def test_steps_are_as_long_as_adams(shape: tuple[int, ...]) -> None:
    step = trained(Muon(1e-2), shape, steps=1)
    assert np.sqrt(np.square(step).mean()) == pytest.approx(STEP_RMS * 1e-2, rel=0.3)


@pytest.mark.parametrize(("shape", "adam"), [((6,), ()), ((6, 4), ("kernel",))])
def test_what_is_adams(shape: tuple[int, ...], adam: tuple[str, ...]) -> None:
    ours, theirs = Muon(1e-2, adam=adam), keras.optimizers.Adam(1e-2)
    np.testing.assert_allclose(trained(ours, shape), trained(theirs, shape), rtol=1e-4)


def test_a_copy_by_its_config() -> None:
    config: dict[str, Any] = Muon(1e-2, adam=("mask/",)).get_config()
    assert Muon.from_config(config).get_config() == config
