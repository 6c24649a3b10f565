"""The production of voices, as in a studio, with random settings.

Recordings of single voices are dry. Voices in published songs have reverberation, are doubled and
wide. So a network for published songs is trained on produced voices. The produced voice is its
target.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from . import effects
from .effects import Setting, Sound

Range = tuple[float, float]
Normal = Callable[[tuple[int, ...]], Any]  # returns white noise of a shape, with a power of one

INTERVALS = (-12, -5, 3, 4, 5, 7, 12)  # semitones from a voice to its harmonies
GRAIN = 0.07  # seconds, length of a harmoniser's jumps
VOICES = 3  # most voices that one effect adds
ECHOES = 8  # most echoes of a voice
REFLECTED = 0.08  # seconds, length of the early reflections
WALLS = 10  # mean number of early reflections of a channel


@dataclass(frozen=True)
class Production:
    """How often and how far voices are produced.

    Attributes
    ----------
    share : float, in [0, 1]
        Share of the voices that are produced. The shares of effects refer to these.
    formants, vibrato, harmonies, doubles, chorus, stutter, compress, saturate, bands, echo, reverb
    : float, in [0, 1]
        Share of the produced voices that get this effect.
    formants_by : tuple of float
        Bounds of the factor for the formants' frequencies; drawn on a log scale.
    vibrato_cents : float
        Largest depth of the vibrato, in cents.
    harmony_db, double_db : tuple of float
        Bounds of the level of harmonies and of doubles relative to the voice, in dB.
    decay : tuple of float
        Bounds of the time in which a room decays by 60 dB, in seconds; drawn on a log scale.
    wet : tuple of float
        Bounds of the reverberation's share of the power.
    echo_seconds : tuple of float
        Bounds of the time from one echo to the next, in seconds.
    others : float, in [0, 1]
        Share of mixtures in which one or two other singers are added to the voice.
    others_db : tuple of float
        Bounds of their gains, in dB.
    backing_reverb : float, in [0, 1]
        Share of accompaniments that get reverberation. Without them, a network learns that
        reverberation marks the vocals.
    """

    share: float = 0.6
    formants: float = 0.25
    vibrato: float = 0.2
    harmonies: float = 0.2
    doubles: float = 0.3
    chorus: float = 0.12
    stutter: float = 0.05
    compress: float = 0.5
    saturate: float = 0.15
    bands: float = 0.5
    echo: float = 0.3
    reverb: float = 0.75
    formants_by: Range = (0.8, 1.25)
    vibrato_cents: float = 50.0
    harmony_db: Range = (-12.0, 0.0)
    double_db: Range = (-9.0, 0.0)
    decay: Range = (0.2, 6.0)
    wet: Range = (0.02, 0.8)
    echo_seconds: Range = (0.06, 0.6)
    others: float = 0.2
    others_db: Range = (-15.0, -2.0)
    backing_reverb: float = 0.2


class Studio:
    """Produces the voices of a batch, with other settings for each example.

    Parameters
    ----------
    production : Production
    sample_rate : int
    rng : numpy.random.Generator
        All settings are drawn from it.
    normal : callable
        Given a shape, it returns white noise: an array or tensor, of the same kind as the sounds.
    """

    def __init__(
        self, production: Production, sample_rate: int, rng: np.random.Generator, normal: Normal
    ) -> None:
        self.production = production
        self.sample_rate = sample_rate
        self.rng = rng
        self.normal = normal

    def produce(self, voices: Sound) -> Sound:
        """Return voices, ``(examples, channels, samples)``; some of them are produced."""
        p = self.production
        produced = self.rng.random(voices.shape[0]) < p.share
        chain = (
            (p.formants, self._formants),
            (p.vibrato, self._vibrato),
            (p.stutter, self._stutter),
            (p.harmonies, self._harmonies),
            (p.doubles, self._doubles),
            (p.compress, self._compress),
            (p.saturate, self._saturate),
            (p.bands, self._bands),
            (p.chorus, self._chorus),
            (p.echo, self._echo),
            (p.reverb, self._reverb),
        )
        for share, effect in chain:
            voices = self._some(voices, produced & (self.rng.random(len(produced)) < share), effect)
        return voices

    def reverberate(self, backings: Sound) -> Sound:
        """Return accompaniments, ``(examples, channels, samples)``; some get reverberation."""
        chosen = self.rng.random(backings.shape[0]) < self.production.backing_reverb
        return self._some(backings, chosen, self._reverb)

    def _some(self, sounds: Sound, chosen: Any, effect: Callable[[Sound], Sound]) -> Sound:
        """Apply an effect to the chosen examples, which keep their power."""
        if not chosen.any():
            return sounds
        xp = array_namespace(sounds)
        rows = xp.asarray(np.flatnonzero(chosen), device=device(sounds))
        before = xp.take(sounds, rows, axis=0)
        changed = xp.asarray(sounds, copy=True)
        changed[rows] = effects.with_power_of(effect(before), before)
        return changed

    def _setting(self, like: Sound, values: Any) -> Setting:
        """Return one number for each example, as a setting on the device of the sounds."""
        xp = array_namespace(like)
        column = np.asarray(values, np.float32)[:, None, None]
        return xp.asarray(column, device=device(like))

    def _uniform(self, like: Sound, low: float, high: float) -> Setting:
        return self._setting(like, self.rng.uniform(low, high, like.shape[0]))

    def _log_uniform(self, like: Sound, low: float, high: float) -> Setting:
        numbers = self.rng.uniform(math.log(low), math.log(high), like.shape[0])
        return self._setting(like, np.exp(numbers))

    def _gain(self, like: Sound, low_db: float, high_db: float) -> Setting:
        return self._setting(like, 10 ** (self.rng.uniform(low_db, high_db, like.shape[0]) / 20))

    def _formants(self, voices: Sound) -> Sound:
        factor = self._log_uniform(voices, *self.production.formants_by)
        return effects.move_formants(voices, factor)

    def _vibrato(self, voices: Sound) -> Sound:
        cents = self._uniform(voices, 5, self.production.vibrato_cents)
        rate = self._uniform(voices, 4, 7)
        # the largest slope of a delay that swings by a depth is pi * depth * rate
        depth = (2 ** (cents / 1200) - 1) / (math.pi * rate)
        return effects.warp(voices, self._swing(voices, rate, depth))

    def _swing(self, voices: Sound, rate: Setting, depth: Setting) -> Setting:
        phase = self._uniform(voices, 0, 2 * math.pi)
        return effects.wobble(voices, self.sample_rate, rate=rate, depth=depth, phase=phase)

    def _stutter(self, voices: Sound) -> Sound:
        samples, count = voices.shape[-1], voices.shape[0]
        part = np.rint(self.rng.uniform(0.06, 0.25, count) * self.sample_rate)
        repeats = self.rng.integers(2, 9, count)
        start = np.rint(self.rng.uniform(0, 1, count) * np.maximum(samples - part * repeats, 0))
        settings = (self._setting(voices, values) for values in (start, part, repeats))
        names = ("start", "slice_samples", "repeats")
        return effects.stutter(voices, **dict(zip(names, settings, strict=True)))

    def _harmonies(self, voices: Sound) -> Sound:
        total = voices
        for _ in range(self.rng.integers(1, VOICES + 1)):
            interval = self.rng.choice(INTERVALS, voices.shape[0])
            ratio = self._setting(voices, 2 ** (interval / 12))
            part = effects.transpose(voices, ratio, round(GRAIN * self.sample_rate))
            total = total + part * self._gain(voices, *self.production.harmony_db)
        return total

    def _doubles(self, voices: Sound) -> Sound:
        """Add takes that are slightly late and out of tune, with other takes on each channel."""
        xp = array_namespace(voices)
        total = voices
        for _ in range(self.rng.integers(1, VOICES + 1)):
            sides = [self._take(voices[:, i : i + 1]) for i in range(voices.shape[1])]
            total = total + xp.concat(sides, axis=1) * self._gain(
                voices, *self.production.double_db
            )
        return total

    def _take(self, voices: Sound) -> Sound:
        """Return voices as if sung again: up to 40 ms later, out of tune by up to 20 cents."""
        later = self._uniform(voices, 0.005, 0.04) * self.sample_rate
        rate = self._uniform(voices, 0.1, 1.5)
        cents = self._uniform(voices, 2, 20)
        depth = (2 ** (cents / 1200) - 1) / (math.pi * rate)
        return effects.warp(voices, later + self._swing(voices, rate, depth))

    def _compress(self, voices: Sound) -> Sound:
        xp = array_namespace(voices)
        power = xp.mean(voices * voices, axis=(1, 2), keepdims=True)
        threshold = power**0.5 * self._gain(voices, -18, 0) + 1e-9
        ratio = self._log_uniform(voices, 1.5, 10)
        return effects.compress(voices, self.sample_rate, threshold=threshold, ratio=ratio)

    def _saturate(self, voices: Sound) -> Sound:
        drive, bias = self._log_uniform(voices, 0.2, 4), self._uniform(voices, 0, 0.4)
        return effects.saturate(voices, drive=drive, bias=bias)

    def _bands(self, voices: Sound) -> Sound:
        """Equalise; one of five voices gets the bandwidth of a telephone."""
        count = voices.shape[0]
        narrow = self.rng.random(count) < 0.2
        low = np.where(narrow, self.rng.uniform(200, 500, count), self.rng.uniform(20, 150, count))
        high = np.where(narrow, self.rng.uniform(2_000, 4_500, count), 30_000)
        return effects.equalise(
            voices, self.sample_rate,
            low=self._setting(voices, low), high=self._setting(voices, high),
            shelf=self._log_uniform(voices, 1_500, 9_000), gain=self._gain(voices, -8, 14),
        )  # fmt: skip

    def _chorus(self, voices: Sound) -> Sound:
        total = voices
        for _ in range(self.rng.integers(1, VOICES + 1)):
            rate, depth = self._log_uniform(voices, 0.1, 3), self._uniform(voices, 5e-4, 6e-3)
            swing = self._swing(voices, rate, depth)
            later = self._uniform(voices, 0.002, 0.025) * self.sample_rate
            total = total + effects.warp(voices, later + swing) * self._gain(voices, -9, 0)
        return total

    def _echo(self, voices: Sound) -> Sound:
        seconds = self.rng.uniform(*self.production.echo_seconds, voices.shape[0])
        wet = effects.echoes(
            voices, self.sample_rate,
            delay=self._setting(voices, np.rint(seconds * self.sample_rate)),
            feedback=self._uniform(voices, 0, 0.75), cutoff=self._log_uniform(voices, 1_500, 2e4),
            count=ECHOES, ping_pong=voices.shape[1] == 2 and self.rng.random() < 0.5,
        )  # fmt: skip
        return voices + wet * self._gain(voices, -20, -2)

    def _reverb(self, sounds: Sound) -> Sound:
        """Add reverberation, from a booth to a cathedral; one of eight rooms is gated."""
        p, count = self.production, sounds.shape[0]
        decay = self._log_uniform(sounds, *p.decay)
        seconds = min(p.decay[1], sounds.shape[-1] / self.sample_rate)
        noise = self.normal((count, sounds.shape[1], round(seconds * self.sample_rate)))
        gated = self.rng.random(count) < 0.125
        gate = np.where(gated, self.rng.uniform(0.08, 0.4, count), p.decay[1])
        response = effects.room(
            noise, self.sample_rate, decay=decay, gate=self._setting(sounds, gate),
            delay=self._uniform(sounds, 0, 0.12), damping=self._uniform(sounds, 0.5, 1.0),
        )  # fmt: skip
        wet = effects.convolve(sounds, response + self._reflections(noise))
        wet = effects.with_power_of(wet, sounds)
        return effects.mix(sounds, wet, self._uniform(sounds, *p.wet))

    def _reflections(self, noise: Any) -> Any:
        """Return early reflections: single echoes within 80 ms, other ones on each channel."""
        xp = array_namespace(noise)
        early = min(round(REFLECTED * self.sample_rate), noise.shape[-1])
        shape = (*noise.shape[:2], early)
        heard = self.rng.random(shape) < WALLS / early
        gains = heard * self.rng.choice([-1, 1], shape) * np.linspace(1, 0.2, early)
        gains *= self.rng.uniform(0, 0.5, (noise.shape[0], 1, 1))
        later = effects.silence_of(noise, noise.shape[-1] - early)
        first = xp.asarray(gains.astype(np.float32), device=device(noise))
        return xp.concat([first, later], axis=-1)
