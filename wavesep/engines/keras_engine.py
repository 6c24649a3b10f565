"""A network run by Keras, on the backend and the device that it has."""

from __future__ import annotations

import re
import threading
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras

from ..audio import Audio
from ..errors import OptionError
from ..models.files import ModelFile


class KerasEngine:
    """Runs a model through Keras; see `Engine`.

    Parameters
    ----------
    model : ModelFile
    device : str, optional
        "cpu", "gpu", "gpu:1" …; default: what the backend prefers.

    Raises
    ------
    OptionError
        If the backend has no such device.
    """

    def __init__(self, model: ModelFile, device: str | None = None) -> None:
        self._device = device
        self._lock = threading.Lock()  # Keras compiles on the first call, and JAX keeps state
        self.batch_size = 1 if find_place(device) == "cpu" else 8
        with on(device):
            self._network = model.build(padding="valid")

    def __call__(self, mixtures: Audio) -> Audio:
        """See `Engine`."""
        with self._lock, on(self._device):
            estimates: Audio = self._network.predict_on_batch(mixtures)
        return estimates


def on(device: str | None) -> AbstractContextManager[Any]:
    """Return a scope in which Keras uses a device; None leaves the choice to its backend."""
    return nullcontext() if device is None else keras.device(device)


def find_place(device: str | None) -> str:
    """Return where Keras's backend runs, "cpu" or "gpu", or raise OptionError.

    Backends differ in how they refuse a device, and TensorFlow takes the CPU without a word; so a
    number is put there, to see where it lies.
    """
    known = re.fullmatch(r"(cpu|gpu)(:\d+)?", device or "")
    try:
        with on(device):
            place = "cpu" if "cpu" in str(keras.ops.zeros(1).device).lower() else "gpu"
    except (AssertionError, RuntimeError, ValueError):
        place = "nowhere"
    if device is not None and (known is None or place != known[1]):
        raise OptionError(
            f"Keras's backend {keras.backend.backend()!r} has no device {device!r} here: "
            'choose "cpu", or "gpu" or "gpu:1" where there is one'
        )
    return place
