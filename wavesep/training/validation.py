"""Fixed clips on which a network is scored during training."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from ..audio import Audio
from ..data.clips import Clips, check_targets, pairs
from ..dsp.scores import si_sdr
from ..errors import AudioError, ClipError

if TYPE_CHECKING:
    from .tensorboard import Board


@dataclass(frozen=True)
class Scores:
    """Scores of a network on the validation clips.

    Attributes
    ----------
    si_sdr : float
        Mean SI-SDR of the estimates of all targets, in dB.
    si_sdr_gain : float
        Mean difference between this and the SI-SDR of the mixture itself, in dB.
    loss : float
        Mean absolute error of the samples.
    """

    si_sdr: float
    si_sdr_gain: float
    loss: float

    @property
    def best(self) -> float:
        """The score that selects the best epoch; larger is better."""
        return self.si_sdr

    @property
    def said(self) -> str:
        """The scores as text for the log."""
        return f"SI-SDR {self.si_sdr:.2f} dB, {self.si_sdr_gain:.2f} dB above the mixture's"


class Validation:
    """Snippets of songs with known stems; the same snippets after every epoch.

    Parameters
    ----------
    *stems : Clips
        At least two, of songs that training does not use. Clips of the same name belong to one
        song.
    targets : int
        This many stems, the first ones, are targets. The others are only in the mixture.
    samples : int
        Length of each snippet, from the middle of its song.
    left_context, right_context : int
        Of the network, in samples.
    sample_rate : int
        In Hz.
    channels : int
        Of mixtures and of each target.
    most : int, >= 1
        Largest number of snippets. They are spread evenly over the songs. A song whose middle
        cannot be read is left out, and `Clips` logs it.

    Attributes
    ----------
    names : list of str
        Of the songs.
    mixtures : float32 array, (snippets, left_context + samples + right_context, channels)
    targets : float32 array, (snippets, samples, channels * targets)
        Target 0's channels first.

    Raises
    ------
    AudioError
        If no song has all stems and can be read, or all targets of all snippets are silent.
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
        most: int = 24,
    ) -> None:
        check_targets(stems, targets)
        songs = pairs(*stems)
        if not songs:
            raise AudioError("no validation song has all stems: they must have the same name")
        count = min(most, len(songs))
        songs = [songs[i] for i in np.linspace(0, len(songs) - 1, count).round().astype(int)]
        self.sample_rate = sample_rate
        self._left = left_context
        length = left_context + samples + right_context

        def read(song: tuple[int, ...]) -> list[Audio]:
            seconds = float(stems[0].seconds[song[0]])
            start = (seconds - samples / sample_rate) / 2 - left_context / sample_rate
            return [
                clips.read(i, start, length, sample_rate, channels)
                for clips, i in zip(stems, song, strict=True)
            ]

        self.names, snippets = [], []
        for song in songs:
            with suppress(ClipError):  # Clips logs it
                snippets.append(read(song))
                self.names.append(stems[0].names[song[0]])
        if not snippets:
            raise AudioError("no validation song can be read: see the log")
        self.mixtures = np.stack([reduce(np.add, each) for each in snippets])
        sung = np.stack([np.concatenate(each[:targets], axis=1) for each in snippets])
        self.targets = sung[:, left_context : left_context + samples]
        if not self.targets.any():
            raise AudioError("no validation song has a target that is not silent in its middle")

    def mixture(self, index: int) -> Audio:
        """Return one mixture without its context, as long as its target."""
        return self.mixtures[index, self._left : self._left + self.targets.shape[1]]

    def split(self, audio: Audio) -> list[Audio]:
        """Split targets, or estimates, that are concatenated along the last axis."""
        return np.split(audio, audio.shape[-1] // self.mixtures.shape[-1], axis=-1)

    def estimate(self, separate: Callable[[Audio], Audio], batch_size: int = 4) -> Audio:
        """Return the estimates of all targets.

        Parameters
        ----------
        separate : callable
            It maps a batch of mixtures with their context to the estimates of their targets.
        batch_size : int
            Mixtures in each batch.

        Returns
        -------
        float32 array, (snippets, samples, channels * targets)
        """
        # all batches have the same shape, so the network is compiled once
        spare = -len(self.mixtures) % batch_size
        mixtures = np.concatenate(
            [self.mixtures, np.zeros_like(self.mixtures[:1]).repeat(spare, 0)]
        )
        estimates = [
            separate(mixtures[i : i + batch_size]) for i in range(0, len(mixtures), batch_size)
        ]
        return np.concatenate(estimates)[: len(self.mixtures)]

    def show(self, board: Board, epoch: int, estimates: Audio) -> None:
        """Show sounds and pictures of some clips in TensorBoard."""
        board.show(epoch, self, estimates)

    def score(self, estimates: Audio) -> Scores:
        """Compare estimates with the targets; silent targets are left out of the SI-SDR."""
        sounding = [
            (target, estimate, self.mixture(i))
            for i in range(len(self.targets))
            for target, estimate in zip(
                self.split(self.targets[i]), self.split(estimates[i]), strict=True
            )
            if target.any()
        ]
        after = [si_sdr(target, estimate) for target, estimate, _ in sounding]
        before = [si_sdr(target, mixture) for target, _, mixture in sounding]
        return Scores(
            si_sdr=float(np.mean(after)),
            si_sdr_gain=float(np.mean(after) - np.mean(before)),
            loss=float(np.abs(estimates - self.targets).mean()),
        )
