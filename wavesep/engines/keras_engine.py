"""A network run by Keras, on the backend and the device that it has."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import keras
import numpy as np
from keras import ops

from ..audio import Audio
from ..errors import OptionError
from ..models.files import ModelFile, set_network_arrays
from ..models.wavenet import estimate
from .base import step_frames

GPU_BATCH = 16  # chunks, at first: see KerasEngine.__call__
OUT_OF_MEMORY = re.compile("out of memory|RESOURCE_EXHAUSTED|OOM", re.IGNORECASE)


class KerasEngine:
    """Runs a model through Keras; see `Engine`.

    Parameters
    ----------
    model : ModelFile
    precision : {"auto", "float32", "bfloat16"}
        "auto" takes bfloat16 on a GPU and float32 on a CPU.
    device : str, optional
        "cpu", "gpu", "gpu:1" …; default: what the backend prefers.

    Raises
    ------
    OptionError
        If the backend has no such device.
    """

    def __init__(
        self, model: ModelFile, precision: str = "auto", device: str | None = None
    ) -> None:
        place = find_place(device)
        if precision == "auto":
            precision = "float32" if place == "cpu" else "bfloat16"
        self.precision = precision
        self.batch_size = 1 if place == "cpu" else GPU_BATCH
        self._most = GPU_BATCH  # mixtures that the device has memory for
        self._model = model
        self._device = device
        self._lock = threading.Lock()  # Keras compiles on the first call, and JAX keeps state
        with on(device), computing_in(precision):
            self._network = model.build(padding="valid")
        self._network.compile(jit_compile=jit_compile(place))

    def __call__(self, mixtures: Audio) -> Audio:
        """See `Engine`. A batch too large for the device's memory is halved, now and later."""
        with self._lock, on(self._device):
            while True:
                try:
                    return self._run(mixtures)
                except Exception as error:  # every backend has its own class for this
                    if self._most == 1 or not OUT_OF_MEMORY.search(str(error)):
                        raise
                self._most //= 2

    def _run(self, mixtures: Audio) -> Audio:
        parts = [mixtures[i : i + self._most] for i in range(0, len(mixtures), self._most)]
        estimates = [np.asarray(self._network.predict_on_batch(part)) for part in parts]
        return np.concatenate(estimates)

    def stepper(self, groups: int) -> KerasStepper:
        """See `Engine`."""
        return KerasStepper(self._model, groups, self.precision, self._device)


class KerasStepper:
    """A network that keeps its past in variables; see `Stepper`."""

    primed = False

    def __init__(self, model: ModelFile, groups: int, precision: str, device: str | None) -> None:
        config = model.architecture
        self.samples = step_frames(config) * config["frame_size"]
        self._device = device
        with on(device), computing_in(precision):
            mixture = keras.Input(batch_shape=(groups, self.samples, config["channels"]))
            self._network = keras.Model(
                mixture,
                estimate(mixture, config, lambda x, frames, name: Past(frames, name=name)(x)),
            )
            set_network_arrays(self._network, model.arrays)
        self._network.compile(jit_compile=jit_compile(find_place(device)))

    def __call__(self, mixtures: Audio) -> Audio:
        """See `Stepper`."""
        with on(self._device):
            return np.array(self._network.predict_on_batch(mixtures), np.float32)


class Past(keras.layers.Layer):
    """Puts the last frames of the calls before in front of a signal.

    Parameters
    ----------
    frames : int, >= 1
    """

    def __init__(self, frames: int, **options: Any) -> None:
        super().__init__(**options)
        self.frames = frames

    def build(self, shape: tuple[int, ...]) -> None:
        """Begin with zeros."""
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
        """Return the shape of what `call` gives."""
        return shape[0], self.frames + shape[1], *shape[2:]


def on(device: str | None) -> AbstractContextManager[Any]:
    """Return a scope in which Keras uses a device; None leaves the choice to its backend."""
    return nullcontext() if device is None else keras.device(device)


def jit_compile(place: str) -> bool | str:
    """Return what to tell Keras of XLA, on the "cpu" or the "gpu".

    On the CPU, TensorFlow's own kernels are 1.2 times as fast as XLA's, in training 1.4 times.
    """
    return False if (keras.backend.backend(), place) == ("tensorflow", "cpu") else "auto"


@contextmanager
def computing_in(precision: str) -> Iterator[None]:
    """Open a scope in which layers are made that compute in a precision."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32" if precision == "float32" else "mixed_bfloat16")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def find_place(device: str | None) -> str:
    """Return where Keras's backend runs, "cpu" or "gpu", or raise OptionError.

    Backends differ in how they refuse a device, and TensorFlow takes the CPU without a word; so a
    number is put there, to see where it lies.
    """
    known = re.fullmatch(r"(cpu|gpu)(:\d+)?", device or "")
    try:
        with on(device):
            place = "cpu" if "cpu" in str(ops.zeros(1).device).lower() else "gpu"
    except (AssertionError, RuntimeError, ValueError):
        place = "nowhere"
    if device is not None and (known is None or place != known[1]):
        raise OptionError(
            f"Keras's backend {keras.backend.backend()!r} has no device {device!r} here: "
            'choose "cpu", or "gpu" or "gpu:1" where there is one'
        )
    return place
