"""A model that is ready to separate: its file, its engine, and how its sound is cut."""

from __future__ import annotations

from dataclasses import dataclass

from ..audio.checks import MOST_SECONDS, to_number
from ..dsp.chunks import ChunkPlan
from ..errors import OptionError
from ..models.files import ModelFile
from . import open_engine
from .base import Engine

# Of a chunk, by default: so many frames, to keep all cores busy, or so many samples, whichever is
# shorter, but at least so many times its context, of which about half is computed twice. Longer
# ones leave the cache: measured slower.
CHUNK_FRAMES, CHUNK_SAMPLES = 8192, 2**18
CHUNK_CONTEXTS = 5
# Longer than this, in seconds, they show too seldom how far a song is: then twice the context will
# do. A U-Net's were 59 s; with 30 s, what more is computed twice is less than what the last chunk
# of a song has no use for.
CHUNK_SECONDS, LEAST_CONTEXTS = 30, 2


@dataclass(frozen=True)
class System:
    """A model that is ready to separate."""

    file: ModelFile
    engine: Engine
    plan: ChunkPlan


def open_system(
    file: ModelFile,
    engine: str,
    precision: str,
    chunk_seconds: float | None,
    device: str | None,
    threads: int | None = None,
) -> System:
    """Make a model ready; see `wavesep.Separator` for the options and their errors."""
    plan = chunk_plan(file, chunk_seconds)
    return System(file, open_engine(file, engine, precision, device, threads), plan)


def chunk_plan(file: ModelFile, seconds: float | None) -> ChunkPlan:
    """Return how a model's sound is cut; chunks are a multiple of its frame size."""
    frame_size, (left, right) = file.frame_size, file.context
    if seconds is None:
        samples = min(CHUNK_FRAMES * frame_size, CHUNK_SAMPLES)
        longest = max(CHUNK_SECONDS * file.sample_rate, LEAST_CONTEXTS * (left + right))
        chunk = max(samples, min(CHUNK_CONTEXTS * (left + right), longest), frame_size)
    elif 0 < to_number(seconds) <= MOST_SECONDS:
        chunk = max(round(to_number(seconds) * file.sample_rate), frame_size)
    else:
        raise OptionError(
            f"chunk_seconds must be more than 0 and {MOST_SECONDS:g} at most, not {seconds!r}"
        )
    out_channels = file.architecture["channels"] * file.architecture["targets"]
    return ChunkPlan(chunk // frame_size * frame_size, left, right, frame_size, out_channels)
