"""The base classes of systems that are given spectrograms, without Keras."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..dsp.stft import Spectra, Stft
from .base import Architecture

# Networks compress their input: log(1 + LOUDNESS / window * magnitude)
LOUDNESS = 4_000

Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True)
class SpectrogramArchitecture(Architecture):
    """The arguments of a system that is given spectrograms.

    Attributes
    ----------
    window, hop : int
        Of the STFT, in samples. The window is even and at least as long as the hop.

    Raises
    ------
    ValueError
        If an argument is out of its range.
    """

    window: int = 1024
    hop: int = 256

    def __post_init__(self) -> None:
        """Check the arguments of the STFT."""
        super().__post_init__()
        if self.window % 2 or self.hop > self.window:
            raise ValueError(
                f"window must be even and at least as long as hop={self.hop}, not {self.window}"
            )

    @property
    def stft(self) -> Stft:
        """The transform that makes the spectrograms."""
        return Stft(self.window, self.hop)

    @property
    def bins(self) -> int:
        """Number of frequency bins in a frame."""
        return self.window // 2 + 1

    @property
    def frame_size(self) -> int:
        """The length of a chunk must be a multiple of this many samples."""
        return self.hop

    @property
    def input(self) -> str:
        """The input of the system, as text."""
        return f"{self.bins} bins"

    def context_of(self, frames: int, aligned: int = 1) -> tuple[int, int]:
        """Return the samples that an estimate needs before and after itself.

        Parameters
        ----------
        frames : int
            Frames on each side that the mask of a frame depends on.
        aligned : int
            The network's input must have a multiple of this many frames.
        """
        # a sample of the estimate is part of ``overlap`` frames
        needed = frames + self.stft.overlap - 1
        context = -(-needed // aligned) * aligned * self.hop
        return context, context

    def samples_of(self, frames: int) -> int:
        """Return the length of a sound that has this many frames, in samples."""
        return (frames - 1) * self.hop + self.window


@dataclass(frozen=True, kw_only=True)
class MaskArchitecture(SpectrogramArchitecture):
    """The arguments of a network that estimates masks."""

    @abstractmethod
    def masks(self, network: Network, spectra: Spectra, wanted: slice) -> NDArray[np.float32]:
        """Return the masks that a network of this architecture estimates for spectra.

        Parameters
        ----------
        network : callable
            Maps a batch of its input to a batch of its output.
        spectra : complex64 array, (batch, channels, bins, frames)
        wanted : slice
            Frames whose masks are returned.

        Returns
        -------
        float32 array, (batch, targets, channels, bins, wanted frames)
        """
