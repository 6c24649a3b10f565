"""Limits of the machine: the rates of matrix products and of copies in memory."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from .timing import Row, alternate, cores, median

SIDES = {"cpu": 2_048, "gpu": 8_192}  # of a matrix
PRODUCTS = 2  # in a call
COPIED = 1 << 28  # bytes in a call: far more than any cache holds


def limits(device: str) -> list[Row]:
    """Measure the machine's limits.

    Parameters
    ----------
    device : str
        "cpu", "gpu" …
    """
    functions = {f"matrix product, {p}": f for p, f in matrix_products(device).items()}
    copy = f"memory copy, {cores()} threads"
    functions[copy] = memory_copy()
    for function in functions.values():
        function()
    times = alternate(functions)
    rows: list[Row] = []
    for name in times:
        amount = COPIED if name == copy else operations(device)
        rate = amount / median(times, name) / 1e9
        rows.append({"limit": name, "rate": rate, "unit": "GB/s" if name == copy else "GFLOP/s"})
    return rows


def product_rate(device: str, precision: str) -> float | None:
    """Measure matrix products in operations per second; None if the device lacks the precision.

    Parameters
    ----------
    device : str
        "cpu", "gpu" …
    precision : str
    """
    product = matrix_products(device).get(precision)
    if product is None:
        return None
    product()
    return operations(device) / median(alternate({precision: product}, rounds=3), precision)


def matrix_products(device: str) -> dict[str, Callable[[], object]]:
    """Return a function for each precision that the device computes in, ready to run.

    They use OpenVINO on the CPU, which is the fastest there, and Keras on other devices.
    """
    if device != "cpu":
        return {p: keras_product(p, device) for p in ("float32", "bfloat16")}
    from ..engines.openvino.runtime import has_bfloat16, openvino

    core = openvino.Core()
    precisions = ("float32", "bfloat16") if has_bfloat16(core) else ("float32",)
    return {p: openvino_product(core, p) for p in precisions}


def operations(device: str) -> int:
    """Return the multiplications and additions in a call of one of the functions."""
    return PRODUCTS * 2 * SIDES[device[:3]] ** 3


def openvino_product(core: object, precision: str) -> Callable[[], object]:
    """Return a function that multiplies matrices by a constant matrix in OpenVINO."""
    from ..engines.openvino.runtime import compile_graph, infer, openvino

    opset13 = openvino.opset13
    matrix = random_matrix(SIDES["cpu"])
    x = opset13.parameter(list(matrix.shape), np.float32)
    graph = openvino.Model([opset13.matmul(x, opset13.constant(matrix), False, False)], [x])
    request = compile_graph(core, graph, precision).create_infer_request()
    return lambda: [infer(request, matrix) for _ in range(PRODUCTS)]


def keras_product(precision: str, device: str) -> Callable[[], object]:
    """Return a function that multiplies matrices `PRODUCTS` times in Keras."""
    from keras import ops

    from ..engines.devices import on

    with on(device):
        matrix = ops.cast(random_matrix(SIDES[device[:3]]), precision)

    def run() -> object:
        product = matrix
        with on(device):
            for _ in range(PRODUCTS):
                product = ops.matmul(product, matrix)
            return ops.convert_to_numpy(ops.cast(product[0, 0], "float32"))  # waits for it

    return run


def random_matrix(side: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Return a matrix whose powers neither grow nor vanish."""
    rng = np.random.default_rng(0)
    return (rng.standard_normal((side, side), np.float32) / np.sqrt(side)).astype(np.float32)


def memory_copy() -> Callable[[], object]:
    """Return a function that copies memory, on all cores."""
    source = np.ones((cores(), COPIED // cores()), np.uint8)
    target = np.empty_like(source)
    pool = ThreadPoolExecutor(cores())
    return lambda: list(pool.map(np.copyto, target, source))
