"""The benchmark: the speed of wavesep and others, beside the limits of this machine."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from subprocess import SubprocessError
from typing import Any

from .peers import PEERS
from .timing import Row, apart, cores

Job = tuple[str, Callable[[], list[Row]]]  # what is measured, and a function that does it

LIBRARIES = ("wavesep", "openvino", "keras", "tensorflow", "jax", "torch", "numpy")
TRAINED = ("folded", "filterbank")

SECTIONS = {
    "limits": "The machine's own limits",
    "networks": "Separating with random weights, by network and engine",
    "streaming": "Streams, by the length of their blocks",
    "start": "Whole processes, from their start to their end",
    "memory": "Peak of memory, by the length of the song",
    "training": "Training steps, and the generator of their mixtures",
    "peers": "Other separators, with random weights, on the same mixture",
}


def machine() -> dict[str, Any]:
    """Return what the figures were measured on."""
    versions = {}
    for library in LIBRARIES:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "processor": processor(),
        "cores": cores(),
        "system": platform.platform(),
        "python": platform.python_version(),
        **versions,
    }


def processor() -> str:
    """Return the processor's name."""
    from ..engines.openvino.runtime import openvino

    name: str = openvino.Core().get_property("CPU", "FULL_DEVICE_NAME")
    return name.strip()


def measure(
    sections: Sequence[str],
    *,
    model: str = "vocals",
    device: str = "cpu",
    report: Callable[[str], None] = lambda name: None,
) -> Iterator[tuple[str, list[Row]]]:
    """Measure sections of the benchmark, each measurement in a process of its own.

    Parameters
    ----------
    sections : sequence of str
        Some of `SECTIONS`.
    model : str
        Name or file, for the sections that are not about networks of every size.
    device : str
        "cpu", "gpu", "gpu:1" …
    report : callable, optional
        Told what is measured next.

    Yields
    ------
    section : str
    rows : list of dict
        A table: in each row a value for each column, numbers in the unit that the name says.
    """
    for section in sections:
        rows: list[Row] = []
        for name, job in jobs(section, model, device):
            report(f"{section}: {name}" if name else section)
            try:
                rows += apart(job)
            except (ImportError, OSError, RuntimeError, SubprocessError) as error:
                # the others are measured still
                rows.append({"not measured": name, "note": f"{error}".partition("\n")[0]})
        yield section, rows


def jobs(section: str, model: str, device: str) -> list[Job]:
    """Return the measurements of a section."""
    # imported here: wavesep --help needs none of it, and processes only their own
    if section == "limits":
        from .limits import limits

        return [("", partial(limits, device))]
    if section == "networks":
        from .networks import NETWORKS, network_speed

        return [(name, partial(network_speed, name, device)) for name in NETWORKS]
    if section == "streaming":
        from .streaming import stream_costs

        precisions = ("auto", "float32")
        return [(p, partial(stream_costs, model, p, device)) for p in precisions]
    if section in ("start", "memory"):
        from .processes import peak_memory, start_up

        return [("", partial(start_up if section == "start" else peak_memory, model, device))]
    if section == "training":
        from .training import training_speed

        return [
            (f"{name}, {precision}", partial(training_speed, name, precision, device))
            for name in TRAINED
            for precision in ("float32", "bfloat16")
        ]
    from .comparison import compare

    return [(p.name, partial(compare, p.name, model, device)) for p in PEERS]
