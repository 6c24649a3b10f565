"""The Separator, on a small network with random weights: what holds for every song."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from wavesep import Separator, load_model
from wavesep.audio import Audio
from wavesep.errors import (
    EmptyAudioError,
    NonFiniteAudioError,
    OptionError,
)
from wavesep.models.files import ModelFile, read_model_file
from wavesep.systems.plan import chunk_plan
from wavesep.systems.tree import leaves

RATES = [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 88_200, 96_000, 192_000]


def random_audio(samples: int, channels: int = 2, seed: int = 0) -> Audio:
    rng = np.random.default_rng(seed)
    return rng.uniform(-0.5, 0.5, (samples, channels)).astype(np.float32)


@pytest.fixture(scope="module")
def network(tiny_file: Path) -> keras.Model:
    """The network of the separator, as Keras runs it."""
    network = load_model(tiny_file)
    # what a compiled function per odd shape would cost here is spared by running it plainly
    network.run_eagerly = True
    return network


@settings(max_examples=10)
@given(
    engine=st.sampled_from(["openvino", "keras"]),
    samples=st.integers(1, 3_000),
    chunk_frames=st.integers(1, 400),
    batch_size=st.integers(1, 4),
    seed=st.integers(0, 1_000),
)
def test_chunked_equals_whole(
    tiny_file: Path,
    network: keras.Model,
    engine: str,
    samples: int,
    chunk_frames: int,
    batch_size: int,
    seed: int,
) -> None:
    mixture = random_audio(samples, seed=seed)
    separator = cached_separator(tiny_file, engine)
    (ready,) = leaves(separator._systems)
    plan = chunk_plan(ready.system, 4 * chunk_frames / 44_100)
    separator._systems = replace(ready, plan=plan)
    ready.engine.batch_size = batch_size
    if engine == "keras":
        ready.engine._network.run_eagerly = True  # type: ignore[attr-defined]

    stems = separator.separate(mixture, 44_100)

    spare = np.zeros((-samples % 4, 2), np.float32)
    whole = np.asarray(network(np.concatenate([mixture, spare])[np.newaxis]))[0, :samples]
    np.testing.assert_allclose(stems["vocals"], whole, atol=1e-5)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("samples", [1, 2, 5, 1_001])
@pytest.mark.parametrize("channels", [1, 2, 3, 6])
def test_stems_have_the_form_of_the_mixture_and_add_up(
    separator: Separator, rate: int, samples: int, channels: int
) -> None:
    mixture = random_audio(samples, channels)

    stems = separator.separate(mixture, rate)

    assert list(stems) == ["vocals", "accompaniment"]
    for stem in stems.values():
        assert stem.shape == mixture.shape
        assert stem.dtype == np.float32
        assert np.isfinite(stem).all()
    np.testing.assert_allclose(stems["vocals"] + stems["accompaniment"], mixture, atol=1e-6)


@given(rate=st.sampled_from(RATES), samples=st.integers(1, 5_000))
def test_any_length_at_any_rate(tiny_file: Path, rate: int, samples: int) -> None:
    separator = cached_separator(tiny_file)
    assert separator.separate(random_audio(samples), rate)["vocals"].shape == (samples, 2)


@cache
def cached_separator(path: Path, engine: str = "openvino") -> Separator:
    """One separator for all of hypothesis' examples, which cannot take a narrower fixture."""
    return Separator(path, engine=engine, precision="float32", chunk_seconds=0.05)


def test_mono_in_mono_out(separator: Separator) -> None:
    mono = random_audio(3_000, 1)

    flat = separator.separate(mono[:, 0], 44_100)["vocals"]
    column = separator.separate(mono, 44_100)["vocals"]
    stereo = separator.separate(np.repeat(mono, 2, axis=1), 44_100)["vocals"]

    assert flat.shape == (3_000,)
    np.testing.assert_array_equal(flat, column[:, 0])
    np.testing.assert_allclose(column[:, 0], stereo.mean(axis=1), atol=1e-6)


def test_more_channels_are_separated_in_pairs(separator: Separator) -> None:
    mixture = random_audio(3_000, 5)

    vocals = separator.separate(mixture, 44_100)["vocals"]

    for channels in ([0, 1], [2, 3], [4]):
        alone = separator.separate(mixture[:, channels], 44_100)["vocals"]
        np.testing.assert_allclose(vocals[:, channels], alone, atol=1e-6)


@pytest.mark.parametrize("rate", [22_050, 44_100, 96_000])
def test_stems_stay_where_they_were(tiny_file: Path, tmp_path: Path, rate: int) -> None:
    # a network that hands its input on: one tap of one, in the middle of everything
    file = read_model_file(tiny_file)
    for array in file.arrays.values():
        array[...] = 0
    for i in range(4):
        file.arrays["encoder/kernel"][0, 2 * i, i] = 1
        file.arrays["layer0_tanh/kernel"][1, i, i] = 1e-3  # tanh is linear for so little
        file.arrays["layer0_skip/kernel"][0, i, i] = 1
        file.arrays["decoder/kernel"][0, i, 2 * i] = 2e3  # a sigmoid of zero is a half
    path = tmp_path / "through.safetensors"
    linear: Any = replace(file.architecture, activation="linear")  # type: ignore[call-arg]
    replace(file, architecture=linear).save(path)
    time = np.arange(rate) / rate
    tone = (0.5 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
    mixture = np.stack([tone, 0 * tone], axis=1)

    separator = Separator(path, precision="float32", chunk_seconds=0.3)
    vocals = separator.separate(mixture, rate)["vocals"]

    inner = slice(rate // 10, -rate // 10)
    np.testing.assert_allclose(vocals[inner], mixture[inner], atol=1e-3)


def test_the_mixture_is_left_alone(separator: Separator) -> None:
    mixture = random_audio(1_000)
    before = mixture.copy()
    mixture.flags.writeable = False

    separator.separate(mixture, 48_000)

    np.testing.assert_array_equal(mixture, before)


def test_the_same_call_gives_the_same_bits(separator: Separator) -> None:
    mixture = random_audio(9_000)

    once, again = (separator.separate(mixture, 48_000)["vocals"] for _ in range(2))

    np.testing.assert_array_equal(once, again)


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_silence_in_silence_out(separator: Separator, rate: int) -> None:
    stems = separator.separate(np.zeros((20_000, 2), np.float32), rate)

    assert not any(stem.any() for stem in stems.values())


def test_silence_between_sounds_is_silent(separator: Separator) -> None:
    mixture = random_audio(20_000)
    mixture[5_000:12_000] = 0

    vocals = separator.separate(mixture, 44_100)["vocals"]

    context = separator.left_context + separator.right_context + 4
    assert not vocals[5_000 + context : 12_000 - context].any()
    assert vocals[:5_000].any()
    assert vocals[12_000:].any()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_sample_that_is_not_finite_is_named(separator: Separator, value: float) -> None:
    mixture = random_audio(100_000)
    mixture[70_003, 1] = value

    with pytest.raises(NonFiniteAudioError, match=f"sample 70003 of channel 1 is {value}"):
        separator.separate(mixture, 48_000)


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (np.zeros((10, 2), np.int16), "floats in .* not int16: divide"),
        ([0, 1], "not int64: divide"),
        (np.zeros((2, 3, 4)), r"must be .* not \(2, 3, 4\)"),
        (np.zeros((2, 44_100)), "transpose it"),
    ],
)
def test_what_is_no_mixture_is_refused(separator: Separator, audio: object, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        separator.separate(audio, 44_100)  # type: ignore[arg-type]


def test_no_samples_are_refused(separator: Separator) -> None:
    with pytest.raises(EmptyAudioError):
        separator.separate(np.zeros((0, 2), np.float32), 44_100)


@pytest.mark.parametrize("rate", [0, -1, 10, 10**7])
def test_impossible_rates_are_refused(separator: Separator, rate: int) -> None:
    with pytest.raises(OptionError, match=f"not {rate}"):
        separator.separate(random_audio(100), rate)


def test_progress_goes_to_the_end(separator: Separator) -> None:
    seen: list[tuple[int, int]] = []

    separator.separate(random_audio(500_000), 48_000, progress=lambda *now: seen.append(now))

    assert len(seen) > 3
    assert seen == sorted(seen)
    assert seen[-1] == (500_000, 500_000)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "magic"}, "no engine 'magic': choose one of auto, openvino, keras"),
        ({"precision": "int8"}, "no precision 'int8'"),
        ({"device": "gpu:7"}, "has no device 'gpu:7' here"),
        ({"device": "toaster"}, "has no device 'toaster' here"),
        ({"device": "gpu", "engine": "openvino"}, "runs on the CPU, not on 'gpu': use \"keras\""),
        ({"chunk_seconds": 0.0}, "chunk_seconds must be more than 0"),
    ],
)
def test_options_that_are_not_there_are_refused(
    tiny_file: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        Separator(tiny_file, **options)  # type: ignore[arg-type]


def test_several_targets(tmp_path: Path) -> None:
    from wavesep import WaveNet

    network = WaveNet(filters=3, skip_filters=3, stacks=1, layers_per_stack=2, targets=3)
    rng = np.random.default_rng(0)
    for variable in network.weights:
        variable.assign(rng.uniform(-0.5, 0.5, variable.shape))
    sources = ("drums", "bass", "vocals", "other")
    path = tmp_path / "four.safetensors"
    ModelFile.from_network(network, sample_rate=44_100, sources=sources).save(path)
    mixture = random_audio(500)
    soundfile.write(tmp_path / "song.wav", mixture, 44_100, subtype="FLOAT")

    separator = Separator(path, precision="float32")
    stems = separator.separate(mixture, 44_100)
    two = separator.separate_to_file(tmp_path / "song.wav", tmp_path, two_stems="bass")

    assert tuple(stems) == sources
    whole = np.asarray(network(mixture[np.newaxis]))[0]
    for i, source in enumerate(sources[:3]):
        np.testing.assert_allclose(stems[source], whole[:, 2 * i : 2 * i + 2], atol=1e-5)
    np.testing.assert_allclose(sum(stems.values()), mixture, atol=1e-5)
    assert list(two) == ["bass", "no_bass"]
    rest, _ = soundfile.read(two["no_bass"], dtype="float32")
    np.testing.assert_allclose(rest, mixture - stems["bass"], atol=1e-5)
