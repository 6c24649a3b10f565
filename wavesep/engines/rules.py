"""Systems that nobody trains, and the Wiener filter over a system's estimates; no network here."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..audio import Audio
from ..dsp.masks import cancel_centre, centre_mask, harmonic_mask, ratio_mask, track_f0
from ..dsp.stft import Spectra
from ..models.files import ModelFile
from ..models.spectrogram import WIENER, stft_of
from .base import STEP_SAMPLES, Engine
from .mask_engine import MaskEngine, Masks, WindowStepper


class CentreCanceller:
    """Takes what left and right have in common for the vocals; see `Engine`."""

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
    if model.kind == "phase_cancellation":
        return CentreCanceller()
    masks = centre_masks if model.kind == "centre" else harmonic_masks(model)
    return MaskEngine(masks, stft_of(model.architecture), model.context, model.frame_size)


def centre_masks(mixtures: Audio, spectra: Spectra, wanted: slice) -> NDArray[np.float32]:
    """Return one mask for both channels; see `Masks`."""
    del mixtures
    left, right = spectra[:, 0, :, wanted], spectra[:, 1, :, wanted]
    return np.stack([centre_mask(left, right)] * 2, axis=1)[:, np.newaxis]


def harmonic_masks(model: ModelFile) -> Masks:
    """Return the masks of a comb at the pitch that pYIN hears.

    Each block of frames is heard with some of the blocks beside it, at places that are the song's
    own: so the chunks leave no trace, though pYIN looks at all that it is given.
    """
    stft, rate = stft_of(model.architecture), model.sample_rate
    block = model.architecture["block"]
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


def wiener_engine(source: Engine, bare: ModelFile, model: ModelFile) -> MaskEngine:
    """Return a system that weighs the mixture's spectrum by the power of another's estimates.

    Parameters
    ----------
    source : Engine
        Of the estimates.
    bare, model : ModelFile
        The source's, and the same with `ModelFile.wiener`.

    References
    ----------
    A. Liutkus and R. Badeau, "Generalized Wiener filtering with fractional power spectrograms",
    ICASSP 2015, equation 8 with the power 2.
    """
    left, right = bare.context
    channels = model.architecture["channels"]

    def masks(mixtures: Audio, spectra: Spectra, wanted: slice) -> NDArray[np.float32]:
        estimates = np.pad(source(mixtures), ((0, 0), (left, right), (0, 0)))
        analysed = WIENER.analyse(np.ascontiguousarray(estimates.transpose(0, 2, 1)))[..., wanted]
        batch, _, bins, count = analysed.shape
        targets = analysed.reshape(batch, -1, channels, bins, count)
        rest = np.abs(spectra[..., wanted] - targets.sum(axis=1))
        power = np.square(np.abs(targets))
        others = np.sqrt(power.sum(axis=1, keepdims=True) - power + np.square(rest[:, np.newaxis]))
        return ratio_mask(np.abs(targets), others, power=2.0)

    return MaskEngine(masks, WIENER, model.context, model.frame_size, source.precision)
