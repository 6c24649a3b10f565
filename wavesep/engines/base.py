"""What a network, an engine and a stepper are, and the options of who opens one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..audio import Audio
from ..errors import OptionError
from ..models.base import Architecture

ENGINES = ("auto", "openvino", "keras")
PRECISIONS = ("auto", "float32", "bfloat16")

# Of a stream's step, whichever is shorter. Fewer would come sooner and cost more: with 64 of 32
# samples, a second of a stream costs up to 2.5 times what it costs in chunks, with 192 at most 1.5.
STEP_FRAMES, STEP_SAMPLES = 192, 6_144


@dataclass(frozen=True, kw_only=True)
class Options:
    """What runs a network, and how.

    Attributes
    ----------
    engine : {"auto", "openvino", "keras"}
        "openvino" runs on the CPU, "keras" wherever Keras's backend does. "auto" takes Keras for a
        GPU that ``device`` asks for and for a network that OpenVINO has no graph of, and else
        OpenVINO where it is installed.
    precision : {"auto", "float32", "bfloat16"}
        "auto" takes bfloat16 where that is faster.
    device : str, optional
        "cpu", "gpu", "gpu:1" …; default: the CPU for OpenVINO, what its backend prefers for Keras.
    threads : int, >= 1, optional
        That OpenVINO computes in. Default: one for each core.

    Raises
    ------
    OptionError
        If there is no such engine or precision, or the threads are no such number.
    """

    engine: str = "auto"
    precision: str = "auto"
    device: str | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        """Raise OptionError unless all can be chosen."""
        if self.engine not in ENGINES:
            raise OptionError(f"no engine {self.engine!r}: choose one of {', '.join(ENGINES)}")
        if self.precision not in PRECISIONS:
            raise OptionError(
                f"no precision {self.precision!r}: choose one of {', '.join(PRECISIONS)}"
            )
        threads: Any = self.threads
        if threads is not None and not (isinstance(threads, int) and threads >= 1):
            raise OptionError(f"threads must be 1 or more, not {threads!r}")


def step_samples(architecture: Architecture) -> int:
    """Return the samples that a stream computes at a time: a multiple of the frame size."""
    frame_size = architecture.frame_size
    return max(min(STEP_FRAMES, STEP_SAMPLES // frame_size), 1) * frame_size


class Network(Protocol):
    """A network that is ready to run, whatever it maps to what.

    Attributes
    ----------
    precision : {"float32", "bfloat16"}
        What it computes in.
    """

    precision: str

    def __call__(self, batch: NDArray[np.float32], /) -> NDArray[np.float32]:
        """Map a batch of inputs to a batch of outputs; safe to call from several threads.

        The outputs are the caller's own, to be written to.
        """
        ...


class Stepper(Protocol):
    """An engine that is given one sound, piece after piece.

    Attributes
    ----------
    samples : int
        Length of a piece.
    primed : bool
        Whether it begins as if silence came before.
    """

    samples: int
    primed: bool

    def __call__(self, mixtures: Audio, /) -> Audio:
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
    """A system that is ready to separate.

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

    def __call__(self, mixtures: Audio, /) -> Audio:
        """Map mixtures to estimates; safe to call from several threads.

        Parameters
        ----------
        mixtures : float32 array, (batch, left_context + samples + right_context, channels)
            ``samples`` is a multiple of the frame size.

        Returns
        -------
        float32 array, (batch, samples, channels * targets)
            Target 0's channels first. It is the caller's own, to be written to.
        """
        ...

    def stepper(self, groups: int) -> Stepper:
        """Return the engine at the beginning of a stream, for so many sounds side by side."""
        ...
