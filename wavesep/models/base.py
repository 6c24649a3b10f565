"""What an architecture is: the arguments of a network, and what follows from them. No Keras."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import keras

    from .recipe import Recipe

# Variables of a layer that shifts and scales: Keras's names
NORMALISATION = ("gamma", "beta", "moving_mean", "moving_variance")

Shapes = dict[str, tuple[int, ...]]
Remember = Callable[[Any, int, str], Any]  # puts so many past frames of a signal in front of it


@dataclass(frozen=True, kw_only=True)
class Architecture(ABC):
    """The arguments of one kind of network.

    A subclass is a frozen dataclass whose fields are the arguments, all with defaults: integers,
    strings or tuples of integers, which model files can hold. Its ``__post_init__`` raises
    ValueError for arguments out of their range. `wavesep.models.kinds.register` makes its kind
    known, so that model files can name it.

    Attributes
    ----------
    kind : str
        Name of the kind in model files.
    trained : bool
        Whether it has weights: a rule has none.
    channels : int, >= 1
        Audio channels of the mixture and of each target.
    targets : int, >= 1
        Stems that the network estimates.
    """

    kind: ClassVar[str]
    trained: ClassVar[bool] = True

    channels: int = 1
    targets: int = 1

    def __post_init__(self) -> None:
        """Turn lists into tuples, and raise ValueError for numbers below 1."""
        for name, value in self.arguments.items():
            if isinstance(value, list):
                object.__setattr__(self, name, tuple(value))
            if isinstance(value, int) and value < self.least(name):
                raise ValueError(
                    f"{name} must be {self.least(name)} or more. Received: {name}={value}"
                )

    @classmethod
    def least(cls, name: str) -> int:
        """Return the smallest value of an argument that is a number."""
        del name
        return 1

    @property
    def arguments(self) -> dict[str, Any]:
        """The fields by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    @abstractmethod
    def frame_size(self) -> int:
        """Samples that a chunk's length is a multiple of."""

    @property
    @abstractmethod
    def context(self) -> tuple[int, int]:
        """Samples that an estimate needs before and after itself."""

    @property
    @abstractmethod
    def shapes(self) -> Shapes:
        """Shape of every weight by "layer/variable"."""

    @abstractmethod
    def network(self, padding: str = "valid") -> keras.Model:
        """Build the Keras network; its attribute ``architecture`` is this.

        Parameters
        ----------
        padding : {"valid", "same"}
            "valid": the input holds its context. "same": see `wavesep.WaveNet`; networks of
            spectrograms have no padding.
        """

    @abstractmethod
    def recipe(self) -> Recipe:
        """Return how the network is trained."""

    def step_network(self, groups: int, samples: int, remember: Remember) -> keras.Model | None:
        """Build the network that keeps its past, for streams; None if there is no such network.

        Without one, a stream computes the context of every step again.

        Parameters
        ----------
        groups : int
            Sounds side by side: the batch.
        samples : int
            Length of a step, a multiple of the frame size.
        remember : callable
            Given a signal, a number of frames and a name, it returns the signal with so many of its
            past frames in front.
        """
        del groups, samples, remember
        return None

    @property
    def source_count(self) -> int:
        """Number of stems: the targets and what they leave of the mixture."""
        return self.targets + 1

    @property
    def input(self) -> str:
        """What the network is given."""
        return "samples"

    @property
    def operations(self) -> float | None:
        """Multiplications and additions per sample of audio; None if they are not counted."""
        return None
