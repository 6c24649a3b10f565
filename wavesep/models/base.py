"""The base class of architectures: the arguments of a network, without Keras."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import keras

    from .recipe import Recipe

# Variables of a layer of batch normalisation, by Keras's names
NORMALISATION = ("gamma", "beta", "moving_mean", "moving_variance")

Shapes = dict[str, tuple[int, ...]]
Remember = Callable[[Any, int, str], Any]  # see `Architecture.step_network`


@dataclass(frozen=True, kw_only=True)
class Architecture(ABC):
    """The arguments of one kind of network.

    A subclass is a frozen dataclass. Its fields are the arguments. All have defaults, and all are
    integers, strings or tuples of integers, so model files can contain them. Its ``__post_init__``
    checks them. `wavesep.models.kinds.register` registers it, so that its model files can be read.

    Attributes
    ----------
    kind : str
        Name of this kind of network in model files.
    trained : bool
        Whether the network has weights. A rule has none.
    channels : int, >= 1
        Audio channels of the mixture and of each target.
    targets : int, >= 1
        Stems that the network estimates.

    Raises
    ------
    ValueError
        If an argument is out of its range.
    """

    kind: ClassVar[str]
    trained: ClassVar[bool] = True

    channels: int = 1
    targets: int = 1

    def __post_init__(self) -> None:
        """Convert lists to tuples, and check the range of integers."""
        for name, value in self.arguments.items():
            if isinstance(value, list):
                object.__setattr__(self, name, tuple(value))
            if isinstance(value, int) and value < self.least(name):
                raise ValueError(f"{name} must be {self.least(name)} or more, not {value}")

    @classmethod
    def least(cls, name: str) -> int:
        """Return the smallest allowed value of an integer argument."""
        del name
        return 1

    @property
    def arguments(self) -> dict[str, Any]:
        """All arguments by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    @abstractmethod
    def frame_size(self) -> int:
        """The length of a chunk must be a multiple of this many samples."""

    @property
    @abstractmethod
    def context(self) -> tuple[int, int]:
        """Left and right context: samples that an estimate needs before and after itself."""

    @property
    @abstractmethod
    def shapes(self) -> Shapes:
        """Shape of every weight by "layer/variable"."""

    @abstractmethod
    def network(self, padding: str = "valid") -> keras.Model:
        """Build the Keras network; its attribute ``architecture`` is this object.

        Parameters
        ----------
        padding : {"valid", "same"}
            "valid": the input contains its context. "same": see `wavesep.WaveNet`. Networks of
            spectrograms ignore it.

        Raises
        ------
        ModelFileError
            If it is a rule, which has no network.
        """

    @abstractmethod
    def recipe(self) -> Recipe:
        """Return how the network is trained.

        Raises
        ------
        ModelFileError
            If it is a rule, which is not trained.
        """

    def step_network(self, groups: int, samples: int, remember: Remember) -> keras.Model | None:
        """Build a network for streams, which stores past frames; None if there is none.

        Without such a network, a stream computes the context of every step again.

        Parameters
        ----------
        groups : int
            Size of the batch: sounds that are separated at the same time.
        samples : int
            Length of a step, a multiple of the frame size.
        remember : callable
            Given a signal, a number of frames and a name, it returns the signal with this many of
            its past frames in front.
        """
        del groups, samples, remember
        return None

    @property
    def source_count(self) -> int:
        """Number of stems: the targets and the remainder of the mixture."""
        return self.targets + 1

    @property
    def input(self) -> str:
        """The input of the network, as text."""
        return "samples"

    @property
    def operations(self) -> float | None:
        """Multiplications and additions per sample of audio; None if they are unknown."""
        return None
