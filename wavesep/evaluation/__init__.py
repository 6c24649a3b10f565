"""Evaluation of separation: scores, ideal masks, and reports on folders."""

from importlib import import_module
from typing import TYPE_CHECKING

from ..dsp.scores import sdr, si_sdr

if TYPE_CHECKING:
    from .oracles import binary_mask as binary_mask
    from .oracles import ratio_mask as ratio_mask
    from .report import summarise as summarise
    from .report import write_report as write_report
    from .run import Settings as Settings
    from .run import evaluate as evaluate

_HOME = {
    "Settings": ".run",
    "binary_mask": ".oracles",
    "evaluate": ".run",
    "ratio_mask": ".oracles",
    "summarise": ".report",
    "write_report": ".report",
}
__all__ = ["Settings", "binary_mask", "evaluate", "ratio_mask", "sdr", "si_sdr", "summarise",
           "write_report"]  # fmt: skip


def __getattr__(name: str) -> object:
    """Import a name that needs matplotlib when it is first used (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name], __name__), name)
