"""Model files: one safetensors file holds a network's arrays and, as text, all else about it.

Nothing in such a file is ever run: the arrays are plain numbers and the metadata is JSON. Reading
one needs neither Keras nor TensorFlow.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from ..atomic import write_whole
from ..errors import ModelFileError
from .backend import load_backend
from .kinds import KINDS, Kind
from .rules import RULE_RATES, RULES
from .schema import SUM, check_about, check_arrays, check_size, parse
from .spectrogram import WIENER

if TYPE_CHECKING:
    import keras

FORMAT = "wavesep-2"
OLD_FORMAT = "wavesep-1"  # its checksum is of the arrays alone
SHIPPED = Path(__file__).parent / "weights"
SUFFIX = ".safetensors"
SUFFIXES = (":wiener", ":speeds")
SPEEDS = (1.0, 0.89, 1.12)  # a whole tone lower and higher: what one takes wrongly, others do not

# Arguments of `WaveNet` that the first model files do not know
LATER = {"filterbank": 0, "cell_filters": 32}
TWO_STEMS = ("vocals", "accompaniment")

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class ModelFile:
    """What a model file holds, or, for a rule, what there is instead of a file.

    Attributes
    ----------
    architecture : dict
        The arguments of the network: for a `WaveNet`, without its padding.
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
    kind : str
        One of `wavesep.models.kinds.KINDS`.
    wiener : bool
        Weigh the mixture's spectrum by the network's estimates instead of giving these.
    """

    architecture: dict[str, Any]
    arrays: Arrays
    sample_rate: int
    sources: tuple[str, ...]
    licence: str = "not stated"
    card: dict[str, Any] = field(default_factory=dict)
    kind: str = "wavenet"
    wiener: bool = False

    @property
    def about_kind(self) -> Kind:
        """What is known of the kind."""
        return KINDS[self.kind]

    @property
    def frame_size(self) -> int:
        """Samples that a chunk's length is a multiple of."""
        frame_size = self.about_kind.frame_size(self.architecture)
        return math.lcm(frame_size, WIENER.hop) if self.wiener else frame_size

    @property
    def context(self) -> tuple[int, int]:
        """Samples that the estimate needs before and after itself."""
        left, right = self.about_kind.context(self.architecture)
        if not self.wiener:
            return left, right
        size, more = self.frame_size, (WIENER.overlap - 1) * WIENER.hop
        return -(-(left + more) // size) * size, -(-(right + more) // size) * size

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(array.size for array in self.arrays.values())

    @classmethod
    def from_network(cls, network: keras.Model, **about: Any) -> ModelFile:
        """Describe a network; ``about`` gives the other attributes."""
        architecture = {k: v for k, v in network.config.items() if k != "padding"}
        arrays = network_arrays(network)
        return cls(architecture=architecture, arrays=arrays, kind=network.kind, **about)

    def halved(self) -> ModelFile:
        """Return the model with its kernels in half precision: half the megabytes.

        It computes as before; the rounding errs 66 to 73 dB below the estimates of real songs.
        """
        arrays = {
            name: array.astype(np.float16) if array.ndim > 1 else array
            for name, array in self.arrays.items()
        }
        return replace(self, arrays=arrays)

    def with_arrays(self, arrays: Arrays) -> ModelFile:
        """Return the model with other weights, whose scores nobody knows: its card has none."""
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
            "architecture": json.dumps(self.architecture),
            "sample_rate": json.dumps(self.sample_rate),
            "sources": json.dumps(self.sources),
            "licence": json.dumps(self.licence),
            "card": json.dumps(self.card),
        }
        save_arrays(self.arrays, metadata | {SUM: checksum(metadata, self.arrays)}, path)

    def build(self, padding: str = "same") -> keras.Model:
        """Return the network with its weights, on the backend that Keras runs on."""
        options = {"padding": padding} if self.kind == "wavenet" else {}
        network = network_class(self.kind)(**self.architecture, **options)
        set_network_arrays(network, self.arrays)
        return network


def network_class(kind: str) -> type[keras.Model]:
    """Return the Keras model of a kind, or raise ModelFileError where a rule has none."""
    if kind in RULES:
        raise ModelFileError(f"{kind} is a rule, not a network: there is nothing to load")
    load_backend()
    from .frame_cnn import FrameCnn
    from .unet import UNet
    from .wavenet import WaveNet

    networks = {network.kind: network for network in (WaveNet, FrameCnn, UNet)}
    return networks[kind]


def load_model(model: str | os.PathLike[str], padding: str = "same") -> keras.Model:
    """Load a trained network.

    Parameters
    ----------
    model : str or path
        A name out of `wavesep.list_models`, or the path of a model file.
    padding : {"same", "valid"}
        See `WaveNet`; the other networks have none.

    Returns
    -------
    WaveNet, FrameCnn or UNet

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
        If the file is missing, damaged, not a wavesep model, or says what cannot be: see
        `wavesep.models.schema`.
    """
    if str(model) in RULES:
        kind = str(model)
        return ModelFile(RULES[kind], {}, RULE_RATES[kind], TWO_STEMS, "no weights", {}, kind)
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
    about = parse(metadata)
    if about["kind"] == "wavenet" and isinstance(about["architecture"], dict):
        about["architecture"] = LATER | about["architecture"]
    check_about(about)
    file = ModelFile(arrays=arrays, **about | {"sources": tuple(about["sources"])})
    check_arrays(file)
    if metadata[SUM] != total:
        raise ModelFileError("it is damaged: it does not match its checksum")
    return file


def read_models(models: str | os.PathLike[str]) -> list[ModelFile]:
    """Read one model, or several with "+" between them.

    One that ends in ":speeds" counts as three, which hear the sound played at other speeds; see
    `ModelFile.wiener` for ":wiener". The order of the two does not matter.
    """
    files = []
    for name in model_names(models):
        suffixes: set[str] = set()
        while name.endswith(SUFFIXES) and not Path(name).is_file():
            name, _, suffix = name.rpartition(":")
            suffixes.add(suffix)
        file = replace(read_model_file(name), wiener="wiener" in suffixes)
        speeds = SPEEDS if "speeds" in suffixes else SPEEDS[:1]
        files += [replace(file, sample_rate=round(file.sample_rate / speed)) for speed in speeds]
    return files


def model_names(models: str | os.PathLike[str]) -> list[str]:
    """Return the names that stand in one with "+" between them; a file has what name it likes."""
    return [str(models)] if Path(models).is_file() else str(models).split("+")


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


def save_arrays(arrays: Arrays, metadata: Mapping[str, str], path: str | os.PathLike[str]) -> None:
    """Write arrays and text to a safetensors file that appears whole or not at all."""
    content = safetensors.numpy.save(
        {name: np.asarray(array, order="C") for name, array in arrays.items()}, dict(metadata)
    )
    write_whole(path, in_order(content))


def in_order(content: bytes) -> bytes:
    """Return a safetensors file with its header in order: equal models make equal files.

    safetensors writes the text in another order every time.
    """
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8:end]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[end:]


def load_arrays(path: str | os.PathLike[str]) -> tuple[Arrays, dict[str, str]]:
    """Read arrays and text from a safetensors file, or raise ModelFileError."""
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return arrays, file.metadata() or {}
    except (safetensors.SafetensorError, OSError) as error:
        raise ModelFileError(f"{path} is damaged or no model file: {error}") from error
    except (AttributeError, TypeError) as error:  # of numbers that NumPy does not have
        raise ModelFileError(f"{path} holds arrays that cannot be read: {error}") from error


def checksum(metadata: Mapping[str, str], arrays: Arrays) -> str:
    """Return the SHA-256 of all that a model file says, and of its arrays."""
    says = {name: text for name, text in metadata.items() if name != SUM}
    content = json.dumps([says, fingerprint(arrays)], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def fingerprint(arrays: Arrays) -> str:
    """Return the SHA-256 of the arrays: names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape};".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def network_arrays(network: keras.Model) -> Arrays:
    """Return every weight of a network by "layer/variable"."""
    return {
        f"{layer.name}/{variable.name}": np.array(variable.numpy())
        for layer in network.layers
        for variable in layer.weights
    }


def set_network_arrays(network: keras.Model, arrays: Arrays) -> None:
    """Set every weight of a network, but not what a stream remembers."""
    for layer in network.layers:
        for variable in layer.weights:
            if (name := f"{layer.name}/{variable.name}") in arrays:
                variable.assign(arrays[name])
