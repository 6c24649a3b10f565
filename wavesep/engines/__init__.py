"""Engines: a trained network, ready to run. One small protocol, one place that chooses."""

from __future__ import annotations

from ..errors import OptionError
from ..models.files import ModelFile
from .base import Engine

ENGINES = ("auto", "keras")
PRECISIONS = ("auto", "float32")


def open_engine(
    model: ModelFile, engine: str = "auto", precision: str = "auto", device: str | None = None
) -> Engine:
    """Make a model ready to run.

    Parameters
    ----------
    model : ModelFile
    engine : {"auto", "keras"}
        "auto" takes the fastest that is installed.
    precision : {"auto", "float32"}
    device : str, optional
        "cpu", "gpu", "gpu:1" …; default: what Keras's backend prefers.

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
    from .keras_engine import KerasEngine  # loads Keras and its backend: seconds

    return KerasEngine(model, device)


__all__ = ["ENGINES", "PRECISIONS", "Engine", "open_engine"]
