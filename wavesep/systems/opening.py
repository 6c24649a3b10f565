"""Systems that are ready to separate: each model's engine is made once."""

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
    """A system, its engine, and how its sound is cut."""

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
        Of their engines.
    chunk_seconds : float, optional
        See `wavesep.Separator`.

    Raises
    ------
    OptionError
        If an option cannot be chosen here, or the systems cannot separate together.
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
    """Raise OptionError unless systems can separate, together."""
    sources = systems[0].file.sources
    for system in systems:
        if isinstance(system.file.architecture, ActivityArchitecture):
            raise OptionError(
                "this model says when somebody sings, it does not separate: "
                "use wavesep.vocal_activity"
            )
        if system.file.sources != sources:
            raise OptionError(
                f"models of different sources have no mean: {', '.join(sources)} "
                f"and {', '.join(system.file.sources)}"
            )
