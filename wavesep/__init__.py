"""Isolate the vocals of a stereo song with a WaveNet on raw samples.

Importing wavesep loads neither TensorFlow nor Keras: a public name is imported when it is first
used (PEP 562).
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what mypy and editors see
    from .activity import vocal_activity as vocal_activity
    from .errors import WavesepError as WavesepError
    from .models.files import load_model as load_model
    from .models.frame_cnn.network import ActivityCnn as ActivityCnn
    from .models.frame_cnn.network import FrameCnn as FrameCnn
    from .models.presets import PRESETS as PRESETS
    from .models.registry import list_models as list_models
    from .models.unet.network import UNet as UNet
    from .models.wavenet.network import WaveNet as WaveNet
    from .separator import Separator as Separator

__version__ = "0.1.0"

_HOME = {
    "ActivityCnn": ".models.frame_cnn.network",
    "FrameCnn": ".models.frame_cnn.network",
    "PRESETS": ".models.presets",
    "Separator": ".separator",
    "UNet": ".models.unet.network",
    "WaveNet": ".models.wavenet.network",
    "WavesepError": ".errors",
    "list_models": ".models.registry",
    "load_model": ".models.files",
    "vocal_activity": ".activity",
}
_KERAS = {"ActivityCnn", "FrameCnn", "UNet", "WaveNet"}  # subclasses of keras.Model
__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _KERAS:
        import_module(".models.backend", __name__).load_backend()
    return getattr(import_module(_HOME[name], __name__), name)
