"""The tree of a system: models at its leaves, means above them.

A name is read as ``NAME[:SUFFIX...][+NAME[:SUFFIX...]...]``. A suffix belongs to the name before
it. ``:wiener`` filters the estimates of a model; ``:speeds`` is the mean of a model at three
speeds; ``+`` is the mean of what stands on its sides, each with the same weight.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeAlias, TypeVar

from ..models.files import ModelFile, read_model_file
from .wiener import wiener_context, wiener_frame_size

SUFFIXES = (":wiener", ":speeds")
SPEEDS = (1.0, 0.89, 1.12)  # a whole tone lower and higher: their errors differ

Leaf = TypeVar("Leaf")
Other = TypeVar("Other")


@dataclass(frozen=True)
class System:
    """A model, and how it is run.

    Attributes
    ----------
    file : ModelFile
    wiener : bool
        Mask the mixture's spectrum by the power of the estimates.
    speed : float, > 0
        How many times as fast, and as high, the model is given the mixture.
    """

    file: ModelFile
    wiener: bool = False
    speed: float = 1.0

    @property
    def rate(self) -> int:
        """Sample rate that mixtures are resampled to, in Hz: a model takes it for its own."""
        return round(self.file.sample_rate / self.speed)

    @property
    def frame_size(self) -> int:
        """Samples that a chunk's length is a multiple of."""
        frame_size = self.file.architecture.frame_size
        return wiener_frame_size(frame_size) if self.wiener else frame_size

    @property
    def context(self) -> tuple[int, int]:
        """Samples that an estimate needs before and after itself."""
        architecture = self.file.architecture
        return wiener_context(architecture) if self.wiener else architecture.context


@dataclass(frozen=True)
class Mean(Generic[Leaf]):
    """The mean of the stems of several parts, which all have the same weight."""

    parts: tuple[Leaf | Mean[Leaf], ...]


Tree: TypeAlias = Leaf | Mean[Leaf]


def read_systems(name: str | os.PathLike[str]) -> Tree[System]:
    """Return the tree of a name, with the model files that it names.

    Parameters
    ----------
    name : str or path
        See the top of this module. A model file may have any name, even one with "+" or ":".

    Raises
    ------
    ModelFileError
        If a model is missing, damaged or not one of ours.
    """
    files: dict[str, ModelFile] = {}
    parts = tuple(read_part(part, files) for part in split_name(str(name)))
    return parts[0] if len(parts) == 1 else Mean(parts)


def read_part(name: str, files: dict[str, ModelFile]) -> Tree[System]:
    """Return the tree of a name without "+"; ``files`` are those that have been read."""
    model, suffixes = split_suffixes(name)
    if model not in files:
        files[model] = read_model_file(model)
    wiener = ":wiener" in suffixes
    if ":speeds" not in suffixes:
        return System(files[model], wiener)
    return Mean(tuple(System(files[model], wiener, speed) for speed in SPEEDS))


def split_name(name: str) -> Iterator[str]:
    """Yield the parts between the "+" that do not belong to the name of a file."""
    pieces = name.split("+")
    while pieces:
        joined = ["+".join(pieces[:end]) for end in range(len(pieces), 0, -1)]
        found = [part for part in joined if Path(split_suffixes(part)[0]).is_file()]
        part = found[0] if found else pieces[0]
        yield part
        pieces = pieces[part.count("+") + 1 :]


def split_suffixes(name: str) -> tuple[str, set[str]]:
    """Return the name of a model, and the suffixes that stand behind it."""
    suffixes: set[str] = set()
    while name.endswith(SUFFIXES) and not Path(name).is_file():
        name, _, suffix = name.rpartition(":")
        suffixes.add(f":{suffix}")
    return name, suffixes


def read_models(name: str | os.PathLike[str]) -> list[ModelFile]:
    """Return the model files that a name names, each once."""
    files = {id(system.file): system.file for system in leaves(read_systems(name))}
    return [*files.values()]


def leaves(tree: Tree[Leaf]) -> list[Leaf]:
    """Return the leaves of a tree from left to right."""
    if isinstance(tree, Mean):
        return [leaf for part in tree.parts for leaf in leaves(part)]
    return [tree]


def mapped(tree: Tree[Leaf], change: Callable[[Leaf], Other]) -> Tree[Other]:
    """Return the same tree with other leaves."""
    if isinstance(tree, Mean):
        return Mean(tuple(mapped(part, change) for part in tree.parts))
    return change(tree)
