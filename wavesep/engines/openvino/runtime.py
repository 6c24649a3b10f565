"""OpenVINO itself: imported without its telemetry, graphs compiled and run on the CPU."""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

# Importing openvino reports the import to its maker over the network, unless this one is missing.
# So other modules import openvino from here.
if "openvino" not in sys.modules:
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
import openvino as openvino

if sys.modules.get("openvino_telemetry", ...) is None:
    del sys.modules["openvino_telemetry"]


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


def infer(request: openvino.InferRequest, batch: NDArray[np.float32]) -> NDArray[np.float32]:
    """Run a request and return a copy of what it gives: its own memory is for the next call."""
    request.infer([np.ascontiguousarray(batch)], share_inputs=True, share_outputs=True)
    outputs: NDArray[np.float32] = request.get_output_tensor().data.copy()
    return outputs
