"""Engines run trained networks: two protocols, and the choice between OpenVINO and Keras."""

from __future__ import annotations

from importlib.util import find_spec

from ..errors import OptionError
from ..models.backend import load_backend
from ..models.files import ModelFile
from ..models.rules import Rule
from ..models.spectrograms import MaskArchitecture
from .base import ENGINES, PRECISIONS, Engine, Network, Options
from .mask_engine import network_engine


def open_engine(model: ModelFile, options: Options | None = None) -> Engine:
    """Make a system ready to separate.

    Parameters
    ----------
    model : ModelFile
    options : Options, optional
        Default: ``Options()``.

    Raises
    ------
    OptionError
        If an option is not available here: see `Options`.
    """
    options = options or Options()
    if isinstance(model.architecture, Rule):
        from .rules import rule_engine

        return rule_engine(model)
    if isinstance(model.architecture, MaskArchitecture):
        network = open_network(model, options)
        return network_engine(network, model.architecture, network.precision)
    if runs_openvino(model, options):
        from .openvino.network import OpenvinoEngine

        return OpenvinoEngine(model, options.precision, options.threads)
    from .keras_network import KerasEngine

    return KerasEngine(model, options.precision, options.device)


def open_network(model: ModelFile, options: Options | None = None) -> Network:
    """Make a network ready to run; the parameters are those of `open_engine`.

    Raises
    ------
    OptionError
        If an option is not available here: see `Options`.
    """
    options = options or Options()
    if runs_openvino(model, options):
        from .openvino.network import OpenvinoNetwork

        return OpenvinoNetwork(model, options.precision, options.threads)
    from .keras_network import KerasNetwork

    return KerasNetwork(model, options.precision, options.device)


def runs_openvino(model: ModelFile, options: Options) -> bool:
    """Tell if OpenVINO runs a network; if not, load Keras.

    Raises
    ------
    OptionError
        If an option is not available here, or the backend of Keras is missing.
    """
    on_cpu = options.device in (None, "cpu", "cpu:0")
    installed = find_spec("openvino") is not None
    if options.engine == "openvino" and not on_cpu:
        raise OptionError(
            f'the engine "openvino" runs on the CPU, not on {options.device!r}: use "keras"'
        )
    if options.engine == "openvino" and not installed:
        raise OptionError('OpenVINO is not installed: pip install openvino, or use "keras"')
    if options.engine != "keras" and on_cpu and installed:
        from .openvino.network import GRAPHS

        if model.kind in GRAPHS:
            return True
        if options.engine == "openvino":
            raise OptionError(f'OpenVINO cannot run a {model.kind}: use "keras"')
    if options.threads is not None:
        raise OptionError(
            "threads can only be set for OpenVINO: set TF_NUM_INTRAOP_THREADS or OMP_NUM_THREADS"
        )
    load_backend()
    return False


__all__ = [
    "ENGINES",
    "PRECISIONS",
    "Engine",
    "Network",
    "Options",
    "open_engine",
    "open_network",
]
