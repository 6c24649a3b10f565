"""Speed of networks of many sizes, through each engine, beside the limit of the machine."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from ..audio import TWO_STEMS, Audio
from ..errors import OptionError
from ..models.files import ModelFile
from ..models.presets import FILTERBANK, FOLDED, FOLDED_SMALL, POST
from ..models.wavenet.architecture import WaveNetArchitecture
from ..separator import Separator
from . import limits
from .timing import RATE, Row, alternate, median, noise, ratio

FRAMES = 49_152  # of the mixture: six chunks of the shipped model …
SAMPLES = 2**22  # … but no longer than this
ENGINES = [(e, p) for e in ("openvino", "keras") for p in ("float32", "bfloat16")]


def folded(filters: int, frame_size: int, layers_per_stack: int) -> WaveNetArchitecture:
    """Return the architecture of the preset ``folded`` in another size."""
    return replace(
        FOLDED, filters=filters, skip_filters=filters, head=(filters,), frame_size=frame_size,
        layers_per_stack=layers_per_stack,
    )  # fmt: skip


NETWORKS = {
    "vossen2019": POST,
    "folded": FOLDED,
    "filterbank": FILTERBANK,
    "folded_small": FOLDED_SMALL,
    "32 filters, frames of 1": folded(32, 1, 10),
    "64 filters, frames of 8": folded(64, 8, 10),
    "128 filters, frames of 16": folded(128, 16, 9),
    "256 filters, frames of 64": folded(256, 64, 7),
}


def random_model(architecture: WaveNetArchitecture) -> ModelFile:
    """Return a model with random weights that keep the scale of signals."""
    rng = np.random.default_rng(0)
    arrays = {
        name: (rng.standard_normal(shape) / np.sqrt(np.prod(shape[:-1]))).astype(np.float32)
        for name, shape in architecture.shapes.items()
    }
    for name in arrays:
        if name.endswith("variance"):
            arrays[name] = np.abs(arrays[name])
    return ModelFile(architecture, arrays, RATE, TWO_STEMS)


def network_speed(name: str, device: str) -> list[Row]:
    """Measure one of `NETWORKS` in every engine and precision that is available.

    ``share of limit`` is the rate of the operations that the separated samples need, relative to
    the rate of matrix products of the same precision in the same round. Operations that chunks
    compute twice do not count, so they lower it.
    """
    architecture = NETWORKS[name]
    mixture = noise(min(FRAMES * architecture.frame_size, SAMPLES))
    products = limits.matrix_products(device)
    model = random_model(architecture)
    functions = separations(model, mixture, device) | products
    for function in functions.values():
        function()
    times = alternate(functions, rounds=3)

    seconds = len(mixture) / RATE
    work = mixture.size / architecture.channels * architecture.operations
    field = sum(architecture.context) + architecture.frame_size
    rows: list[Row] = []
    for engine, precision in ENGINES:
        if (key := f"{engine} {precision}") in times:
            row: Row = {
                "network": name,
                "parameters": model.parameters,
                "context s": field / RATE,
                "engine": engine,
                "precision": precision,
                "times real time": seconds / median(times, key),
                "GFLOP/s": work / median(times, key) / 1e9,
            }
            if precision in products:
                share = ratio(times, precision, key) * work / limits.operations(device)
                row["share of limit"] = share
            rows.append(row)
    return rows


def separations(model: ModelFile, mixture: Audio, device: str) -> dict[str, Callable[[], object]]:
    """Return a function that separates a mixture for each available engine and precision."""
    functions: dict[str, Callable[[], object]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        model.save(path)
        for engine, precision in ENGINES:
            try:
                separator = Separator(path, engine=engine, precision=precision, device=device)
            except OptionError:  # OpenVINO cannot use this device, or there is no bfloat16
                continue
            functions[f"{engine} {precision}"] = partial(separator.separate, mixture, RATE)
    return functions
