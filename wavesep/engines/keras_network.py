"""Networks run by Keras, on any backend and device."""

from __future__ import annotations

import re
import threading
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from ..audio import Audio
from ..models.arrays import set_network_arrays
from ..models.files import ModelFile
from .base import Stepper, step_samples
from .devices import computing_in, device_type, jit_compile, on
from .window_stepper import WindowStepper

GPU_BATCH = 16  # chunks, at first: see KerasNetwork.__call__
OUT_OF_MEMORY = re.compile("out of memory|RESOURCE_EXHAUSTED|OOM", re.IGNORECASE)


class KerasNetwork:
    """Runs a network through Keras; see `Network`.

    Parameters
    ----------
    model : ModelFile
    precision : {"auto", "float32", "bfloat16"}
        "auto" takes bfloat16 on a GPU and float32 on a CPU.
    device : str, optional
        "cpu", "gpu", "gpu:1" …; default: the backend's choice.

    Raises
    ------
    OptionError
        If the backend has no such device.
    """

    def __init__(
        self, model: ModelFile, precision: str = "auto", device: str | None = None
    ) -> None:
        found = device_type(device)
        if precision == "auto":
            precision = "float32" if found == "cpu" else "bfloat16"
        self.precision = precision
        self.batch_size = 1 if found == "cpu" else GPU_BATCH
        self._most = GPU_BATCH  # mixtures that fit into the memory of the device
        self._model = model
        self._device = device
        self._lock = threading.Lock()  # Keras compiles on the first call, and JAX keeps state
        with on(device), computing_in(precision):
            self._network = model.build(padding="valid")
        self._network.compile(jit_compile=jit_compile(found))

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Network`. A batch too large for the memory of the device is halved from then on."""
        with self._lock, on(self._device):
            while True:
                try:
                    return self._run(batch)
                except Exception as error:  # every backend has its own class for this
                    if self._most == 1 or not OUT_OF_MEMORY.search(str(error)):
                        raise
                self._most //= 2

    def _run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        parts = [batch[i : i + self._most] for i in range(0, len(batch), self._most)]
        outputs = [np.asarray(self._network.predict_on_batch(part)) for part in parts]
        return np.concatenate(outputs)


class KerasEngine(KerasNetwork):
    """Runs a network that maps samples to samples; see `Engine`."""

    def stepper(self, groups: int) -> Stepper:
        """See `Engine`. A network without `step_network` is given its context with every step."""
        architecture = self._model.architecture
        samples = step_samples(architecture)
        with on(self._device), computing_in(self.precision):
            network = architecture.step_network(groups, samples, remember)
        if network is None:
            return WindowStepper(self, sum(architecture.context), samples)
        set_network_arrays(network, self._model.arrays)
        return KerasStepper(network, samples, self._device)


class KerasStepper:
    """A network that keeps its past in variables; see `Stepper`."""

    primed = False

    def __init__(self, network: keras.Model, samples: int, device: str | None) -> None:
        self.samples = samples
        self._device = device
        self._network = network
        self._network.compile(jit_compile=jit_compile(device_type(device)))

    def __call__(self, mixtures: Audio) -> Audio:
        """See `Stepper`."""
        with on(self._device):
            return np.array(self._network.predict_on_batch(mixtures), np.float32)


def remember(x: Any, frames: int, name: str) -> Any:
    """Put the last frames of earlier calls in front of a signal."""
    return Past(frames, name=name)(x)


class Past(keras.layers.Layer):
    """Puts the last frames of earlier calls in front of a signal.

    Parameters
    ----------
    frames : int, >= 1
    """

    def __init__(self, frames: int, **options: Any) -> None:
        super().__init__(**options)
        self.frames = frames

    def build(self, shape: tuple[int, ...]) -> None:
        """Make the past: zeros at first."""
        self.past = self.add_weight(
            shape=(shape[0], self.frames, *shape[2:]),
            initializer="zeros",
            trainable=False,
            dtype=self.compute_dtype,
            name="past",
        )

    def call(self, x: Any) -> Any:
        """Map ``(batch, new frames, ...)`` to ``(batch, frames + new frames, ...)``."""
        seen = ops.concatenate([self.past, x], axis=1)
        self.past.assign(seen[:, -self.frames :])
        return seen

    def compute_output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the output of `call`."""
        return shape[0], self.frames + shape[1], *shape[2:]
