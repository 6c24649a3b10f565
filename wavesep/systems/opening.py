"""Make systems ready to separate, with one engine for each model."""

from __future__ import annotations

from dataclasses import dataclass

from ..dsp.chunks import ChunkPlan
from ..engines import Engine, Options, open_engine
from ..errors import OptionError
from ..models.frame_cnn.architecture import ActivityArchitecture
from .plan import chunk_plan
from .tree import System, Tree, leaves, mapped
from .wiener import wiener_engine


@dataclass(frozen=True)
class ReadySystem:
    """A system, its engine and its chunk plan."""

    system: System
    engine: Engine
    plan: ChunkPlan


def open_systems(
    tree: Tree[System], options: Options, chunk_seconds: float | None
) -> Tree[ReadySystem]:
    """Make all systems of a tree ready.

    Parameters
    ----------
    tree : System or Mean
    options : Options
        Options of the engines.
    chunk_seconds : float, optional
        See `wavesep.Separator`.

    Raises
    ------
    OptionError
        If an option is not available here, or the systems cannot be averaged.
    """
    check_systems(leaves(tree))
    bare: dict[int, Engine] = {}  # by the identity of the file
    filtered: dict[int, Engine] = {}

    def ready(system: System) -> ReadySystem:
        plan, key = chunk_plan(system, chunk_seconds), id(system.file)
        if key not in bare:
            bare[key] = open_engine(system.file, options)
        if not system.wiener:
            return ReadySystem(system, bare[key], plan)
        if key not in filtered:
            filtered[key] = wiener_engine(bare[key], system.file.architecture)
        return ReadySystem(system, filtered[key], plan)

    return mapped(tree, ready)


def check_systems(systems: list[System]) -> None:
    """Check that systems can separate and be averaged.

    Raises
    ------
    OptionError
        If a model only detects singing, or the sources of two models differ.
    """
    sources = systems[0].file.sources
    for system in systems:
        if isinstance(system.file.architecture, ActivityArchitecture):
            raise OptionError(
                "this model detects singing and cannot separate: use wavesep.vocal_activity"
            )
        if {*system.file.sources} != {*sources}:  # the order may differ
            raise OptionError(
                f"models with different sources cannot be averaged: {', '.join(sources)} "
                f"and {', '.join(system.file.sources)}"
            )
