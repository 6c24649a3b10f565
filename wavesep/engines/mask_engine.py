"""Systems that weigh the mixture's spectrum: analysis, masks, the mixture's phase, synthesis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..audio import Audio
from ..dsp.stft import Spectra, Stft, frame_windows
from ..models.kinds import KINDS
from ..models.spectrogram import stft_of

WINDOWS = 64  # that a `FrameCnn` is given at a time

Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]
Masks = Callable[[Audio, Spectra, slice], NDArray[np.float32]]


class MaskEngine:
    """Separates by masks; see `Engine`.

    Parameters
    ----------
    masks : callable
        Given the mixtures, ``(batch, samples, channels)``, their spectra, ``(batch, channels, bins,
        frames)``, and which frames are wanted, it returns their masks, ``(batch, targets, channels,
        bins, wanted frames)``.
    stft : Stft
    context : (int, int)
        In samples, multiples of the hop.
    step : int
        Samples that a stream computes at a time.
    precision : {"float32", "bfloat16"}
        What the masks are computed in.
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
        spectra = self._stft.analyse(np.ascontiguousarray(mixtures.transpose(0, 2, 1)))
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


class WindowStepper:
    """Gives a network its context again with every step, one sound at a time; see `Stepper`.

    Parameters
    ----------
    network : callable
        Maps ``context + samples`` of a sound to ``samples`` of its estimate.
    context : int
        The left and the right one together.
    samples : int
    """

    primed = True

    def __init__(self, network: Callable[[Audio], Audio], context: int, samples: int) -> None:
        self.samples = samples
        self._network = network
        self._context = context
        self._heard: Audio | None = None

    def __call__(self, mixtures: Audio) -> Audio:
        """See `Stepper`."""
        if self._heard is None:
            self._heard = np.zeros_like(mixtures[:, :1]).repeat(self._context, axis=1)
        sound = np.concatenate([self._heard, mixtures], axis=1)
        self._heard = sound[:, mixtures.shape[1] :]
        # together, many groups would take much memory
        return np.concatenate([self._network(sound[i : i + 1]) for i in range(len(sound))])


def frame_masks(network: Network, architecture: dict[str, Any]) -> Masks:
    """Return the masks of a `FrameCnn` that slides over the frames."""
    frames, targets = architecture["frames"], architecture["targets"]

    def masks(mixtures: Audio, spectra: Spectra, wanted: slice) -> NDArray[np.float32]:
        del mixtures
        around = slice(wanted.start - frames // 2, wanted.stop + frames // 2)
        answers = slide(network, np.abs(spectra[:, 0, :, around]), frames)
        batch, count, _ = answers.shape
        return answers.reshape(batch, count, targets, 1, -1).transpose(0, 2, 3, 4, 1)

    return masks


def slide(network: Network, magnitudes: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    """Apply a `FrameCnn` to every run of so many frames.

    Parameters
    ----------
    network : callable
    magnitudes : float32 array, (batch, bins, all frames)
    frames : int

    Returns
    -------
    float32 array, (batch, all frames - frames + 1, answers)
    """
    runs = frame_windows(magnitudes, frames)
    batch, count = runs.shape[:2]
    # few sizes, so networks compile few times
    size = min(batch * count, WINDOWS)
    answers = []
    for begin in range(0, batch * count, size):
        numbers = np.arange(begin, begin + size) % (batch * count)
        answers.append(network(np.ascontiguousarray(runs[numbers // count, numbers % count])))
    return np.concatenate(answers)[: batch * count].reshape(batch, count, -1)


def unet_masks(network: Network, architecture: dict[str, Any]) -> Masks:
    """Return the masks of a `UNet`."""
    channels = architecture["channels"]
    aligned = 2 ** architecture["depth"]

    def masks(mixtures: Audio, spectra: Spectra, wanted: slice) -> NDArray[np.float32]:
        del mixtures
        magnitudes = np.abs(spectra).transpose(0, 2, 3, 1)
        # the last frames reach beyond the context; nothing that is wanted hears them
        missing = -magnitudes.shape[2] % aligned
        filled = np.pad(magnitudes, ((0, 0), (0, 0), (0, missing), (0, 0)))
        answers = network(filled)[:, :, wanted]
        batch, bins, count, _ = answers.shape
        return answers.reshape(batch, bins, count, -1, channels).transpose(0, 3, 4, 1, 2)

    return masks


NETWORK_MASKS = {"frame_cnn": frame_masks, "unet": unet_masks}


def network_engine(
    network: Network,
    kind: str,
    architecture: dict[str, Any],
    precision: str = "float32",
) -> MaskEngine:
    """Return the engine of a network that answers with masks."""
    masks = NETWORK_MASKS[kind](network, architecture)
    about = KINDS[kind]
    context, step = about.context(architecture), about.frame_size(architecture)
    return MaskEngine(masks, stft_of(architecture), context, step, precision)
