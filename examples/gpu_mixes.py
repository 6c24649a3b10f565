"""Mixtures for training made on a GPU, as many as it can learn from (PyTorch).

What `wavesep.data.MixGenerator` makes with two cores in a second, a GPU learns from in a thirtieth
of one. So all audio lies in the card's memory, and snippets are played, changed and mixed there.
Channels are averaged to one.
"""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import torch
from numpy.typing import NDArray

from wavesep.audio.read import read_audio
from wavesep.data.clips import QUIET
from wavesep.data.mixes import TRIES

RATE = 44_100
TAPS = 16  # of the filter between samples
TENTH = RATE // 10
SUNG = 0.7  # share of a target in which somebody sings
OCTAVES = 9  # bands of the equaliser
WINDOW, HOP = 2048, 512  # of what moves formants
LIFTER = 80  # samples of the cepstrum that are a spectrum's envelope: 1.8 ms

Draws = NDArray[Any]


@dataclass(frozen=True)
class Changes:
    """How often and how far snippets are changed; see `wavesep.data.mixes.Augmentation`."""

    aligned: float = 0.5
    speed: tuple[float, float] = (0.78, 1.32)
    gain_db: float = 5.0
    apart_db: float = 3.0
    equalise: float = 0.35
    equalise_db: float = 7.0
    low_pass: float = 0.1
    low_pass_hz: tuple[float, float] = (3_000.0, 16_000.0)
    reverb: float = 0.15
    vibrato: float = 0.2
    vibrato_cents: float = 40.0
    formants: float = 0.35
    formants_by: tuple[float, float] = (0.8, 1.25)
    noise: float = 0.3
    noise_db: tuple[float, float] = (-75.0, -45.0)
    mute_vocals: float = 0.12
    mute_accompaniment: float = 0.04


class Bank:
    """The clips of one stem, one after the other in the device's memory.

    Parameters
    ----------
    hours : float
        That there is room for; what comes then is left out.
    device : torch.device
    """

    def __init__(self, hours: float, device: torch.device) -> None:
        self.flat = torch.zeros(round(hours * 3600 * RATE), dtype=torch.int16, device=device)
        self.names: list[str] = []
        self.used = 0
        self._offsets: list[int] = []
        self._lengths: list[int] = []
        self._tenths: list[Draws] = []
        self._tables: tuple[Draws, ...] | None = None

    def add(self, name: str, audio: NDArray[np.int16]) -> None:
        """Add a clip, ``(samples,)``."""
        end = self.used + len(audio)
        if end > len(self.flat):
            return
        self.flat[self.used : end] = torch.from_numpy(audio).to(self.flat.device)
        self.names.append(name)
        self._offsets.append(self.used)
        self._lengths.append(len(audio))
        whole = audio[: len(audio) // TENTH * TENTH].reshape(-1, TENTH) / np.float32(32768)
        loud = np.sqrt(np.square(whole).mean(axis=1)) > QUIET
        self._tenths.append(np.concatenate([[0], np.cumsum(loud)]))
        self.used, self._tables = end, None

    def tables(self) -> tuple[Draws, ...]:
        """Return of all clips offsets, lengths, and where in the last array they begin.

        That one holds, of every tenth of a second, how many before it sound.
        """
        if self._tables is None:
            offsets, lengths = np.array(self._offsets), np.array(self._lengths)
            begins = np.cumsum([0, *(len(tenths) for tenths in self._tenths)])[:-1]
            self._tables = offsets, lengths, begins, np.concatenate(self._tenths)
        return self._tables

    def sounding(self, clips: Draws, begin: Draws, end: Draws) -> Draws:
        """Return how many tenths of a second sound between places, in samples."""
        _, lengths, begins, before = self.tables()
        first, last = (
            np.clip(place // TENTH, 0, lengths[clips] // TENTH).astype(np.int64)
            for place in (begin, end)
        )
        return np.asarray(before[begins[clips] + last] - before[begins[clips] + first])

    def read(self, files: dict[str, Path]) -> None:
        """Add audio files by their names, with all cores."""
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            decoded = threads.map(lambda path: to_pcm(*read_audio(path)), files.values())
            for name, audio in zip(files, decoded, strict=True):
                self.add(name, audio)


class Voices:
    """Takes in what data_prep/change_voices.py writes, while it does.

    Parameters
    ----------
    folder : path, optional
        Above the folders that are written to.
    vocals : Bank
    """

    def __init__(self, folder: Path | None, vocals: Bank) -> None:
        self.folder = folder
        self.vocals = vocals
        self.known: set[Path] = set()

    def read(self) -> None:
        """Take in what is new and whole: what still grows is no FLAC file, and will be gone."""
        for made in self.folder.glob("*/train/vocals") if self.folder else ():
            new = {
                path.relative_to(made).with_suffix("").as_posix(): path
                for path in made.rglob("*.flac")
                if path not in self.known
            }
            self.known.update(new.values())
            self.vocals.read(new)


class Mixer:
    """Makes batches of mixtures and of the vocals in their middle.

    Parameters
    ----------
    vocals, accompaniment : Bank
        Clips of the same name are stems of one song.
    samples, left_context, right_context : int
    batch_size : int
    changes : Changes

    Attributes
    ----------
    rng : numpy.random.Generator
        That all is drawn from but noise.
    """

    def __init__(
        self, vocals: Bank, accompaniment: Bank, *, samples: int, left_context: int,
        right_context: int, batch_size: int, changes: Changes = Changes(),
    ) -> None:  # fmt: skip
        self.vocals = vocals
        self.accompaniment = accompaniment
        self.samples = samples
        self.left_context = left_context
        self.length = left_context + samples + right_context
        self.batch_size = batch_size
        self.changes = changes
        self.device = vocals.flat.device
        self.rng = np.random.default_rng(0)
        self._partners: Draws = np.zeros(0, np.int64)
        self._places = {name: i for i, name in enumerate(accompaniment.names)}
        frequencies = torch.arange(self.length // 2 + 1, device=self.device) * RATE / self.length
        self.frequencies = frequencies
        octave = (torch.log2(frequencies.clamp(min=1) / (RATE / 2)) + OCTAVES - 1).clamp(min=0)
        bands = torch.arange(OCTAVES, device=self.device)
        self.octaves = (1 - (octave - bands[:, None]).abs()).clamp(min=0)  # (bands, frequencies)
        self.play = torch.compile(play) if self.device.type == "cuda" else play

    def partners(self) -> Draws:
        """Return for every clip of vocals the index of its accompaniment, or -1."""
        new = self.vocals.names[len(self._partners) :]
        more = np.array([self._places.get(name, -1) for name in new], np.int64)
        self._partners = np.concatenate([self._partners, more])
        return self._partners

    def batch(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mixtures, ``(batch, length, 1)``, and vocals, ``(batch, samples, 1)``."""
        rng, count, c = self.rng, self.batch_size, self.changes
        mute = rng.random(count) < c.mute_vocals
        share = c.aligned if (self.partners() >= 0).any() else 0.0
        aligned = (rng.random(count) < share) & ~mute
        voice, start, speed = self._draw_vocals(aligned)
        other, other_start, other_speed = self._draw(self.accompaniment, None)
        other = np.where(aligned, self.partners()[voice], other)
        other_start = np.where(aligned, start, other_start)
        other_speed = np.where(aligned, speed, other_speed)

        cents = rng.uniform(0, c.vibrato_cents, count)
        vibrato = np.where(rng.random(count) < c.vibrato, cents, 0)
        vocals = self._play(self.vocals, voice, start, speed, vibrato)
        backing = self._play(self.accompaniment, other, other_start, other_speed, 0 * cents)
        vocals = self._move_formants(vocals)
        common = np.where(aligned, rng.uniform(-c.gain_db, c.gain_db, count), 0)
        apart = np.where(aligned, c.apart_db, c.gain_db)
        silent = rng.random(count) < c.mute_accompaniment
        vocals = self._filter(vocals, common, apart, mute, reverb=c.reverb)
        backing = self._filter(backing, common, apart, silent & ~mute, reverb=0)
        level = np.where(
            rng.random(count) < c.noise, 10 ** (rng.uniform(*c.noise_db, count) / 20), 0
        )
        backing += self._row(level) * torch.randn(backing.shape, device=self.device)
        target = vocals[:, self.left_context : self.left_context + self.samples]
        return (vocals + backing)[..., None], target[..., None]

    def _draw_vocals(self, aligned: Draws) -> tuple[Draws, Draws, Draws]:
        """Draw clips, starts and speeds, of places that are sung, if they are soon found."""
        found = [self._draw(self.vocals, aligned) for _ in range(TRIES)]
        clips, starts, speeds = (np.stack(some) for some in zip(*found, strict=True))
        begin = starts + self.left_context * speeds
        end = begin + self.samples * speeds
        sung = self.vocals.sounding(clips, begin, end) >= SUNG * (end - begin) / TENTH
        first = sung.argmax(axis=0)  # 0 where none is
        rows = np.arange(len(first))
        return clips[first, rows], starts[first, rows], speeds[first, rows]

    def _draw(self, bank: Bank, aligned: Draws | None) -> tuple[Draws, Draws, Draws]:
        """Draw clips, starts and speeds; of rows that are aligned, from those with a partner."""
        count = self.batch_size
        _, length, *_ = bank.tables()
        edges = np.cumsum(length)  # every second is equally likely
        clips = np.searchsorted(edges, self.rng.random(count) * edges[-1])
        if aligned is not None and aligned.any():
            edges = np.cumsum(length * (self.partners() >= 0))
            some = np.searchsorted(edges, self.rng.random(count) * edges[-1])
            clips = np.where(aligned, some, clips)
        speed = self._log_uniform(self.changes.speed)
        room = length[clips] - self.length * speed
        start = self.rng.uniform(np.minimum(room, 0), np.maximum(room, 0))
        return clips, start, speed

    def _play(
        self, bank: Bank, clips: Draws, start: Draws, speed: Draws, cents: Draws
    ) -> torch.Tensor:
        offset, length, *_ = bank.tables()
        turn = 2 * np.pi * self.rng.uniform(4.0, 7.0, len(clips)) / RATE  # a sample
        depth = (2 ** (cents / 1200) - 1) / turn
        phase = self.rng.uniform(0, 2 * np.pi, len(clips))
        numbers = np.stack([offset[clips], length[clips], start, speed, depth, turn, phase])
        given = send(numbers, self.device)[..., None]
        return self.play(bank.flat, given, self.length)

    def _log_uniform(self, bounds: tuple[float, float]) -> Draws:
        """Return a number for each row, uniform on a log scale."""
        low, high = map(math.log, bounds)
        return np.exp(self.rng.uniform(low, high, self.batch_size))

    def _row(self, numbers: Draws) -> torch.Tensor:
        return send(numbers.astype(np.float32), self.device)[:, None]

    def _move_formants(self, vocals: torch.Tensor) -> torch.Tensor:
        """Give some rows other formants, at the same pitch."""
        count = round(self.changes.formants * self.batch_size)
        if not count:
            return vocals
        rows = send(self.rng.permutation(self.batch_size)[:count], self.device)
        factor = self._log_uniform(self.changes.formants_by)[:count]
        vocals[rows] = move_formants(vocals[rows], self._row(factor))
        return vocals

    def _filter(
        self, audio: torch.Tensor, common: Draws, apart: Draws, mute: Draws, reverb: float
    ) -> torch.Tensor:
        """Equalise, low-pass, reverberate and weigh every row."""
        rng, count, c = self.rng, self.batch_size, self.changes
        db = rng.uniform(-c.equalise_db, c.equalise_db, (count, OCTAVES))
        db *= (rng.random(count) < c.equalise)[:, None]
        db += (common + rng.uniform(-apart, apart))[:, None]
        gains = send(db.astype(np.float32), self.device) @ self.octaves
        response = torch.exp(gains * (math.log(10) / 20))
        cut = self._log_uniform(c.low_pass_hz)
        cut = np.where(rng.random(count) < c.low_pass, cut, 1e9)
        response = response / (1 + (self.frequencies / self._row(cut)) ** 12)
        sign = np.where(rng.random(count) < 0.5, -1.0, 1.0) * ~mute
        spectrum = torch.fft.rfft(audio) * (response * self._row(sign))
        if reverb:
            spectrum = spectrum * torch.fft.rfft(self._impulses(reverb), n=self.length)
        return torch.fft.irfft(spectrum, n=self.length)

    def _impulses(self, share: float) -> torch.Tensor:
        """Return impulse responses of rooms, ``(batch, a second)``; of most rows, of none."""
        count = self.batch_size
        decay = self.rng.uniform(0.2, 1.2, count)  # seconds in which it falls by 60 dB
        level = 10 ** (self.rng.uniform(-18, -4, count) / 20) * (self.rng.random(count) < share)
        time = torch.arange(RATE, device=self.device) / RATE
        tail = torch.exp(-6.9 * time / self._row(decay)) * (time > 0.01)
        tail = tail * torch.randn(tail.shape, device=self.device)
        tail = tail * self._row(level) / tail.norm(dim=1, keepdim=True)
        tail[:, 0] = 1
        return tail


def send(numbers: Draws, device: torch.device) -> torch.Tensor:
    """Copy to the device, without waiting for what it is doing."""
    there = torch.from_numpy(np.ascontiguousarray(numbers))
    return there.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else there


def play(flat: torch.Tensor, given: torch.Tensor, samples: int) -> torch.Tensor:
    """Read rows out of a bank at any speed, ``(rows, samples)``; silence lies around a clip.

    Parameters
    ----------
    flat : int16 tensor, (bank's samples,)
    given : float64 tensor, (7, rows, 1)
        Offset and length of the clip; where in it a row starts; its speed; depth (in samples),
        radians a sample and phase of a vibrato.
    samples : int
    """
    offset, length, start, speed, depth, turn, phase = given.unbind(0)
    time = torch.arange(samples, dtype=torch.float64, device=flat.device)
    place = start + speed * (time + depth * torch.sin(turn * time + phase))
    whole = torch.floor(place)
    fraction = (place - whole).float()
    whole, first, end = whole.long(), offset.long(), length.long()
    cut = (1 / speed).clamp(max=1).float()
    total = torch.zeros_like(fraction)
    for tap in range(1 - TAPS // 2, TAPS // 2 + 1):
        at = whole + tap
        distance = fraction - tap
        weight = cut * torch.sinc(cut * distance) * torch.cos(math.pi / TAPS * distance) ** 2
        value = flat[first + at.clamp(min=0).minimum(end - 1)].float()
        total = total + torch.where((at >= 0) & (at < end), value, 0.0) * weight
    return total / 32768


def move_formants(audio: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Move the envelopes of spectra to frequencies so many times as high, ``(rows, samples)``."""
    window = torch.hann_window(WINDOW, device=audio.device)
    spectra = torch.stft(audio, WINDOW, HOP, window=window, return_complex=True)
    power = spectra.real**2 + spectra.imag**2
    floor = power.amax(dim=(1, 2), keepdim=True) * 1e-8 + 1e-9
    level = 0.5 * torch.log(power + floor).transpose(1, 2)  # (rows, frames, frequencies)
    cepstrum = torch.fft.irfft(level, n=WINDOW)
    lifter = torch.zeros(WINDOW, device=audio.device)
    lifter[:LIFTER] = torch.cos(torch.arange(LIFTER, device=audio.device) * math.pi / 2 / LIFTER)
    lifter[1 - LIFTER :] = lifter[1:LIFTER].flip(0)
    envelope = torch.fft.rfft(cepstrum * lifter).real
    bins = envelope.shape[-1]
    place = (torch.arange(bins, device=audio.device) / factor).clamp(max=bins - 1)  # (rows, bins)
    low = place.floor().long().clamp(max=bins - 2)
    high = (place - low)[:, None]
    low = low[:, None].expand(-1, envelope.shape[1], -1)
    moved = envelope.gather(2, low) * (1 - high) + envelope.gather(2, low + 1) * high
    gain = torch.exp((moved - envelope).clamp(-2.3, 2.3)).transpose(1, 2)
    changed = torch.istft(spectra * gain, WINDOW, HOP, window=window, length=audio.shape[1])
    ratio = audio.norm(dim=1, keepdim=True) / changed.norm(dim=1, keepdim=True).clamp(min=1e-6)
    return changed * ratio


def to_pcm(audio: NDArray[np.float32], rate: int) -> NDArray[np.int16]:
    """Return audio, ``(samples, channels)``, as mono at the banks' rate."""
    mono = soxr.resample(audio.mean(axis=1), rate, RATE)
    return np.clip(np.rint(mono * 32768), -32768, 32767).astype(np.int16)
