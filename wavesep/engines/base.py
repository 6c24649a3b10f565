"""What an engine is."""

from __future__ import annotations

from typing import Any, Protocol

from ..audio import Audio

# Of a stream's step, whichever is shorter. Fewer would come sooner and cost more: with 64 of 32
# samples, a second of a stream costs up to 2.5 times what it costs in chunks, with 192 at most 1.5.
STEP_FRAMES, STEP_SAMPLES = 192, 6_144


def step_frames(architecture: dict[str, Any]) -> int:
    """Return the frames that a stream computes at a time."""
    return max(min(STEP_FRAMES, STEP_SAMPLES // architecture["frame_size"]), 1)


class Stepper(Protocol):
    """A network that is given one sound, piece after piece, and computes nothing twice.

    Attributes
    ----------
    samples : int
        Length of a piece.
    primed : bool
        Whether it begins as if it had heard silence.
    """

    samples: int
    primed: bool

    def __call__(self, mixtures: Audio) -> Audio:
        """Go on with a sound.

        Parameters
        ----------
        mixtures : float32 array, (groups, samples, channels)
            What follows the piece before. Groups are estimated apart.

        Returns
        -------
        float32 array, (groups, samples, channels * targets)
            The estimate of what came ``right_context`` samples earlier. The first ``left_context +
            right_context`` samples mean nothing: give ``left_context`` zeros first, unless it is
            `primed`. It is the caller's own, to be written to.
        """
        ...


class Engine(Protocol):
    """A trained network, ready to run.

    An engine knows nothing of files, chunks or sample rates. It maps a batch of mixtures that hold
    their context to a batch of estimates that do not.

    Attributes
    ----------
    batch_size : int
        How many mixtures it is best given at a time.
    precision : {"float32", "bfloat16"}
        What it computes in.
    """

    batch_size: int
    precision: str

    def __call__(self, mixtures: Audio) -> Audio:
        """Map mixtures to estimates; safe to call from several threads.

        Parameters
        ----------
        mixtures : float32 array, (batch, left_context + samples + right_context, channels)
            ``samples`` is a multiple of the network's frame size.

        Returns
        -------
        float32 array, (batch, samples, channels * targets)
            Target 0's channels first. It is the caller's own, to be written to.
        """
        ...

    def stepper(self, groups: int) -> Stepper:
        """Return the network at the beginning of a stream, for so many sounds side by side."""
        ...
