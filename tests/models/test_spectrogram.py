"""The spectrogram networks: sizes of the papers, and exactly the context that is promised."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from wavesep import FrameCnn, UNet
from wavesep.models.files import ModelFile, network_class, read_model_file
from wavesep.models.kinds import KINDS
from wavesep.models.presets import SPECTROGRAM_PRESETS
from wavesep.models.spectrogram import JANSSON, MASK_CNN, VOCAL_ACTIVITY, unet_frames

SIZES = {
    "vocal_activity": 123_985,  # as in the article
    "mask_cnn": 323_233,  # as in the article
    "unet_mono": 9_826_321,
    "unet_stereo": 9_827_522,
    "unet": 2_458_761,
}


def build(name: str) -> keras.Model:
    """Build the network of a preset."""
    kind, _, architecture = SPECTROGRAM_PRESETS[name]
    return network_class(kind)(**architecture)


@pytest.mark.parametrize("name", SIZES)
def test_sizes(name: str) -> None:
    network = build(name)
    kind, _, architecture = SPECTROGRAM_PRESETS[name]

    assert network.count_params() == SIZES[name]
    shapes = KINDS[kind].shapes(architecture)
    assert shapes == {
        f"{layer.name}/{variable.name}": tuple(variable.shape)
        for layer in network.layers
        for variable in layer.weights
    }


def test_every_preset_has_its_size() -> None:
    assert SIZES.keys() == SPECTROGRAM_PRESETS.keys()


def test_jansson_comes_down_to_512_channels_of_8_by_2() -> None:
    network = build("unet_mono")
    middle = keras.Model(network.input, network.get_layer(f"down{JANSSON['depth'] - 1}").output)

    assert network.predict_on_batch(np.ones((1, 513, 128, 1), np.float32)).shape == (1, 513, 128, 1)
    assert middle.predict_on_batch(np.ones((1, 513, 128, 1), np.float32)).shape == (1, 8, 2, 512)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_frame_of_a_unet_hears_its_context_and_no_more(depth: int) -> None:
    architecture = JANSSON | {"window": 32, "hop": 8, "filters": 4, "depth": depth}
    network = UNet(**architecture)
    rng = np.random.default_rng(0)
    for variable in network.trainable_weights:
        # all weights and shifts positive: nothing is cut off by a ReLU, so all is heard
        variable.assign(rng.uniform(0.01, 0.02, variable.shape))
    reach, step = unet_frames(architecture), 2**depth
    frames = -(-(2 * reach + 2) // step + 2) * step
    quiet = np.zeros((1, 17, frames, 1), np.float32)
    heard = np.zeros((frames, frames), bool)  # what is given, what comes out
    silence = network.predict_on_batch(quiet)
    for k in range(frames):
        loud = quiet.copy()
        loud[:, :, k] = 100
        heard[k] = (network.predict_on_batch(loud) != silence).any((0, 1, 3))
    given, gives = np.nonzero(heard)
    assert (gives - given).max() <= reach
    assert (given - gives).max() <= reach
    if depth < 3:  # deeper, the last of it drowns in rounding
        # at the best place within a step, all of it is heard
        assert max((gives - given).max(), (given - gives).max()) >= reach - step


@pytest.mark.parametrize(
    ("network", "wrong"),
    [
        (FrameCnn, {"frames": 24}),
        (FrameCnn, {"frames": 7}),
        (FrameCnn, {"filters": (4, 4, 4)}),
        (FrameCnn, {"answer": "both"}),
        (FrameCnn, {"channels": 2}),
        (FrameCnn, {"answer": "activity", "targets": 2}),
        (FrameCnn, {"hop": 2048}),
        (UNet, {"window": 1000}),
        (UNet, {"depth": 0}),
        (UNet, {"targets": 0}),
    ],
)
def test_odd_arguments_are_refused(network: type[keras.Model], wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        network(**wrong)


@pytest.mark.parametrize(
    ("kind", "architecture"),
    [
        ("frame_cnn", MASK_CNN | {"filters": (2, 2, 2, 2), "units": 3, "targets": 2}),
        ("frame_cnn", VOCAL_ACTIVITY | {"filters": (2, 2, 2, 2), "units": 3}),
        ("unet", JANSSON | {"window": 64, "hop": 16, "filters": 2, "depth": 3, "targets": 3}),
    ],
)
def test_model_files_hold_them(kind: str, architecture: dict[str, Any], tmp_path: Any) -> None:
    network = network_class(kind)(**architecture)
    path = tmp_path / "model.safetensors"
    count = architecture["targets"] + (architecture.get("answer") != "activity")
    file = ModelFile.from_network(network, sample_rate=8_000, sources=("a", "b", "c", "d")[:count])
    file.save(path)

    read = read_model_file(path)

    assert (read.kind, read.parameters) == (kind, network.count_params())
    assert read.context == (network.left_context, network.right_context)
    for name, array in read.arrays.items():
        np.testing.assert_array_equal(array, file.arrays[name])
    copy = read.build()
    assert isinstance(copy, type(network))
    again = network_class(kind).from_config(network.get_config())
    assert again.config == network.config
