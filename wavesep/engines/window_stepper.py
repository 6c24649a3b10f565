"""Streams of networks without memory: every step computes the context again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..audio import Audio


class WindowStepper:
    """Gives a network its context with every step, one sound at a time; see `Stepper`.

    Parameters
    ----------
    network : callable
        Maps ``context + samples`` of a sound to ``samples`` of its estimate.
    context : int
        Left plus right context, in samples.
    samples : int
        Length of a step.
    """

    primed = True

    def __init__(self, network: Callable[[Audio], Audio], context: int, samples: int) -> None:
        self.samples = samples
        self._network = network
        self._context = context
        self._heard: Audio | None = None

    def __call__(self, mixtures: Audio) -> Audio:
        """See `Stepper`."""
        if self._heard is None:
            self._heard = np.zeros_like(mixtures[:, :1]).repeat(self._context, axis=1)
        sound = np.concatenate([self._heard, mixtures], axis=1)
        self._heard = sound[:, mixtures.shape[1] :]
        # all groups at once would take much memory
        return np.concatenate([self._network(sound[i : i + 1]) for i in range(len(sound))])
