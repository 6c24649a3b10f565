"""Systems that are not trained: rules."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..audio import Audio
from ..dsp.masks import cancel_centre, centre_mask, harmonic_mask
from ..dsp.pitch import track_f0
from ..dsp.stft import Spectra
from ..models.files import ModelFile
from ..models.rules import Centre, Harmonic
from .base import STEP_SAMPLES, Engine
from .mask_engine import MaskEngine, Masks
from .window_stepper import WindowStepper


class CentreCanceller:
    """Estimates the vocals as the mid signal; see `Engine`."""

    batch_size = 1
    precision = "float32"

    def __call__(self, mixtures: Audio) -> Audio:
        """See `Engine`."""
        return cancel_centre(mixtures)

    def stepper(self, groups: int) -> WindowStepper:
        """See `Engine`."""
        del groups
        return WindowStepper(self, 0, STEP_SAMPLES)


def rule_engine(model: ModelFile) -> Engine:
    """Return the engine of a rule."""
    rule = model.architecture
    if isinstance(rule, Harmonic):
        masks = harmonic_masks(rule, model.sample_rate)
        return MaskEngine(masks, rule.stft, rule.context, rule.frame_size)
    if isinstance(rule, Centre):
        return MaskEngine(centre_masks, rule.stft, rule.context, rule.frame_size)
    return CentreCanceller()


def centre_masks(mixtures: Audio, spectra: Spectra, wanted: slice) -> NDArray[np.float32]:
    """Return one mask for both channels; see `Masks`."""
    del mixtures
    left, right = spectra[:, 0, :, wanted], spectra[:, 1, :, wanted]
    return np.stack([centre_mask(left, right)] * 2, axis=1)[:, np.newaxis]


def harmonic_masks(rule: Harmonic, rate: int) -> Masks:
    """Return the masks of a comb at the pitch that pYIN tracks.

    Each block of frames is given to pYIN with a part of its neighbours. Blocks start at fixed
    places of the song, so the result does not depend on the chunks.
    """
    stft, block = rule.stft, rule.block
    beside = block // 4

    def masks(mixtures: Audio, spectra: Spectra, wanted: slice) -> NDArray[np.float32]:
        found = np.zeros((len(mixtures), spectra.shape[2], wanted.stop), np.float32)
        for k in range(wanted.start // block, -(-wanted.stop // block)):
            first, end = k * block - beside, min((k + 1) * block, wanted.stop) + beside
            part = slice(first * stft.hop, (end - 1) * stft.hop + stft.window)
            for i, sound in enumerate(mixtures[:, part, 0]):
                f0, voiced = track_f0(sound, rate, stft.window, stft.hop)
                comb = harmonic_mask(f0, voiced, rate, stft.window)
                found[i, :, k * block : end - beside] = comb[:, beside : end - beside - first]
        return found[:, np.newaxis, np.newaxis, :, wanted]

    return masks
