"""Chunks leave no trace: whatever the chunk, the batch and the blocks, the whole comes out."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavesep.audio import Audio
from wavesep.dsp.chunks import ChunkPlan, ChunkRunner, Network


def framed_fir(taps: Audio, frame_size: int) -> Network:
    """A network that anyone can compute: a valid convolution, times each sample's place in a frame.

    Its second output channel, of three, is the constant 1, which no silence would hide.
    """

    def run(mixtures: Audio) -> Audio:
        out = np.stack(
            [[np.convolve(channel, taps, "valid") for channel in mixture.T] for mixture in mixtures]
        ).transpose(0, 2, 1)
        assert out.shape[1] % frame_size == 0
        gains = 1 + np.arange(out.shape[1]) % frame_size
        return np.stack([out[..., 0] * gains, np.ones(out.shape[:2]), out[..., 1]], axis=2).astype(
            np.float32
        )

    return run


def run_chunks(network: Network, blocks: Iterable[Audio], plan: ChunkPlan, **options: Any) -> Audio:
    """Push blocks through a runner and join what comes."""
    runner = ChunkRunner(network, plan, **options)
    parts = [*map(runner.push, blocks)]
    return np.concatenate([*parts, runner.flush()], axis=1)


def in_blocks(audio: Audio, cuts: list[int]) -> Iterator[Audio]:
    """Cut a sound, (groups, samples, channels), at the places given."""
    edges = sorted({0, audio.shape[1], *(cut % (audio.shape[1] + 1) for cut in cuts)})
    for start, end in pairwise(edges):
        yield audio[:, start:end]


@settings(max_examples=150)
@given(
    samples=st.integers(1, 400),
    frames=st.integers(1, 120),
    first_frames=st.none() | st.integers(1, 120),
    frame_size=st.integers(1, 7),
    left_frames=st.integers(0, 20),
    right_frames=st.integers(0, 20),
    batch_size=st.integers(1, 4),
    groups=st.integers(1, 3),
    cuts=st.lists(st.integers(0, 400), max_size=8),
    seed=st.integers(0, 2**32 - 1),
)
def test_chunked_equals_whole(
    samples: int, frames: int, first_frames: int | None, frame_size: int, left_frames: int,
    right_frames: int, batch_size: int, groups: int, cuts: list[int], seed: int,
) -> None:  # fmt: skip
    rng = np.random.default_rng(seed)
    audio = rng.standard_normal((groups, samples, 2)).astype(np.float32)
    left, right = left_frames * frame_size, right_frames * frame_size
    # the contexts of a frame reach as far for its first sample as for its last
    taps = rng.standard_normal(left + 1 + right).astype(np.float32)
    network = framed_fir(taps, frame_size)
    first = first_frames and first_frames * frame_size
    plan = ChunkPlan(frames * frame_size, left, right, frame_size, 3, first)

    estimate = run_chunks(network, in_blocks(audio, cuts), plan, batch_size=batch_size)

    spare = -samples % frame_size
    whole = network(np.pad(audio, ((0, 0), (left, right + spare), (0, 0))))[:, :samples]
    np.testing.assert_allclose(estimate, whole, atol=1e-4)


@given(
    frames=st.integers(1, 30),
    batch_size=st.integers(1, 3),
    begin=st.integers(0, 299),
    length=st.integers(1, 300),
)
def test_a_wanted_part_is_what_the_whole_has_there(
    frames: int, batch_size: int, begin: int, length: int
) -> None:
    audio = np.random.default_rng(0).standard_normal((1, 300, 2)).astype(np.float32)
    plan = ChunkPlan(4 * frames, 8, 12, 4, out_channels=3)
    network = framed_fir(np.arange(21, dtype=np.float32), 4)
    end = min(begin + length, 300)
    asked = 0

    def count(mixtures: Audio) -> Audio:
        nonlocal asked
        asked += len(mixtures)
        return network(mixtures)

    whole = run_chunks(network, [audio], plan)
    part = run_chunks(count, [audio], plan, batch_size=batch_size, wanted=(begin, end))

    assert part.shape == whole.shape
    np.testing.assert_array_equal(part[:, begin:end], whole[:, begin:end])
    chunks = (end - 1) // plan.chunk - begin // plan.chunk + 1
    assert asked <= (chunks // batch_size + 2) * batch_size


@given(
    silences=st.lists(st.tuples(st.integers(0, 290), st.integers(1, 200)), max_size=4),
    frames=st.integers(1, 40),
)
def test_the_estimate_is_zero_just_where_all_that_a_frame_reads_is(
    silences: list[tuple[int, int]], frames: int
) -> None:
    audio = np.random.default_rng(0).uniform(0.1, 1, (1, 300, 2)).astype(np.float32)
    for start, length in silences:
        audio[:, start : start + length] = 0
    left, right, frame = 8, 12, 4
    plan = ChunkPlan(frame * frames, left, right, frame, out_channels=3)
    network = framed_fir(np.ones(left + 1 + right, dtype=np.float32), frame)

    constant = run_chunks(network, [audio], plan)[0, :, 1]

    heard = [
        audio[0, max(t // frame * frame - left, 0) : t // frame * frame + frame + right].any()
        for t in range(300)
    ]
    np.testing.assert_array_equal(constant, heard)


def test_silence_is_not_given_to_the_network() -> None:
    def refuse(mixtures: Audio) -> Audio:
        raise AssertionError("asked for silence")

    plan = ChunkPlan(8, 2, 2, 2, out_channels=3)
    estimate = run_chunks(refuse, [np.zeros((2, 50, 2), np.float32)], plan)

    assert estimate.shape == (2, 50, 3)
    assert not estimate.any()


@given(samples=st.integers(1, 5_000))
def test_a_network_is_given_few_shapes(samples: int) -> None:
    shapes = set()
    plan = ChunkPlan(1_024, 8, 8, 8, out_channels=3)
    network = framed_fir(np.ones(17, np.float32), 8)

    def note(mixtures: Audio) -> Audio:
        shapes.add(mixtures.shape)
        return network(mixtures)

    audio = np.ones((1, samples, 2), np.float32)
    run_chunks(note, in_blocks(audio, [100, 1_000]), plan, batch_size=2)

    chunk = next(iter(shapes))[1] - 16
    assert len(shapes) == 1
    assert chunk in {1_024 >> k for k in range(8)}
    assert chunk >= min(samples, 1_024)


@given(groups=st.integers(1, 40), batch_size=st.integers(1, 16), chunks=st.integers(1, 20))
def test_many_groups_go_to_the_network_in_batches(
    groups: int, batch_size: int, chunks: int
) -> None:
    shapes = set()
    network = framed_fir(np.ones(5, np.float32), 2)

    def note(mixtures: Audio) -> Audio:
        shapes.add(mixtures.shape)
        return network(mixtures)

    plan = ChunkPlan(8, 2, 2, 2, out_channels=3)
    runner = ChunkRunner(note, plan, batch_size=batch_size)
    for _ in range(chunks):
        runner.push(np.ones((groups, 8, 2), np.float32))
        assert len(runner._batch) * groups <= max(batch_size, groups)  # waiting for a batch

    assert runner.flush().shape[0] == groups
    assert {(windows, *shape) for windows, *shape in shapes} == {(batch_size, 12, 2)}


def test_the_first_chunk_may_be_ready_early() -> None:
    plan = ChunkPlan(8, 2, 2, 2, out_channels=3, first_chunk=4)
    lengths = []

    def note(mixtures: Audio) -> Audio:
        lengths.append(mixtures.shape[1])
        return framed_fir(np.ones(5, np.float32), 2)(mixtures)

    run_chunks(note, [np.ones((1, 30, 2), np.float32)], plan)

    assert lengths == [8, 12, 12, 12, 12]


def test_no_blocks_no_estimate() -> None:
    plan = ChunkPlan(8, 2, 2, 2, out_channels=3)
    assert run_chunks(lambda mixtures: mixtures, [], plan).size == 0


def test_the_network_runs_while_the_next_sound_is_fetched() -> None:
    fetched = threading.Event()

    def wait(mixtures: Audio) -> Audio:
        assert fetched.wait(timeout=30)
        return framed_fir(np.ones(5, np.float32), 2)(mixtures)

    runner = ChunkRunner(wait, ChunkPlan(8, 2, 2, 2, out_channels=3))
    first = runner.push(np.ones((1, 10, 2), np.float32))  # one chunk, and nobody waits for it
    fetched.set()
    second = runner.push(np.ones((1, 16, 2), np.float32))

    assert first.shape[1] == 0
    assert second.shape[1] >= 8


def test_what_the_network_raises_reaches_the_caller() -> None:
    def fail(mixtures: Audio) -> Audio:
        raise MemoryError("no room")

    runner = ChunkRunner(fail, ChunkPlan(8, 2, 2, 2, out_channels=3))
    runner.push(np.ones((1, 9, 2), np.float32))

    with pytest.raises(MemoryError, match="no room"):
        runner.flush()


def test_the_rest_comes_in_parts_as_they_are_estimated() -> None:
    plan = ChunkPlan(chunk=100, left_context=20, right_context=20, frame_size=1, out_channels=1)

    def slow(mixtures: Audio) -> Audio:
        time.sleep(0.05)  # longer than the parts take to fetch
        return mixtures[:, 20:-20]

    runner = ChunkRunner(slow, plan)
    sound = np.random.default_rng(0).normal(size=(1, 330, 1)).astype(np.float32)

    first = runner.push(sound)
    rest = [*runner.drain()]

    np.testing.assert_array_equal(np.concatenate([first, *rest], axis=1), sound)
    assert sum(part.shape[1] > 0 for part in rest) >= 2
