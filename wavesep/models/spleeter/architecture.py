"""The arguments of Spleeter's U-Net, without Keras."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..base import NORMALISATION, Shapes
from ..unet.architecture import UNetArchitecture

if TYPE_CHECKING:
    import keras

    from ..recipe import Recipe

MASK_KERNEL, MASK_DILATION = 4, 2  # of the last convolution, in bins and in frames
PATCH = 256  # frames of an example; Spleeter itself was trained on 512


@dataclass(frozen=True, kw_only=True)
class SpleeterArchitecture(UNetArchitecture):
    """The arguments of a `SpleeterUNet`, which describes them; the defaults are Spleeter's.

    Raises
    ------
    ValueError
        If an argument is out of its range.
    """

    kind: ClassVar[str] = "spleeter"

    window: int = 4096
    hop: int = 1024
    bottleneck: int = 512
    channels: int = 2

    @property
    def reach(self) -> int:
        """Frames on each side that the mask of a frame depends on."""
        return super().reach + (MASK_KERNEL - 1) * MASK_DILATION // 2

    @property
    def widths(self) -> list[int]:
        """Filters of every level on the way down."""
        return [*super().widths[:-1], self.bottleneck]

    @property
    def shapes(self) -> Shapes:
        """Shape of every weight by "layer/variable"."""
        shapes = super().shapes
        for variable in NORMALISATION:  # the lowest level has none
            del shapes[f"down{self.depth - 1}_norm/{variable}"]
            shapes[f"up0_norm/{variable}"] = (1,)
        kernel, _, _, width = shapes["mask/kernel"]
        outputs = self.channels * self.targets
        shapes |= {"up0/kernel": (kernel, kernel, 1, width), "up0/bias": (1,)}
        return shapes | {"mask/kernel": (MASK_KERNEL, MASK_KERNEL, 1, outputs)}

    def network(self, padding: str = "valid") -> keras.Model:
        """Build a `SpleeterUNet`."""
        from .network import SpleeterUNet

        del padding
        return SpleeterUNet(**self.arguments)

    def recipe(self) -> Recipe:
        """Return how it is trained."""
        from ..unet.recipe import recipe

        return recipe(self, PATCH)
