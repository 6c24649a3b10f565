"""Import OpenVINO without its telemetry; compile and run graphs on the CPU."""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

# If openvino_telemetry is installed, importing openvino sends a report over the network. So it is
# hidden here, and other modules import openvino from this one.
if "openvino" not in sys.modules:
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
import openvino as openvino

if sys.modules.get("openvino_telemetry", ...) is None:
    del sys.modules["openvino_telemetry"]

NO_MEMORY = "Failed to allocate"  # in an error of OpenVINO


def has_bfloat16(core: openvino.Core) -> bool:
    """Tell if the processor supports bfloat16."""
    return "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def compile_graph(
    core: openvino.Core, graph: openvino.Model, precision: str
) -> openvino.CompiledModel:
    """Compile a graph to run on all cores, one call at a time."""
    hint = {"float32": "f32", "bfloat16": "bf16"}[precision]
    settings = {
        "INFERENCE_PRECISION_HINT": hint,
        "PERFORMANCE_HINT": "LATENCY",
        "ENABLE_CPU_PINNING": False,  # processes beside each other would share one core
        # Fused elementwise operations round differently, and only graphs of fixed shape are fused.
        # So a stream would differ from the song in the last bit of bfloat16.
        "SNIPPETS_MODE": "DISABLE",
    }
    return core.compile_model(graph, "CPU", settings)


def infer(request: openvino.InferRequest, batch: NDArray[np.float32]) -> NDArray[np.float32]:
    """Run a request and return a copy of its output, whose memory the next call uses again.

    Raises
    ------
    MemoryError
        If there is not enough memory.
    """
    try:
        request.infer([np.ascontiguousarray(batch)], share_inputs=True, share_outputs=True)
    except RuntimeError as error:
        if NO_MEMORY in str(error):
            raise MemoryError from error
        raise
    outputs: NDArray[np.float32] = request.get_output_tensor().data.copy()
    return outputs
