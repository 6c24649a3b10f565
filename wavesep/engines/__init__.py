"""Engines: a trained network, ready to run. One small protocol, one place that chooses."""

from __future__ import annotations

from importlib.util import find_spec

from ..errors import OptionError
from ..models.files import ModelFile
from .base import Engine

ENGINES = ("auto", "openvino", "keras")
PRECISIONS = ("auto", "float32", "bfloat16")


def open_engine(
    model: ModelFile, engine: str = "auto", precision: str = "auto", device: str | None = None
) -> Engine:
    """Make a model ready to run.

    Parameters
    ----------
    model : ModelFile
    engine : {"auto", "openvino", "keras"}
        "openvino" runs on the CPU, "keras" wherever Keras's backend does. "auto" takes Keras for a
        GPU that is asked for by ``device``, and else OpenVINO where it is installed.
    precision : {"auto", "float32", "bfloat16"}
        "auto" takes bfloat16 where that is faster.
    device : str, optional
        "cpu", "gpu", "gpu:1" …; default: the CPU for OpenVINO, what its backend prefers for Keras.

    Returns
    -------
    Engine

    Raises
    ------
    OptionError
        If there is no such engine, precision or device.
    """
    if engine not in ENGINES:
        raise OptionError(f"no engine {engine!r}: choose one of {', '.join(ENGINES)}")
    if precision not in PRECISIONS:
        raise OptionError(f"no precision {precision!r}: choose one of {', '.join(PRECISIONS)}")
    on_cpu = device in (None, "cpu", "cpu:0")
    installed = find_spec("openvino") is not None
    if engine == "openvino" and not on_cpu:
        raise OptionError(f'the engine "openvino" runs on the CPU, not on {device!r}: use "keras"')
    if engine == "openvino" and not installed:
        raise OptionError('OpenVINO is not installed: "pip install openvino", or use "keras"')
    if engine == "keras" or not (on_cpu and installed):
        from .keras_engine import KerasEngine  # loads Keras and its backend: seconds

        return KerasEngine(model, precision, device)
    from .openvino_engine import OpenvinoEngine

    return OpenvinoEngine(model, precision)


__all__ = ["ENGINES", "PRECISIONS", "Engine", "open_engine"]
