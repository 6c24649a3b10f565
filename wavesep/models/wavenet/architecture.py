"""The arguments of a WaveNet, without Keras."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

from ..base import NORMALISATION, Architecture, Remember, Shapes
from .filterbank import HINTS, band_count, cell_count, cell_width

if TYPE_CHECKING:
    import keras

    from ..recipe import Recipe

CHOICES = {"kernel_size": (2, 3), "activation": ("relu", "linear")}
MOST_LAYERS = 256

CELL_TAPS = 3  # a layer over cells covers each cell and its two neighbours

AVERAGES = ("mean", "variance")  # weights of a `NormalisedConvolution`
# Added to variances; far above their rounding errors. Keras computes a variance as the difference
# of two means, so for a constant signal the result can be negative.
EPSILON = 1e-3


def layer_context(kernel_size: int, dilation: int) -> tuple[int, int]:
    """Return the frames that a convolution needs before and after its output frame.

    An even kernel cannot be centred: it has one tap more ahead.
    """
    margin = (kernel_size - 1) * dilation
    return margin // 2, margin - margin // 2


@dataclass(frozen=True, kw_only=True)
class WaveNetArchitecture(Architecture):
    """The arguments of a `WaveNet`, which describes them; the defaults are those of the post.

    Raises
    ------
    ValueError
        If an argument is out of its range.
    """

    kind: ClassVar[str] = "wavenet"

    filters: int = 128
    skip_filters: int = 192
    kernel_size: int = 2
    stacks: int = 3
    layers_per_stack: int = 10
    dilation_base: int = 2
    frame_size: int = 1
    channels: int = 2
    targets: int = 1
    head: tuple[int, ...] = ()
    filterbank: int = 0
    cell_filters: int = 32
    activation: str = "relu"

    def __post_init__(self) -> None:
        """Check the range of all arguments."""
        super().__post_init__()
        for name, choices in CHOICES.items():
            if (value := getattr(self, name)) not in choices:
                raise ValueError(f"{name} must be one of {choices}, not {value!r}")
        if self.stacks * self.layers_per_stack > MOST_LAYERS:
            raise ValueError(
                f"stacks * layers_per_stack must be {MOST_LAYERS} or less, "
                f"not {self.stacks * self.layers_per_stack}"
            )
        if self.filterbank and self.frame_size % self.filterbank:
            raise ValueError(
                f"filterbank must be 0 or divide frame_size={self.frame_size}, "
                f"not {self.filterbank}"
            )

    @classmethod
    def least(cls, name: str) -> int:
        """Return the smallest allowed value of an integer argument."""
        return 0 if name == "filterbank" else 1

    @property
    def whole_dilations(self) -> list[int]:
        """Dilations of the layers over the whole spectrum: one stack."""
        return [self.dilation_base**i for i in range(self.layers_per_stack)]

    @property
    def dilations(self) -> list[int]:
        """Dilation of every layer, in frames; each stack begins at 1."""
        return self.whole_dilations * self.stacks

    def stack_context(self, dilations: list[int]) -> tuple[int, int]:
        """Return the frames that layers with these dilations need before and after a frame."""
        contexts = [layer_context(self.kernel_size, dilation) for dilation in dilations]
        left, right = (sum(side) for side in zip(*contexts, strict=True))
        return left, right

    @property
    def context(self) -> tuple[int, int]:
        """Left and right context: samples that an output frame needs before and after itself."""
        left, right = self.stack_context(self.dilations)
        if self.filterbank:
            more = self.stack_context(self.whole_dilations)
            # one frame more for each of the two levels of filters, on each side
            left, right = left + more[0] + 2, right + more[1] + 2
        return left * self.frame_size, right * self.frame_size

    @property
    def cell_channels(self) -> int:
        """Sub-bands of one cell, over all channels; 0 without a filterbank."""
        if not self.filterbank:
            return 0
        return self.channels * cell_width(self.frame_size, self.filterbank)

    @property
    def whole_width(self) -> int:
        """Channels of the encoder's input."""
        if self.filterbank:
            return self.cell_channels * cell_count(self.filterbank)
        return self.channels * self.frame_size

    @property
    def shapes(self) -> Shapes:
        """Shape of every weight; kernels are ``(taps, in, out)`` or ``(taps, cells, in, out)``.

        Keys are "layer/variable".
        """
        kernels = self.kernel_shapes
        shapes: Shapes = {}
        for name, kernel in kernels.items():
            shapes |= {f"{name}/kernel": kernel, f"{name}/bias": kernel[-1:]}
        return shapes | self.filterbank_shapes if self.filterbank else shapes

    @property
    def kernel_shapes(self) -> Shapes:
        """Shape of every kernel that has a bias, by layer."""
        widths = [self.skip_filters, *self.head]
        count, step = len(self.dilations), self.filterbank
        whole_count = len(self.whole_dilations) if step else count
        kernels: Shapes = {"encoder": (1, self.whole_width, self.filters)}
        kernels |= self.layer_kernels("layer", whole_count, (), self.filters, widths[0])
        for i, (before, after) in enumerate(pairwise(widths)):
            kernels[f"head{i}"] = (1, before, after)
        if not step:
            return kernels | {"decoder": (1, widths[-1], self.whole_width * self.targets)}
        width, cell = self.cell_filters, self.cell_channels
        kernels["hints"] = (1, widths[-1], cell_count(step) * HINTS)
        kernels["cell_encoder"] = (1, 1, cell + HINTS, width)
        kernels |= self.layer_kernels("cell_layer", count, (CELL_TAPS,), width, width)
        return kernels | {"mask": (1, 1, width, cell * self.targets)}

    @property
    def filterbank_shapes(self) -> Shapes:
        """Shapes of the filters and of the normalisation of a network with a filterbank."""
        step = self.filterbank
        band, sub_band = 2 * band_count(step), 2 * self.frame_size // step
        shapes: Shapes = {
            "analysis_bands/kernel": (2, 1, step, band),
            "analysis_sub_bands/kernel": (2, 1, sub_band, 2 * sub_band),
            "synthesis_sub_bands/kernel": (2, 1, 2 * sub_band, sub_band),
            "synthesis_bands/kernel": (2, 1, band, step),
        }
        normalised = {
            "spectrum_norm": self.whole_width,
            "hints_norm": [self.skip_filters, *self.head][-1],
            "mask_norm": self.cell_filters,
        }
        for name, size in normalised.items():
            shapes |= {f"{name}/{variable}": (size,) for variable in NORMALISATION}
        averaged = {f"layer{i}_gates": self.filters for i in range(self.layers_per_stack)}
        averaged |= {f"cell_layer{i}_gates": self.cell_filters for i in range(len(self.dilations))}
        for name, size in averaged.items():
            shapes |= {f"{name}/{average}": (size,) for average in AVERAGES}
        return shapes

    def layer_kernels(
        self, name: str, count: int, cells: tuple[int, ...], filters: int, skip_filters: int
    ) -> Shapes:
        """Return the shapes of the kernels of dilated layers; ``cells`` is their span in cells."""
        kernels: Shapes = {}
        taps = (self.kernel_size, *cells, filters)
        pointwise = (1, *(1 for _ in cells), filters)
        for i in range(count):
            if self.filterbank:
                kernels[f"{name}{i}_gates"] = (*taps, 2 * filters)
            else:
                kernels |= dict.fromkeys(
                    (f"{name}{i}_tanh", f"{name}{i}_sigmoid"), (*taps, filters)
                )
            kernels[f"{name}{i}_skip"] = (*pointwise, skip_filters)
            if i + 1 < count:  # the last residual is not used
                kernels[f"{name}{i}_residual"] = (*pointwise, filters)
        return kernels

    @property
    def operations(self) -> float:
        """Multiplications and additions of all convolutions per sample of audio."""
        step, frame_size = self.filterbank, self.frame_size
        outputs = self.channels * self.targets
        times = {}  # applications per frame, by the beginning of a layer's name; default: 1
        if step:
            steps, bands = frame_size // step, band_count(step)
            times = {
                "analysis_bands": steps * self.channels,
                "analysis_sub_bands": bands * self.channels,
                "synthesis_bands": steps * outputs,
                "synthesis_sub_bands": bands * outputs,
                "cell_": cell_count(step),
                "mask": cell_count(step),
            }
        products = 0
        for name, shape in self.shapes.items():
            if name.endswith("/kernel"):
                runs = [n for start, n in times.items() if name.startswith(start)]
                products += math.prod(shape) * (runs[0] if runs else 1)
        return 2 * products / frame_size

    def network(self, padding: str = "valid") -> keras.Model:
        """Build a `WaveNet`."""
        from .network import WaveNet

        return WaveNet(**self.arguments, padding=padding)

    def step_network(self, groups: int, samples: int, remember: Remember) -> keras.Model:
        """Build a network that stores past frames; see `Architecture.step_network`."""
        from .network import step_network

        return step_network(self, groups, samples, remember)

    def recipe(self) -> Recipe:
        """Return how it is trained."""
        from .recipe import RECIPE

        return RECIPE
