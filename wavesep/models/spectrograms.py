"""What all systems of spectrograms have in common. No Keras."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..dsp.stft import Spectra, Stft
from .base import Architecture

# Networks begin with a logarithm: log(1 + LOUDNESS / window * magnitude)
LOUDNESS = 4_000

Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True)
class SpectrogramArchitecture(Architecture):
    """The arguments of a system that is given spectrograms.

    Attributes
    ----------
    window, hop : int
        Of the STFT, in samples; the window is even and no shorter than the hop.
    """

    window: int = 1024
    hop: int = 256

    def __post_init__(self) -> None:
        """Raise ValueError unless there is such an STFT."""
        super().__post_init__()
        if self.window % 2 or self.hop > self.window:
            raise ValueError(
                f"window must be even and no shorter than hop. Received: window={self.window}, "
                f"hop={self.hop}"
            )

    @property
    def stft(self) -> Stft:
        """The transform whose magnitudes the system is given."""
        return Stft(self.window, self.hop)

    @property
    def bins(self) -> int:
        """Number of frequencies in a frame."""
        return self.window // 2 + 1

    @property
    def frame_size(self) -> int:
        """Samples that a chunk's length is a multiple of."""
        return self.hop

    @property
    def input(self) -> str:
        """What the system is given."""
        return f"{self.bins} bins"

    def context_of(self, frames: int, aligned: int = 1) -> tuple[int, int]:
        """Return the samples that an estimate needs before and after itself.

        Parameters
        ----------
        frames : int
            Frames on each side that the mask of a frame depends on.
        aligned : int
            Number of frames that the network must be given a multiple of.
        """
        # a sample of the estimate lies in ``overlap`` frames
        needed = frames + self.stft.overlap - 1
        context = -(-needed // aligned) * aligned * self.hop
        return context, context

    def samples_of(self, frames: int) -> int:
        """Return the length of a sound of so many frames."""
        return (frames - 1) * self.hop + self.window


@dataclass(frozen=True, kw_only=True)
class MaskArchitecture(SpectrogramArchitecture):
    """The arguments of a network that estimates masks."""

    @abstractmethod
    def masks(self, network: Network, spectra: Spectra, wanted: slice) -> NDArray[np.float32]:
        """Return the masks that a network of this architecture estimates.

        Parameters
        ----------
        network : callable
            Maps a batch of its input to a batch of its output.
        spectra : complex64 array, (batch, channels, bins, frames)
        wanted : slice
            Of the frames.

        Returns
        -------
        float32 array, (batch, targets, channels, bins, wanted frames)
        """
