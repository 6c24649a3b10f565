"""Protocols of networks, engines and steppers, and the options that choose them."""

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

# Length of a stream's step: the shorter of the two. Shorter steps lower the latency and cost more:
# with 64 frames of 32 samples, a stream costs up to 2.5 times as much as chunks, with 192 up to
# 1.5 times.
STEP_FRAMES, STEP_SAMPLES = 192, 6_144


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options for running a network.

    Attributes
    ----------
    engine : {"auto", "openvino", "keras"}
        "openvino" runs on the CPU, "keras" on the devices of its backend. "auto" takes OpenVINO
        if it is installed, has a graph of the network, and ``device`` does not ask for a GPU.
        Otherwise it takes Keras.
    precision : {"auto", "float32", "bfloat16"}
        "auto" takes bfloat16 where that is faster.
    device : str, optional
        "cpu", "gpu", "gpu:1" …; default: the CPU for OpenVINO, the backend's choice for Keras.
    threads : int, >= 1, optional
        Threads of OpenVINO. Default: one for each core.

    Raises
    ------
    OptionError
        If the engine, the precision or the number of threads is not one of these.
    """

    engine: str = "auto"
    precision: str = "auto"
    device: str | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        """Check the options, and raise OptionError."""
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
    """A network that is ready to run, with any kind of input and output.

    Attributes
    ----------
    precision : {"float32", "bfloat16"}
        Precision of the arithmetic.
    """

    precision: str

    def __call__(self, batch: NDArray[np.float32], /) -> NDArray[np.float32]:
        """Map a batch of inputs to a batch of outputs; safe to call from several threads.

        The caller may write to the outputs.
        """
        ...


class Stepper(Protocol):
    """An engine that is given one sound, piece after piece.

    Attributes
    ----------
    samples : int
        Length of a piece.
    primed : bool
        Whether it starts as if silence came before.
    """

    samples: int
    primed: bool

    def __call__(self, mixtures: Audio, /) -> Audio:
        """Go on with a sound.

        Parameters
        ----------
        mixtures : float32 array, (groups, samples, channels)
            The next piece. Groups are estimated apart.

        Returns
        -------
        float32 array, (groups, samples, channels * targets)
            The estimate of the input ``right_context`` samples earlier. The first ``left_context +
            right_context`` samples are not valid: give ``left_context`` zeros first, unless it is
            `primed`. The caller may write to it.
        """
        ...


class Engine(Protocol):
    """A system that is ready to separate.

    It maps a batch of mixtures with their context to a batch of estimates without it. An engine
    knows nothing of files, chunks or sample rates.

    Attributes
    ----------
    batch_size : int
        Best number of mixtures for one call.
    precision : {"float32", "bfloat16"}
        Precision of the arithmetic.
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
            Target 0's channels first. The caller may write to it.
        """
        ...

    def stepper(self, groups: int) -> Stepper:
        """Return a stepper at the beginning of a stream of ``groups`` parallel sounds."""
        ...
