"""Steps of a sound that comes live: the same estimate as at once, no later than is said."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from wavesep.audio import Audio
from wavesep.dsp.chunks import ChunkPlan
from wavesep.dsp.steps import StepRunner


class Fir:
    """A network that keeps its past and that anyone can compute: a moving weighted sum."""

    def __init__(self, taps: Audio, groups: int, *, primed: bool) -> None:
        self._taps = taps
        past = 0.0 if primed else 1e6  # the latter means nothing
        self._past = np.full((groups, len(taps) - 1, 1), past, np.float32)

    def __call__(self, mixtures: Audio) -> Audio:
        seen = np.concatenate([self._past, mixtures], axis=1)
        self._past = seen[:, mixtures.shape[1] :]
        return np.stack([np.convolve(g[:, 0], self._taps, "valid") for g in seen])[..., np.newaxis]


@settings(max_examples=300)
@given(
    samples=st.integers(0, 300),
    cuts=st.lists(st.integers(0, 300), max_size=10),
    step=st.integers(1, 40),
    frame_size=st.integers(1, 4),
    left=st.integers(0, 20),
    right=st.integers(0, 20),
    groups=st.integers(1, 2),
    silent=st.integers(0, 300),
    primed=st.booleans(),
)
def test_any_blocks_give_the_estimate_of_the_whole(
    samples: int, cuts: list[int], step: int, frame_size: int, left: int, right: int, groups: int,
    silent: int, primed: bool,
) -> None:  # fmt: skip
    rng = np.random.default_rng(samples)
    left, right, step = left * frame_size, right * frame_size, step * frame_size
    sound = rng.uniform(-1, 1, (groups, samples, 1)).astype(np.float32)
    sound[:, :silent] = 0
    taps = rng.uniform(-1, 1, left + right + 1).astype(np.float32)
    runner = StepRunner(
        Fir(taps, groups, primed=primed), ChunkPlan(step, left, right, frame_size, 1), groups,
        channels=1, primed=primed,
    )  # fmt: skip

    edges = sorted({0, samples, *(min(cut, samples) for cut in cuts)})
    given_back, parts = 0, []
    for start, end in pairwise(edges):
        parts.append(runner.push(sound[:, start:end]))
        given_back += parts[-1].shape[1]
        assert end - runner.latency <= given_back <= end
    estimate = np.concatenate([np.zeros((groups, 0, 1)), *parts, runner.flush()], axis=1)

    assert estimate.shape == (groups, samples, 1)
    if samples:
        padded = np.pad(sound[..., 0], ((0, 0), (left, right)))
        whole = [np.convolve(group, taps, "valid") for group in padded]
        np.testing.assert_allclose(estimate[..., 0], whole, atol=1e-5)


def test_what_depends_on_silence_alone_is_silent() -> None:
    def one(mixtures: Audio) -> Audio:
        return np.ones_like(mixtures)

    runner = StepRunner(one, ChunkPlan(8, 4, 6, 2, 1), groups=1, channels=1)
    sound = np.zeros((1, 100, 1), np.float32)
    sound[:, 50] = 1

    estimate = np.concatenate([runner.push(sound), runner.flush()], axis=1)[0, :, 0]

    # frame 25 holds it: it is in the right context of frames 22 to 24, in the left of 26 and 27
    np.testing.assert_array_equal(np.flatnonzero(estimate), np.arange(44, 56))


def test_what_begins_with_silence_is_given_one_step_of_it() -> None:
    steps = []

    def network(mixtures: Audio) -> Audio:
        steps.append(mixtures.shape[1])
        return np.zeros_like(mixtures)

    StepRunner(network, ChunkPlan(8, 84, 6, 2, 1), groups=1, channels=1, primed=True)
    assert steps == [8]

    StepRunner(network, ChunkPlan(8, 84, 6, 2, 1), groups=1, channels=1)
    assert steps == [8] * 11
