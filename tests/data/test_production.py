"""Voices out of a studio: as often, as loud and as random as they should be."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from wavesep.data.production import Production, Studio

RATE = 16_000
EFFECTS = ("formants", "vibrato", "harmonies", "doubles", "chorus", "stutter", "compress",
           "saturate", "bands", "echo", "reverb")  # fmt: skip
NOTHING: dict[str, Any] = dict.fromkeys(EFFECTS, 0.0)
ALL = Production(share=1, **(NOTHING | dict.fromkeys(EFFECTS, 1.0)))

Sounds = NDArray[np.float32]


def only(effect: str) -> Production:
    """A production of all voices, by one effect or by all."""
    return ALL if effect == "all" else Production(share=1, **(NOTHING | {effect: 1.0}))


def studio(production: Production, seed: int = 0) -> Studio:
    rng = np.random.default_rng(seed)
    return Studio(production, RATE, rng, lambda shape: rng.standard_normal(shape, dtype=np.float32))


@pytest.fixture
def voices(rng: np.random.Generator) -> Sounds:
    """Four voices in stereo that come and go: pulses of other pitches, alike on both sides."""
    time = np.arange(RATE) / RATE
    pitches = np.array([110, 150, 220, 330])[:, None]
    pulses = np.cos(2 * np.pi * pitches * time) ** 31 * (0.2 + np.sin(9 * time) ** 2)
    pulses += 0.01 * rng.standard_normal(pulses.shape)
    return np.repeat(0.1 * pulses[:, None], 2, axis=1).astype(np.float32)


def power(sounds: Sounds) -> NDArray[np.float64]:
    return np.square(sounds, dtype=np.float64).sum(axis=(1, 2))


@pytest.mark.parametrize("effect", [*EFFECTS, "all"])
def test_an_effect_changes_the_sound_and_keeps_its_power(effect: str, voices: Sounds) -> None:
    production = only(effect)
    before = voices.copy()

    produced = studio(production).produce(voices)

    np.testing.assert_array_equal(voices, before)
    assert produced.dtype == np.float32
    assert (np.abs(produced - voices).max(axis=(1, 2)) > 1e-3).all()
    np.testing.assert_allclose(power(produced), power(voices), rtol=1e-3)
    np.testing.assert_array_equal(produced, studio(production).produce(voices))
    assert (produced != studio(production, seed=1).produce(voices)).any()


@pytest.mark.parametrize("effect", ["doubles", "reverb", "all"])
def test_what_is_wide_differs_from_side_to_side(effect: str, voices: Sounds) -> None:
    production = only(effect)

    left, right = np.moveaxis(studio(production).produce(voices), 1, 0)

    assert (np.abs(left - right).max(axis=1) > 1e-3).all()


def test_so_many_are_produced_as_its_share_says() -> None:
    voices = np.random.default_rng(0).standard_normal((400, 1, 64)).astype(np.float32)
    production = Production(share=0.6, **(NOTHING | {"saturate": 0.5}))

    produced = studio(production).produce(voices)

    changed = (produced != voices).any(axis=(1, 2)).mean()
    assert changed == pytest.approx(0.3, abs=0.07)


def test_silence_stays_silent() -> None:
    silence = np.zeros((3, 1, RATE), np.float32)

    assert not studio(ALL).produce(silence).any()
    assert not studio(replace(ALL, backing_reverb=1.0)).reverberate(silence).any()


def test_accompaniments_get_rooms_alone(voices: Sounds) -> None:
    wet = studio(Production(**NOTHING, backing_reverb=1.0)).reverberate(voices)
    dry = studio(replace(ALL, backing_reverb=0.0)).reverberate(voices)

    np.testing.assert_array_equal(dry, voices)
    assert (np.abs(wet - voices).max(axis=(1, 2)) > 1e-3).all()


def test_the_attributes_that_are_described_are_there() -> None:
    text = str(Production.__doc__)

    assert all(field.name in text for field in fields(Production))
