"""All systems by name, with their input and whether their weights are shipped."""

from __future__ import annotations

from dataclasses import dataclass

from .files import ready_models
from .presets import MEANS, PRESETS, NamedMean, Preset


@dataclass(frozen=True)
class Model:
    """Facts about a system that are known before it is loaded.

    Attributes
    ----------
    about : str
        Description in one line.
    kind : str
        One of `wavesep.models.kinds.KINDS`, or "mean".
    input : str
        Description of its input.
    ships : bool
        Whether it runs without training: its weights are in the package, or it has none.
    """

    about: str
    kind: str
    input: str
    ships: bool


def list_models() -> dict[str, Model]:
    """Return all systems by name.

    If `Model.ships` is true, ``Separator(name)`` runs the system. The others are architectures that
    ``wavesep train --preset NAME`` trains.

    Returns
    -------
    dict of str to Model
    """
    ready = ready_models()
    means = {name: describe_mean(mean, ready) for name, mean in MEANS.items()}
    return means | {name: describe(preset, name in ready) for name, preset in PRESETS.items()}


def describe(preset: Preset, ships: bool) -> Model:
    """Return the facts about a system."""
    architecture, rate = preset.architecture, preset.sample_rate
    channels = "mono" if architecture.channels == 1 else "stereo"
    seconds = sum(architecture.context) / rate
    what = f"{rate:,} Hz {channels}, {architecture.input}, {seconds:.2g} s around"
    return Model(preset.about, preset.kind, what, ships)


def describe_mean(mean: NamedMean, ready: list[str]) -> Model:
    """Return the facts about a mean of systems."""
    ships = all(part in ready for part in mean.parts)
    return Model(mean.about, "mean", " and ".join(mean.parts), ships)
