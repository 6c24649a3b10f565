"""Model files: a safetensors file with the arrays of a network and, as text, its metadata.

A model file contains no code: the arrays are plain numbers and the metadata is JSON. To read one,
neither Keras nor TensorFlow is needed.
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
    dequantised,
    fingerprint,
    load_arrays,
    network_arrays,
    quantised,
    save_arrays,
    set_network_arrays,
)
from .backend import load_backend
from .base import Architecture
from .presets import MEANS, PRESETS, RULES
from .schema import SUM, check_about, check_arrays, check_size, modern, parse

if TYPE_CHECKING:
    import keras

FORMAT = "wavesep-2"
OLD_FORMAT = "wavesep-1"  # its checksum covers only the arrays
SHIPPED = Path(__file__).parent / "weights"
SUFFIX = ".safetensors"


@dataclass(frozen=True)
class ModelFile:
    """The contents of a model file. A rule has no file; its arrays are empty.

    Attributes
    ----------
    architecture : Architecture
        Of the network.
    arrays : dict of str to array
        All weights by "layer/variable".
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
        """Return the model file of a network; ``about`` has the other attributes."""
        return cls(architecture=network.architecture, arrays=network_arrays(network), **about)

    def halved(self) -> ModelFile:
        """Return the model with its kernels in half precision, which halves the file.

        The network still computes in its own precision. On real songs, the error of the rounding is
        66 to 73 dB below the estimate.
        """
        arrays = {
            name: array.astype(np.float16) if array.ndim > 1 else array
            for name, array in self.arrays.items()
        }
        return replace(self, arrays=arrays)

    def quantised(self) -> ModelFile:
        """Return the model with its kernels as 8-bit integers, a quarter of the size.

        They are converted back when the file is read. On real songs, the error of the rounding is
        30 to 51 dB below the estimate.
        """
        return replace(self, arrays=quantised(self.arrays))

    def with_arrays(self, arrays: Arrays) -> ModelFile:
        """Return the model with other weights, without the scores of the old ones in its card."""
        card = {name: value for name, value in self.card.items() if name != "scores"}
        return replace(self, arrays=arrays, card=card)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file, whole or not at all; equal models make equal files.

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
        """Build the Keras network with its weights, on Keras's backend.

        Raises
        ------
        ModelFileError
            If it is a rule, which has no network.
        OptionError
            If the backend is not installed.
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
        A name from `wavesep.list_models`, or the path of a model file.
    padding : {"same", "valid"}
        Of a `wavesep.WaveNet`. Other networks ignore it.

    Returns
    -------
    WaveNet, FrameCnn, ActivityCnn or UNet

    Raises
    ------
    ModelFileError
        If the file is missing, damaged or not a wavesep model, or the name is that of a rule.
    OptionError
        If Keras's backend is not installed.
    """
    return read_model_file(model).build(padding)


def ready_models() -> list[str]:
    """Return the names of all systems that run without training: shipped models, means, rules."""
    return sorted([*shipped_models(), *MEANS, *RULES])


def shipped_models() -> list[str]:
    """Return the names of the model files in the package."""
    return [path.name.removesuffix(SUFFIX) for path in SHIPPED.glob(f"*{SUFFIX}")]


def read_model_file(model: str | os.PathLike[str]) -> ModelFile:
    """Read and check a model file, without building its network.

    Parameters
    ----------
    model : str or path
        A name from `wavesep.list_models`, or the path of a model file.

    Returns
    -------
    ModelFile

    Raises
    ------
    ModelFileError
        If the file is missing, damaged or not a wavesep model, or a value is out of its range: see
        `wavesep.models.schema`.
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
    """Read and check a model file.

    Raises
    ------
    ModelFileError
        If it is damaged, not a wavesep model, or a value is out of its range.
    """
    check_size(path)
    arrays, metadata = load_arrays(path)
    if metadata.get("format") == FORMAT:
        total = checksum(metadata, arrays)
    elif metadata.get("format") == OLD_FORMAT:
        total = fingerprint(arrays)
        metadata = {"kind": '"wavenet"'} | metadata  # the first files do not contain it
    else:
        raise ModelFileError(f"it is not a wavesep model: its format is not {FORMAT!r}")
    about = modern(parse(metadata))
    architecture = check_about(about)
    file = ModelFile(
        architecture, dequantised(arrays), about["sample_rate"], tuple(about["sources"]),
        about["licence"], about["card"],
    )  # fmt: skip
    check_arrays(file)
    if metadata[SUM] != total:
        raise ModelFileError("it is damaged: it does not match its checksum")
    return file


def find_model(model: str | os.PathLike[str]) -> Path:
    """Return the path of a shipped model or of a model file.

    Raises
    ------
    ModelFileError
        If there is no such model and no such file, or the name is that of a mean.
    """
    if str(model) in MEANS:
        parts = ", ".join(MEANS[str(model)].parts)
        raise ModelFileError(f"{model} is the mean of several models: give one of {parts}")
    if str(model) in shipped_models():
        return SHIPPED / f"{model}{SUFFIX}"
    path = Path(model)
    if not path.is_file():
        raise ModelFileError(
            f"no model {str(model)!r}: give a file, or one of {', '.join(ready_models())}"
        )
    return path


def checksum(metadata: Mapping[str, str], arrays: Arrays) -> str:
    """Return the SHA-256 of the metadata and the arrays of a model file."""
    says = {name: text for name, text in metadata.items() if name != SUM}
    content = json.dumps([says, fingerprint(arrays)], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()
