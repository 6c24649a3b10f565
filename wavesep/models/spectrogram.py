"""What follows from the architecture of a system that weighs spectrograms. No Keras."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from ..dsp.stft import Stft
from .architecture import NORMALISATION

# The arguments of `FrameCnn` and of `UNet`, and their defaults.
# Both networks of A. Koretzky, "Audio AI: isolating vocals from stereo music using Convolutional
# Neural Networks" (2019), to the letter: 123,985 and 323,233 parameters.
VOCAL_ACTIVITY: dict[str, Any] = {
    "window": 1024, "hop": 256, "frames": 25, "filters": (16, 16, 16, 16), "units": 64,
    "answer": "activity", "channels": 1, "targets": 1,
}  # fmt: skip
MASK_CNN = VOCAL_ACTIVITY | {"filters": (32, 16, 64, 16), "units": 128, "answer": "mask"}

# The network of A. Jansson et al., "Singing Voice Separation with Deep U-Net Convolutional
# Networks", ISMIR 2017: 512 bins, mono, at 8,192 Hz.
JANSSON: dict[str, Any] = {
    "window": 1024, "hop": 768, "filters": 16, "depth": 6, "channels": 1, "targets": 1,
}  # fmt: skip
# As others took it over: 1,025 bins, stereo, at 44,100 Hz
UNET_STEREO = JANSSON | {"window": 2048, "hop": 512, "channels": 2}
# Half as wide, for two cores: a window of 93 ms at 22,050 Hz
UNET = JANSSON | {"window": 2048, "hop": 512, "filters": 8}

WIENER = Stft(4096, 1024)  # in which any system's estimates can weigh the mixture

POOL = 3  # of `FrameCnn`, in bins and in frames, twice
KERNEL = 5  # of `UNet`, in bins and in frames
CNN_SLOPE, UNET_SLOPE = 0.3, 0.2  # of LeakyReLU: the first was Keras's own at the time
LOUDNESS = 4_000  # of the logarithm that both start with: log(1 + LOUDNESS / window * magnitude)
ANSWERS = ("mask", "activity")


def stft_of(architecture: dict[str, Any]) -> Stft:
    """Return the transform whose magnitudes a system is given."""
    return Stft(architecture["window"], architecture["hop"])


def spectrogram_context(architecture: dict[str, Any], frames: int, aligned: int) -> tuple[int, int]:
    """Return the samples that a system needs before and after what it gives.

    Parameters
    ----------
    architecture : dict
    frames : int
        Frames on each side that the mask of a frame depends on.
    aligned : int
        Frames that the network must be given a multiple of.
    """
    # a sample of the estimate lies in ``overlap`` frames
    needed = frames + stft_of(architecture).overlap - 1
    context = -(-needed // aligned) * aligned * architecture["hop"]
    return context, context


def check_stft(architecture: dict[str, Any]) -> None:
    """Raise ValueError unless the numbers of an architecture can be those of a network."""
    for name, value in architecture.items():
        if isinstance(value, int) and value < 1:
            raise ValueError(f"{name} must be 1 or more. Received: {name}={value}")
    window, hop = architecture["window"], architecture["hop"]
    if window % 2 or hop > window:
        raise ValueError(
            f"window must be even and no shorter than hop. Received: window={window}, hop={hop}"
        )


def check_frame_cnn(architecture: dict[str, Any]) -> None:
    """Raise ValueError on the first argument of `FrameCnn` that is out of its range."""
    check_stft(architecture)
    if architecture["answer"] not in ANSWERS:
        raise ValueError(f"answer must be one of {ANSWERS}. Received: {architecture['answer']!r}")
    if architecture["channels"] != 1 or len(architecture["filters"]) != 4:
        raise ValueError("channels must be 1, and filters four numbers")
    if architecture["frames"] < POOL**2 or architecture["frames"] % 2 == 0:
        raise ValueError(f"frames must be odd and at least {POOL**2}")
    if architecture["answer"] == "activity" and architecture["targets"] != 1:
        raise ValueError("targets must be 1 where the answer is the activity")


def check_unet(architecture: dict[str, Any]) -> None:
    """Raise ValueError on the first argument of `UNet` that is out of its range."""
    check_stft(architecture)
    if architecture["window"] % 2 ** (architecture["depth"] + 1):
        raise ValueError(
            f"window must be a multiple of 2 ** (depth + 1). Received: window="
            f"{architecture['window']}, depth={architecture['depth']}"
        )


def frame_cnn_context(architecture: dict[str, Any]) -> tuple[int, int]:
    """Return the left and the right context of a `FrameCnn`, in samples."""
    return spectrogram_context(architecture, architecture["frames"] // 2, 1)


def unet_frames(architecture: dict[str, Any]) -> int:
    """Return the frames on each side that a frame of a `UNet`'s mask depends on.

    Going down, frame k hears frames 2k - 1 to 2k + 3; going up, frame k hears (k - 3) / 2 to
    (k + 1) / 2. Over all levels both come to this, on either side.
    """
    return (KERNEL - 1) * (2 ** architecture["depth"] - 1)


def unet_context(architecture: dict[str, Any]) -> tuple[int, int]:
    """Return the left and the right context of a `UNet`, in samples."""
    return spectrogram_context(architecture, unet_frames(architecture), 2 ** architecture["depth"])


def frame_cnn_shapes(architecture: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return the shape of every weight of a `FrameCnn` by "layer/variable"."""
    bins = stft_of(architecture).window // 2 + 1
    widths = [1, *architecture["filters"]]
    flat = bins // POOL // POOL * (architecture["frames"] // POOL // POOL) * widths[-1]
    kernels: dict[str, tuple[int, ...]] = {
        f"conv{i}": (3, 3, before, after) for i, (before, after) in enumerate(pairwise(widths))
    }
    answers = 1 if architecture["answer"] == "activity" else bins * architecture["targets"]
    kernels |= {"dense": (flat, architecture["units"]), "answer": (architecture["units"], answers)}
    return {
        f"{name}/{variable}": shape
        for name, kernel in kernels.items()
        for variable, shape in (("kernel", kernel), ("bias", kernel[-1:]))
    }


def unet_widths(architecture: dict[str, Any]) -> list[int]:
    """Return the channels of every level going down."""
    return [architecture["filters"] * 2**i for i in range(architecture["depth"])]


def unet_shapes(architecture: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return the shape of every weight of a `UNet` by "layer/variable"."""
    widths = unet_widths(architecture)
    shapes: dict[str, tuple[int, ...]] = {}

    def add(name: str, kernel: tuple[int, ...], width: int) -> None:
        shapes.update({f"{name}/kernel": kernel, f"{name}/bias": (width,)})

    for i, (before, after) in enumerate(pairwise([architecture["channels"], *widths])):
        add(f"down{i}", (KERNEL, KERNEL, before, after), after)
        shapes |= {f"down{i}_norm/{variable}": (after,) for variable in NORMALISATION}
    width = widths[-1]
    for i in reversed(range(1, len(widths))):
        after = widths[i - 1]  # a transposed kernel has its output first
        add(f"up{i}", (KERNEL, KERNEL, after, width), after)
        shapes |= {f"up{i}_norm/{variable}": (after,) for variable in NORMALISATION}
        width = 2 * after
    outputs = architecture["channels"] * architecture["targets"]
    add("mask", (KERNEL, KERNEL, outputs, width), outputs)
    return shapes
