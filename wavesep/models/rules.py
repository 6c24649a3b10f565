"""The arguments of systems that are not trained: rules.

`wavesep.engines.rules` runs them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NoReturn

from ..errors import ModelFileError
from .base import Architecture, Shapes
from .spectrograms import SpectrogramArchitecture

if TYPE_CHECKING:
    from .recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Rule(Architecture):
    """A system without weights."""

    trained: ClassVar[bool] = False

    @property
    def shapes(self) -> Shapes:
        """Empty: a rule has no weights."""
        return {}

    def network(self, padding: str = "valid") -> NoReturn:
        """Refuse: a rule has no network.

        Raises
        ------
        ModelFileError
            Always.
        """
        del padding
        raise ModelFileError(f"{self.kind} is a rule, not a network: there is nothing to load")

    def recipe(self) -> Recipe:
        """Refuse: a rule is not trained.

        Raises
        ------
        ModelFileError
            Always.
        """
        raise ModelFileError(f"{self.kind} is a rule, not a network: there is nothing to train")


@dataclass(frozen=True, kw_only=True)
class PhaseCancellation(Rule):
    """The rule that left minus right is the accompaniment."""

    kind: ClassVar[str] = "phase_cancellation"

    channels: int = 2

    @property
    def frame_size(self) -> int:
        """Samples that a chunk's length is a multiple of."""
        return 1

    @property
    def context(self) -> tuple[int, int]:
        """Left and right context: an estimate needs no other samples."""
        return 0, 0


@dataclass(frozen=True, kw_only=True)
class Centre(SpectrogramArchitecture, Rule):
    """The rule that the vocals are what left and right have in common."""

    kind: ClassVar[str] = "centre"

    window: int = 4096
    hop: int = 1024
    channels: int = 2

    @property
    def context(self) -> tuple[int, int]:
        """Samples that an estimate needs before and after itself."""
        return self.context_of(0)


@dataclass(frozen=True, kw_only=True)
class Harmonic(SpectrogramArchitecture, Rule):
    """The rule that the vocals are the harmonics of the pitch that pYIN tracks.

    Attributes
    ----------
    window, hop : int
        Of the STFT, in samples. A window of 93 ms resolves the harmonics of a voice.
    block : int
        Frames, about 6 s, after which pYIN starts again. The path that it finds depends on its
        whole input.
    """

    kind: ClassVar[str] = "harmonic"

    window: int = 2048
    hop: int = 512
    block: int = 256

    @property
    def frame_size(self) -> int:
        """Samples that a chunk's length is a multiple of."""
        return self.hop * self.block

    @property
    def context(self) -> tuple[int, int]:
        """Left and right context: at least a block on each side."""
        return self.context_of(self.block, self.block)
