"""Other separators, built at their published sizes with random weights, to be timed beside wavesep.

How long a network takes does not depend on what it has learned, so nothing is ever downloaded.
Every peer runs as its own users run it, in the cheapest way that they can ask for. PyTorch, Keras
and the peers' packages are imported when a peer is built, never before; how many threads they
have is up to the caller.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from importlib import import_module, util
from typing import Any, NamedTuple

import numpy as np

from ..audio import Audio

DEMUCS_SOURCES = ("drums", "bass", "other", "vocals")
CONV_TASNET_CHUNK = 4 * 44_100  # samples: its paper trains on four seconds

SPLEETER_FFT = 4096
SPLEETER_HOP = 1024
SPLEETER_FRAMES = 512  # of a chunk, its "T"
SPLEETER_BINS = 1024  # up to 11 kHz, its "F"; what lies above is silent in every stem
SPLEETER_STEMS = 2
SPLEETER_FILTERS = (16, 32, 64, 128, 256, 512)
SPLEETER_EPSILON = 1e-10  # keeps silence from being divided by silence


class Built(NamedTuple):
    """A peer that is ready to run."""

    parameters: int
    separate: Callable[[Audio], Audio]
    """Maps a mixture, ``(samples, 2)`` at 44,100 Hz, to stems, ``(stems, samples, 2)``."""


class Peer(NamedTuple):
    """A separator that wavesep is compared with."""

    name: str
    package: str
    """What has to be installed."""
    build: Callable[[], Built]

    @property
    def installed(self) -> bool:
        """Whether it can be built here."""
        return util.find_spec(self.package) is not None


def build_open_unmix(name: str, niter: int) -> Built:
    """Build Open-Unmix as its users run it for vocals and accompaniment.

    That is ``umx --targets vocals --residual``: one network and, by default, one iteration of the
    Wiener filter between the vocals and what they leave over. Without it, ``--niter 0``, the
    accompaniment is the mixture minus the vocals.

    Parameters
    ----------
    name : {"umxhq", "umxl"}
    niter : {0, 1}
        Iterations of the Wiener filter.
    """
    torch = import_module("torch")
    make = getattr(import_module("openunmix"), name)
    separator = make(targets=["vocals"], residual=niter > 0, pretrained=False, niter=niter)

    def subtract(mixture: Any) -> Any:
        vocals = separator(mixture)
        return torch.cat([vocals, mixture[:, None] - vocals], dim=1)

    return wrap_torch(separator.target_models["vocals"], separator if niter else subtract)


def build_hdemucs() -> Built:
    """Build Demucs v3, the network of ``hdemucs_mmi``; ``mdx_extra`` averages four of its size."""
    hdemucs = import_module("demucs.hdemucs")
    # the defaults are the published settings, but for the segment: remote/hdemucs_mmi.yaml
    return wrap_demucs(hdemucs.HDemucs(DEMUCS_SOURCES, segment=44))


def build_htdemucs() -> Built:
    """Build HTDemucs, the network of ``htdemucs``."""
    htdemucs = import_module("demucs.htdemucs")
    # what the published file, 955717e8, holds: grids/mmi.py trains it so, the defaults do not
    network = htdemucs.HTDemucs(
        DEMUCS_SOURCES, bottom_channels=512, dconv_mode=3, segment=Fraction(39, 5)
    )
    return wrap_demucs(network)


def build_conv_tasnet() -> Built:
    """Build Conv-TasNet at the best size of its paper, a channel of the mixture at a time.

    Asteroid's defaults are that size: N 512, L 16, B 128, H 512, Sc 128, P 3, X 8, R 3 and global
    layer normalisation (Luo and Mesgarani 2019, arXiv:1809.07454). The mixture is cut up, as a
    whole song of four minutes would take some 40 GB.
    """
    torch = import_module("torch")
    network = import_module("asteroid.models").ConvTasNet(n_src=2, sample_rate=44_100)

    def separate(mixture: Any) -> Any:
        count = -(-mixture.shape[-1] // CONV_TASNET_CHUNK)
        chunks = torch.tensor_split(mixture[0], count, dim=-1)  # its channels are a batch
        return torch.cat([network(chunk) for chunk in chunks], dim=-1).transpose(0, 1)[None]

    return wrap_torch(network, separate)


def build_spleeter() -> Built:
    """Build the two-stem model of Spleeter, whose own package wants a TensorFlow of the past.

    A magnitude spectrogram goes to one U-Net a stem, in chunks of 512 frames; the ratios of the
    squared estimates are the masks [1]_. The Fourier transforms are librosa's, as Spleeter's own
    are where there is no GPU.

    References
    ----------
    .. [1] R. Hennequin, A. Khlif, F. Voituret and M. Moussallam, "Spleeter: a fast and efficient
       music source separation tool with pre-trained models", JOSS 5(50), 2020.
    """
    import librosa

    network = spleeter_network()

    def separate(mixture: Audio) -> Audio:
        transform = {"n_fft": SPLEETER_FFT, "hop_length": SPLEETER_HOP}
        spectrum = librosa.stft(np.ascontiguousarray(mixture.T), **transform)
        stems = np.zeros((SPLEETER_STEMS, *spectrum.shape), spectrum.dtype)
        low = spectrum[:, :SPLEETER_BINS]
        stems[:, :, :SPLEETER_BINS] = spleeter_masks(network, np.abs(low)) * low
        estimates: Audio = librosa.istft(stems, **transform, length=len(mixture))
        return estimates.swapaxes(1, 2)

    return Built(network.count_params(), separate)


def spleeter_masks(network: Any, magnitude: Audio) -> Audio:
    """Map ``(channels, bins, frames)`` to ``(stems, channels, bins, frames)``."""
    frames = magnitude.shape[-1]
    padding = -frames % SPLEETER_FRAMES
    chunks = np.pad(magnitude.T, ((0, padding), (0, 0), (0, 0)))
    chunks = chunks.reshape(-1, SPLEETER_FRAMES, *chunks.shape[1:])
    # more than a chunk in a batch is no faster on a CPU, and takes as many times the memory
    masks: Audio = network.predict(chunks, batch_size=1, verbose=0)
    masks = np.concatenate([*masks], axis=1)[:, :frames]
    return masks.transpose(0, 3, 2, 1)


def spleeter_network() -> Any:
    """Map magnitudes ``(batch, frames, bins, 2)`` to masks ``(batch, stems, frames, bins, 2)``."""
    import keras

    mixture = keras.Input((SPLEETER_FRAMES, SPLEETER_BINS, 2))
    estimates = [mixture * spleeter_unet(mixture) for _ in range(SPLEETER_STEMS)]
    power = keras.ops.square(keras.ops.stack(estimates, axis=1)) + SPLEETER_EPSILON
    return keras.Model(mixture, power / keras.ops.sum(power, axis=1, keepdims=True))


def spleeter_unet(mixture: Any) -> Any:
    """Estimate the mask of one stem.

    Six strided convolutions down, six up again, the first five of which are followed by what the
    same level had on the way down [1]_; a dilated convolution makes a stereo mask of the one
    channel that is left. Dropout, which only acts in training, is left out.

    References
    ----------
    .. [1] A. Jansson, E. Humphrey, N. Montecchio, R. Bittner, A. Kumar and T. Weyde, "Singing
       voice separation with deep U-Net convolutional networks", ISMIR 2017.
    """
    from keras import layers

    x, levels = mixture, []
    for filters in SPLEETER_FILTERS:
        x = layers.Conv2D(filters, 5, strides=2, padding="same")(x)
        x = layers.LeakyReLU(0.2)(layers.BatchNormalization()(x))
        levels.append(x)
    for level in levels[-2::-1]:
        x = layers.Conv2DTranspose(level.shape[-1], 5, strides=2, padding="same")(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.Concatenate()([level, x])
    x = layers.Conv2DTranspose(1, 5, strides=2, padding="same")(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    return layers.Conv2D(2, 4, dilation_rate=2, padding="same", activation="sigmoid")(x)


def wrap_demucs(network: Any) -> Built:
    """Let a network run as the command ``demucs --shifts 0`` lets it: in overlapping segments."""
    apply_model = import_module("demucs.apply").apply_model
    return wrap_torch(network, partial(apply_model, network, shifts=0, split=True, overlap=0.25))


def wrap_torch(network: Any, separate: Callable[[Any], Any]) -> Built:
    """Let arrays in and out of PyTorch.

    Parameters
    ----------
    network : torch.nn.Module
    separate : callable
        Maps a tensor ``(1, 2, samples)`` to one ``(1, stems, 2, samples)``, by the network.
    """
    torch = import_module("torch")
    network.eval()

    def separate_array(mixture: Audio) -> Audio:
        with torch.inference_mode():
            stems = separate(torch.tensor(mixture.T[np.newaxis]))
        estimates: Audio = stems[0].transpose(1, 2).numpy()
        return estimates

    return Built(sum(weights.numel() for weights in network.parameters()), separate_array)


PEERS = (
    Peer("Open-Unmix umxhq", "openunmix", partial(build_open_unmix, "umxhq", niter=1)),
    Peer("Open-Unmix umxhq, unfiltered", "openunmix", partial(build_open_unmix, "umxhq", niter=0)),
    Peer("Open-Unmix umxl", "openunmix", partial(build_open_unmix, "umxl", niter=1)),
    Peer("Open-Unmix umxl, unfiltered", "openunmix", partial(build_open_unmix, "umxl", niter=0)),
    Peer("Spleeter 2stems U-Net", "keras", build_spleeter),
    Peer("Demucs v3", "demucs", build_hdemucs),
    Peer("HTDemucs", "demucs", build_htdemucs),
    Peer("Conv-TasNet", "asteroid", build_conv_tasnet),
)
