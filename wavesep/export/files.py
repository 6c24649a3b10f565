"""Write a network as an ONNX or OpenVINO file, with all that a program needs to run it."""

from __future__ import annotations

import errno
import json
import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from ..atomic import give_names, settle, unfinished, writing
from ..engines.base import step_samples
from ..errors import OptionError
from ..models.files import SUFFIX, ModelFile
from ..models.wavenet.architecture import WaveNetArchitecture
from ..systems.tree import System, read_systems

if TYPE_CHECKING:
    import openvino

FORMATS = {"onnx": ".onnx", "openvino": ".xml"}
INSTALL = {"onnx": 'pip install "wavesep[export]"', "openvino": "pip install openvino"}
PREFIX = "wavesep"  # of the names in the metadata


def export_model(
    model: str | os.PathLike[str] = "wavenet",
    path: str | os.PathLike[str] | None = None,
    *,
    form: str = "onnx",
    stream: bool = False,
    overwrite: bool = False,
) -> Path:
    """Write a WaveNet as a file that other runtimes run without wavesep.

    The file maps a mixture at the model's sample rate, ``(samples, channels)``, to its stems. They
    equal those of `wavesep.Separator` within 1e-4. ``examples/export.md`` describes the inputs, the
    outputs and the metadata.

    Parameters
    ----------
    model : str or path
        A name from `wavesep.list_models`, or a model file.
    path : path, optional
        The file, which ends in ``.onnx`` or ``.xml``. OpenVINO's weights are written beside it, to
        a file that ends in ``.bin``. Default: the name of the model in the current folder.
    form : {"onnx", "openvino"}
    stream : bool
        Export one step of a stream, whose past is given to it and returned by it. Default: export
        the network for whole mixtures.
    overwrite : bool
        Replace files that exist. Default: raise OutputExistsError.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ModelFileError
        If the model is missing, damaged or not a wavesep model.
    OptionError
        If the model is not a single WaveNet, an option is invalid, or a package is missing.
    OutputError
        If the file cannot be written: see its subclasses.
    """
    if form not in FORMATS:
        raise OptionError(f"no format {form!r}: choose one of {', '.join(FORMATS)}")
    name = Path(model).name.removesuffix(SUFFIX)
    path = Path(path or f"{name}{'_stream' * stream}{FORMATS[form]}")
    if path.suffix != FORMATS[form]:
        raise OptionError(f"the name of an {form} file must end in {FORMATS[form]}, not {path}")
    for package in ("openvino", form):  # OpenVINO's operations describe the network
        if find_spec(package) is None:
            raise OptionError(f"this needs {package}: {INSTALL[package]}")
    file = exportable(model)

    from .graphs import step_graph, whole_graph

    graph = step_graph(file) if stream else whole_graph(file)
    write_graph(graph, metadata(file, name, stream), path, form=form, overwrite=overwrite)
    return path


def exportable(model: str | os.PathLike[str]) -> ModelFile:
    """Read a model that can be exported.

    Raises
    ------
    ModelFileError
        If it is missing, damaged or not a wavesep model.
    OptionError
        If it is not a single WaveNet.
    """
    system = read_systems(model)
    if not isinstance(system, System) or system.wiener:
        raise OptionError(f'only a single model can be exported, without "+" and ":", not {model}')
    if not isinstance(system.file.architecture, WaveNetArchitecture):
        raise OptionError(
            f"only a WaveNet can be exported: {model} is of the kind {system.file.kind}"
        )
    for source in system.file.sources:
        if source == "mixture" or source.startswith(("past_", "new_past_")):
            raise OptionError(f"the source {source!r} cannot be exported: an input has such a name")
    return system.file


def metadata(file: ModelFile, name: str, stream: bool) -> dict[str, str]:
    """Return what a program must know to run an export, as text."""
    architecture = file.architecture
    left, right = architecture.context
    about = {
        "version": __version__,
        "model": name,
        "sample_rate": file.sample_rate,
        "channels": architecture.channels,
        "sources": json.dumps(file.sources),
        "left_context": left,
        "right_context": right,
        "licence": file.licence,
        "card": json.dumps(file.card),
    }
    if stream:
        step = step_samples(architecture)
        about |= {"step": step, "latency": right + step - 1}  # as in `Stream.latency`
    return {key: str(value) for key, value in about.items()}


def write_graph(
    graph: openvino.Model, about: dict[str, str], path: Path, *, form: str, overwrite: bool
) -> None:
    """Write a graph and its metadata, completely or not at all.

    Raises
    ------
    OutputError
        If a file cannot be written: see its subclasses.
    """
    with unfinished(path.parent) as place, writing(path):
        part = place / f"graph{FORMATS[form]}"
        if form == "onnx":
            from .onnx_model import onnx_model

            names = {f"{PREFIX}.{key}": value for key, value in about.items()}
            part.write_bytes(onnx_model(graph, names).SerializeToString())
        else:
            save_openvino(graph, about, part)
        files = {file.name: path.with_suffix(file.suffix) for file in place.glob("graph.*")}
        for name in files:
            settle(place / name)
        give_names(place, files, overwrite=overwrite)


def save_openvino(graph: openvino.Model, about: dict[str, str], path: Path) -> None:
    """Write a graph in OpenVINO's format, or raise OSError."""
    from ..engines.openvino.runtime import openvino

    for key, value in about.items():
        graph.set_rt_info(value, [PREFIX, key])
    try:
        openvino.save_model(graph, path, compress_to_fp16=False)
    except RuntimeError as error:
        raise OSError(errno.EIO, "is the disk full?") from error
