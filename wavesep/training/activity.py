"""Validation of a network that detects vocal activity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..audio import Audio
from ..data.clips import Clips, pairs
from ..data.labels import Labels, label_at
from ..dsp.scores import accuracy, f1
from ..dsp.stft import Magnitudes
from ..errors import AudioError, ClipError
from ..models.frame_cnn.architecture import ActivityArchitecture, slide

if TYPE_CHECKING:
    from .tensorboard import Board

THRESHOLD = 0.5  # of the probability, from which on a frame counts as sung


@dataclass(frozen=True)
class ActivityScores:
    """Scores of a network on all frames of the validation clips.

    Attributes
    ----------
    accuracy : float
        Share of frames that are classified correctly.
    f1 : float
        F1 score of the frames in which somebody sings.
    """

    accuracy: float
    f1: float

    @property
    def best(self) -> float:
        """The score that selects the best epoch; larger is better."""
        return self.accuracy

    @property
    def said(self) -> str:
        """The scores as text for the log."""
        return f"{100 * self.accuracy:.1f} % of frames right, F1 {self.f1:.3f}"


class ActivityValidation:
    """Clips with known vocal activity; the same clips after every epoch.

    Parameters
    ----------
    vocals, accompaniment : Clips
        Clips that training does not use. Each pair is mixed without changes.
    labels : dict of str to bool array
        By clip.
    architecture : ActivityArchitecture
    sample_rate : int
        In Hz, of the network.
    most : int, >= 1
        Largest number of clips; they are spread evenly over all.

    Raises
    ------
    AudioError
        If no clip with labels has both stems and can be read.
    """

    def __init__(
        self,
        vocals: Clips,
        accompaniment: Clips,
        *,
        labels: Labels,
        architecture: ActivityArchitecture,
        sample_rate: int = 22_050,
        most: int = 24,
    ) -> None:
        clips = [
            (i, j, labels[Path(vocals.names[i]).name])
            for i, j in pairs(vocals, accompaniment)
            if Path(vocals.names[i]).name in labels
        ]
        if not clips:
            raise AudioError("no validation clip with labels has both stems")
        stft = architecture.stft
        self._frames = architecture.frames
        around = self._frames // 2
        before = around * stft.hop + stft.window // 2  # centres frame k on the clip's hop k
        self.magnitudes: list[Magnitudes] = []
        truth = []
        for n in np.linspace(0, len(clips) - 1, min(most, len(clips))).round().astype(int):
            i, j, sung = clips[n]
            samples = round(vocals.seconds[i] * sample_rate)
            start = -before / sample_rate
            try:
                mixture = sum(
                    stem.read(k, start, before + samples + before, sample_rate, 1)[:, 0]
                    for stem, k in ((vocals, i), (accompaniment, j))
                )
            except ClipError:  # Clips logs it
                continue
            self.magnitudes.append(np.abs(stft.analyse(np.asarray(mixture))))
            count = self.magnitudes[-1].shape[1] - 2 * around
            moments = np.arange(count) * stft.hop / sample_rate
            truth.append([label_at(sung, moment) for moment in moments])
        if not truth:
            raise AudioError("no validation clip can be read: see the log")
        self.truth: NDArray[np.bool_] = np.concatenate(truth)

    def estimate(self, probability: Callable[[Audio], Audio]) -> NDArray[np.float32]:
        """Return the probabilities that a network estimates, ``(frames,)``, of all clips."""
        answers = [
            slide(probability, magnitudes[np.newaxis], self._frames)[0, :, 0]
            for magnitudes in self.magnitudes
        ]
        return np.concatenate(answers)

    def score(self, probabilities: NDArray[np.float32]) -> ActivityScores:
        """Compare probabilities with the labels."""
        sung = probabilities >= THRESHOLD
        return ActivityScores(accuracy(self.truth, sung), f1(self.truth, sung))

    def show(self, board: Board, epoch: int, estimates: NDArray[np.float32]) -> None:
        """Do nothing: TensorBoard shows only sounds and pictures of separated clips."""
