"""Any number of channels, dealt to a network and taken back."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wavesep.dsp.channels import join_channels, split_channels, to_channels


@given(channels=st.integers(1, 9), width=st.integers(1, 2), samples=st.integers(1, 20))
def test_joining_undoes_splitting(channels: int, width: int, samples: int) -> None:
    audio = np.random.default_rng(0).standard_normal((samples, channels)).astype(np.float32)

    groups = split_channels(audio, width)

    assert groups.shape == (-(-channels // width), samples, width)
    np.testing.assert_allclose(join_channels(groups, channels), audio, atol=1e-6)


def test_five_channels_are_two_pairs_and_a_mono_one() -> None:
    audio = np.arange(5, dtype=np.float32)[np.newaxis]

    np.testing.assert_array_equal(split_channels(audio, 2)[:, 0], [[0, 1], [2, 3], [4, 4]])


def test_stereo_to_mono_is_the_mean_and_mono_to_stereo_a_copy() -> None:
    np.testing.assert_array_equal(to_channels(np.array([[1, 3]], np.float32), 1), [[2]])
    np.testing.assert_array_equal(to_channels(np.array([[3]], np.float32), 2), [[3, 3]])
