"""Training with Keras's fit, checkpoints that resume exactly, and TensorBoard."""

from ..models.backend import load_backend

load_backend()

from .fit import About, fit  # noqa: E402
from .validation import Validation  # noqa: E402

__all__ = ["About", "Validation", "fit"]
