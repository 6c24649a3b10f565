"""All systems by name: what each is, what it takes, and whether its weights are shipped."""

from __future__ import annotations

from dataclasses import dataclass

from .files import ready_models
from .presets import PRESETS, Preset


@dataclass(frozen=True)
class Model:
    """Facts of a system that are known before it is loaded.

    Attributes
    ----------
    about : str
    kind : str
        One of `wavesep.models.kinds.KINDS`.
    input : str
        Its input.
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
    ``wavesep train --preset NAME`` trains.

    Returns
    -------
    dict of str to Model
    """
    ready = ready_models()
    return {name: describe(preset, name in ready) for name, preset in PRESETS.items()}


def describe(preset: Preset, ships: bool) -> Model:
    """Return the facts of a system."""
    architecture, rate = preset.architecture, preset.sample_rate
    channels = "mono" if architecture.channels == 1 else "stereo"
    seconds = sum(architecture.context) / rate
    what = f"{rate:,} Hz {channels}, {architecture.input}, {seconds:.2g} s around"
    return Model(preset.about, preset.kind, what, ships)
