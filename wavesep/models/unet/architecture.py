"""The arguments of a U-Net, and what follows from them. No Keras."""

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
    """The arguments of a `UNet`, which describes them; the defaults are those of the paper."""

    kind: ClassVar[str] = "unet"

    hop: int = 768
    filters: int = 16
    depth: int = 6

    def __post_init__(self) -> None:
        """Raise ValueError on the first argument that is out of its range."""
        super().__post_init__()
        if self.window % 2 ** (self.depth + 1):
            raise ValueError(
                "window must be a multiple of 2 ** (depth + 1). "
                f"Received: window={self.window}, depth={self.depth}"
            )

    @property
    def aligned(self) -> int:
        """Number of frames that the network must be given a multiple of."""
        return 2**self.depth

    @property
    def frame_size(self) -> int:
        """Samples that a chunk's length is a multiple of."""
        return self.hop * self.aligned

    @property
    def reach(self) -> int:
        """Frames on each side that a frame of the mask depends on.

        Going down, frame k depends on frames 2k - 1 to 2k + 3. Going up, it depends on frames
        (k - 3) / 2 to (k + 1) / 2. Over all levels, both reach as far, on either side.
        """
        return (KERNEL - 1) * (self.aligned - 1)

    @property
    def context(self) -> tuple[int, int]:
        """Samples that an estimate needs before and after itself."""
        return self.context_of(self.reach, self.aligned)

    @property
    def widths(self) -> list[int]:
        """Channels of every level going down."""
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
            after = widths[i - 1]  # a transposed kernel has its output first
            add(f"up{i}", (KERNEL, KERNEL, after, width), after)
            shapes |= {f"up{i}_norm/{variable}": (after,) for variable in NORMALISATION}
            width = 2 * after
        outputs = self.channels * self.targets
        add("mask", (KERNEL, KERNEL, outputs, width), outputs)
        return shapes

    def masks(self, network: Network, spectra: Spectra, wanted: slice) -> NDArray[np.float32]:
        """Return the masks of a network; see `MaskArchitecture`."""
        magnitudes = np.abs(spectra).transpose(0, 2, 3, 1)
        # the padding lies beyond the context, so no wanted frame depends on it
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
