"""What an engine is."""

from __future__ import annotations

from typing import Protocol

from ..audio import Audio


class Engine(Protocol):
    """A trained network, ready to run.

    An engine knows nothing of files, chunks or sample rates. It maps a batch of mixtures that hold
    their context to a batch of estimates that do not.

    Attributes
    ----------
    batch_size : int
        How many mixtures it is best given at a time.
    """

    batch_size: int

    def __call__(self, mixtures: Audio) -> Audio:
        """Map mixtures to estimates; safe to call from several threads.

        Parameters
        ----------
        mixtures : float32 array, (batch, left_context + samples + right_context, channels)
            ``samples`` is a multiple of the network's frame size.

        Returns
        -------
        float32 array, (batch, samples, channels * targets)
            Target 0's channels first.
        """
        ...
