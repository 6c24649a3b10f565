"""The arguments of the two networks of Koretzky (2019), without Keras."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...dsp.stft import Magnitudes, Spectra, frame_windows
from ..base import Shapes
from ..spectrograms import MaskArchitecture, Network, SpectrogramArchitecture

if TYPE_CHECKING:
    import keras

    from ..recipe import Recipe

POOL = 3  # factor of each of the two poolings, in bins and in frames
SLOPE = 0.3  # of LeakyReLU: Keras's default
CONVOLUTIONS = 4
WINDOWS = 64  # in a batch


@dataclass(frozen=True, kw_only=True)
class FrameArchitecture(SpectrogramArchitecture):
    """The base class of the two architectures; `FrameCnn` describes the arguments.

    Raises
    ------
    ValueError
        If an argument is out of its range.
    """

    frames: int = 25
    filters: tuple[int, ...] = (32, 16, 64, 16)
    units: int = 128

    def __post_init__(self) -> None:
        """Check the range of all arguments."""
        super().__post_init__()
        if self.channels != 1 or len(self.filters) != CONVOLUTIONS:
            raise ValueError(
                f"channels must be 1 and filters {CONVOLUTIONS} numbers, "
                f"not {self.channels} and {len(self.filters)}"
            )
        if self.frames < POOL**2 or self.frames % 2 == 0:
            raise ValueError(f"frames must be odd and {POOL**2} or more, not {self.frames}")

    @property
    def context(self) -> tuple[int, int]:
        """Left and right context: samples that an estimate needs before and after itself."""
        return self.context_of(self.frames // 2)

    @property
    def input(self) -> str:
        """The input of the network, as text."""
        return f"{self.bins} bins x {self.frames} frames"

    @property
    def outputs(self) -> int:
        """Number of outputs for each frame."""
        return self.bins * self.targets

    @property
    def shapes(self) -> Shapes:
        """Shape of every weight by "layer/variable"."""
        widths = [1, *self.filters]
        flat = self.bins // POOL // POOL * (self.frames // POOL // POOL) * widths[-1]
        kernels: Shapes = {
            f"conv{i}": (3, 3, before, after) for i, (before, after) in enumerate(pairwise(widths))
        }
        kernels |= {"dense": (flat, self.units), "answer": (self.units, self.outputs)}
        return {
            f"{name}/{variable}": shape
            for name, kernel in kernels.items()
            for variable, shape in (("kernel", kernel), ("bias", kernel[-1:]))
        }


@dataclass(frozen=True, kw_only=True)
class FrameCnnArchitecture(FrameArchitecture, MaskArchitecture):
    """The arguments of a `FrameCnn`."""

    kind: ClassVar[str] = "frame_cnn"

    def masks(self, network: Network, spectra: Spectra, wanted: slice) -> NDArray[np.float32]:
        """Return the masks of a network that slides over the frames; see `MaskArchitecture`."""
        around = slice(wanted.start - self.frames // 2, wanted.stop + self.frames // 2)
        answers = slide(network, np.abs(spectra[:, 0, :, around]), self.frames)
        batch, count, _ = answers.shape
        return answers.reshape(batch, count, self.targets, 1, -1).transpose(0, 2, 3, 4, 1)

    def network(self, padding: str = "valid") -> keras.Model:
        """Build a `FrameCnn`."""
        from .network import FrameCnn

        del padding
        return FrameCnn(**self.arguments)

    def recipe(self) -> Recipe:
        """Return how it is trained."""
        from .recipe import mask_recipe

        return mask_recipe(self)


@dataclass(frozen=True, kw_only=True)
class ActivityArchitecture(FrameArchitecture):
    """The arguments of an `ActivityCnn`.

    Raises
    ------
    ValueError
        If an argument is out of its range.
    """

    kind: ClassVar[str] = "vocal_activity"

    filters: tuple[int, ...] = (16, 16, 16, 16)
    units: int = 64

    def __post_init__(self) -> None:
        """Check the range of all arguments."""
        super().__post_init__()
        if self.targets != 1:
            raise ValueError(f"targets must be 1, not {self.targets}")

    @property
    def outputs(self) -> int:
        """Number of outputs for each frame: one, the probability that somebody sings."""
        return 1

    @property
    def source_count(self) -> int:
        """Number of sources: one, the activity."""
        return 1

    def network(self, padding: str = "valid") -> keras.Model:
        """Build an `ActivityCnn`."""
        from .network import ActivityCnn

        del padding
        return ActivityCnn(**self.arguments)

    def recipe(self) -> Recipe:
        """Return how it is trained."""
        from .recipe import ACTIVITY_RECIPE

        return ACTIVITY_RECIPE


def slide(network: Network, magnitudes: Magnitudes, frames: int) -> NDArray[np.float32]:
    """Apply a network to every window of ``frames`` consecutive frames.

    Parameters
    ----------
    network : callable
        Maps ``(batch, bins, frames)`` to ``(batch, outputs)``.
    magnitudes : float32 array, (batch, bins, all frames)
    frames : int
        Length of a window.

    Returns
    -------
    float32 array, (batch, all frames - frames + 1, outputs)
    """
    runs = frame_windows(magnitudes, frames)
    batch, count = runs.shape[:2]
    # batches have few sizes, so that a network is compiled few times
    size = min(batch * count, WINDOWS)
    answers = []
    for begin in range(0, batch * count, size):
        numbers = np.arange(begin, begin + size) % (batch * count)
        answers.append(network(np.ascontiguousarray(runs[numbers // count, numbers % count])))
    return np.concatenate(answers)[: batch * count].reshape(batch, count, -1)
