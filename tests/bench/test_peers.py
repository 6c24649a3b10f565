"""The peers are as large as published, and give stems as long as the mixture."""

from __future__ import annotations

import numpy as np
import pytest

from wavesep.audio import Audio
from wavesep.bench import peers
from wavesep.bench.peers import PEERS, Built, Peer

# what the peers' packages warn of is theirs to mend
pytestmark = pytest.mark.filterwarnings("default")

# millions of parameters
PUBLISHED = {
    # 20 h² + 7,100 h + 15,268 by the layers of Stöter et al. 2019, JOSS, for one target, of width
    # h = 512 or 1,024, with 2,049 bins of which the 1,487 up to 16 kHz go in
    "Open-Unmix umxhq": 8.9,
    "Open-Unmix umxhq, unfiltered": 8.9,
    "Open-Unmix umxl": 28.3,
    "Open-Unmix umxl, unfiltered": 28.3,
    # the released checkpoint: two U-Nets of 9,826,759 each
    "Spleeter 2stems U-Net": 19.7,
    # the released checkpoints e51eebcc and cfa93e08, half of mdx_extra: 83,637,832
    "Demucs v3": 83.6,
    # the released checkpoint 955717e8: 41,984,456
    "HTDemucs": 42.0,
    # Luo and Mesgarani 2019, arXiv:1809.07454, where it is compared with others by size
    "Conv-TasNet": 5.1,
}
STEMS = {"Demucs v3": 4, "HTDemucs": 4}  # of the others, vocals and accompaniment


@pytest.fixture(scope="module", params=PEERS, ids=lambda peer: peer.name)
def peer(request: pytest.FixtureRequest) -> Peer:
    found: Peer = request.param
    if not found.installed:
        pytest.skip(f"{found.package} is not installed")
    return found


@pytest.fixture(scope="module")
def built(peer: Peer) -> Built:
    return peer.build()


def test_parameters_are_as_published(peer: Peer, built: Built) -> None:
    assert round(built.parameters / 1e6, 1) == PUBLISHED[peer.name]


def test_stems_are_as_long_as_the_mixture(peer: Peer, built: Built) -> None:
    mixture = np.random.default_rng(0).uniform(-0.1, 0.1, (132_301, 2)).astype(np.float32)
    before = mixture.copy()

    stems = built.separate(mixture)

    assert stems.shape == (STEMS.get(peer.name, 2), 132_301, 2)
    assert stems.dtype == np.float32
    assert np.isfinite(stems).all()
    assert (np.abs(stems).max(axis=(1, 2)) > 0).all()
    np.testing.assert_array_equal(mixture, before)


def test_stems_of_spleeter_add_up_to_the_low_half_of_the_mixture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("keras", reason="Keras is not installed")
    (spleeter,) = (peer for peer in PEERS if peer.package == "keras")
    monkeypatch.setattr(peers, "SPLEETER_FRAMES", 64)
    # 70 frames, so that there is more than one chunk; a tone below its 11 kHz and one above
    time = np.arange(70 * 1024)[:, np.newaxis] / 44_100
    low, high = 0.1 * np.sin(2 * np.pi * np.array([[1_000], [15_000]])[:, np.newaxis] * time)
    mixture = np.concatenate([low + high, 0.5 * low], axis=1).astype(np.float32)
    expected = np.concatenate([low, 0.5 * low], axis=1)

    stems = spleeter.build().separate(mixture)

    inner = slice(4_096, -4_096)  # a tone that starts at once has energy everywhere
    np.testing.assert_allclose(stems.sum(axis=0)[inner], expected[inner], atol=1e-4)


class Echo:
    """Gives back what it gets as the mask of one stem, and twice that as the mask of the other."""

    def predict(self, chunks: Audio, batch_size: int, verbose: int) -> Audio:
        assert chunks.shape[1] == 512
        return np.stack([chunks, 2 * chunks], axis=1)


@pytest.mark.parametrize("frames", [1, 511, 512, 513, 1_300])
def test_chunks_of_spleeter_are_put_together_again(frames: int) -> None:
    magnitude = np.random.default_rng(0).random((2, 3, frames), np.float32)

    masks = peers.spleeter_masks(Echo(), magnitude)

    np.testing.assert_array_equal(masks, [magnitude, 2 * magnitude])


def test_chunks_and_channels_of_conv_tasnet_stay_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("asteroid", reason="asteroid is not installed")
    monkeypatch.setattr(peers, "CONV_TASNET_CHUNK", 1_000)
    mixture = np.zeros((3_000, 2), np.float32)
    mixture[1_000:2_000, 1] = 0.1  # no layer that sound goes through has a bias: silence stays

    stems = peers.build_conv_tasnet().separate(mixture)

    assert stems.shape == (2, 3_000, 2)
    assert (np.abs(stems[:, 1_000:2_000, 1]).max(axis=1) > 0).all()
    stems[:, 1_000:2_000, 1] = 0
    assert not stems.any()


def test_every_peer_has_its_published_size() -> None:
    assert [peer.name for peer in PEERS] == list(PUBLISHED)


def test_a_peer_whose_package_is_missing_is_not_installed() -> None:
    assert not PEERS[0]._replace(package="no_such_package").installed
    assert PEERS[0]._replace(package="numpy").installed
