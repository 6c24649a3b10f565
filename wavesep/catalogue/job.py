"""The settings of a catalogue, the same for all songs."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Self

from ..engines import Options
from ..errors import OptionError
from ..systems.tree import read_models
from .store import Store

FORM = 1  # of the output
FILE = "job.json"
LONGEST = 36_000.0  # seconds of a song


@dataclass(frozen=True, kw_only=True)
class Job:
    """The settings of a catalogue; see `Separator`.

    Attributes
    ----------
    model : str
    weights : str
        SHA-256 of the weights of all its models.
    codec, bits : str, int or None
    two_stems : str or None
    keep_truncated : bool
    precision : str
        Never "auto": on machines that differ, songs would differ.
    form : int
        Of the output.
    """

    model: str
    weights: str = ""
    codec: str = "wav"
    bits: int | None = None
    two_stems: str | None = None
    keep_truncated: bool = False
    precision: str = "auto"
    form: int = FORM

    def resolved(self, device: str | None) -> Self:
        """Return the settings with the weights read and the precision chosen.

        Raises
        ------
        ModelFileError
            If a model cannot be read.
        OptionError
            If there is no such precision.
        """
        Options(precision=self.precision, device=device)
        precision = best_precision(device) if self.precision == "auto" else self.precision
        return replace(self, weights=weights_of(self.model), precision=precision)

    @property
    def key(self) -> str:
        """Tells settings apart."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """Return the settings as text."""
        return json.dumps(asdict(self), sort_keys=True)

    def sign(self, store: Store) -> None:
        """Write the settings to an output that has none.

        Raises
        ------
        OptionError
            If it has others.
        """
        if store.write_once(FILE, self.to_json().encode()):
            return
        known = json.loads(store.read(FILE) or b"{}")
        mine = asdict(self)
        differing = [name for name in mine if known.get(name) != mine[name]]
        if differing:
            name = differing[0]
            raise OptionError(
                f"{store.url} was begun with {name}={known.get(name)!r}, not {mine[name]!r}: "
                "use another --out"
            )


def weights_of(model: str) -> str:
    """Return the SHA-256 of the weights of the models of a name."""
    total = hashlib.sha256()
    for file in read_models(model):
        for name in sorted(file.arrays):
            total.update(name.encode())
            total.update(file.arrays[name].tobytes())
    return total.hexdigest()


def best_precision(device: str | None) -> str:
    """Return what `Separator` chooses on this machine."""
    if device and device.startswith("gpu"):
        return "bfloat16"
    from ..engines.openvino.runtime import has_bfloat16, openvino

    return "bfloat16" if has_bfloat16(openvino.Core()) else "float32"
