"""Networks run by OpenVINO on the CPU, without loading Keras or TensorFlow."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...audio import Audio
from ...errors import OptionError
from ...models.arrays import Arrays
from ...models.files import ModelFile
from ..base import Stepper, step_samples
from .frame_cnn import frame_cnn_graph
from .runtime import compile_graph, has_bfloat16, infer, openvino
from .spleeter import spleeter_graph
from .unet import unet_graph
from .wavenet import chunk_graph, step_graph

# By kind: the function that builds the graph from an architecture and its arrays
GRAPHS: dict[str, Callable[[Any, Arrays], openvino.Model]] = {
    "wavenet": chunk_graph,
    "frame_cnn": frame_cnn_graph,
    "vocal_activity": frame_cnn_graph,
    "unet": unet_graph,
    "spleeter": spleeter_graph,
}


class OpenvinoNetwork:
    """Runs a network through OpenVINO; see `Network`.

    Parameters
    ----------
    model : ModelFile
        Its kind is one of `GRAPHS`.
    precision : {"auto", "float32", "bfloat16"}
        "auto" takes bfloat16 if the processor supports it.
    threads : int, >= 1, optional
        Default: one for each core.

    Raises
    ------
    OptionError
        If ``precision`` is "bfloat16" and the processor does not support it.
    """

    batch_size = 1  # one chunk keeps all cores busy

    def __init__(
        self, model: ModelFile, precision: str = "auto", threads: int | None = None
    ) -> None:
        self._core = openvino.Core()
        if threads is not None:
            self._core.set_property("CPU", {"INFERENCE_NUM_THREADS": threads})
        if precision == "bfloat16" and not has_bfloat16(self._core):
            raise OptionError('this processor has no bfloat16: use precision="float32"')
        if precision == "auto":
            precision = "bfloat16" if has_bfloat16(self._core) else "float32"
        self.precision = precision
        self._model = model
        self._lock = threading.Lock()  # requests run one at a time, on all cores
        graph = GRAPHS[model.kind](model.architecture, model.arrays)
        self._request = compile_graph(self._core, graph, precision).create_infer_request()

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Network`."""
        with self._lock:
            return infer(self._request, batch)


class OpenvinoEngine(OpenvinoNetwork):
    """Runs a WaveNet, the only network of `GRAPHS` that maps samples to samples; see `Engine`."""

    def __init__(
        self, model: ModelFile, precision: str = "auto", threads: int | None = None
    ) -> None:
        super().__init__(model, precision, threads)
        self._step_graphs: dict[int, openvino.CompiledModel] = {}  # by the number of groups

    def stepper(self, groups: int) -> Stepper:
        """See `Engine`."""
        architecture: Any = self._model.architecture  # of a WaveNet
        samples = step_samples(architecture)
        if groups not in self._step_graphs:
            graph = step_graph(architecture, self._model.arrays, groups, samples)
            self._step_graphs[groups] = compile_graph(self._core, graph, self.precision)
        # each stream needs a request of its own, which holds its past
        return OpenvinoStepper(self._step_graphs[groups].create_infer_request(), samples)


class OpenvinoStepper:
    """A network that keeps its past between calls; see `Stepper`."""

    primed = False

    def __init__(self, request: openvino.InferRequest, samples: int) -> None:
        self._request = request
        self.samples = samples

    def __call__(self, mixtures: Audio) -> Audio:
        """See `Stepper`."""
        return infer(self._request, mixtures)
