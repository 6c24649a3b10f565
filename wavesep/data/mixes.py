"""Mixtures for training: sums of random snippets of two or more stems."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import reduce
from pathlib import Path
from typing import Any, TypeVar

import keras
import numpy as np
from numpy.typing import NDArray

from ..audio import Audio
from ..errors import ClipError
from . import augment
from .clips import Clips, check_targets, pairs
from .production import Production, Studio

ALIGNED_SHARE = 0.4  # of the mixtures have stems of one song
SUNG_SHARE = 0.7  # of a target's length in which somebody sings
TRIES = 8  # to find a snippet with that much singing
BALANCE_DB = 3.0  # largest difference of a stem's gain from its song's common gain

Batch = tuple[NDArray[np.float32], NDArray[np.float32]]
Drawn = TypeVar("Drawn")


@dataclass(frozen=True)
class Augmentation:
    """How often and how far snippets are changed.

    Attributes
    ----------
    speed : tuple of float
        Bounds of the playback speed of each stem, which changes the pitch by the same factor; drawn
        uniformly on a log scale. The stems of one song have the same speed.
    gain_db : float
        Each stem gets a gain from minus to plus this many dB.
    pan_db : float
        Largest difference in level between left and right that panning makes, in dB.
    width : tuple of float
        Bounds of the factor for the stereo width; 1 keeps the width.
    mono : float, in [0, 1]
        Share of mixtures whose stems are all made mono. Without them, a network learns that wide or
        panned sounds are the accompaniment.
    low_pass : float, in [0, 1]
        Share of each stem's snippets that are low-passed.
    low_pass_hz : tuple of float
        Bounds of the cut-off frequency, in Hz.
    equalise : float, in [0, 1]
        Share of each stem's snippets that are equalised.
    equalise_db : float
        Largest gain of an octave, up or down, in dB.
    noise : float, in [0, 1]
        Share of mixtures with white noise. It is added to the last stem.
    noise_db : tuple of float
        Bounds of the noise's RMS, in dB of full scale.
    mute_vocals, mute_accompaniment : float, in [0, 1]
        Share of mixtures in which the first stem is silent, and in which all others are.
    """

    speed: tuple[float, float] = (0.75, 1.35)
    gain_db: float = 5.0
    pan_db: float = 4.0
    width: tuple[float, float] = (0.5, 1.2)
    mono: float = 0.5
    low_pass: float = 0.2
    low_pass_hz: tuple[float, float] = (3_000.0, 16_000.0)
    equalise: float = 0.4
    equalise_db: float = 8.0
    noise: float = 0.4
    noise_db: tuple[float, float] = (-75.0, -45.0)
    mute_vocals: float = 0.1
    mute_accompaniment: float = 0.04


class MixGenerator(keras.utils.PyDataset):
    """Batches of random mixtures and their targets for ``keras.Model.fit``.

    Example k of batch i of epoch e is a pure function of ``(seed, e, i, k)`` and of the files. So
    the batches do not depend on the number of workers, and a run can continue at any epoch and
    batch: set `epoch`. If a clip cannot be read, the example uses other clips instead. This does
    not change other examples.

    Parameters
    ----------
    *stems : Clips
        At least two: vocals, then accompaniment, or any other stems. They may come from different
        songs. Clips of the same name belong to one song.
    targets : int
        This many stems, the first ones, are targets. The others are only in the mixture.
    samples : int
        Length of the targets. Mixtures are longer by the two contexts.
    left_context, right_context : int
        Of the network, in samples.
    sample_rate : int
        In Hz.
    channels : int
        Of mixtures and of each target.
    batch_size : int
        Mixtures in a batch.
    batches : int
        Batches in an epoch.
    aligned_share : float, in [0, 1]
        Share of mixtures whose snippets are of one song, at the same time. Each stem's gain differs
        from a common one by up to 3 dB. If no name is in all folders, there are no such mixtures.
    sung_share : float, in [0, 1]
        The first stem is drawn up to eight times, until it is louder than -40 dB in this share of
        the target.
    augmentation : Augmentation
        How often and how far snippets are changed.
    production : Production, optional
        How the first stem is produced, if it is the vocals. Default: not at all.
    seed : int
        The same seed gives the same batches.
    workers : int, >= 1
        Threads that prepare the next batch during training.

    Attributes
    ----------
    epoch : int
        The epoch of the batches; `wavesep.training.fit` sets it.
    rows : range
        The examples of each batch that are made: all, unless there are several training workers;
        `wavesep.training.fit` sets it.

    Raises
    ------
    OptionError
        If no stem is a target, or all stems are.
    """

    def __init__(
        self,
        *stems: Clips,
        targets: int = 1,
        samples: int,
        left_context: int,
        right_context: int,
        sample_rate: int = 44_100,
        channels: int = 2,
        batch_size: int = 4,
        batches: int = 100,
        aligned_share: float = ALIGNED_SHARE,
        sung_share: float = SUNG_SHARE,
        augmentation: Augmentation = Augmentation(),
        production: Production | None = None,
        seed: int = 0,
        workers: int = 1,
    ) -> None:
        # more Keras workers change the batches on JAX and PyTorch; threads of our own do not
        super().__init__(workers=1)
        check_targets(stems, targets)
        self.stems = stems
        self.targets = targets
        self.samples = samples
        self.left_context = left_context
        self.right_context = right_context
        self.sample_rate = sample_rate
        self.channels = channels
        self.batch_size = batch_size
        self.batches = batches
        self.pairs = pairs(*stems)
        self.aligned_share = aligned_share if self.pairs else 0.0
        self.sung_share = sung_share
        self.augmentation = augmentation
        self.production = production
        self.seed = seed
        self.epoch = 0
        self.rows = range(batch_size)
        self._pair_weights = np.array([stems[0].seconds[i] for i, *_ in self.pairs])
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="mixes")
        self._ahead: dict[tuple[int, int, range], list[Future[tuple[Audio, Audio]]]] = {}

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return self.batches

    def __getitem__(self, index: int) -> Batch:
        """Return batch ``index`` of the epoch: mixtures and targets.

        Returns
        -------
        mixtures : float32 array, (rows, left_context + samples + right_context, channels)
        targets : float32 array, (rows, samples, channels * targets)
        """
        futures = self._ahead.pop((self.epoch, index, self.rows), None) or self._submit(index)
        following = (index + 1) % self.batches
        self._ahead = {}  # drops a batch that was prepared for another position
        if following:
            self._ahead[self.epoch, following, self.rows] = self._submit(following)
        examples = [future.result() for future in futures]
        return np.stack([m for m, _ in examples]), np.stack([t for _, t in examples])

    def _submit(self, index: int) -> list[Future[tuple[Audio, Audio]]]:
        return [self._threads.submit(self.example, self.epoch, index, k) for k in self.rows]

    def example(self, epoch: int, index: int, k: int) -> tuple[Audio, Audio]:
        """Return one mixture and its targets.

        Parameters
        ----------
        epoch, index, k : int
            Example k of batch ``index`` of the epoch.

        Returns
        -------
        mixture : float32 array, (left_context + samples + right_context, channels)
        targets : float32 array, (samples, channels * targets)
            Target 0's channels first.

        Raises
        ------
        AudioError
            If no clip of a stem can be read.
        """
        rng = np.random.default_rng((self.seed, epoch, index, k))
        stems, aligned = self._stems(rng, rng.random() < self.aligned_share)
        if self.production:
            stems = self._produce(stems, self.production, rng)
        stems = self._augment(stems, rng, aligned=aligned)
        targets = np.concatenate(stems[: self.targets], axis=1)
        mixture: Audio = reduce(np.add, stems)
        return mixture, targets[self.left_context : self.left_context + self.samples]

    def settings(self) -> dict[str, Any]:
        """Return the settings that determine the batches, for a checkpoint."""
        names = ("samples", "sample_rate", "batch_size", "batches", "aligned_share", "sung_share",
                 "seed")  # fmt: skip
        settings = {name: getattr(self, name) for name in names}
        settings |= {"stems": len(self.stems), "augmentation": asdict(self.augmentation)}
        return settings | {"production": self.production and asdict(self.production)}

    def snippets_per_second(self, seconds: float = 5.0) -> float:
        """Measure the snippets that are made per second; a mixture has one for each stem."""
        begin = time.perf_counter()
        made = 0
        while (spent := time.perf_counter() - begin) < seconds or not made:
            self[made % self.batches]
            made += 1
        return len(self.stems) * made * len(self.rows) / spent

    def report(self) -> str:
        """Return a line about the data for the log."""
        return f"{self.snippets_per_second(seconds=1.0):.0f} snippets per second can be made"

    def _stems(self, rng: np.random.Generator, aligned: bool) -> tuple[list[Audio], bool]:
        """Return the snippets of all stems, and whether they are of one song."""

        def draw(without: Collection[Path]) -> tuple[list[Audio], bool]:
            weights = self._weights(without)
            if aligned and weights.any():
                return self._aligned(rng, weights), True
            return self._unrelated(rng, without), False

        return without_broken(draw)

    def _weights(self, without: Collection[Path]) -> NDArray[np.float64]:
        """Return the probability of each song; it is 0 if one of its stems is broken."""
        if not without:
            return self._pair_weights
        broken = [
            any(clips.paths[i] in without for clips, i in zip(self.stems, song, strict=True))
            for song in self.pairs
        ]
        return np.where(broken, 0.0, self._pair_weights)

    def _aligned(self, rng: np.random.Generator, weights: NDArray[np.float64]) -> list[Audio]:
        shares = weights / weights.sum()
        song, start, speed = self._sung(
            rng, lambda: self.pairs[rng.choice(len(self.pairs), p=shares)]
        )
        return [
            self._read(clips, i, start, speed) for clips, i in zip(self.stems, song, strict=True)
        ]

    def _unrelated(self, rng: np.random.Generator, without: Collection[Path]) -> list[Audio]:
        first, *others = self.stems
        (i,), start, speed = self._sung(rng, lambda: (first.draw(rng, without),))
        snippets = [self._read(first, i, start, speed)]
        return [*snippets, *(self._read_anywhere(clips, rng, without) for clips in others)]

    def _read_anywhere(
        self, clips: Clips, rng: np.random.Generator, without: Collection[Path]
    ) -> Audio:
        i = clips.draw(rng, without)
        return self._read(clips, i, *self._place(float(clips.seconds[i]), rng))

    def _sung(
        self, rng: np.random.Generator, draw: Callable[[], tuple[int, ...]]
    ) -> tuple[tuple[int, ...], float, float]:
        """Draw clips and a snippet's start and speed, if possible with enough singing in it."""
        first = self.stems[0]
        for _ in range(TRIES):
            indices = draw()
            start, speed = self._place(float(first.seconds[indices[0]]), rng)
            begin = start + self.left_context * speed / self.sample_rate
            seconds = self.samples * speed / self.sample_rate
            if first.sounding(indices[0], begin, seconds) >= self.sung_share:
                break
        return indices, start, speed

    def _place(self, seconds: float, rng: np.random.Generator) -> tuple[float, float]:
        """Draw a snippet's start and speed; a snippet longer than its clip holds the whole clip."""
        speed = augment.log_uniform(rng, *self.augmentation.speed)
        samples = self.left_context + self.samples + self.right_context
        room = seconds - samples * speed / self.sample_rate
        return float(rng.uniform(min(room, 0.0), max(room, 0.0))), speed

    def _read(self, clips: Clips, index: int, start: float, speed: float) -> Audio:
        samples = self.left_context + self.samples + self.right_context
        return clips.read(index, start, samples, self.sample_rate, self.channels, speed)

    def _produce(
        self, stems: Sequence[Audio], production: Production, rng: np.random.Generator
    ) -> list[Audio]:
        """Return the stems with the first one produced, and in some the last one reverberated."""
        vocals, *others = stems
        if rng.random() < production.others:
            for _ in range(rng.integers(1, 3)):
                singer = without_broken(
                    lambda broken: self._read_anywhere(self.stems[0], rng, broken)
                )
                vocals = vocals + augment.gain(singer, rng, *production.others_db)

        def normal(shape: tuple[int, ...]) -> Audio:
            return rng.standard_normal(shape, dtype=np.float32)

        studio = Studio(production, self.sample_rate, rng, normal)
        vocals = studio.produce(vocals.T[None])[0].T
        others[-1] = studio.reverberate(others[-1].T[None])[0].T
        return [vocals, *others]

    def _augment(
        self, snippets: Sequence[Audio], rng: np.random.Generator, *, aligned: bool
    ) -> list[Audio]:
        """Augment the snippets of a mixture; stems of one song have a common gain, within 3 dB."""
        a = self.augmentation
        apart_db = min(a.gain_db, BALANCE_DB) if aligned else a.gain_db
        common = rng.uniform(-a.gain_db, a.gain_db) if aligned else 0.0
        stems = []
        for audio in snippets:
            audio = augment.gain(audio, rng, common - apart_db, common + apart_db)
            audio = augment.pan(audio, rng, a.pan_db)
            audio = augment.width(audio, rng, *a.width)
            audio = augment.flip_polarity(audio, rng)
            audio = augment.swap_channels(audio, rng)
            if rng.random() < a.low_pass:
                audio = augment.low_pass(audio, rng, *a.low_pass_hz, self.sample_rate)
            if rng.random() < a.equalise:
                audio = augment.equalise(audio, rng, a.equalise_db, self.sample_rate)
            stems.append(audio)
        if rng.random() < a.mono:
            stems = [augment.mono(audio) for audio in stems]
        if rng.random() < a.noise:
            stems[-1] = augment.white_noise(stems[-1], rng, *a.noise_db)
        which = rng.random()
        if which < a.mute_vocals:
            stems[0] = augment.mute(stems[0])
        elif which < a.mute_vocals + a.mute_accompaniment:
            stems[1:] = [augment.mute(audio) for audio in stems[1:]]
        return stems


def without_broken(draw: Callable[[Collection[Path]], Drawn]) -> Drawn:
    """Draw and read clips; if one cannot be read, draw again without it.

    Parameters
    ----------
    draw : callable
        It is given the files not to draw. It returns what it reads, or raises ClipError.
    """
    broken: set[Path] = set()
    while True:
        try:
            return draw(broken)
        except ClipError as error:
            broken.add(error.path)
