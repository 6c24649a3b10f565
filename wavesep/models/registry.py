"""All systems by name: what each is, what it takes, and whether its weights are shipped."""

from __future__ import annotations

from dataclasses import dataclass

from .files import ready_models
from .kinds import KINDS
from .presets import PRESETS, SPECTROGRAM_PRESETS
from .rules import RULE_RATES, RULES

ABOUT = {
    "vocals": "WaveNet on raw samples with a learned filterbank; the preset filterbank, trained",
    "vossen2019": "WaveNet on raw samples, as in J. Vossen's post",
    "folded": "WaveNet on raw samples, 32 of them folded into a frame",
    "folded_small": "WaveNet on raw samples, 16 of them folded into a frame",
    "filterbank": "WaveNet on raw samples with a learned filterbank",
    "vocal_activity": "CNN that says when somebody sings (wavesep.vocal_activity); Koretzky 2019",
    "mask_cnn": "CNN that estimates a binary mask, frame by frame; Koretzky 2019",
    "unet": "U-Net that estimates a soft mask; half as wide as Jansson's",
    "unet_mono": "U-Net that estimates a soft mask; Jansson 2017",
    "unet_stereo": "U-Net that estimates soft masks of two channels",
    "harmonic": "rule: the harmonics of the pitch that pYIN hears",
    "centre": "rule: what left and right have in common, frequency by frequency",
    "phase_cancellation": "rule: left minus right is the accompaniment",
}
TRAINED_AS = {"vocals": "filterbank"}  # the preset, where a model has another name


@dataclass(frozen=True)
class Model:
    """What is to be known of a system before it is loaded.

    Attributes
    ----------
    about : str
    kind : str
        One of `wavesep.models.kinds.KINDS`.
    input : str
        What it is given.
    ships : bool
        Whether it runs from the install: its weights come with the package, or it has none.
    """

    about: str
    kind: str
    input: str
    ships: bool


def list_models() -> dict[str, Model]:
    """Return all systems by name.

    Those that `Model.ships` run as they are: ``Separator(name)``. The others are architectures that
    ``examples/train.py --preset NAME`` trains.

    Returns
    -------
    dict of str to Model
    """
    ready = ready_models()
    return {name: describe(name, name in ready) for name in ABOUT}


def describe(name: str, ships: bool) -> Model:
    """Return what is to be known of a system."""
    preset = TRAINED_AS.get(name, name)
    if preset in RULES:
        kind, rate, architecture = preset, RULE_RATES[preset], RULES[preset]
    elif preset in SPECTROGRAM_PRESETS:
        kind, rate, architecture = SPECTROGRAM_PRESETS[preset]
    else:
        kind, rate, architecture = "wavenet", 44_100, PRESETS[preset]
    channels = "mono" if architecture["channels"] == 1 else "stereo"
    what = "samples"
    if kind == "frame_cnn":
        what = f"{architecture['window'] // 2 + 1} bins x {architecture['frames']} frames"
    elif "window" in architecture:
        what = f"{architecture['window'] // 2 + 1} bins"
    left, right = KINDS[kind].context(architecture)
    seconds = (left + right) / rate
    return Model(
        ABOUT[name], kind, f"{rate:,} Hz {channels}, {what}, {seconds:.2g} s around", ships
    )
