"""Isolate the vocals of a stereo song with a WaveNet on raw samples.

Importing wavesep loads neither TensorFlow nor Keras: a public name is imported when it is first
used (PEP 562).
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what mypy and editors see
    from .errors import WavesepError as WavesepError
    from .models.files import list_models as list_models
    from .models.files import load_model as load_model
    from .models.presets import PRESETS as PRESETS
    from .models.wavenet import WaveNet as WaveNet
    from .separator import Separator as Separator

__version__ = "0.1.0"

_HOME = {
    "PRESETS": ".models.presets",
    "Separator": ".separator",
    "WaveNet": ".models.wavenet",
    "WavesepError": ".errors",
    "list_models": ".models.files",
    "load_model": ".models.files",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name], __name__), name)
