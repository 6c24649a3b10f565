"""Streams: the stems of the whole, whatever the blocks, and no later than the latency says."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavesep import Separator
from wavesep.audio import Audio
from wavesep.audio.read import read_audio
from wavesep.errors import NonFiniteAudioError, OptionError
from wavesep.stream import Stream
from wavesep.systems.pipeline import Stems

RATES = [44_100, 48_000, 22_050, 16_001]
STEP = 192 * 4  # samples of the tiny model, whose frames have four


@pytest.fixture(scope="module")
def separator(tiny_file: Path) -> Separator:
    return Separator(tiny_file, precision="float32")


def random_audio(samples: int, channels: int = 2, seed: int = 0) -> Audio:
    rng = np.random.default_rng(seed)
    return rng.uniform(-0.5, 0.5, (samples, channels)).astype(np.float32)


def run_stream(stream: Stream, blocks: Iterable[Audio]) -> Stems:
    """Push blocks, check that what they give is in time, and join it."""
    pushed = given_back = 0
    parts = []
    for block in blocks:
        parts.append(stream.push(block))
        pushed += len(block)
        given_back += len(parts[-1]["vocals"])
        assert pushed - stream.latency <= given_back <= pushed
    parts.append(stream.flush())
    return {source: np.concatenate([part[source] for part in parts]) for source in stream.sources}


def in_blocks(audio: Audio, lengths: list[int]) -> Iterable[Audio]:
    """Cut a sound into blocks of the lengths given, again and again."""
    edges = [0]
    while edges[-1] < len(audio):
        edges.append(edges[-1] + lengths[len(edges) % len(lengths)])
    return [audio[start:end] for start, end in pairwise(edges)]


@settings(max_examples=25)
@given(
    samples=st.integers(1, 3_000),
    lengths=st.lists(st.integers(0, 700), min_size=1, max_size=6).filter(any),
    rate=st.sampled_from(RATES),
    channels=st.integers(1, 4),
)
def test_any_blocks_give_the_stems_of_the_whole(
    tiny_file: Path, samples: int, lengths: list[int], rate: int, channels: int
) -> None:
    separator = cached_separator(tiny_file, "openvino", "float32")
    mixture = random_audio(samples, channels, samples)
    mixture[samples // 3 : samples // 2] = 0

    stems = run_stream(separator.stream(rate, channels), in_blocks(mixture, lengths))

    whole = separator.separate(mixture, rate)
    assert list(stems) == list(whole)
    for source, stem in stems.items():
        assert stem.dtype == np.float32
        np.testing.assert_allclose(stem, whole[source], atol=1e-5)


SEPARATORS: dict[tuple[str, str], Separator] = {}


def cached_separator(path: Path, engine: str, precision: str) -> Separator:
    """One separator for all of hypothesis' examples, which cannot take a narrower fixture."""
    if (engine, precision) not in SEPARATORS:
        SEPARATORS[engine, precision] = Separator(path, engine=engine, precision=precision)
    return SEPARATORS[engine, precision]


# Keras traces for long
SLOW = [pytest.param("keras", p, marks=pytest.mark.slow) for p in ("float32", "bfloat16")]


@pytest.mark.parametrize(
    ("engine", "precision"),
    [
        ("openvino", "auto"), ("openvino", "float32"), ("openvino", "bfloat16"),
        ("keras", "auto"), *SLOW,
    ],
)  # fmt: skip
def test_every_engine_and_precision_streams_what_it_separates(
    tiny_file: Path, engine: str, precision: str
) -> None:
    try:
        separator = Separator(tiny_file, engine=engine, precision=precision)
    except OptionError as error:
        pytest.skip(str(error))
    mixture = random_audio(5_001, 3)

    stems = run_stream(separator.stream(44_100, 3), in_blocks(mixture, [1, 300, 77]))

    np.testing.assert_allclose(
        stems["vocals"], separator.separate(mixture, 44_100)["vocals"], atol=1e-5
    )


# the small network is streamed through Keras, too
@pytest.mark.parametrize("engine", ["openvino", pytest.param("keras", marks=pytest.mark.slow)])
def test_the_shipped_model_streams_a_real_song(shared: Path, engine: str) -> None:
    audio, rate = read_audio(shared / "songs" / "karissa_hobbs_lets_go_fishin.ogg")
    excerpt = audio[64 * rate : 65 * rate + 77]

    separator = Separator(engine=engine)
    stems = run_stream(separator.stream(rate), in_blocks(excerpt, [882, 13, 4_096]))
    whole = separator.separate(excerpt, rate)
    assert np.sqrt(np.mean(stems["vocals"] ** 2)) > 0.01
    for source, stem in stems.items():
        np.testing.assert_allclose(stem, whole[source], atol=1e-5)


SLOW_RATES = [pytest.param(rate, marks=pytest.mark.slow) for rate in (48_000, 22_050)]


@pytest.mark.parametrize("rate", [44_100, 16_001, *SLOW_RATES])
def test_the_latency_is_reached_and_never_passed(separator: Separator, rate: int) -> None:
    stream = separator.stream(rate)
    held, given_back = [], 0
    for i in range(3 * stream.latency):
        given_back += len(stream.push(np.zeros((1, 2), np.float32))["vocals"])
        held.append(i + 1 - given_back)

    assert max(held) <= stream.latency
    if rate == separator.sample_rate:
        assert max(held) == stream.latency == separator.right_context + STEP - 1
    else:  # soxr does not say when it gives its next block
        assert max(held) > 0.5 * stream.latency


def test_an_impulse_is_heard_as_early_as_the_context_allows(separator: Separator) -> None:
    place = 1_000
    for impulse in (0.0, 0.9):
        mixture = 0.01 * random_audio(3_000)
        mixture[place] += impulse
        stream = separator.stream(44_100)
        out: list[Audio] = []
        pushed_when_given: list[int] = []
        for i in range(len(mixture)):
            vocals = stream.push(mixture[i : i + 1])["vocals"]
            out.extend(vocals)
            pushed_when_given += [i + 1] * len(vocals)
        if impulse == 0:
            without = np.array(out)
    moved = np.flatnonzero((np.array(out) != without).any(axis=1))

    # the first frame that sees the impulse lies a right context before the impulse's own
    assert moved[0] // 4 == (place - separator.right_context) // 4
    # and it is there when at most `latency` samples have come after it
    assert pushed_when_given[moved[0]] - (moved[0] + 1) <= stream.latency
    assert pushed_when_given[place] - (place + 1) <= stream.latency
    assert stream.latency - separator.right_context < STEP  # what the steps add to what must be


def test_streams_know_nothing_of_each_other(separator: Separator) -> None:
    mixtures = [random_audio(4_000, seed=seed) for seed in range(3)]
    streams = [separator.stream(44_100) for _ in mixtures]
    parts: list[list[Audio]] = [[] for _ in mixtures]

    for start in range(0, 4_000, 500):
        for stream, mixture, part in zip(streams, mixtures, parts, strict=True):
            part.append(stream.push(mixture[start : start + 500])["vocals"])
        separator.separate(mixtures[0], 44_100)

    for stream, mixture, part in zip(streams, mixtures, parts, strict=True):
        vocals = np.concatenate([*part, stream.flush()["vocals"]])
        np.testing.assert_array_equal(vocals, separator.separate(mixture, 44_100)["vocals"])


def test_streams_run_in_threads(separator: Separator) -> None:
    mixture = random_audio(8_000)
    whole = separator.separate(mixture, 44_100)["vocals"]
    results: list[Audio] = []

    def work() -> None:
        results.append(run_stream(separator.stream(44_100), in_blocks(mixture, [441]))["vocals"])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(results) == 4
    for result in results:
        np.testing.assert_array_equal(result, whole)


def test_a_block_may_be_used_again(separator: Separator) -> None:
    mixture = random_audio(3_000)
    block = np.empty((300, 2))  # float64, too
    stream = separator.stream(44_100)
    parts = []
    for start in range(0, 3_000, 300):
        block[:] = mixture[start : start + 300]
        before = block.copy()
        parts.append(stream.push(block))
        np.testing.assert_array_equal(block, before)
        block[:] = np.nan
    parts.append(stream.flush())

    whole = separator.separate(mixture, 44_100)
    for source, stem in whole.items():
        np.testing.assert_array_equal(np.concatenate([part[source] for part in parts]), stem)


def test_a_stream_goes_on_without_a_block_that_is_refused(separator: Separator) -> None:
    mixture = random_audio(2_000)
    bad = mixture[:100].copy()
    bad[7, 1] = np.inf
    stream = separator.stream(44_100)

    parts = [stream.push(mixture[:700])["vocals"]]
    with pytest.raises(NonFiniteAudioError, match="sample 707 of channel 1 is inf"):
        stream.push(bad)
    for wrong in (
        np.zeros((10, 1), np.float32), np.zeros(10, np.float32), np.zeros((10, 2), np.int16), [0.0],
    ):  # fmt: skip
        with pytest.raises(OptionError, match=r"a block must be a float array \(samples, 2\)"):
            stream.push(wrong)
    parts += [stream.push(mixture[700:])["vocals"], stream.flush()["vocals"]]

    np.testing.assert_array_equal(
        np.concatenate(parts), separator.separate(mixture, 44_100)["vocals"]
    )


def test_a_stream_ends_once(separator: Separator) -> None:
    stream = separator.stream(48_000, channels=1)

    assert stream.flush()["vocals"].shape == (0, 1)

    for call in (stream.flush, lambda: stream.push(np.zeros((1, 1)))):
        with pytest.raises(OptionError, match="was flushed"):
            call()


@pytest.mark.parametrize(
    ("rate", "channels", "message"),
    [(0, 2, "sample_rate must"), (44_100, 0, "channels must be"), (44_100, 65, "not 65")],
)
def test_streams_that_cannot_be(
    separator: Separator, rate: int, channels: int, message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        separator.stream(rate, channels)
