"""Resampling in blocks is resampling at once."""

from __future__ import annotations

import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal

from wavesep.audio import Audio
from wavesep.dsp.resample import QUALITY, Resampler, lag, tail

RATES = [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000]


def resample(blocks: list[Audio], in_rate: int, out_rate: int) -> Audio:
    """Push blocks through a resampler and join what comes."""
    resampler = Resampler(in_rate, out_rate, blocks[0].shape[1])
    return np.concatenate([*map(resampler.push, blocks), resampler.flush()])


@given(
    in_rate=st.sampled_from(RATES),
    out_rate=st.sampled_from(RATES),
    samples=st.integers(1, 20_000),
    block=st.integers(1, 5_000),
    channels=st.integers(1, 3),
)
def test_in_blocks_as_at_once(
    in_rate: int, out_rate: int, samples: int, block: int, channels: int
) -> None:
    audio = np.random.default_rng(0).standard_normal((samples, channels)).astype(np.float32)
    blocks = [audio[i : i + block] for i in range(0, samples, block)]

    out = resample(blocks, in_rate, out_rate)

    if in_rate == out_rate:
        expected = audio
    else:
        expected = soxr.resample(audio, in_rate, out_rate, quality=QUALITY)
    np.testing.assert_allclose(out, expected, atol=1e-5)


@given(in_rate=st.integers(1_000, 768_000), samples=st.integers(1, 3_000))
def test_the_tail_lets_no_sample_be_lost_there_and_back(in_rate: int, samples: int) -> None:
    audio = np.zeros((samples + tail(in_rate, 44_100), 1), np.float32)

    there = resample([audio], in_rate, 44_100)

    assert len(resample([there], 44_100, in_rate)) >= samples


@given(
    in_rate=st.sampled_from(RATES),
    out_rate=st.sampled_from(RATES),
    sizes=st.lists(st.integers(0, 3_000), min_size=1, max_size=200),
)
def test_no_more_is_held_back_than_the_lag(in_rate: int, out_rate: int, sizes: list[int]) -> None:
    resampler = Resampler(in_rate, out_rate, 1)
    pushed, given_back = 0, 0

    for size in sizes:
        pushed += size
        given_back += len(resampler.push(np.zeros((size, 1), np.float32)))
        assert pushed - given_back * in_rate / out_rate <= lag(in_rate, out_rate)


@pytest.mark.parametrize("rate", RATES)
def test_a_tone_comes_back_at_its_place(rate: int) -> None:
    time = np.arange(rate) / rate
    tone = (0.5 * np.sin(2 * np.pi * 997 * time) * signal.windows.hann(rate)).astype(np.float32)

    there = resample([tone[:, np.newaxis]], rate, 44_100)
    back = resample([there], 44_100, rate)[: len(tone), 0]

    np.testing.assert_allclose(back, tone[: len(back)], atol=1e-4)
