"""A whole sound as frames, and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wavesep.dsp.stft import Spectra, Stft


def frame_count(stft: Stft, samples: int) -> int:
    """Return how many frames a sound of so many samples has."""
    return 1 + (samples - stft.window) // stft.hop


def transform(stft: Stft, audio: NDArray[np.float32]) -> Spectra:
    """Return the frames of a whole sound, silence around it: every sample lies in all of its."""
    edges = [(0, 0)] * (audio.ndim - 1)
    margin = (stft.overlap - 1) * stft.hop
    end = -(-audio.shape[-1] // stft.hop) * stft.hop - audio.shape[-1] + margin
    return stft.analyse(np.pad(audio, [*edges, (margin, end + stft.window - stft.hop)]))


def inverse(stft: Stft, spectra: Spectra, samples: int) -> NDArray[np.float32]:
    """Undo `transform` for a sound of so many samples."""
    margin = (stft.overlap - 1) * stft.hop
    return stft.synthesise(spectra)[..., margin : margin + samples]
