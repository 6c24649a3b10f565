"""Other separators at their published sizes, with random weights, to compare speeds with wavesep.

The speed of a network does not depend on its weights, so nothing is downloaded. Every peer runs
as its users run it, with its cheapest settings; Open-Unmix also runs with its default filter.
PyTorch, Keras and the packages of the peers are imported when a peer is built. The caller sets the
number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from importlib import import_module, util
from typing import Any, NamedTuple

import numpy as np

from ..audio import Audio
from ..dsp.stft import Stft

DEMUCS_SOURCES = ("drums", "bass", "other", "vocals")
CONV_TASNET_CHUNK = 4 * 44_100  # samples: its paper trains on four seconds

SPLEETER_FFT = 4096
SPLEETER_HOP = 1024
SPLEETER_FRAMES = 512  # of a chunk, its "T"
SPLEETER_BINS = 1024  # up to 11 kHz, its "F"; higher bins are silent in every stem
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
    """The package that has to be installed."""
    build: Callable[[], Built]

    @property
    def installed(self) -> bool:
        """Whether it can be built here."""
        return util.find_spec(self.package) is not None


def build_open_unmix(name: str, niter: int) -> Built:
    """Build Open-Unmix as its users run it for vocals and accompaniment.

    That is ``umx --targets vocals --residual``: one network and, by default, one iteration of the
    Wiener filter between the vocals and the residual. Without the filter (``--niter 0``), the
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
    # the defaults are the published settings except the segment: remote/hdemucs_mmi.yaml
    return wrap_demucs(hdemucs.HDemucs(DEMUCS_SOURCES, segment=44))


def build_htdemucs() -> Built:
    """Build HTDemucs, the network of ``htdemucs``."""
    htdemucs = import_module("demucs.htdemucs")
    # the settings of the published file, 955717e8, from grids/mmi.py; the defaults differ
    network = htdemucs.HTDemucs(
        DEMUCS_SOURCES, bottom_channels=512, dconv_mode=3, segment=Fraction(39, 5)
    )
    return wrap_demucs(network)


def build_conv_tasnet() -> Built:
    """Build Conv-TasNet at the best size of its paper; it separates each channel on its own.

    Asteroid's defaults are that size: N 512, L 16, B 128, H 512, Sc 128, P 3, X 8, R 3 and global
    layer normalisation (Luo and Mesgarani 2019, arXiv:1809.07454). The mixture is cut into chunks,
    since a whole song of four minutes would need about 40 GB.
    """
    torch = import_module("torch")
    network = import_module("asteroid.models").ConvTasNet(n_src=2, sample_rate=44_100)

    def separate(mixture: Any) -> Any:
        count = -(-mixture.shape[-1] // CONV_TASNET_CHUNK)
        chunks = torch.tensor_split(mixture[0], count, dim=-1)  # its channels are a batch
        return torch.cat([network(chunk) for chunk in chunks], dim=-1).transpose(0, 1)[None]

    return wrap_torch(network, separate)


def build_spleeter() -> Built:
    """Build the two-stem model of Spleeter in Keras: its own package needs an old TensorFlow.

    One U-Net for each stem is given the magnitude spectrogram in chunks of 512 frames. The ratios
    of the squared estimates are the masks [1]_.

    References
    ----------
    .. [1] R. Hennequin, A. Khlif, F. Voituret and M. Moussallam, "Spleeter: a fast and efficient
       music source separation tool with pre-trained models", JOSS 5(50), 2020.
    """
    network = spleeter_network()
    stft = Stft(SPLEETER_FFT, SPLEETER_HOP)

    def separate(mixture: Audio) -> Audio:
        edge = stft.window // 2  # the middle of the first frame is the first sample
        spectrum = stft.analyse(np.pad(mixture.T, ((0, 0), (edge, edge + stft.hop))))
        stems = np.zeros((SPLEETER_STEMS, *spectrum.shape), spectrum.dtype)
        low = spectrum[:, :SPLEETER_BINS]
        stems[:, :, :SPLEETER_BINS] = spleeter_masks(network, np.abs(low)) * low
        estimates: Audio = stft.synthesise(stems)[..., edge : edge + len(mixture)]
        return estimates.swapaxes(1, 2)

    return Built(network.count_params(), separate)


def spleeter_masks(network: Any, magnitude: Audio) -> Audio:
    """Map ``(channels, bins, frames)`` to ``(stems, channels, bins, frames)``."""
    frames = magnitude.shape[-1]
    padding = -frames % SPLEETER_FRAMES
    chunks = np.pad(magnitude.T, ((0, padding), (0, 0), (0, 0)))
    chunks = chunks.reshape(-1, SPLEETER_FRAMES, *chunks.shape[1:])
    # larger batches are not faster on a CPU and need more memory
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

    It has six strided convolutions down and six transposed ones up. The first five on the way up
    are concatenated with the output of the same level on the way down [1]_. A dilated convolution
    maps the last single channel to a stereo mask. There is no dropout, which acts in training only.

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
    """Run a network in overlapping segments, as ``demucs --shifts 0`` does."""
    apply_model = import_module("demucs.apply").apply_model
    return wrap_torch(network, partial(apply_model, network, shifts=0, split=True, overlap=0.25))


def wrap_torch(network: Any, separate: Callable[[Any], Any]) -> Built:
    """Wrap a PyTorch network so that it maps arrays to arrays.

    Parameters
    ----------
    network : torch.nn.Module
    separate : callable
        Maps a tensor ``(1, 2, samples)`` to ``(1, stems, 2, samples)`` with the network.
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
