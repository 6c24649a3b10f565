"""Make mixtures for training on a GPU, fast enough for its training steps (PyTorch).

A GPU trains about 30 times as fast as `wavesep.data.MixGenerator` makes mixtures on two cores. So
all audio is kept in the memory of the GPU, and snippets are resampled, changed and mixed there.
Channels are averaged to one.
"""

from __future__ import annotations

import logging
import math
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import torch
from numpy.typing import NDArray

from wavesep.data.clips import QUIET
from wavesep.data.mixes import BALANCE_DB, SUNG_SHARE, TRIES, Augmentation
from wavesep.data.production import Production, Studio
from wavesep.data.tracks import read_sound
from wavesep.errors import AudioError

RATE = 44_100
TAPS = 16  # of the interpolation filter
TENTH = RATE // 10
OCTAVES = 9  # bands of the equaliser

Draws = NDArray[Any]

log = logging.getLogger("gpu_mixes")


class Bank:
    """All clips of one stem, concatenated in the memory of the device.

    Parameters
    ----------
    hours : float
        Hours of audio that fit. Clips beyond them are left out.
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
        """Return the offsets and lengths of all clips, their starts in the last array, and that.

        The last array holds, for each tenth of a second, how many before it are not quiet.
        """
        if self._tables is None:
            offsets, lengths = np.array(self._offsets), np.array(self._lengths)
            begins = np.cumsum([0, *(len(tenths) for tenths in self._tenths)])[:-1]
            self._tables = offsets, lengths, begins, np.concatenate(self._tenths)
        return self._tables

    def sounding(self, clips: Draws, begin: Draws, end: Draws) -> Draws:
        """Return how many tenths of a second between two places (in samples) are not quiet."""
        _, lengths, begins, before = self.tables()
        first, last = (
            np.clip(place // TENTH, 0, lengths[clips] // TENTH).astype(np.int64)
            for place in (begin, end)
        )
        return np.asarray(before[begins[clips] + last] - before[begins[clips] + first])

    def read(self, files: dict[str, Path]) -> None:
        """Add audio files by their names, on all cores; log bad files and leave them out."""

        def decode(path: Path) -> NDArray[np.int16] | None:
            try:
                return to_pcm(*read_sound(path))
            except AudioError as error:
                log.warning("left out: %s", error)
                return None

        with ThreadPoolExecutor(os.cpu_count()) as threads:
            for name, audio in zip(files, threads.map(decode, files.values()), strict=True):
                if audio is not None:
                    self.add(name, audio)


class Voices:
    """Reads the files of data_prep/change_voices.py while that script still runs.

    Parameters
    ----------
    folder : path, optional
        Parent of the folders that the script writes to.
    vocals : Bank
    """

    def __init__(self, folder: Path | None, vocals: Bank) -> None:
        self.folder = folder
        self.vocals = vocals
        self.known: set[Path] = set()

    def read(self) -> None:
        """Read new files. Unfinished files do not end in .flac, so they are not read."""
        for made in self.folder.glob("*/train/vocals") if self.folder else ():
            new = {
                path.relative_to(made).with_suffix("").as_posix(): path
                for path in made.rglob("*.flac")
                if path not in self.known
            }
            self.known.update(new.values())
            self.vocals.read(new)


class Mixer:
    """Makes batches of mixtures, and of the vocals in their middle as targets.

    Parameters
    ----------
    vocals, accompaniment : Bank
        Clips of the same name are stems of one song.
    samples, left_context, right_context : int
    batch_size : int
    aligned_share : float, in [0, 1]
        See `wavesep.data.MixGenerator`.
    augmentation : Augmentation
        Only the settings for one channel are used.
    production : Production

    Attributes
    ----------
    rng : numpy.random.Generator
        Source of all random numbers except noise.
    """

    def __init__(
        self, vocals: Bank, accompaniment: Bank, *, samples: int, left_context: int,
        right_context: int, batch_size: int, aligned_share: float,
        augmentation: Augmentation, production: Production,
    ) -> None:  # fmt: skip
        self.vocals = vocals
        self.accompaniment = accompaniment
        self.samples = samples
        self.left_context = left_context
        self.length = left_context + samples + right_context
        self.batch_size = batch_size
        self.aligned_share = aligned_share
        self.augmentation = augmentation
        self.production = production
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
        """Return the index of the accompaniment of each clip of vocals, or -1."""
        new = self.vocals.names[len(self._partners) :]
        more = np.array([self._places.get(name, -1) for name in new], np.int64)
        self._partners = np.concatenate([self._partners, more])
        return self._partners

    def batch(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mixtures, ``(batch, length, 1)``, and vocals, ``(batch, samples, 1)``."""
        rng, count, a = self.rng, self.batch_size, self.augmentation
        which = rng.random(count)
        mute = which < a.mute_vocals
        silent = ~mute & (which < a.mute_vocals + a.mute_accompaniment)
        share = self.aligned_share if (self.partners() >= 0).any() else 0.0
        aligned = (rng.random(count) < share) & ~mute
        voice, start, speed = self._draw_vocals(aligned)
        other, other_start, other_speed = self._draw(self.accompaniment, None)
        other = np.where(aligned, self.partners()[voice], other)
        other_start = np.where(aligned, start, other_start)
        other_speed = np.where(aligned, speed, other_speed)

        vocals = self._play(self.vocals, voice, start, speed)
        backing = self._play(self.accompaniment, other, other_start, other_speed)
        vocals, backing = self._produce(vocals, backing)
        common = np.where(aligned, rng.uniform(-a.gain_db, a.gain_db, count), 0)
        apart = np.where(aligned, min(a.gain_db, BALANCE_DB), a.gain_db)
        vocals = self._filter(vocals, common, apart, mute)
        backing = self._filter(backing, common, apart, silent)
        level = np.where(
            rng.random(count) < a.noise, 10 ** (rng.uniform(*a.noise_db, count) / 20), 0
        )
        backing += self._row(level) * torch.randn(backing.shape, device=self.device)
        target = vocals[:, self.left_context : self.left_context + self.samples]
        return (vocals + backing)[..., None], target[..., None]

    def _produce(
        self, vocals: torch.Tensor, backing: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Add the vocals of other rows to some vocals, and apply the studio effects to all."""
        rng, p = self.rng, self.production
        level = 10 ** (rng.uniform(*p.others_db, self.batch_size) / 20)
        level *= rng.random(self.batch_size) < p.others
        vocals = vocals + self._row(level) * vocals.roll(1, dims=0)

        def normal(shape: tuple[int, ...]) -> torch.Tensor:
            return torch.randn(shape, device=self.device)

        studio = Studio(p, RATE, rng, normal)
        vocals = studio.produce(vocals[:, None])[:, 0]
        return vocals, studio.reverberate(backing[:, None])[:, 0]

    def _draw_vocals(self, aligned: Draws) -> tuple[Draws, Draws, Draws]:
        """Draw clips, starts and speeds; try `TRIES` times to find places with vocals."""
        found = [self._draw(self.vocals, aligned) for _ in range(TRIES)]
        clips, starts, speeds = (np.stack(some) for some in zip(*found, strict=True))
        begin = starts + self.left_context * speeds
        end = begin + self.samples * speeds
        sung = self.vocals.sounding(clips, begin, end) >= SUNG_SHARE * (end - begin) / TENTH
        first = sung.argmax(axis=0)  # 0 where none is
        rows = np.arange(len(first))
        return clips[first, rows], starts[first, rows], speeds[first, rows]

    def _draw(self, bank: Bank, aligned: Draws | None) -> tuple[Draws, Draws, Draws]:
        """Draw clips, starts and speeds; aligned rows use only clips with a partner."""
        count = self.batch_size
        _, length, *_ = bank.tables()
        edges = np.cumsum(length)  # every second is equally likely
        clips = np.searchsorted(edges, self.rng.random(count) * edges[-1])
        if aligned is not None and aligned.any():
            edges = np.cumsum(length * (self.partners() >= 0))
            some = np.searchsorted(edges, self.rng.random(count) * edges[-1])
            clips = np.where(aligned, some, clips)
        speed = self._log_uniform(self.augmentation.speed)
        room = length[clips] - self.length * speed
        start = self.rng.uniform(np.minimum(room, 0), np.maximum(room, 0))
        return clips, start, speed

    def _play(self, bank: Bank, clips: Draws, start: Draws, speed: Draws) -> torch.Tensor:
        offset, length, *_ = bank.tables()
        numbers = np.stack([offset[clips], length[clips], start, speed])
        return self.play(bank.flat, send(numbers, self.device)[..., None], self.length)

    def _log_uniform(self, bounds: tuple[float, float]) -> Draws:
        """Return a number for each row, uniform on a log scale."""
        low, high = map(math.log, bounds)
        return np.exp(self.rng.uniform(low, high, self.batch_size))

    def _row(self, numbers: Draws) -> torch.Tensor:
        return send(numbers.astype(np.float32), self.device)[:, None]

    def _filter(
        self, audio: torch.Tensor, common: Draws, apart: Draws, mute: Draws
    ) -> torch.Tensor:
        """Apply the equaliser, the low-pass filter and the gain of every row."""
        rng, count, a = self.rng, self.batch_size, self.augmentation
        db = rng.uniform(-a.equalise_db, a.equalise_db, (count, OCTAVES))
        db *= (rng.random(count) < a.equalise)[:, None]
        db += (common + rng.uniform(-apart, apart))[:, None]
        gains = send(db.astype(np.float32), self.device) @ self.octaves
        response = torch.exp(gains * (math.log(10) / 20))
        cut = self._log_uniform(a.low_pass_hz)
        cut = np.where(rng.random(count) < a.low_pass, cut, 1e9)
        response = response / (1 + (self.frequencies / self._row(cut)) ** 12)
        sign = np.where(rng.random(count) < 0.5, -1.0, 1.0) * ~mute
        spectrum = torch.fft.rfft(audio) * (response * self._row(sign))
        return torch.fft.irfft(spectrum, n=self.length)


def send(numbers: Draws, device: torch.device) -> torch.Tensor:
    """Copy to the device, without waiting for its current work."""
    there = torch.from_numpy(np.ascontiguousarray(numbers))
    return there.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else there


def play(flat: torch.Tensor, given: torch.Tensor, samples: int) -> torch.Tensor:
    """Read rows from a bank at any speed, ``(rows, samples)``; a clip has silence around it.

    Parameters
    ----------
    flat : int16 tensor, (bank's samples,)
    given : float64 tensor, (4, rows, 1)
        Offset and length of the clip; start of the row in the clip; speed.
    samples : int
    """
    offset, length, start, speed = given.unbind(0)
    time = torch.arange(samples, dtype=torch.float64, device=flat.device)
    place = start + speed * time
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


def to_pcm(audio: NDArray[np.float32], rate: int) -> NDArray[np.int16]:
    """Return audio, ``(samples, channels)``, as mono at the banks' rate."""
    mono = soxr.resample(audio.mean(axis=1), rate, RATE)
    return np.clip(np.rint(mono * 32768), -32768, 32767).astype(np.int16)
