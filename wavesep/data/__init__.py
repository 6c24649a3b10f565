"""Training data: clips on disk, random snippets of them, augmented mixtures."""

from importlib import import_module
from typing import TYPE_CHECKING

from ..models.backend import load_backend
from .clips import Clips, pairs

if TYPE_CHECKING:
    from .mixes import MixGenerator as MixGenerator

__all__ = ["Clips", "MixGenerator", "pairs"]


def __getattr__(name: str) -> object:
    """Import MixGenerator, which loads Keras, when it is first used (PEP 562)."""
    if name != "MixGenerator":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    load_backend()
    return import_module(".mixes", __name__).MixGenerator
