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

Job = tuple[str, Callable[[], list[Row]]]  # the name of a measurement and its function

LIBRARIES = ("wavesep", "openvino", "keras", "tensorflow", "jax", "torch", "numpy")
TRAINED = ("folded", "filterbank")

SECTIONS = {
    "limits": "The machine's own limits",
    "networks": "Separating with random weights, by network and engine",
    "streaming": "Streams, by the length of their blocks",
    "start": "Whole processes, from start to end",
    "memory": "Peak memory, by the length of the song",
    "training": "Training steps, and the generator of their mixtures",
    "web": "The web application against the command line, and under load",
    "catalogue": "Catalogues against wavesep separate of the same songs",
    "peers": "Other separators, with random weights, on the same mixture",
}


def machine() -> dict[str, Any]:
    """Return the processor, the system and the versions of libraries."""
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
        Name or file of the model for the sections that measure a single model.
    device : str
        "cpu", "gpu", "gpu:1" …
    report : callable, optional
        Called with the name of each measurement before it starts.

    Yields
    ------
    section : str
    rows : list of dict
        A table. Each row has a value for each column, whose name gives the unit.
    """
    for section in sections:
        rows: list[Row] = []
        for name, job in jobs(section, model, device):
            report(f"{section}: {name}" if name else section)
            try:
                rows += apart(job)
            except (ImportError, OSError, RuntimeError, SubprocessError) as error:
                # the other measurements go on
                rows.append({"not measured": name, "note": f"{error}".partition("\n")[0]})
        yield section, rows


def jobs(section: str, model: str, device: str) -> list[Job]:
    """Return the measurements of a section."""
    # imported here: wavesep --help needs none, and each process only its own
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
    if section == "web":
        from .web import web_load, web_speed

        return [
            ("speed", partial(web_speed, model, device)),
            ("load", partial(web_load, model, device)),
        ]
    if section == "catalogue":
        from .catalogue import catalogue_speed

        return [("", partial(catalogue_speed, model, device))]
    from .comparison import compare

    return [(p.name, partial(compare, p.name, model, device)) for p in PEERS]
