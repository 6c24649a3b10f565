"""Model files: one safetensors file holds a network's arrays and, as text, all else about it.

Nothing in such a file is ever run: the arrays are plain numbers and the metadata is JSON. Reading
one needs neither Keras nor TensorFlow.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..audio import TWO_STEMS
from ..errors import ModelFileError
from .arrays import (
    Arrays,
    fingerprint,
    load_arrays,
    network_arrays,
    save_arrays,
    set_network_arrays,
)
from .backend import load_backend
from .base import Architecture
from .presets import PRESETS, RULES
from .schema import SUM, check_about, check_arrays, check_size, modern, parse

if TYPE_CHECKING:
    import keras

FORMAT = "wavesep-2"
OLD_FORMAT = "wavesep-1"  # its checksum is of the arrays alone
SHIPPED = Path(__file__).parent / "weights"
SUFFIX = ".safetensors"


@dataclass(frozen=True)
class ModelFile:
    """What a model file holds; of a rule, which has no file, the same without arrays.

    Attributes
    ----------
    architecture : Architecture
        Of the network.
    arrays : dict of str to array
        Every weight by "layer/variable".
    sample_rate : int
        In Hz, of the audio that the network was trained on.
    sources : tuple of str
        The network's targets in their order, then the remainder: the mixture without them.
    licence : str
        Of the weights.
    card : dict
        The data card: training data, its licences, scores, limits.
    """

    architecture: Architecture
    arrays: Arrays
    sample_rate: int
    sources: tuple[str, ...]
    licence: str = "not stated"
    card: dict[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """One of `wavesep.models.kinds.KINDS`."""
        return self.architecture.kind

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(array.size for array in self.arrays.values())

    @classmethod
    def from_network(cls, network: keras.Model, **about: Any) -> ModelFile:
        """Describe a network; ``about`` gives the other attributes."""
        return cls(architecture=network.architecture, arrays=network_arrays(network), **about)

    def halved(self) -> ModelFile:
        """Return the model with its kernels in half precision: half the megabytes.

        It computes in the same precision as before. On real songs, the error of the rounding is 66
        to 73 dB below the estimate.
        """
        arrays = {
            name: array.astype(np.float16) if array.ndim > 1 else array
            for name, array in self.arrays.items()
        }
        return replace(self, arrays=arrays)

    def with_arrays(self, arrays: Arrays) -> ModelFile:
        """Return the model with other weights; its card loses the scores of the old ones."""
        card = {name: value for name, value in self.card.items() if name != "scores"}
        return replace(self, arrays=arrays, card=card)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file whole or not at all; equal models make equal files.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        metadata = {
            "format": FORMAT,
            "kind": json.dumps(self.kind),
            "architecture": json.dumps(self.architecture.arguments),
            "sample_rate": json.dumps(self.sample_rate),
            "sources": json.dumps(self.sources),
            "licence": json.dumps(self.licence),
            "card": json.dumps(self.card),
        }
        save_arrays(self.arrays, metadata | {SUM: checksum(metadata, self.arrays)}, path)

    def build(self, padding: str = "valid") -> keras.Model:
        """Return the network with its weights, on the backend that Keras runs on.

        Raises
        ------
        ModelFileError
            If it is a rule, which has no network.
        """
        if self.architecture.trained:
            load_backend()
        network = self.architecture.network(padding)
        set_network_arrays(network, self.arrays)
        return network


def load_model(model: str | os.PathLike[str], padding: str = "same") -> keras.Model:
    """Load a trained network.

    Parameters
    ----------
    model : str or path
        A name out of `wavesep.list_models`, or the path of a model file.
    padding : {"same", "valid"}
        Of a `wavesep.WaveNet`; other networks have none.

    Returns
    -------
    WaveNet, FrameCnn, ActivityCnn or UNet

    Raises
    ------
    ModelFileError
        If the file is missing, damaged or not a wavesep model, or the name is that of a rule.
    """
    return read_model_file(model).build(padding)


def ready_models() -> list[str]:
    """Return the names of all that runs from the install: models that are shipped, and rules."""
    shipped = [path.name.removesuffix(SUFFIX) for path in SHIPPED.glob(f"*{SUFFIX}")]
    return sorted([*shipped, *RULES])


def read_model_file(model: str | os.PathLike[str]) -> ModelFile:
    """Read and verify a model file, without building its network.

    Parameters
    ----------
    model : str or path
        A name out of `wavesep.list_models`, or the path of a model file.

    Returns
    -------
    ModelFile

    Raises
    ------
    ModelFileError
        If the file is missing, damaged, not a wavesep model, or says something impossible:
        see `wavesep.models.schema`.
    """
    if str(model) in RULES:
        rule = PRESETS[str(model)]
        return ModelFile(rule.architecture, {}, rule.sample_rate, TWO_STEMS, "no weights")
    path = find_model(model)
    try:
        return checked_file(path)
    except ModelFileError as error:
        raise ModelFileError(f"{path} cannot be used: {error}") from error


def checked_file(path: Path) -> ModelFile:
    """Read a model file, or raise ModelFileError unless all in it is as it must be."""
    check_size(path)
    arrays, metadata = load_arrays(path)
    if metadata.get("format") == FORMAT:
        total = checksum(metadata, arrays)
    elif metadata.get("format") == OLD_FORMAT:
        total = fingerprint(arrays)
        metadata = {"kind": '"wavenet"'} | metadata  # the first files do not tell it
    else:
        raise ModelFileError(f"it is not a wavesep model: its format is not {FORMAT!r}")
    about = modern(parse(metadata))
    architecture = check_about(about)
    file = ModelFile(
        architecture, arrays, about["sample_rate"], tuple(about["sources"]), about["licence"],
        about["card"],
    )  # fmt: skip
    check_arrays(file)
    if metadata[SUM] != total:
        raise ModelFileError("it is damaged: it does not match its checksum")
    return file


def find_model(model: str | os.PathLike[str]) -> Path:
    """Return the path of a shipped model or of a file, or raise ModelFileError."""
    if str(model) in ready_models():
        return SHIPPED / f"{model}{SUFFIX}"
    path = Path(model)
    if not path.is_file():
        raise ModelFileError(
            f"no model {str(model)!r}: give a file, or one of {', '.join(ready_models())}"
        )
    return path


def checksum(metadata: Mapping[str, str], arrays: Arrays) -> str:
    """Return the SHA-256 of all that a model file says, and of its arrays."""
    says = {name: text for name, text in metadata.items() if name != SUM}
    content = json.dumps([says, fingerprint(arrays)], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()
