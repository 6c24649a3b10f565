"""Checks of a model file, which run once, when it is read, before a network is built."""

from __future__ import annotations

import json
import reprlib
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..audio import HIGHEST_RATE, LOWEST_RATE
from ..errors import ModelFileError
from .base import Architecture
from .kinds import KINDS

if TYPE_CHECKING:
    from .files import ModelFile

# No model needs more. Above these limits, a file could take minutes or gigabytes to load
LARGEST_FILE = 2**30  # bytes
LARGEST_HEADER = 2**22  # bytes
LARGEST_NUMBER = 2**20  # of an architecture
MOST_ENTRIES = 256  # of an argument that is a tuple
LONGEST_CONTEXT = 2**24  # samples
DEEPEST_CARD = 10  # levels
LONGEST_SOURCE = 64  # letters
NO_LETTERS = frozenset('/\\:*?"<>|')  # not in a source, since file names contain sources
DTYPES = ("float16", "float32")

SUM = "sha256"
FIELDS = frozenset({"format", "kind", "architecture", "sample_rate", "sources", "licence", "card"})


def check_size(path: Path) -> None:
    """Check the size of a model file.

    Raises
    ------
    ModelFileError
        If the file or its header is larger than that of any model.
    """
    with path.open("rb") as file:
        header = int.from_bytes(file.read(8), "little")
    if header > LARGEST_HEADER or path.stat().st_size > LARGEST_FILE:
        raise ModelFileError("it is damaged or not a model file: it is too large")


def parse(metadata: Mapping[str, str]) -> dict[str, Any]:
    """Return the metadata of a model file by name, without the format.

    Raises
    ------
    ModelFileError
        If a name is unexpected or missing, or a text is not JSON.
    """
    if odd := metadata.keys() ^ (FIELDS | {SUM}):
        raise ModelFileError(f"it is damaged: unexpected or missing: {reprlib.repr(min(odd))}")
    try:
        return {name: json.loads(metadata[name]) for name in FIELDS - {"format"}}
    except (ValueError, RecursionError) as error:
        raise ModelFileError("it is damaged: its metadata cannot be read") from error


def modern(about: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata of a file in the current form.

    The first files of WaveNets lack some arguments. `FrameCnn` and `ActivityCnn` were one kind,
    with the argument ``answer`` for the difference.
    """
    architecture = about["architecture"]
    if not isinstance(architecture, dict):
        return about
    if about["kind"] == "wavenet":
        return about | {"architecture": {"filterbank": 0, "cell_filters": 32} | architecture}
    if about["kind"] == "frame_cnn" and architecture.get("answer") in ("mask", "activity"):
        kind = "frame_cnn" if architecture["answer"] == "mask" else "vocal_activity"
        rest = {name: value for name, value in architecture.items() if name != "answer"}
        return about | {"kind": kind, "architecture": rest}
    return about


def check_about(about: Mapping[str, Any]) -> Architecture:
    """Check the metadata of a model file and return its architecture.

    Parameters
    ----------
    about : dict
        From `parse`.

    Raises
    ------
    ModelFileError
        If a value is out of its range.
    """
    kind, rate = about["kind"], about["sample_rate"]
    if not isinstance(kind, str) or kind not in KINDS or not KINDS[kind].trained:
        raise ModelFileError(f"it is of an unknown kind, {reprlib.repr(kind)}: update wavesep")
    if type(rate) is not int or not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise ModelFileError(
            f"its sample rate must be from {LOWEST_RATE} to {HIGHEST_RATE} Hz, "
            f"not {reprlib.repr(rate)}"
        )
    if not isinstance(about["licence"], str):
        raise ModelFileError("its licence must be text")
    check_card(about["card"])
    architecture = checked_architecture(about["architecture"], KINDS[kind])
    check_sources(about["sources"], architecture)
    return architecture


def check_card(card: Any) -> None:
    """Check a data card.

    Raises
    ------
    ModelFileError
        If it is not a JSON object, or is nested too deeply.
    """
    if not isinstance(card, dict):
        raise ModelFileError("its card must be a JSON object")
    level: list[Any] = [card]
    for _ in range(DEEPEST_CARD):
        inner = [entry.values() if isinstance(entry, dict) else entry for entry in level]
        level = [e for entries in inner for e in entries if isinstance(e, dict | list)]
    if level:
        raise ModelFileError(f"its card has more than {DEEPEST_CARD} levels")


def checked_architecture(arguments: Any, kind: type[Architecture]) -> Architecture:
    """Check the arguments of an architecture and return it.

    Raises
    ------
    ModelFileError
        If an argument is unexpected, missing or out of its range, or the context is too long.
    """
    if not isinstance(arguments, dict):
        raise ModelFileError("its architecture must be a JSON object")
    defaults = kind().arguments
    if odd := arguments.keys() ^ defaults.keys():
        raise ModelFileError(
            f"its architecture cannot be built: unexpected or missing: {reprlib.repr(min(odd))}"
        )
    for name, default in defaults.items():
        if not is_like(arguments[name], default):
            value = reprlib.repr(arguments[name])
            raise ModelFileError(f"its architecture cannot be built: {name} cannot be {value}")
    try:
        architecture = kind(**arguments)
    except ValueError as error:
        raise ModelFileError(f"its architecture cannot be built: {error}") from error
    if max(architecture.context) > LONGEST_CONTEXT:
        raise ModelFileError(f"its context has more than {LONGEST_CONTEXT:,} samples")
    return architecture


def is_like(value: Any, default: Any) -> bool:
    """Tell if an argument has the type of its default, and is not too large."""
    if isinstance(default, int):
        return type(value) is int and 0 <= value <= LARGEST_NUMBER
    if isinstance(default, str):
        return isinstance(value, str)
    return (
        isinstance(value, list | tuple)
        and len(value) <= MOST_ENTRIES
        and all(is_like(entry, 1) and entry for entry in value)
    )


def check_sources(sources: Any, architecture: Architecture) -> None:
    """Check the names of the sources.

    Raises
    ------
    ModelFileError
        If they cannot be names of files, are not distinct, or are too many or too few.
    """
    if not isinstance(sources, list | tuple) or not all(map(is_plain, sources)):
        raise ModelFileError(f"its sources must be plain names, not {reprlib.repr(sources)}")
    if len({unicodedata.normalize("NFC", source).casefold() for source in sources}) < len(sources):
        raise ModelFileError(f"its sources must differ: {reprlib.repr(sources)}")
    if len(sources) != architecture.source_count:
        expected = architecture.source_count
        raise ModelFileError(f"it must have {expected} sources, not {reprlib.repr(sources)}")


def is_plain(source: Any) -> bool:
    """Tell if a source can be part of a file's name on every system, and be printed."""
    return (
        isinstance(source, str)
        and 0 < len(source) <= LONGEST_SOURCE
        and source.isprintable()
        and not NO_LETTERS & {*source}
        and source.strip(" .") == source
    )


def check_arrays(file: ModelFile) -> None:
    """Check the arrays of a model file.

    Raises
    ------
    ModelFileError
        If they do not fit the architecture, or a value is NaN or infinite.
    """
    shapes = file.architecture.shapes
    if odd := shapes.keys() ^ file.arrays.keys():
        raise ModelFileError(
            "its arrays do not fit its architecture: unexpected or missing: "
            f"{reprlib.repr(min(odd))}"
        )
    for name, shape in shapes.items():
        array = file.arrays[name]
        if shape != array.shape or 0 in shape:
            raise ModelFileError(f"its array {name!r} must have shape {shape}, not {array.shape}")
        if array.dtype.name not in DTYPES:
            raise ModelFileError(
                f"its array {name!r} must be {' or '.join(DTYPES)}, not {array.dtype}"
            )
        if not np.isfinite(array).all():
            raise ModelFileError(f"its array {name!r} holds NaN or infinity: train it again")
