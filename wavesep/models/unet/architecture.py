"""The arguments of a U-Net, without Keras."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...dsp.stft import Spectra
from ..base import NORMALISATION, Shapes
from ..spectrograms import MaskArchitecture, Network

if TYPE_CHECKING:
    import keras

    from ..recipe import Recipe

KERNEL = 5  # in bins and in frames
SLOPE = 0.2  # of LeakyReLU


@dataclass(frozen=True, kw_only=True)
class UNetArchitecture(MaskArchitecture):
    """The arguments of a `UNet`, which describes them; the defaults are those of the paper.

    Raises
    ------
    ValueError
        If an argument is out of its range.
    """

    kind: ClassVar[str] = "unet"

    hop: int = 768
    filters: int = 16
    depth: int = 6

    def __post_init__(self) -> None:
        """Check the range of all arguments."""
        super().__post_init__()
        if self.window % 2 ** (self.depth + 1):
            raise ValueError(
                f"window must be a multiple of 2 ** (depth + 1), not {self.window} "
                f"with depth={self.depth}"
            )

    @property
    def aligned(self) -> int:
        """The network's input must have a multiple of this many frames."""
        return 2**self.depth

    @property
    def frame_size(self) -> int:
        """The length of a chunk must be a multiple of this many samples."""
        return self.hop * self.aligned

    @property
    def reach(self) -> int:
        """Frames on each side that the mask of a frame depends on.

        On the way down, frame k depends on frames 2k - 1 to 2k + 3. On the way up, frame k depends
        on frames (k - 3) / 2 to (k + 1) / 2. Over all levels, the sum is the same on both sides.
        """
        return (KERNEL - 1) * (self.aligned - 1)

    @property
    def context(self) -> tuple[int, int]:
        """Left and right context: samples that an estimate needs before and after itself."""
        return self.context_of(self.reach, self.aligned)

    @property
    def widths(self) -> list[int]:
        """Filters of every level on the way down."""
        return [self.filters * 2**i for i in range(self.depth)]

    @property
    def shapes(self) -> Shapes:
        """Shape of every weight by "layer/variable"."""
        widths = self.widths
        shapes: Shapes = {}

        def add(name: str, kernel: tuple[int, ...], width: int) -> None:
            shapes.update({f"{name}/kernel": kernel, f"{name}/bias": (width,)})

        for i, (before, after) in enumerate(pairwise([self.channels, *widths])):
            add(f"down{i}", (KERNEL, KERNEL, before, after), after)
            shapes |= {f"down{i}_norm/{variable}": (after,) for variable in NORMALISATION}
        width = widths[-1]
        for i in reversed(range(1, len(widths))):
            after = widths[i - 1]  # a transposed convolution's kernel has outputs first
            add(f"up{i}", (KERNEL, KERNEL, after, width), after)
            shapes |= {f"up{i}_norm/{variable}": (after,) for variable in NORMALISATION}
            width = 2 * after
        outputs = self.channels * self.targets
        add("mask", (KERNEL, KERNEL, outputs, width), outputs)
        return shapes

    def masks(self, network: Network, spectra: Spectra, wanted: slice) -> NDArray[np.float32]:
        """Return the masks of a network; see `MaskArchitecture`."""
        magnitudes = np.abs(spectra).transpose(0, 2, 3, 1)
        # the padding is beyond the context, so no wanted frame depends on it
        missing = -magnitudes.shape[2] % self.aligned
        filled = np.pad(magnitudes, ((0, 0), (0, 0), (0, missing), (0, 0)))
        answers = network(filled)[:, :, wanted]
        batch, bins, count, _ = answers.shape
        return answers.reshape(batch, bins, count, -1, self.channels).transpose(0, 3, 4, 1, 2)

    def network(self, padding: str = "valid") -> keras.Model:
        """Build a `UNet`."""
        from .network import UNet

        del padding
        return UNet(**self.arguments)

    def recipe(self) -> Recipe:
        """Return how it is trained."""
        from .recipe import recipe

        return recipe(self)
