"""Engines: a trained network, ready to run. One small protocol, one place that chooses."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

from ..errors import OptionError
from ..models.backend import load_backend
from ..models.files import ModelFile
from ..models.rules import RULES
from .base import Engine

ENGINES = ("auto", "openvino", "keras")
PRECISIONS = ("auto", "float32", "bfloat16")


def open_engine(
    model: ModelFile,
    engine: str = "auto",
    precision: str = "auto",
    device: str | None = None,
    threads: int | None = None,
) -> Engine:
    """Make a system ready to separate.

    Parameters
    ----------
    model : ModelFile
    engine : {"auto", "openvino", "keras"}
        What runs the network, where there is one: see `open_network`.
    precision : {"auto", "float32", "bfloat16"}
        "auto" takes bfloat16 where that is faster.
    device : str, optional
        "cpu", "gpu", "gpu:1" …; default: the CPU for OpenVINO, what its backend prefers for Keras.
    threads : int, >= 1, optional
        That OpenVINO computes in. Default: one for each core.

    Returns
    -------
    Engine

    Raises
    ------
    OptionError
        If there is no such engine, precision or device, or if Keras is to be held to threads.
    """
    check_options(engine, precision)
    if threads is not None and not (isinstance(threads, int) and threads >= 1):
        raise OptionError(f"threads must be 1 or more, not {threads!r}")
    if model.wiener:
        from .rules import wiener_engine

        bare = replace(model, wiener=False)
        return wiener_engine(open_engine(bare, engine, precision, device, threads), bare, model)
    if model.kind in RULES:
        from .rules import rule_engine

        return rule_engine(model)
    network = open_network(model, engine, precision, device, threads)
    if model.kind == "wavenet":
        return network
    from .mask_engine import network_engine

    return network_engine(network, model.kind, model.architecture, network.precision)


def open_network(
    model: ModelFile,
    engine: str = "auto",
    precision: str = "auto",
    device: str | None = None,
    threads: int | None = None,
) -> Engine:
    """Make a network ready to run, whatever it maps to what; see `open_engine`.

    "openvino" runs on the CPU, "keras" wherever Keras's backend does. "auto" takes Keras for a GPU
    that is asked for by ``device``, and else OpenVINO where it is installed. Raises as that one.
    """
    check_options(engine, precision)
    on_cpu = device in (None, "cpu", "cpu:0")
    installed = find_spec("openvino") is not None
    if engine == "openvino" and not on_cpu:
        raise OptionError(f'the engine "openvino" runs on the CPU, not on {device!r}: use "keras"')
    if engine == "openvino" and not installed:
        raise OptionError('OpenVINO is not installed: "pip install openvino", or use "keras"')
    if engine == "keras" or not (on_cpu and installed):
        if threads is not None:
            raise OptionError(
                "threads are OpenVINO's: set TF_NUM_INTRAOP_THREADS or OMP_NUM_THREADS for Keras"
            )
        load_backend()
        from .keras_engine import KerasEngine

        return KerasEngine(model, precision, device)
    from .openvino_engine import OpenvinoEngine

    return OpenvinoEngine(model, precision, threads)


def check_options(engine: str, precision: str) -> None:
    """Raise OptionError unless there are such an engine and such a precision."""
    if engine not in ENGINES:
        raise OptionError(f"no engine {engine!r}: choose one of {', '.join(ENGINES)}")
    if precision not in PRECISIONS:
        raise OptionError(f"no precision {precision!r}: choose one of {', '.join(PRECISIONS)}")


__all__ = ["ENGINES", "PRECISIONS", "Engine", "open_engine", "open_network"]
