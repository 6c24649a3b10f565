"""Fixed clips on which a network is measured and listened to while it trains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..audio import Audio
from ..data.clips import Clips, pairs
from ..dsp.scores import si_sdr
from ..errors import AudioError


@dataclass(frozen=True)
class Scores:
    """How a network did on the validation clips.

    Attributes
    ----------
    si_sdr : float
        Mean SI-SDR of the estimates, in dB.
    si_sdr_gain : float
        Mean of what that is above the SI-SDR of the mixture itself, in dB.
    loss : float
        Mean absolute error.
    """

    si_sdr: float
    si_sdr_gain: float
    loss: float


class Validation:
    """Snippets out of songs whose stems are known; the same ones at every call.

    Parameters
    ----------
    vocals, accompaniment : Clips
        Clips of the same name belong to one song. None of them may be trained on.
    samples : int
        Length of each snippet, out of the middle of its song.
    left_context, right_context : int
        Of the network, in samples.
    sample_rate : int
        In Hz.
    channels : int
    most : int, >= 1
        Snippets at the most; they are spread evenly over the songs.

    Attributes
    ----------
    names : list of str
        Of the songs.
    mixtures : float32 array, (snippets, left_context + samples + right_context, channels)
    targets : float32 array, (snippets, samples, channels)

    Raises
    ------
    AudioError
        If no song has both stems, or none of the snippets holds vocals.
    """

    def __init__(
        self,
        vocals: Clips,
        accompaniment: Clips,
        *,
        samples: int,
        left_context: int,
        right_context: int,
        sample_rate: int = 44_100,
        channels: int = 2,
        most: int = 24,
    ) -> None:
        songs = pairs(vocals, accompaniment)
        if not songs:
            raise AudioError("no validation song has both stems: two files of the same name")
        count = min(most, len(songs))
        songs = [songs[i] for i in np.linspace(0, len(songs) - 1, count).round().astype(int)]
        self.names = [vocals.names[i] for i, _ in songs]
        self.sample_rate = sample_rate
        self._left = left_context
        length = left_context + samples + right_context

        def read(clips: Clips, index: int, seconds: float) -> Audio:
            start = (seconds - samples / sample_rate) / 2 - left_context / sample_rate
            return clips.read(index, start, length, sample_rate, channels)

        stems = [
            [read(vocals, i, vocals.seconds[i]), read(accompaniment, j, vocals.seconds[i])]
            for i, j in songs
        ]
        self.mixtures = np.stack([v + a for v, a in stems])
        self.targets = np.stack([v[left_context : left_context + samples] for v, _ in stems])
        if not self.targets.any():
            raise AudioError("no validation song has vocals in its middle")

    def mixture(self, index: int) -> Audio:
        """Return one mixture without its context, as long as its target."""
        return self.mixtures[index, self._left : self._left + self.targets.shape[1]]

    def estimate(self, separate: Callable[[Audio], Audio], batch_size: int = 4) -> Audio:
        """Return estimates, ``(snippets, samples, channels)``, of what maps such mixtures."""
        # one shape of batch, so that nothing is compiled twice
        spare = -len(self.mixtures) % batch_size
        mixtures = np.concatenate(
            [self.mixtures, np.zeros_like(self.mixtures[:1]).repeat(spare, 0)]
        )
        estimates = [
            separate(mixtures[i : i + batch_size]) for i in range(0, len(mixtures), batch_size)
        ]
        return np.concatenate(estimates)[: len(self.mixtures)]

    def score(self, estimates: Audio) -> Scores:
        """Compare estimates with the targets; songs whose snippet has no vocals do not count."""
        sung = [i for i, target in enumerate(self.targets) if target.any()]
        after = [si_sdr(self.targets[i], estimates[i]) for i in sung]
        before = [si_sdr(self.targets[i], self.mixture(i)) for i in sung]
        return Scores(
            si_sdr=float(np.mean(after)),
            si_sdr_gain=float(np.mean(after) - np.mean(before)),
            loss=float(np.abs(estimates - self.targets).mean()),
        )
