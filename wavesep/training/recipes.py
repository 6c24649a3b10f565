"""How each kind of network is trained: its loss, its optimizer, its examples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from ..audio import Audio
from ..data.spectrograms import MaskExamples, UNetExamples
from ..engines.mask_engine import network_engine
from .muon import Muon

# layers of a WaveNet where sound goes in and where the answer comes out
ENDS = ("analysis_", "cell_encoder", "mask/", "synthesis_", "decoder")

Separate = Callable[[Audio], Audio]


@dataclass(frozen=True)
class Recipe:
    """What training a kind of network takes.

    Attributes
    ----------
    loss : str or callable
        Keras's name of it, or a function of the truth and the network's answer.
    optimizer : callable
        Of the learning rate or its schedule.
    learning_rate : float
        Of the first step, unless told; it falls to zero as a cosine.
    examples : callable
        Of a generator and a network: the data set that Keras fits.
    answer : callable
        Of a network: what its validation calls, with mixtures that hold its context, for estimates;
        or with windows of spectra, for probabilities.
    """

    loss: str | Callable[[Any, Any], Any]
    optimizer: Callable[[Any], keras.optimizers.Optimizer]
    learning_rate: float
    examples: Callable[[Any, keras.Model], keras.utils.PyDataset]
    answer: Callable[[keras.Model], Separate]


def masked_error(truth: Any, masks: Any) -> Any:
    """Return the mean absolute error of masked magnitudes; see `UNetExamples`.

    A. Jansson et al. (2017), equation 1.
    """
    targets, mixtures = ops.split(truth, 2, axis=-1)
    return ops.mean(ops.abs(masks * mixtures - targets), axis=-1)


def by_masks(network: keras.Model) -> Separate:
    """Return what separates by the masks of a network."""
    return network_engine(network.predict_on_batch, network.kind, network.config)


RECIPES = {
    "wavenet": Recipe(
        "mae", lambda rate: Muon(rate, adam=ENDS), 1e-3,
        lambda mixes, network: mixes,
        lambda network: network.predict_on_batch,
    ),
    "frame_cnn": Recipe(
        "mse", keras.optimizers.Adam, 1e-3,
        lambda mixes, network: MaskExamples(mixes, network.config),
        by_masks,
    ),
    "vocal_activity": Recipe(
        "binary_crossentropy",
        lambda rate: keras.optimizers.SGD(rate, momentum=0.9, nesterov=True),
        1e-3,
        lambda mixes, network: mixes,
        lambda network: network.predict_on_batch,
    ),
    "unet": Recipe(
        masked_error,
        lambda rate: keras.optimizers.Adam(rate, weight_decay=1e-5),
        1e-4,
        lambda mixes, network: UNetExamples(mixes, network.config),
        by_masks,
    ),
}  # fmt: skip


def recipe_of(network: keras.Model) -> Recipe:
    """Return how a network is trained."""
    activity = network.config.get("answer") == "activity"
    return RECIPES["vocal_activity" if activity else network.kind]
