"""All systems that have a name, with their sample rate, architecture and description."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .base import Architecture
from .frame_cnn.architecture import ActivityArchitecture, FrameCnnArchitecture
from .rules import Centre, Harmonic, PhaseCancellation
from .spleeter.architecture import SpleeterArchitecture
from .unet.architecture import UNetArchitecture
from .wavenet.architecture import WaveNetArchitecture


@dataclass(frozen=True)
class Preset:
    """A system that has a name.

    Attributes
    ----------
    sample_rate : int
        In Hz, of the audio that the system is given.
    architecture : Architecture
    about : str
        Description in one line.
    """

    sample_rate: int
    architecture: Architecture
    about: str

    @property
    def kind(self) -> str:
        """One of `wavesep.models.kinds.KINDS`."""
        return self.architecture.kind


@dataclass(frozen=True)
class NamedMean:
    """The mean of several systems that has a name.

    Attributes
    ----------
    parts : tuple of str
        Names of the systems.
    about : str
        Description in one line.
    """

    parts: tuple[str, ...]
    about: str


# The network of J. Vossen's post, to the letter: 3,196,418 parameters, 70 ms of context.
POST = WaveNetArchitecture()

# 32 samples are folded into a frame: 1.1 s of context at less than a tenth of the cost, with
# 3,174,592 parameters. Linear 1x1 convolutions and a ReLU head, as in van den Oord et al.
FOLDED = replace(
    POST, skip_filters=128, kernel_size=3, layers_per_stack=8, frame_size=32, head=(128,),
    activation="linear",
)  # fmt: skip

# The same context with frames of 16 samples and a third of the parameters, 895,840.
FOLDED_SMALL = replace(
    FOLDED, filters=64, skip_filters=64, layers_per_stack=9, frame_size=16, head=(64,)
)

# A learned filterbank before and after the layers. They depend on 2.8 s in frames of 46 ms and
# estimate a mask for each sub-band.
FILTERBANK = replace(
    FOLDED, filters=192, skip_filters=192, layers_per_stack=3, frame_size=2048, head=(),
    filterbank=256, cell_filters=64,
)  # fmt: skip

# The network of A. Jansson et al., "Singing Voice Separation with Deep U-Net Convolutional
# Networks", ISMIR 2017: 512 bins, mono, at 8,192 Hz.
JANSSON = UNetArchitecture()

NARROW_SPLEETER = SpleeterArchitecture(bottleneck=128)

PRESETS = {
    "wavenet": Preset(
        44_100, FILTERBANK,
        "WaveNet on raw samples with a learned filterbank; the preset filterbank, trained",
    ),
    "vossen2019": Preset(44_100, POST, "WaveNet on raw samples, as in J. Vossen's post"),
    "folded": Preset(44_100, FOLDED, "WaveNet on raw samples, 32 of them folded into a frame"),
    "folded_small": Preset(
        44_100, FOLDED_SMALL, "WaveNet on raw samples, 16 of them folded into a frame"
    ),
    "filterbank": Preset(44_100, FILTERBANK, "WaveNet on raw samples with a learned filterbank"),
    # Both networks of A. Koretzky, "Audio AI: isolating vocals from stereo music using
    # Convolutional Neural Networks" (2019), to the letter: 123,985 and 323,233 parameters.
    "vocal_activity": Preset(
        22_050, ActivityArchitecture(),
        "CNN that detects when somebody sings (wavesep.vocal_activity); Koretzky 2019",
    ),
    "mask_cnn": Preset(
        22_050, FrameCnnArchitecture(),
        "CNN that estimates a binary mask, frame by frame; Koretzky 2019",
    ),
    # Half the filters of Jansson's network, to train on two cores; a window of 93 ms
    "unet": Preset(
        22_050, replace(JANSSON, window=2048, hop=512, filters=8),
        "U-Net that estimates a soft mask; half the filters of Jansson 2017",
    ),
    "unet_mono": Preset(8_192, JANSSON, "U-Net that estimates a soft mask; Jansson 2017"),
    # As in later implementations: 1,025 bins, stereo
    "unet_stereo": Preset(
        44_100, replace(JANSSON, window=2048, hop=512, channels=2),
        "U-Net that estimates soft masks of two channels",
    ),
    # The lowest levels of Spleeter's networks have 512 filters, two thirds of all weights
    "spleeter": Preset(
        44_100, NARROW_SPLEETER,
        "Spleeter's U-Net for the vocals, with a narrower lowest level; Hennequin et al. 2020",
    ),
    "spleeter_accompaniment": Preset(
        44_100, NARROW_SPLEETER, "the same for the accompaniment: the vocals are what it leaves"
    ),
    "harmonic": Preset(
        22_050, Harmonic(), "rule: the vocals are the harmonics of the pitch that pYIN tracks"
    ),
    "centre": Preset(
        44_100, Centre(), "rule: the vocals are what left and right have in common, by frequency"
    ),
    "phase_cancellation": Preset(
        44_100, PhaseCancellation(), "rule: left minus right is the accompaniment"
    ),
}  # fmt: skip
MEANS = {
    "vocals": NamedMean(
        ("wavenet", "spleeter", "spleeter_accompaniment"),
        "mean of wavenet and both networks of Spleeter; for live sound, use wavenet",
    ),
}
RULES = [name for name, preset in PRESETS.items() if not preset.architecture.trained]
