"""Spleeter's U-Net: its size, and what PyTorch computes with the same weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from wavesep.models.arrays import Arrays, set_network_arrays
from wavesep.models.spleeter.architecture import SpleeterArchitecture
from wavesep.models.spleeter.network import SpleeterUNet

PUBLISHED = 9_824_711  # parameters of one network of Spleeter's 2stems model, with statistics


def random_arrays(architecture: SpleeterArchitecture) -> Arrays:
    """Weights of a scale that keeps the masks between 0 and 1."""
    rng = np.random.default_rng(0)
    return {
        name: (
            rng.uniform(0.5, 1.5, shape)
            if name.endswith(("gamma", "variance"))
            else 0.2 * rng.standard_normal(shape)
        ).astype(np.float32)
        for name, shape in architecture.shapes.items()
    }


def torch_masks(magnitudes: NDArray[np.float32], arrays: Arrays, depth: int) -> NDArray[Any]:
    """Compute the masks as Spleeter's code does, with PyTorch."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    functional = torch.nn.functional

    def weight(name: str) -> Any:
        return torch.from_numpy(arrays[f"{name}/kernel"].transpose(3, 2, 0, 1).copy())

    def bias(name: str) -> Any:
        return torch.from_numpy(arrays[f"{name}/bias"])

    def normalise(x: Any, name: str) -> Any:
        gamma, beta, mean, variance = (
            torch.from_numpy(arrays[f"{name}_norm/{variable}"])
            for variable in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        return functional.batch_norm(x, mean, variance, gamma, beta, eps=1e-3)

    x = torch.from_numpy(magnitudes[:, :-1].transpose(0, 3, 1, 2).copy())
    levels = []
    for i in range(depth):
        padded = functional.pad(x, (1, 2, 1, 2))
        levels.append(functional.conv2d(padded, weight(f"down{i}"), bias(f"down{i}"), stride=2))
        if i < depth - 1:
            x = functional.leaky_relu(normalise(levels[-1], f"down{i}"), 0.2)
    x = levels.pop()
    for i in reversed(range(depth)):
        x = functional.conv_transpose2d(x, weight(f"up{i}"), bias(f"up{i}"), stride=2)
        x = normalise(functional.relu(x[..., 1:-2, 1:-2]), f"up{i}")
        if levels:
            x = torch.cat([levels.pop(), x], dim=1)
    x = functional.conv2d(x, weight("mask"), bias("mask"), dilation=2, padding=3)
    return np.asarray(torch.sigmoid(x)).transpose(0, 2, 3, 1)


@pytest.mark.parametrize("depth", [1, 3])
def test_pytorch_computes_the_same(depth: int) -> None:
    architecture = SpleeterArchitecture(window=64, hop=16, filters=4, depth=depth, bottleneck=3)
    arrays = random_arrays(architecture)
    network = architecture.network()
    set_network_arrays(network, arrays)
    magnitudes = np.random.default_rng(1).exponential(1, (2, 33, 24, 2)).astype(np.float32)

    masks = network.predict_on_batch(magnitudes)

    expected = torch_masks(magnitudes, arrays, depth)
    assert expected.std() > 0.01
    np.testing.assert_allclose(masks[:, :-1], expected, atol=1e-5)
    np.testing.assert_array_equal(masks[:, -1], masks[:, -2])


def test_it_has_the_published_size() -> None:
    assert SpleeterUNet().count_params() == PUBLISHED
