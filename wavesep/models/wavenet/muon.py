"""Muon: gradient descent whose steps change every direction of a kernel equally."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # of an iteration with a steep slope at zero
ITERATIONS = 5
MOMENTUM = 0.95
STEP_RMS = 0.2  # RMS of a step at a learning rate of 1; about that of Adam
EPSILON = 1e-7


class Muon(keras.optimizers.Adam):
    """Muon for kernels, Adam for all other weights.

    A kernel moves along the orthogonal matrix that is nearest to its mean gradient: K. Jordan et
    al., "Muon: An optimizer for hidden layers in neural networks" (2024). The size of a step is
    that of J. Liu et al., arXiv:2502.16982, section 2.2, so Adam's learning rates can be used.
    Keras's own Muon supports only matrices. Here, the kernel of a convolution is used as the matrix
    that maps the inputs of all taps to its filters.

    Parameters
    ----------
    learning_rate : float or schedule
        Of all weights.
    adam : tuple of str
        Adam also trains the kernels whose path contains one of these. It always trains vectors.
    """

    def __init__(
        self, learning_rate: Any = 1e-3, adam: tuple[str, ...] = (), **options: Any
    ) -> None:
        super().__init__(learning_rate=learning_rate, **options)
        self.adam = tuple(adam)

    def build(self, variables: list[keras.Variable]) -> None:
        """Create the moments, and find the kernels."""
        super().build(variables)
        self._kernels = [
            len(v.shape) > 1 and not any(name in v.path for name in self.adam) for v in variables
        ]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one weight."""
        index = self._get_variable_index(variable)
        if not self._kernels[index]:
            super().update_step(gradient, variable, learning_rate)
            return
        moment = self._momentums[index]
        gradient = ops.cast(gradient, variable.dtype)
        mean = MOMENTUM * moment + (1 - MOMENTUM) * gradient
        self.assign(moment, mean)
        ahead = MOMENTUM * mean + (1 - MOMENTUM) * gradient  # Nesterov's
        step = orthogonal(ops.reshape(ahead, (-1, variable.shape[-1])))
        size = ops.cast(learning_rate, variable.dtype) * STEP_RMS * max(step.shape) ** 0.5
        self.assign_sub(variable, ops.reshape(size * step, variable.shape))

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return super().get_config() | {"adam": self.adam}


def orthogonal(matrix: Any) -> Any:
    """Return about the nearest orthogonal matrix: its singular values are from 0.7 to 1.2.

    Parameters
    ----------
    matrix : float tensor, (rows, columns)
    """
    a, b, c = NEWTON_SCHULZ
    wide = matrix.shape[0] <= matrix.shape[1]
    x = matrix if wide else ops.transpose(matrix)
    x = x / (ops.norm(x) + EPSILON)
    for _ in range(ITERATIONS):
        square = ops.matmul(x, ops.transpose(x))
        x = a * x + ops.matmul(b * square + c * ops.matmul(square, square), x)
    return x if wide else ops.transpose(x)
