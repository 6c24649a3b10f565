"""Fixed clips on which a network is measured and listened to while it trains."""

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
    """How a network did on the validation clips.

    Attributes
    ----------
    si_sdr : float
        Mean SI-SDR of the estimates of all targets, in dB.
    si_sdr_gain : float
        Mean of its gain over the SI-SDR of the mixture itself, in dB.
    loss : float
        Mean absolute error.
    """

    si_sdr: float
    si_sdr_gain: float
    loss: float

    @property
    def best(self) -> float:
        """The figure that decides which epoch is the best: larger is better."""
        return self.si_sdr

    @property
    def said(self) -> str:
        """The figures for a person to read."""
        return f"SI-SDR {self.si_sdr:.2f} dB, {self.si_sdr_gain:.2f} dB above the mixture's"


class Validation:
    """Snippets out of songs whose stems are known; the same ones at every call.

    Parameters
    ----------
    *stems : Clips
        At least two. Clips of the same name belong to one song. They are not used for training.
    targets : int
        The number of first stems that are targets; the others are only in the mixture.
    samples : int
        Length of each snippet, out of the middle of its song.
    left_context, right_context : int
        Of the network, in samples.
    sample_rate : int
        In Hz.
    channels : int
        Of mixtures and of each target.
    most : int, >= 1
        Snippets at the most; they are spread evenly over the songs. A song of which this part
        cannot be read is left out: `Clips` says so in the log.

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
        If no song has all stems and can be read, or no target sounds in any of the snippets.
    OptionError
        If no stem is a target, or none is left over.
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
            raise AudioError("no validation song has all stems: a file of its name in each folder")
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
            with suppress(ClipError):  # the log has it
                snippets.append(read(song))
                self.names.append(stems[0].names[song[0]])
        if not snippets:
            raise AudioError("no validation song can be read: see the log")
        self.mixtures = np.stack([reduce(np.add, each) for each in snippets])
        sung = np.stack([np.concatenate(each[:targets], axis=1) for each in snippets])
        self.targets = sung[:, left_context : left_context + samples]
        if not self.targets.any():
            raise AudioError("no validation song has a target that sounds in its middle")

    def mixture(self, index: int) -> Audio:
        """Return one mixture without its context, as long as its target."""
        return self.mixtures[index, self._left : self._left + self.targets.shape[1]]

    def split(self, audio: Audio) -> list[Audio]:
        """Return the targets, or estimates, that stand one after the other in the last axis."""
        return np.split(audio, audio.shape[-1] // self.mixtures.shape[-1], axis=-1)

    def estimate(self, separate: Callable[[Audio], Audio], batch_size: int = 4) -> Audio:
        """Return the estimates of all targets.

        Parameters
        ----------
        separate : callable
            Given a batch of mixtures with their context, it returns the estimates of its targets.
        batch_size : int
            Of every batch that it is given.

        Returns
        -------
        float32 array, (snippets, samples, channels * targets)
        """
        # one shape of batch, so that nothing is compiled twice
        spare = -len(self.mixtures) % batch_size
        mixtures = np.concatenate(
            [self.mixtures, np.zeros_like(self.mixtures[:1]).repeat(spare, 0)]
        )
        estimates = [
            separate(mixtures[i : i + batch_size]) for i in range(0, len(mixtures), batch_size)
        ]
        return np.concatenate(estimates)[: len(self.mixtures)]

    def show(self, board: Board, epoch: int, estimates: Audio) -> None:
        """Show some clips in TensorBoard, with sound and pictures."""
        board.show(epoch, self, estimates)

    def score(self, estimates: Audio) -> Scores:
        """Compare estimates with the targets; one that is silent in its snippet has no SI-SDR."""
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
