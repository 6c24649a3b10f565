"""Effects against what somebody else computes, and NumPy's against PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import signal

from wavesep.data import effects

RATE = 16_000
Sounds = NDArray[np.float32]

# two settings for each, one for each example
EFFECTS: dict[str, Callable[[Any, Callable[..., Any]], Any]] = {
    "convolve": lambda x, s: effects.convolve(x, x[..., :500]),
    "room": lambda x, s: effects.room(
        x, RATE, delay=s(0.01, 0.05), decay=s(0.3, 2.0), damping=s(0.6, 1.0), gate=s(9.0, 0.2)
    ),
    "echoes": lambda x, s: effects.echoes(
        x, RATE, delay=s(500, 1_001), feedback=s(0.2, 0.7), cutoff=s(2e3, 1e4), count=3
    ),
    "warp": lambda x, s: effects.warp(x, s(3.25, 100.5)),
    "transpose": lambda x, s: effects.transpose(x, s(0.5, 1.26), 1_000),
    "stutter": lambda x, s: effects.stutter(
        x, start=s(100, 7_000), slice_samples=s(50, 999), repeats=s(3, 4)
    ),
    "compress": lambda x, s: effects.compress(x, RATE, threshold=s(0.01, 0.2), ratio=s(2.0, 8.0)),
    "saturate": lambda x, s: effects.saturate(x, drive=s(0.3, 3.0), bias=s(0.0, 0.4)),
    "equalise": lambda x, s: effects.equalise(
        x, RATE, low=s(30.0, 400.0), high=s(3e4, 3e3), shelf=s(2e3, 4e3), gain=s(3.0, 0.5)
    ),
    "move_formants": lambda x, s: effects.move_formants(x, s(0.85, 1.2)),
}


def settings(*values: float) -> Sounds:
    return np.array(values, np.float32).reshape(-1, 1, 1)


def tone(hz: float, samples: int = 16_000) -> Sounds:
    return np.sin(2 * np.pi * hz / RATE * np.arange(samples)).astype(np.float32)[None, None]


def pitch_of(sound: Sounds) -> float:
    """The frequency with the most power, to a fraction of a hertz."""
    size = 1 << 20
    middle = sound[0, 0, 2_000:-2_000]
    spectrum = np.abs(np.fft.rfft(middle * signal.windows.hann(len(middle)), size))
    return float(spectrum.argmax()) * RATE / size


def rms(sound: Sounds) -> float:
    return float(np.sqrt(np.square(sound, dtype=np.float64).mean()))


@pytest.fixture
def sounds(rng: np.random.Generator) -> Sounds:
    """Two examples of noise in stereo."""
    return (0.2 * rng.standard_normal((2, 2, 12_000))).astype(np.float32)


@pytest.mark.parametrize("name", EFFECTS)
def test_each_example_is_changed_by_its_own_settings(name: str, sounds: Sounds) -> None:
    effect, before = EFFECTS[name], sounds.copy()

    both = effect(sounds, settings)

    np.testing.assert_array_equal(sounds, before)
    assert both.dtype == np.float32
    assert both.shape == sounds.shape
    for i in (0, 1):
        alone = effect(sounds[i : i + 1], lambda *values, i=i: settings(values[i]))
        np.testing.assert_allclose(both[i], alone[0], atol=1e-5)


@pytest.mark.parametrize("name", EFFECTS)
def test_pytorch_computes_the_same(name: str, sounds: Sounds) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    effect = EFFECTS[name]

    there = effect(torch.from_numpy(sounds), lambda *v: torch.from_numpy(settings(*v)))

    assert there.dtype == torch.float32
    np.testing.assert_allclose(there.numpy(), effect(sounds, settings), atol=2e-5)


@given(samples=st.integers(1, 3_000), taps=st.integers(1, 3_000), seed=st.integers(0, 99))
def test_convolve_is_scipys(samples: int, taps: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    audio, response = (rng.standard_normal((2, 1, n)).astype(np.float32) for n in (samples, taps))

    expected = signal.fftconvolve(audio, response, axes=-1)[..., :samples]

    np.testing.assert_allclose(effects.convolve(audio, response), expected, atol=1e-3)


def test_a_room_falls_by_60_db_in_its_decay(rng: np.random.Generator) -> None:
    noise = rng.standard_normal((2, 1, 2 * RATE)).astype(np.float32)
    response = effects.room(
        noise, RATE, delay=settings(0.1, 0.0), decay=settings(0.5, 1.5), damping=1.0, gate=9.0
    )

    assert not response[0, 0, : RATE // 10].any()
    np.testing.assert_allclose(np.square(response).sum(axis=-1), 1, atol=1e-3)
    for row, delay, decay in ((0, 0.1, 0.5), (1, 0.0, 1.5)):
        # Schroeder's integral, 5 to 25 dB below its beginning
        left = np.cumsum(np.square(response[row, 0, ::-1], dtype=np.float64))[::-1]
        db = 10 * np.log10(left[round(delay * RATE) :] + 1e-30)
        first, last = (int(np.argmax(db < -level)) for level in (5, 25))
        assert 3 * (last - first) / RATE == pytest.approx(decay, rel=0.08)


def test_high_frequencies_fall_sooner_in_a_damped_room(rng: np.random.Generator) -> None:
    noise = rng.standard_normal((1, 1, RATE)).astype(np.float32)
    response = effects.room(noise, RATE, delay=0.0, decay=1.0, damping=0.5, gate=9.0)[0, 0]

    late = np.abs(np.fft.rfft(response[RATE // 3 :])) ** 2
    hz = np.fft.rfftfreq(len(response) - RATE // 3, 1 / RATE)

    assert late[hz < 400].mean() > 1e3 * late[hz > 1_600].mean()


def test_a_gate_cuts_a_room_off(rng: np.random.Generator) -> None:
    noise = rng.standard_normal((1, 1, RATE)).astype(np.float32)
    response = effects.room(noise, RATE, delay=0.1, decay=3.0, damping=1.0, gate=0.2)[0, 0]

    heard = np.flatnonzero(response)
    assert heard[0] == pytest.approx(0.1 * RATE, abs=2)
    assert heard[-1] == pytest.approx(0.3 * RATE, abs=2)


@given(delay=st.integers(1, 3_000), count=st.integers(1, 5), seed=st.integers(0, 99))
def test_echoes_are_copies_that_come_later_and_quieter(delay: int, count: int, seed: int) -> None:
    audio = np.random.default_rng(seed).standard_normal((1, 2, 2_000)).astype(np.float32)
    expected = np.zeros_like(audio)
    for k in range(1, count + 1):
        if k * delay < 2_000:
            expected[..., k * delay :] += 0.6 ** (k - 1) * audio[..., : 2_000 - k * delay]

    given_settings: dict[str, Any] = {
        "delay": settings(delay),
        "feedback": 0.6,
        "cutoff": 1e9,
        "count": count,
    }
    wet = effects.echoes(audio, RATE, **given_settings)
    sides = effects.echoes(audio, RATE, **given_settings, ping_pong=True)

    np.testing.assert_allclose(wet, expected, atol=1e-4)
    np.testing.assert_allclose(sides.sum(axis=1), in_turns(audio, delay, count), atol=1e-4)


def in_turns(audio: Sounds, delay: int, count: int) -> Sounds:
    """Echoes of two channels, even ones of the left and odd ones of the right, added up."""
    total = np.zeros_like(audio[:, 0])
    for k in range(1, count + 1):
        if k * delay < audio.shape[-1]:
            total[:, k * delay :] += 0.6 ** (k - 1) * audio[:, k % 2, : audio.shape[-1] - k * delay]
    return total


@given(delay=st.integers(-500, 500))
def test_a_whole_delay_moves_a_sound(delay: int) -> None:
    audio = np.random.default_rng(0).standard_normal((1, 2, 2_000)).astype(np.float32)
    moved = np.zeros_like(audio)
    moved[..., max(delay, 0) : 2_000 + min(delay, 0)] = audio[
        ..., max(-delay, 0) : 2_000 - max(delay, 0)
    ]

    np.testing.assert_allclose(effects.warp(audio, settings(delay)), moved, atol=1e-5)


@given(delay=st.floats(0, 50), hz=st.floats(50, 3_000))
def test_a_fractional_delay_moves_a_tone(delay: float, hz: float) -> None:
    time = np.arange(4_000)
    later = np.sin(2 * np.pi * hz / RATE * (time - np.float32(delay)))

    warped = effects.warp(tone(hz, 4_000), settings(delay))[0, 0]

    np.testing.assert_allclose(warped[100:-100], later[100:-100], atol=0.02)


def test_a_swing_is_a_vibrato_of_so_many_cents() -> None:
    rate, cents = 5.0, 40.0
    depth = (2 ** (cents / 1200) - 1) / (np.pi * rate)
    delay = effects.wobble(tone(440), RATE, rate=rate, depth=depth, phase=0.3)

    speed = 1 - np.diff(delay[0, 0])

    assert 1200 * np.log2(speed.max()) == pytest.approx(cents, abs=1)
    assert delay.min() >= 0
    assert delay.max() <= depth * RATE * 1.001


@pytest.mark.parametrize("ratio", [0.5, 0.84, 1.26, 1.5, 2.0])
def test_transpose_moves_a_tone(ratio: float) -> None:
    # half of a grain is 13 periods, so that the two heads agree
    high = effects.transpose(tone(400), settings(ratio), 1_040)

    assert pitch_of(high) == pytest.approx(400 * ratio, rel=2e-3)


def test_a_stutter_repeats_a_slice(sounds: Sounds) -> None:
    out = effects.stutter(sounds, start=settings(100, 50), slice_samples=settings(40, 30),
                          repeats=settings(3, 2))  # fmt: skip

    expected = sounds.copy()
    expected[0, :, 100:220] = np.tile(sounds[0, :, 100:140], 3)
    expected[1, :, 50:110] = np.tile(sounds[1, :, 50:80], 2)
    np.testing.assert_array_equal(out, expected)


@given(level_db=st.floats(-40, 0), ratio=st.floats(1, 10))
def test_a_compressor_lets_levels_rise_by_a_fraction(level_db: float, ratio: float) -> None:
    loud = np.sqrt(2) * tone(1_000) * np.float32(10 ** (level_db / 20))

    out = effects.compress(loud, RATE, threshold=0.1, ratio=ratio)[..., 1_000:-1_000]

    expected = level_db if level_db < -20 else -20 + (level_db + 20) / ratio
    assert 20 * np.log10(rms(out)) == pytest.approx(expected, abs=0.1)


def test_a_moving_mean_is_that_of_a_box(rng: np.random.Generator) -> None:
    power = rng.uniform(0, 1, (1, 1, 999)).astype(np.float32)

    mean = effects.moving_mean(power, 41)[0, 0]

    np.testing.assert_allclose(mean, np.convolve(power[0, 0], np.ones(41) / 41, "same"), atol=1e-4)


def test_saturation_adds_odd_harmonics_and_no_offset() -> None:
    bent = effects.saturate(tone(500), drive=settings(3.0), bias=settings(0.0))

    spectrum = np.abs(np.fft.rfft(bent[0, 0]))
    second, third = spectrum[1_000], spectrum[1_500]  # one bin a hertz
    assert third > 50 * second
    assert abs(bent.mean()) < 1e-6
    assert np.abs(bent).max() <= 1.01


@pytest.mark.parametrize("hz", [100, 800, 3_000, 6_000])
def test_an_equaliser_weighs_a_tone_as_it_says(hz: int) -> None:
    out = effects.equalise(tone(hz), RATE, low=200.0, high=4e3, shelf=2e3, gain=2.0)

    response = 1 / (1 + (200 / hz) ** 2) / (1 + (hz / 4e3) ** 2)
    response *= 1 + 1 / (1 + (2e3 / hz) ** 2)
    middle = out[..., 2_000:-2_000]
    assert rms(middle) == pytest.approx(response * np.sqrt(0.5), rel=0.01)


def test_formants_that_stay_change_nothing(sounds: Sounds) -> None:
    np.testing.assert_allclose(effects.move_formants(sounds, settings(1, 1)), sounds, atol=1e-4)


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_formants_move_and_the_pitch_stays(factor: float) -> None:
    # pulses at 100 Hz through one resonance at 2 kHz
    pulses = np.zeros(RATE, np.float32)
    pulses[::160] = 1
    voice = signal.lfilter(*signal.iirpeak(2_000, 8, fs=RATE), pulses).astype(np.float32)

    moved = effects.move_formants(voice[None, None], settings(factor))[0, 0]

    power = np.abs(np.fft.rfft(moved)) ** 2
    harmonics = power[100::100][:75]  # one bin a hertz
    assert harmonics.sum() > 0.98 * power.sum()
    assert (1 + harmonics.argmax()) * 100 == pytest.approx(2_000 * factor, abs=200)


@given(samples=st.integers(1, 5_000))
def test_frames_add_up_to_the_sound(samples: int) -> None:
    audio = np.random.default_rng(0).standard_normal((1, 1, samples)).astype(np.float32)
    time = (np.arange(effects.WINDOW) + 0.5) / effects.WINDOW
    weights = np.sin(np.pi * time).astype(np.float32) ** 2

    back = effects.overlapped(effects.framed(audio) * weights, samples)

    np.testing.assert_allclose(back, audio, atol=1e-5)
