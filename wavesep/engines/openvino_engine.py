"""A network run by OpenVINO on the CPU, with neither Keras nor TensorFlow in the process."""

from __future__ import annotations

import sys
import threading

import numpy as np

from ..audio import Audio
from ..errors import OptionError
from ..models.files import ModelFile
from .base import step_frames

# Importing openvino reports the import to its maker over the network, unless this one is missing.
# So whoever needs openvino takes it from here.
if "openvino" not in sys.modules:
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
import openvino as openvino

if sys.modules.get("openvino_telemetry", ...) is None:
    del sys.modules["openvino_telemetry"]

from .openvino_graph import chunk_graph, step_graph
from .openvino_masks import mask_graph


class OpenvinoEngine:
    """Runs a model through OpenVINO; see `Engine`.

    Parameters
    ----------
    model : ModelFile
    precision : {"auto", "float32", "bfloat16"}
        "auto" takes bfloat16 where the processor computes in it.
    threads : int, >= 1, optional
        Default: one for each core.

    Raises
    ------
    OptionError
        If the processor has no bfloat16 and it was asked for.
    """

    batch_size = 1  # a chunk alone keeps all cores busy

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
        self._lock = threading.Lock()  # one request at a time has all cores
        graph = chunk_graph(model) if model.kind == "wavenet" else mask_graph(model)
        self._request = compile_graph(self._core, graph, precision).create_infer_request()
        self._step_graphs: dict[int, openvino.CompiledModel] = {}  # by the number of groups

    def __call__(self, mixtures: Audio) -> Audio:
        """See `Engine`."""
        with self._lock:
            return infer(self._request, mixtures)

    def stepper(self, groups: int) -> OpenvinoStepper:
        """See `Engine`."""
        frames = step_frames(self._model.architecture)
        if groups not in self._step_graphs:
            graph = step_graph(self._model, groups, frames)
            self._step_graphs[groups] = compile_graph(self._core, graph, self.precision)
        # what a stream has heard belongs to its request
        request = self._step_graphs[groups].create_infer_request()
        return OpenvinoStepper(request, frames * self._model.architecture["frame_size"])


class OpenvinoStepper:
    """A network that keeps its past between calls; see `Stepper`."""

    primed = False

    def __init__(self, request: openvino.InferRequest, samples: int) -> None:
        self._request = request
        self.samples = samples

    def __call__(self, mixtures: Audio) -> Audio:
        """See `Stepper`."""
        return infer(self._request, mixtures)


def has_bfloat16(core: openvino.Core) -> bool:
    """Tell if the processor has units that compute in bfloat16."""
    return "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def compile_graph(
    core: openvino.Core, graph: openvino.Model, precision: str
) -> openvino.CompiledModel:
    """Make a graph ready to run on all cores, one call at a time."""
    hint = {"float32": "f32", "bfloat16": "bf16"}[precision]
    settings = {
        "INFERENCE_PRECISION_HINT": hint,
        "PERFORMANCE_HINT": "LATENCY",
        # Fused, elementwise operations round otherwise, and only graphs of fixed shape fuse them:
        # a stream would differ from the song in bfloat16's last bit.
        "SNIPPETS_MODE": "DISABLE",
    }
    return core.compile_model(graph, "CPU", settings)


def infer(request: openvino.InferRequest, mixtures: Audio) -> Audio:
    """Run a request and return a copy of what it gives: its own memory is for the next call."""
    request.infer([np.ascontiguousarray(mixtures)], share_inputs=True, share_outputs=True)
    estimates: Audio = request.get_output_tensor().data.copy()
    return estimates
