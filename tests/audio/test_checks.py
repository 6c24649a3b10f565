"""What callers give: everything that plainly is a sound is taken, all else is one short error."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import soundfile

from wavesep import Separator, vocal_activity
from wavesep.audio import Audio
from wavesep.audio.checks import check_array, check_channels, check_rate, check_sound
from wavesep.data import Clips
from wavesep.errors import (
    AudioError,
    EmptyAudioError,
    NonFiniteAudioError,
    OptionError,
    WavesepError,
)
from wavesep.models.files import read_model_file

RATE = 44_100
NO_NUMBERS = [math.nan, math.inf, -math.inf, "1", b"1", None, True, [1.0], np.ones(1), 1j]


@pytest.mark.parametrize(
    "rate", [RATE, float(RATE), np.uint16(RATE), np.float32(RATE), np.array(RATE), Fraction(RATE)]
)
def test_a_rate_of_any_type_is_the_number_that_it_is(rate: Any) -> None:
    assert (check_rate(rate), type(check_rate(rate))) == (RATE, int)


@pytest.mark.parametrize("rate", [*NO_NUMBERS, 44_100.5, 999, 768_001, "44100", 10**400])
def test_what_is_no_rate_is_refused(rate: Any) -> None:
    with pytest.raises(OptionError, match="sample_rate must be from 1000 to 768000 Hz"):
        check_rate(rate)


def test_channels_are_counted() -> None:
    assert type(check_channels(2.0)) is int
    assert check_channels(np.uint8(64)) == 64
    for channels in (*NO_NUMBERS, 0, 65, 1.5):
        with pytest.raises(OptionError, match="channels must be from 1 to 64"):
            check_channels(channels)


def test_lists_and_tensors_are_the_arrays_that_they_hold(noise: Audio) -> None:
    sound = noise[:50]
    for same in (sound.tolist(), keras.ops.convert_to_tensor(sound), tuple(sound), sound[:]):
        np.testing.assert_array_equal(check_array(same), sound)
    assert check_array([0.5, 0.25]).shape == (2,)
    assert check_array(sound) is sound


class OnGpu:
    """A tensor whose library does not hand out its numbers."""

    shape, dtype = (10, 2), "float32"

    def __array__(self, *_: object, **__: object) -> Any:
        raise TypeError("can't convert it to numpy. Use Tensor.cpu() first.\nSee the manual.")


@pytest.mark.parametrize(
    ("audio", "error", "message"),
    [
        ([0, 1, -1], OptionError, "divide 16-bit integers by 32768"),
        ([[0.0], [1.0, 2.0]], OptionError, "cannot be converted to an array"),
        ("song.wav", OptionError, r"audio must be an array of floats in \[-1, 1\], not <U8$"),
        (None, OptionError, "not object"),
        (np.ones((9, 2), complex), OptionError, "not complex128"),
        (np.float32(1), OptionError, r"not \(\)"),
        (OnGpu(), OptionError, r"Use Tensor.cpu\(\) first.$"),
        ([], EmptyAudioError, "no samples"),
        (np.zeros((2, 65)), OptionError, "transpose it"),
    ],
)
def test_what_is_no_sound_is_refused(audio: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        check_array(audio)


def test_the_first_sample_that_is_no_sound_is_named() -> None:
    block = np.zeros((9, 2), np.float32)
    check_sound(block, 0)
    check_sound(block[:0], 0)
    block[7] = np.nan
    block[5, 1] = -1e38
    with pytest.raises(AudioError, match=r"sample 105 of channel 1 is -1e.38, beyond 100"):
        check_sound(block, 100)
    block[3, 0] = -np.inf
    with pytest.raises(NonFiniteAudioError, match="sample 3 of channel 0 is -inf, not a finite"):
        check_sound(block, 0)


@pytest.mark.parametrize("value", [1e38, -1e39, 1e300, 32_767.0])
def test_samples_far_beyond_full_scale_are_refused_everywhere(
    separator: Separator, tmp_path: Path, value: float
) -> None:
    sound = np.zeros((3_000, 2))
    sound[2_000, 1] = value
    soundfile.write(tmp_path / "loud.wav", sound, RATE, subtype="DOUBLE")
    calls = (
        lambda: separator.separate(sound, RATE),
        lambda: separator.separate(sound, 48_000),
        lambda: separator.stream(RATE).push(sound),
        lambda: separator.separate_to_file(tmp_path / "loud.wav", tmp_path / "out"),
        lambda: vocal_activity(sound, RATE),
        lambda: Clips(tmp_path).read(0, 0.0, 3_000, 22_050, 1),
    )
    for call in calls:
        with pytest.raises(AudioError, match=r"sample 2000\b.*(beyond 100|finite)"):
            call()
    assert not (tmp_path / "out").exists()


def test_a_network_that_overflows_is_told(tiny_file: Path, tmp_path: Path, song: Path) -> None:
    model = read_model_file(tiny_file)
    for name, array in model.arrays.items():
        model.arrays[name] = np.full_like(array, 1e30)
    model.save(tmp_path / "huge.safetensors")
    separator = Separator(tmp_path / "huge.safetensors", precision="float32")
    with pytest.raises(NonFiniteAudioError, match="network's output is NaN or infinite"):
        separator.separate_to_file(song, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_separator_takes_rates_channels_and_sounds_of_any_type(
    separator: Separator, noise: Audio
) -> None:
    sound = noise[:3_000]
    right = separator.separate(sound, 48_000)["vocals"]

    twins: list[Any] = [(sound.tolist(), 48_000.0), (keras.ops.array(sound), np.uint16(48_000))]
    for same, rate in twins:
        np.testing.assert_array_equal(separator.separate(same, rate)["vocals"], right)
    stream = separator.stream(48_000.0, channels=2.0)  # type: ignore[arg-type]
    parts = [stream.push(sound[:1_000].tolist()), stream.push(sound[1_000:]), stream.flush()]
    np.testing.assert_array_equal(np.concatenate([part["vocals"] for part in parts]), right)
    flat = separator.separate(sound[:, 0].tolist(), RATE)["vocals"]
    np.testing.assert_array_equal(flat, separator.separate(sound[:, 0], RATE)["vocals"])


@pytest.mark.parametrize("value", [value for value in NO_NUMBERS if value is not None])
def test_times_that_are_no_numbers_are_refused(
    separator: Separator, tiny_file: Path, song: Path, tmp_path: Path, value: Any
) -> None:
    options: tuple[dict[str, Any], ...] = ({"start": value}, {"duration": value})
    for option in options:
        with pytest.raises(OptionError, match="start must be 0 s or more and duration more than"):
            separator.separate_to_file(song, tmp_path / "out", **option)
    with pytest.raises(OptionError, match="chunk_seconds must be more than 0"):
        Separator(tiny_file, chunk_seconds=value)
    with pytest.raises(OptionError, match="threshold must be between 0 and 1"):
        vocal_activity([0.0, 0.1], RATE, threshold=value)
    clips = Clips(song.parent)
    for i, name in enumerate(("start", "samples", "sample_rate", "channels", "speed")):
        arguments: list[Any] = [0.0, 10, RATE, 2, 1.0]
        arguments[i] = value
        with pytest.raises(OptionError, match=name):
            clips.read(0, *arguments)


def test_a_duration_shorter_than_a_sample_gives_one(
    separator: Separator, song: Path, tmp_path: Path
) -> None:
    paths = separator.separate_to_file(song, tmp_path / "out", start=0.5, duration=1e-9)
    assert soundfile.info(paths["vocals"]).frames == 1


def test_a_file_of_more_than_64_channels_is_refused(separator: Separator, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "wide.wav", np.zeros((100, 65)), RATE)
    with pytest.raises(WavesepError, match="channels must be from 1 to 64, not 65"):
        separator.separate_to_file(tmp_path / "wide.wav", tmp_path / "out")
    assert not (tmp_path / "out").exists()
