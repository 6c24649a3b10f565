"""Translate graphs of OpenVINO to ONNX, so both formats have one description of the network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from .. import __version__
from ..engines.openvino.runtime import openvino

# The oldest versions with these nodes, of ONNX 1.13: older runtimes read them, too
OPSET, FORMAT_VERSION = 18, 8

# Types in ONNX of the nodes that have the same inputs there, and no attributes
TYPES = {
    "Abs": "Abs",
    "Add": "Add",
    "FloorMod": "Mod",
    "Multiply": "Mul",
    "Relu": "Relu",
    "Reshape": "Reshape",
    "ShapeOf": "Shape",
    "Sigmoid": "Sigmoid",
    "Sign": "Sign",
    "Sqrt": "Sqrt",
    "Subtract": "Sub",
    "Tanh": "Tanh",
}


def onnx_model(graph: openvino.Model, metadata: Mapping[str, str]) -> onnx.ModelProto:
    """Return a graph as an ONNX model.

    Parameters
    ----------
    graph : openvino.Model
        From `wavesep.export.graphs`. Its names are those of the inputs and outputs.
    metadata : dict of str to str
    """
    names = {signal(port): port.any_name for port in graph.inputs}
    names |= {signal(port.node.input_value(0)): port.any_name for port in graph.outputs}
    nodes: list[onnx.NodeProto] = []
    constants: dict[str, onnx.TensorProto] = {}
    for operation in graph.get_ordered_ops():
        for port in operation.outputs():
            names.setdefault(signal(port), f"/{len(names)}")  # no stem has a name with a slash
        inputs = [names[signal(value)] for value in operation.input_values()]
        outputs = [names[signal(port)] for port in operation.outputs()]
        if operation.get_type_name() == "Constant":
            constants[outputs[0]] = numpy_helper.from_array(operation.data, outputs[0])
        elif operation.get_type_name() not in ("Parameter", "Result"):
            nodes += translated(operation, inputs, outputs)
    used = {name for node in nodes for name in node.input}
    content = helper.make_graph(
        nodes, "wavesep", described(graph.inputs), described(graph.outputs),
        [tensor for name, tensor in constants.items() if name in used],
    )  # fmt: skip
    model = helper.make_model(
        content, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=FORMAT_VERSION,
        producer_name="wavesep", producer_version=__version__,
    )  # fmt: skip
    helper.set_model_props(model, dict(metadata))
    return model


def signal(port: Any) -> tuple[str, int]:
    """Return the node and the number of an output, which identify a signal."""
    return port.get_node().get_name(), port.get_index()


def described(ports: Iterable[Any]) -> list[onnx.ValueInfoProto]:
    """Return the names and shapes of inputs or outputs; a size that may vary has a name."""
    values = []
    for port in ports:
        shape = port.get_partial_shape()
        free = ["samples", "channels"] if len(shape) == 2 else ["sounds"]
        sizes = [free[i] if size.is_dynamic else size.get_length() for i, size in enumerate(shape)]
        values.append(helper.make_tensor_value_info(port.any_name, TensorProto.FLOAT, sizes))
    return values


def translated(operation: Any, inputs: list[str], outputs: list[str]) -> list[onnx.NodeProto]:
    """Return an operation as ONNX nodes; KeyError if there is no translation."""
    node = helper.make_node
    attributes = operation.get_attributes()
    match operation.get_type_name():
        case "Concat":
            return [node("Concat", inputs, outputs, axis=attributes["axis"])]
        case "Convolution":
            pads = [*attributes["pads_begin"], *attributes["pads_end"]]
            dilations = attributes["dilations"]
            return [node("Conv", inputs, outputs, pads=pads, dilations=dilations)]
        case "MaxPool":
            return [node("MaxPool", inputs, outputs, kernel_shape=attributes["kernel"])]
        case "Pad":
            both = f"{outputs[0]}/pads"
            return [
                node("Concat", inputs[1:3], [both], axis=0),
                node("Pad", [inputs[0], both], outputs),
            ]
        case "ReduceMax":
            return [node("ReduceMax", inputs, outputs, keepdims=attributes["keep_dims"])]
        case "Slice":
            data, start, stop, step, axis = inputs
            return [node("Slice", [data, start, stop, axis, step], outputs)]
        case "Split":
            along = int(values(operation, 1))
            return [node("Split", inputs[:1], outputs, axis=along, num_outputs=len(outputs))]
        case "Transpose":
            return [node("Transpose", inputs[:1], outputs, perm=values(operation, 1))]
        case kind:
            return [node(TYPES[kind], inputs, outputs)]


def values(operation: Any, number: int) -> NDArray[np.int64]:
    """Return the value of an input that is a constant."""
    constant: NDArray[np.int64] = operation.input_value(number).get_node().data
    return constant
