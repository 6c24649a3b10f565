"""The tree of a system: models at its leaves, means above them.

The form of a name is ``NAME[:SUFFIX...][+NAME[:SUFFIX...]...]``. A suffix applies to the name
before it. ``:wiener`` filters the estimates of a model. ``:speeds`` averages a model at three
speeds. ``+`` averages the parts on its sides with equal weights.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeAlias, TypeVar

from ..models.files import ModelFile, read_model_file
from ..models.presets import MEANS
from .wiener import wiener_context, wiener_frame_size

SUFFIXES = (":wiener", ":speeds")
SPEEDS = (1.0, 0.89, 1.12)  # a whole tone lower and higher: their errors differ

Leaf = TypeVar("Leaf")
Other = TypeVar("Other")


@dataclass(frozen=True)
class System:
    """A model and the settings that it runs with.

    Attributes
    ----------
    file : ModelFile
    wiener : bool
        Mask the mixture's spectrum by the power of the estimates.
    speed : float, > 0
        Factor of the mixture's tempo and pitch when the model is given it.
    """

    file: ModelFile
    wiener: bool = False
    speed: float = 1.0

    @property
    def rate(self) -> int:
        """Sample rate that mixtures are resampled to, in Hz.

        The model treats it as its own rate, which changes the speed.
        """
        return round(self.file.sample_rate / self.speed)

    @property
    def frame_size(self) -> int:
        """Samples; the length of a chunk is a multiple of it."""
        frame_size = self.file.architecture.frame_size
        return wiener_frame_size(frame_size) if self.wiener else frame_size

    @property
    def context(self) -> tuple[int, int]:
        """Left and right context of an estimate, in samples."""
        architecture = self.file.architecture
        return wiener_context(architecture) if self.wiener else architecture.context


@dataclass(frozen=True)
class Mean(Generic[Leaf]):
    """The mean of the stems of several parts, which all have the same weight."""

    parts: tuple[Leaf | Mean[Leaf], ...]


Tree: TypeAlias = Leaf | Mean[Leaf]


def read_systems(name: str | os.PathLike[str]) -> Tree[System]:
    """Read the model files of a name, and return its tree.

    Parameters
    ----------
    name : str or path
        See the top of this module. The name of a model file may contain "+" and ":".

    Raises
    ------
    ModelFileError
        If a model is missing, damaged or not a model of wavesep.
    """
    files: dict[str, ModelFile] = {}
    parts = tuple(read_part(part, files) for part in split_name(str(name)))
    return parts[0] if len(parts) == 1 else Mean(parts)


def read_part(name: str, files: dict[str, ModelFile]) -> Tree[System]:
    """Return the tree of a name without "+"; ``files`` caches the files that were read."""
    model, suffixes = split_suffixes(name)
    if model in MEANS:
        return Mean(tuple(read_part(part, files) for part in models_of(name)))
    if model not in files:
        files[model] = read_model_file(model)
    wiener = ":wiener" in suffixes
    if ":speeds" not in suffixes:
        return System(files[model], wiener)
    return Mean(tuple(System(files[model], wiener, speed) for speed in SPEEDS))


def models_of(name: str) -> list[str]:
    """Return the name, or the parts of a mean that has this name, each with the name's suffixes."""
    model, suffixes = split_suffixes(name)
    if model not in MEANS:
        return [name]
    return [part + "".join(suffixes) for part in MEANS[model].parts]


def split_name(name: str) -> Iterator[str]:
    """Split a name at each "+" that is not part of a file's name."""
    pieces = name.split("+")
    while pieces:
        joined = ["+".join(pieces[:end]) for end in range(len(pieces), 0, -1)]
        found = [part for part in joined if Path(split_suffixes(part)[0]).is_file()]
        part = found[0] if found else pieces[0]
        yield part
        pieces = pieces[part.count("+") + 1 :]


def split_suffixes(name: str) -> tuple[str, set[str]]:
    """Split a name into the model's name and its suffixes."""
    suffixes: set[str] = set()
    while name.endswith(SUFFIXES) and not Path(name).is_file():
        name, _, suffix = name.rpartition(":")
        suffixes.add(f":{suffix}")
    return name, suffixes


def read_models(name: str | os.PathLike[str]) -> list[ModelFile]:
    """Return each model file of a name once."""
    files = {id(system.file): system.file for system in leaves(read_systems(name))}
    return [*files.values()]


def leaves(tree: Tree[Leaf]) -> list[Leaf]:
    """Return the leaves of a tree from left to right."""
    if isinstance(tree, Mean):
        return [leaf for part in tree.parts for leaf in leaves(part)]
    return [tree]


def mapped(tree: Tree[Leaf], change: Callable[[Leaf], Other]) -> Tree[Other]:
    """Return the tree with ``change`` applied to each leaf."""
    if isinstance(tree, Mean):
        return Mean(tuple(mapped(part, change) for part in tree.parts))
    return change(tree)
