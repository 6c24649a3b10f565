"""All kinds of systems by name, without Keras."""

from __future__ import annotations

from typing import TypeVar

from .base import Architecture
from .frame_cnn.architecture import ActivityArchitecture, FrameCnnArchitecture
from .rules import Centre, Harmonic, PhaseCancellation
from .spleeter.architecture import SpleeterArchitecture
from .unet.architecture import UNetArchitecture
from .wavenet.architecture import WaveNetArchitecture

Kind = TypeVar("Kind", bound=type[Architecture])

KINDS: dict[str, type[Architecture]] = {}


def register(architecture: Kind) -> Kind:
    """Register a kind of network, so that its model files can be read; a class decorator.

    Parameters
    ----------
    architecture : type
        A subclass of `wavesep.models.base.Architecture`.
    """
    KINDS[architecture.kind] = architecture
    return architecture


for built_in in (
    WaveNetArchitecture,
    FrameCnnArchitecture,
    ActivityArchitecture,
    UNetArchitecture,
    SpleeterArchitecture,
    Harmonic,
    Centre,
    PhaseCancellation,
):
    register(built_in)
