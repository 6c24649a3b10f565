"""Both U-Nets: their sizes, and exactly the context that is promised."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from wavesep import PRESETS, UNet
from wavesep.models.files import ModelFile, read_model_file
from wavesep.models.presets import JANSSON
from wavesep.models.spleeter.architecture import SpleeterArchitecture
from wavesep.models.spleeter.network import SpleeterUNet
from wavesep.models.unet.architecture import UNetArchitecture


def test_jansson_comes_down_to_512_channels_of_8_by_2() -> None:
    network = PRESETS["unet_mono"].architecture.network()
    middle = keras.Model(network.input, network.get_layer(f"down{JANSSON.depth - 1}").output)

    assert network(np.ones((1, 513, 128, 1), np.float32)).shape == (1, 513, 128, 1)
    assert middle(np.ones((1, 513, 128, 1), np.float32)).shape == (1, 8, 2, 512)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize(
    "whole", [JANSSON, SpleeterArchitecture(channels=1, bottleneck=4)], ids=["unet", "spleeter"]
)
def test_a_frame_of_a_unet_hears_its_context_and_no_more(
    whole: UNetArchitecture, depth: int
) -> None:
    architecture = replace(whole, window=32, hop=8, filters=4, depth=depth)
    network = architecture.network()
    rng = np.random.default_rng(0)
    for variable in network.trainable_weights:
        # all weights and shifts positive: nothing is cut off by a ReLU, so all is heard
        variable.assign(rng.uniform(0.01, 0.02, variable.shape))
    reach, step = architecture.reach, 2**depth
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


@pytest.mark.parametrize("wrong", [{"window": 1000}, {"hop": 2048}, {"depth": 0}, {"targets": 0}])
def test_odd_arguments_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        UNet(**wrong)


@pytest.mark.parametrize("kind", [UNet, SpleeterUNet])
def test_model_files_hold_it(tmp_path: Path, kind: type[UNet | SpleeterUNet]) -> None:
    network = kind(window=64, hop=16, filters=2, depth=3, targets=3)
    path = tmp_path / "model.safetensors"
    file = ModelFile.from_network(network, sample_rate=8_000, sources=("a", "b", "c", "d"))
    file.save(path)

    read = read_model_file(path)

    assert (read.kind, read.parameters) == (network.architecture.kind, network.count_params())
    assert read.architecture == network.architecture
    assert read.architecture.context == (network.left_context, network.right_context)
    for name, array in read.arrays.items():
        np.testing.assert_array_equal(array, file.arrays[name])
    assert isinstance(read.build(), kind)
    again = kind.from_config(network.get_config())
    assert again.get_config() == network.get_config()
    assert again.architecture == network.architecture
