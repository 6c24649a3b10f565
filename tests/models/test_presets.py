"""The presets of networks that are given spectrograms have the sizes of the papers."""

from __future__ import annotations

import pytest

from wavesep import PRESETS
from wavesep.models.spectrograms import SpectrogramArchitecture

from .conftest import array_shapes

SIZES = {
    "vocal_activity": 123_985,  # as in the article
    "mask_cnn": 323_233,  # as in the article
    "unet_mono": 9_826_321,
    "unet_stereo": 9_827_522,
    "unet": 2_458_761,
    "spleeter": 4_909_127,
    "spleeter_accompaniment": 4_909_127,
}


@pytest.mark.parametrize("name", SIZES)
def test_sizes(name: str) -> None:
    architecture = PRESETS[name].architecture
    network = architecture.network()

    assert network.count_params() == SIZES[name]
    assert architecture.shapes == array_shapes(network)


def test_every_preset_has_its_size() -> None:
    networks = {
        name: preset.architecture for name, preset in PRESETS.items() if preset.architecture.trained
    }
    ours = {n for n, a in networks.items() if isinstance(a, SpectrogramArchitecture)}

    assert SIZES.keys() == ours
