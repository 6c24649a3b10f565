"""Systems that mask the spectrum of the mixture: analysis, masks, synthesis."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..audio import Audio
from ..dsp.stft import Spectra, Stft
from ..models.spectrograms import MaskArchitecture, Network
from .window_stepper import WindowStepper

Masks = Callable[[Audio, Spectra, slice], NDArray[np.float32]]


class MaskEngine:
    """Separates by masks; see `Engine`.

    Parameters
    ----------
    masks : callable
        Maps the mixtures, ``(batch, samples, channels)``, their spectra, ``(batch, channels, bins,
        frames)``, and the slice of the wanted frames to masks, ``(batch, targets, channels, bins,
        wanted frames)``.
    stft : Stft
    context : (int, int)
        Left and right context in samples, multiples of the hop.
    step : int
        Samples that a stream computes at a time.
    precision : {"float32", "bfloat16"}
        Precision in which the masks are computed.
    """

    batch_size = 1

    def __init__(
        self,
        masks: Masks,
        stft: Stft,
        context: tuple[int, int],
        step: int,
        precision: str = "float32",
    ) -> None:
        self.precision = precision
        self._step = step
        self._masks = masks
        self._stft = stft
        self._left, self._right = context

    def __call__(self, mixtures: Audio) -> Audio:
        """See `Engine`."""
        hop, before = self._stft.hop, self._stft.overlap - 1
        spectra = self._stft.spectra(mixtures)
        samples = mixtures.shape[1] - self._left - self._right
        first = self._left // hop - before
        wanted = slice(first, first + samples // hop + before)
        masks = self._masks(mixtures, spectra, wanted)
        estimate = self._stft.synthesise(masks * spectra[:, np.newaxis, ..., wanted])
        estimate = estimate[..., before * hop : before * hop + samples]
        return np.ascontiguousarray(
            estimate.reshape(len(mixtures), -1, samples).transpose(0, 2, 1), np.float32
        )

    def stepper(self, groups: int) -> WindowStepper:
        """See `Engine`."""
        del groups
        return WindowStepper(self, self._left + self._right, self._step)


def network_engine(
    network: Network, architecture: MaskArchitecture, precision: str = "float32"
) -> MaskEngine:
    """Return the engine of a network that estimates masks."""

    def masks(mixtures: Audio, spectra: Spectra, wanted: slice) -> NDArray[np.float32]:
        del mixtures
        return architecture.masks(network, spectra, wanted)

    return MaskEngine(
        masks, architecture.stft, architecture.context, architecture.frame_size, precision
    )
