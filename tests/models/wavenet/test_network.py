"""The network: its preset to the letter, its contexts proved by perturbation, saving."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from wavesep import PRESETS, WaveNet, load_model
from wavesep.models.files import ModelFile
from wavesep.models.wavenet.architecture import WaveNetArchitecture
from wavesep.models.wavenet.filterbank import (
    band_count,
    band_filters,
    band_order,
    cell_count,
    sub_band_filters,
)
from wavesep.models.wavenet.sub_bands import analyse, cells

SMALL = {"filters": 6, "skip_filters": 5}
CONFIGS: list[dict[str, Any]] = [
    {"kernel_size": 2, "stacks": 2, "layers_per_stack": 3},
    {"kernel_size": 3, "stacks": 2, "layers_per_stack": 3},
    {"kernel_size": 2, "stacks": 1, "layers_per_stack": 3, "frame_size": 4},
    {"kernel_size": 3, "stacks": 1, "layers_per_stack": 2, "frame_size": 3, "head": (4, 3)},
    {"kernel_size": 2, "stacks": 3, "layers_per_stack": 2, "dilation_base": 3, "channels": 1},
    {"kernel_size": 3, "stacks": 1, "layers_per_stack": 3, "targets": 2, "activation": "linear"},
    {"kernel_size": 3, "stacks": 1, "layers_per_stack": 2, "frame_size": 4, "filterbank": 2},
    {
        "kernel_size": 2,
        "stacks": 2,
        "layers_per_stack": 1,
        "frame_size": 6,
        "filterbank": 3,
        "targets": 2,
    },
]


def random_network(**config: Any) -> WaveNet:
    """A network whose weights and biases are all random."""
    network = WaveNet(**(SMALL | config))
    rng = np.random.default_rng(0)
    for variable in network.weights:
        values = rng.uniform(-0.7, 0.7, variable.shape)
        variable.assign(np.abs(values) if variable.name.endswith("variance") else values)
    return network


def answer(network: WaveNet, mixtures: NDArray[Any]) -> NDArray[Any]:
    """The estimates of a network without a graph, which takes longer to trace than to run."""
    return np.asarray(network(mixtures))


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("config", CONFIGS)
def test_an_input_sample_moves_just_the_outputs_that_the_contexts_allow(
    config: dict[str, Any], padding: str
) -> None:
    network = random_network(**config, padding=padding)
    left, right = network.left_context, network.right_context
    frame = network.architecture.frame_size
    shift = left if padding == "valid" else 0  # input sample that output sample 0 stands at
    outputs = 2 * -(-(left + right) // frame) * frame + 4 * frame
    samples = outputs + (left + right if padding == "valid" else 0)
    place = outputs // 2 + 1
    rng = np.random.default_rng(1)
    # units of a ReLU may be dead for one mixture, but not for all of thirty
    mixtures = rng.standard_normal((30, samples, network.architecture.channels)).astype(np.float32)
    perturbed = mixtures.copy()
    perturbed[:, shift + place] += 10

    moved = (answer(network, perturbed) != answer(network, mixtures)).any(axis=(0, 2))

    # frame f, its samples f to f + frame - 1, reads from f - left to f + frame - 1 + right
    starts = np.arange(0, outputs, frame)
    reads = (starts - left <= place) & (place <= starts + frame - 1 + right)
    assert len(moved) == outputs
    assert not moved[~reads.repeat(frame)].any()
    # contexts are whole frames, of the outermost of which a filterbank reads a step
    spare = frame if network.architecture.filterbank else 0
    surely = (starts - left + spare <= place) & (place <= starts + frame - 1 + right - spare)
    assert moved[surely.repeat(frame)].all()


def test_padding_is_zeros_once_at_the_input() -> None:
    same = random_network(kernel_size=3, stacks=2, layers_per_stack=3, frame_size=2)
    valid = random_network(
        kernel_size=3, stacks=2, layers_per_stack=3, frame_size=2, padding="valid"
    )
    mixture = np.random.default_rng(2).standard_normal((2, 40, 2)).astype(np.float32)
    padded = np.pad(mixture, ((0, 0), (same.left_context, same.right_context), (0, 0)))

    np.testing.assert_array_equal(answer(same, mixture), answer(valid, padded))


@pytest.fixture(scope="module")
def vossen2019() -> WaveNet:
    """The network of the preset."""
    return PRESETS["vossen2019"].architecture.network("same")


def test_vossen2019_is_the_network_of_the_post(vossen2019: WaveNet) -> None:
    network = vossen2019
    assert network.count_params() == 3_196_418
    assert network.architecture.dilations == [2 ** (i % 10) for i in range(30)]
    assert (network.left_context, network.right_context) == (1_533, 1_536)
    assert network.receptive_field == 3_070
    assert network.input_shape == network.output_shape == (None, None, 2)
    layers = {layer.name: layer for layer in network.layers}
    for i in range(30):
        for name, activation, filters, kernel, dilation in (
            (f"layer{i}_tanh", "tanh", 128, 2, 2 ** (i % 10)),
            (f"layer{i}_sigmoid", "sigmoid", 128, 2, 2 ** (i % 10)),
            (f"layer{i}_skip", "relu", 192, 1, 1),
            *([(f"layer{i}_residual", "relu", 128, 1, 1)] if i < 29 else []),
        ):
            layer = layers[name]
            assert layer.activation.__name__ == activation
            assert (layer.filters, layer.kernel_size, layer.dilation_rate, layer.padding) == (
                filters, (kernel,), (dilation,), "valid",
            )  # fmt: skip
    assert layers["encoder"].activation.__name__ == "relu"
    assert layers["decoder"].activation.__name__ == "linear"
    assert "layer29_residual" not in layers


def windows(signal: NDArray[Any], length: int) -> NDArray[Any]:
    """Pieces of a signal, half over each other, under the square root of Hann's window."""
    pieces = np.lib.stride_tricks.sliding_window_view(signal, length)[:: length // 2]
    return pieces * np.sin(np.pi * (np.arange(length) + 0.5) / length)


@pytest.mark.parametrize("step", [1, 3, 8, 128])
def test_bands_begin_as_windowed_fourier(step: int) -> None:
    samples = np.random.default_rng(5).standard_normal(9 * step)
    analysis, _ = band_filters(step)
    pieces = np.lib.stride_tricks.sliding_window_view(samples, 2 * step)[::step]

    real, imaginary = np.split(pieces @ analysis.reshape(2 * step, -1), 2, axis=1)

    spectrum = np.fft.rfft(windows(samples, 2 * step)) / np.sqrt(2 * step)
    half_sample = np.exp(-0.5j * np.pi * np.arange(step + 1) / step)
    # in the order of the filters, of which the upper half goes backwards
    order = band_order(step)
    bands = (real + 1j * imaginary)[:, np.argsort(order)][:, : step + 1]
    np.testing.assert_allclose(bands, spectrum * half_sample, atol=1e-5)
    assert band_count(step) == real.shape[1] <= step + 2
    assert not real[:, order > step].any()


def test_a_cell_holds_a_band_and_its_mirror_image() -> None:
    low, high = np.split(band_order(256), 2)

    np.testing.assert_array_equal(low + high, np.full(129, 257))
    assert (low[-1], high[-1]) == (128, 129)  # in the middle of the spectrum


@pytest.mark.parametrize("steps", [1, 2, 16])
def test_sub_bands_begin_as_windowed_fourier_of_a_band(steps: int) -> None:
    band = np.random.default_rng(5).standard_normal((9 * steps, 2)) @ [1, 1j]
    analysis, _ = sub_band_filters(steps)
    parts = np.stack([band.real, band.imag], axis=1).reshape(-1)
    pieces = np.lib.stride_tricks.sliding_window_view(parts, 4 * steps)[:: 2 * steps]

    real, imaginary = np.split(pieces @ analysis.reshape(4 * steps, -1), 2, axis=1)

    spectrum = np.fft.fftshift(np.fft.fft(windows(band, 2 * steps)), axes=1) / np.sqrt(2 * steps)
    half_sample = np.exp(-0.5j * np.pi * np.arange(-steps, steps) / steps)
    np.testing.assert_allclose(real + 1j * imaginary, spectrum * half_sample, atol=1e-5)


@pytest.mark.parametrize(("step", "steps"), [(256, 8), (8, 4)])
def test_a_higher_tone_lies_in_a_higher_sub_band(step: int, steps: int) -> None:
    architecture = WaveNetArchitecture(frame_size=step * steps, filterbank=step, channels=1)
    mixture = keras.Input((None, 1))
    network = keras.Model(mixture, cells(analyse(mixture, architecture, None), architecture))
    count = cell_count(step)
    frequencies = np.linspace(1, step - 1, 40)  # 1 is the distance of two bands
    time = np.arange(8 * step * steps)
    tones = np.cos(np.pi * np.outer(frequencies, time) / step)

    heard = np.asarray(network(tones[..., None]))[:, 3].reshape(40, count, 2, 2 * steps)

    cell, half, place = np.unravel_index(heard.reshape(40, -1).argmax(axis=1), heard.shape[1:])
    middle = band_order(step)[cell + half * count] + (place - steps) / steps
    np.testing.assert_allclose(middle, frequencies, atol=0.6 / steps)


@pytest.mark.parametrize("config", [c for c in CONFIGS if c.get("filterbank")])
def test_a_filterbank_gives_back_what_the_mask_lets_through(config: dict[str, Any]) -> None:
    network = WaveNet(**(SMALL | config), padding="valid")
    mask = network.get_layer("mask")
    mask.set_weights([np.zeros(mask.kernel.shape), np.full(mask.bias.shape, 30.0)])
    left, right, targets = (
        network.left_context, network.right_context, network.architecture.targets,
    )  # fmt: skip
    samples = left + right + 5 * network.architecture.frame_size
    mixture = np.random.default_rng(6).standard_normal((2, samples, network.architecture.channels))

    estimate = np.asarray(network(mixture.astype(np.float32)))

    inside = np.tile(mixture[:, left:-right], targets)
    np.testing.assert_allclose(estimate, inside, atol=1e-5)


@pytest.mark.parametrize("config", [c for c in CONFIGS if c.get("filterbank")])
def test_a_filterbank_hears_mid_and_side(config: dict[str, Any]) -> None:
    network = random_network(**config)
    mixture = np.random.default_rng(7).standard_normal((1, 240, 2)).astype(np.float32)

    estimate = np.asarray(network(mixture)).reshape(240, -1, 2)

    # left and right swapped, the side has another sign only: so do the estimates
    swapped = np.asarray(network(mixture[:, :, ::-1])).reshape(240, -1, 2)
    np.testing.assert_allclose(swapped, estimate[..., ::-1], atol=1e-5)
    # and a mixture without a side has no side afterwards
    mono = np.asarray(network(mixture[:, :, :1].repeat(2, -1))).reshape(240, -1, 2)
    np.testing.assert_allclose(mono[..., 0], mono[..., 1], atol=1e-5)
    assert np.abs(estimate[..., 0] - estimate[..., 1]).max() > 0.1


def test_vossen2019_is_what_the_defaults_build(vossen2019: WaveNet) -> None:
    assert WaveNet().get_config() | {"name": ""} == vossen2019.get_config() | {"name": ""}


@pytest.mark.parametrize(
    ("preset", "parameters", "seconds"),
    [("folded", 3_174_592, 1.1), ("folded_small", 895_840, 1.1), ("filterbank", 3_945_544, 2.83)],
)
def test_presets_have_the_size_that_is_said(preset: str, parameters: int, seconds: float) -> None:
    network = PRESETS[preset].architecture.network()

    assert network.count_params() == parameters
    assert network.receptive_field / 44_100 == pytest.approx(seconds, abs=0.05)


# every argument is in one of the three that are always saved
SAVED = [
    pytest.param(config, marks=[pytest.mark.slow] * (n not in (3, 4, 7)))
    for n, config in enumerate(CONFIGS)
]


@pytest.mark.parametrize("config", SAVED)
def test_config_and_keras_file_round_trips(config: dict[str, Any], tmp_path: Path) -> None:
    network = random_network(**config)
    mixture = np.random.default_rng(3).standard_normal((1, 60, network.architecture.channels))

    rebuilt = WaveNet.from_config(network.get_config())
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")

    assert rebuilt.get_config() == network.get_config()
    assert isinstance(loaded, WaveNet)
    np.testing.assert_array_equal(answer(loaded, mixture), answer(network, mixture))


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("filters", 0),
        ("dilation_base", 0),
        ("kernel_size", 4),
        ("frame_size", -1),
        ("targets", 0),
        ("filterbank", -1),
        ("filterbank", 2),
        ("cell_filters", 0),
    ],
)
def test_an_argument_out_of_range_is_refused_by_name(argument: str, value: int) -> None:
    with pytest.raises(ValueError, match=rf"{argument} must be .*{value}"):
        WaveNet(**{argument: value})  # type: ignore[arg-type]


PREDICT = """
import sys, numpy as np
from pathlib import Path
from wavesep import load_model
mixture = np.load("mixture.npy")
for model in sorted(Path().glob("*.safetensors")):
    network = load_model(model)
    np.save(Path(sys.argv[1], model.stem), network.predict(mixture, verbose=0))
    network.compile("sgd", "mae")
    network.fit(mixture, 0 * mixture, epochs=1, verbose=0)
"""


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, NDArray[Any]]:
    """Estimates of two model files in one folder with their mixture."""
    folder = tmp_path_factory.mktemp("expected")
    mixture = np.random.default_rng(4).standard_normal((2, 80, 2)).astype(np.float32)
    np.save(folder / "mixture.npy", mixture)
    estimates = {}
    for name, config in (("folded", CONFIGS[2]), ("filterbank", CONFIGS[-2])):
        path = folder / f"{name}.safetensors"
        file = ModelFile.from_network(
            random_network(**config), sample_rate=8_000, sources=("vocals", "rest")
        )
        file.save(path)
        estimates[path] = load_model(path).predict(mixture, verbose=0)
    return estimates


@pytest.mark.slow  # tests/training/test_fit_apart.py compares what PyTorch estimates, too
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_backends_agree_and_train(
    backend: str, expected: dict[Path, NDArray[Any]], tmp_path: Path
) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    # JAX spends most of this on optimizing what it compiles
    quick = {"OMP_NUM_THREADS": "1", "XLA_FLAGS": "--xla_backend_optimization_level=0"}

    subprocess.run(
        [sys.executable, "-c", PREDICT, tmp_path], cwd=next(iter(expected)).parent,
        env=os.environ | {"KERAS_BACKEND": backend} | quick, check=True,
    )  # fmt: skip

    for path, estimate in expected.items():
        given = np.load(tmp_path / f"{path.stem}.npy")
        np.testing.assert_allclose(given, estimate, rtol=1e-4, atol=1e-5)
