"""What networks that weigh spectrograms are trained on, made of `MixGenerator`'s mixtures."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from ..audio import Audio
from ..dsp.stft import Spectra, frame_windows
from ..models.spectrogram import stft_of
from .mixes import MixGenerator

PATCH = 128  # frames that a `UNet` is trained on at a time
WINDOWS, SPACING = 8, 16  # out of a mixture for `FrameCnn`, so many frames apart

Examples = tuple[NDArray[np.float32], NDArray[np.float32]]


def snippet_samples(architecture: dict[str, Any], kind: str) -> int:
    """Return how long the snippets of a `MixGenerator` must be, their contexts 0."""
    frames = PATCH if kind == "unet" else (WINDOWS - 1) * SPACING + architecture["frames"]
    return (frames - 1) * int(architecture["hop"]) + int(architecture["window"])


class Spectrograms(keras.utils.PyDataset):
    """The batches of a generator as magnitudes and what a network shall make of them.

    Parameters
    ----------
    mixes : MixGenerator
        Its snippets are as long as `snippet_samples` says.
    architecture : dict
        Of the network.
    """

    def __init__(self, mixes: MixGenerator, architecture: dict[str, Any]) -> None:
        super().__init__(workers=1)
        self.mixes = mixes
        self.architecture = architecture
        self.stft = stft_of(architecture)

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return len(self.mixes)

    def spectra(self, index: int) -> tuple[Spectra, Spectra]:
        """Return the mixtures and the targets of a batch, ``(batch, channels, bins, frames)``."""
        mixtures, targets = self.mixes[index]
        return self.analyse(mixtures), self.analyse(targets)

    def analyse(self, audio: Audio) -> Spectra:
        """Map ``(batch, samples, channels)`` to ``(batch, channels, bins, frames)``."""
        return self.stft.analyse(np.ascontiguousarray(audio.transpose(0, 2, 1)))


class UNetExamples(Spectrograms):
    """Magnitudes of mixtures, for a `UNet`; to be compared with those of their targets.

    An item is ``(batch, bins, frames, channels)``, and ``(batch, bins, frames, 2 * channels *
    targets)``: the targets' magnitudes, then those that their masks are applied to.
    """

    def __getitem__(self, index: int) -> Examples:
        """Return batch ``index`` of the epoch."""
        mixtures, targets = (np.abs(s).transpose(0, 2, 3, 1) for s in self.spectra(index))
        masked = np.tile(mixtures, self.architecture["targets"])
        return mixtures, np.concatenate([targets, masked], axis=-1)


class MaskExamples(Spectrograms):
    """Windows of the magnitudes of mixtures, for a `FrameCnn`, and the ideal binary masks.

    An item is ``(batch * WINDOWS, bins, frames)``, and ``(batch * WINDOWS, bins * targets)``: 1
    where a target is louder than the rest of the mixture in the window's middle frame.
    """

    def __getitem__(self, index: int) -> Examples:
        """Return batch ``index`` of the epoch."""
        mixtures, targets = self.spectra(index)
        frames = self.architecture["frames"]
        windows = frame_windows(np.abs(mixtures[:, 0]), frames)[:, ::SPACING]
        masks = (np.abs(targets) > np.abs(mixtures - targets)).astype(np.float32)
        middle = masks[..., frames // 2 :: SPACING][..., :WINDOWS]
        batch, targets_, bins, count = middle.shape
        truth = middle.transpose(0, 3, 1, 2).reshape(batch * count, targets_ * bins)
        return windows.reshape(-1, bins, frames), truth
