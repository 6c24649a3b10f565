"""What the Keras networks have in common: they carry their architecture."""

from __future__ import annotations

from typing import Any

import keras

from .base import Architecture


class ArchitectureModel(keras.Model):
    """A functional Keras model with an architecture.

    Parameters
    ----------
    architecture : Architecture
    inputs, outputs : Keras tensor
    name : str, optional
    """

    def __init__(
        self, architecture: Architecture, inputs: Any, outputs: Any, name: str | None
    ) -> None:
        super().__init__(inputs=inputs, outputs=outputs, name=name)
        self.architecture = architecture
        self.left_context, self.right_context = architecture.context

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return self.architecture.arguments | {"name": self.name}
