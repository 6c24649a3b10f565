"""Training: Keras's own fit, with checkpoints that resume exactly and TensorBoard."""

from .fit import fit
from .validation import Validation

__all__ = ["Validation", "fit"]
