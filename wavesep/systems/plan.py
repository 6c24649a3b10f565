"""How the sound of a system is cut into chunks."""

from __future__ import annotations

from ..audio.checks import MOST_SECONDS, to_number
from ..dsp.chunks import ChunkPlan
from ..errors import OptionError
from .tree import System

# Default length of a chunk: the shorter of this many frames, which keep all cores busy, and this
# many samples. Longer chunks leave the cache and measured slower. But a chunk is at least this many
# times its context, since about half of the context is computed twice.
CHUNK_FRAMES, CHUNK_SAMPLES = 8192, 2**18
CHUNK_CONTEXTS = 5
# In seconds. Longer chunks would report progress too seldom, so they are cut to this, but to no
# less than twice the context. A U-Net's were 59 s. At 30 s, the extra context costs less than the
# unused part of a song's last chunk did.
CHUNK_SECONDS, LEAST_CONTEXTS = 30, 2


def chunk_plan(system: System, seconds: float | None) -> ChunkPlan:
    """Return how a system's sound is cut; chunks are a multiple of its frame size.

    Parameters
    ----------
    system : System
    seconds : float, > 0, optional
        Length of a chunk; default: a length that is fast.

    Raises
    ------
    OptionError
        If ``seconds`` is not a number above 0 and at most `MOST_SECONDS`.
    """
    frame_size, (left, right) = system.frame_size, system.context
    if seconds is None:
        first = max(min(CHUNK_FRAMES * frame_size, CHUNK_SAMPLES), frame_size)
        longest = max(CHUNK_SECONDS * system.rate, LEAST_CONTEXTS * (left + right))
        chunk = max(first, min(CHUNK_CONTEXTS * (left + right), longest))
    elif 0 < to_number(seconds) <= MOST_SECONDS:
        chunk = first = max(round(to_number(seconds) * system.rate), frame_size)
    else:
        raise OptionError(
            f"chunk_seconds must be more than 0 and at most {MOST_SECONDS:g}, not {seconds!r}"
        )
    architecture = system.file.architecture
    out_channels = architecture.channels * architecture.targets
    chunk, first = (samples // frame_size * frame_size for samples in (chunk, first))
    # where the context makes chunks long, a shorter first one lets the song be heard early
    early = first if first < chunk else None
    return ChunkPlan(chunk, left, right, frame_size, out_channels, early)


def at_model_rate(
    part: tuple[int, int | None], sample_rate: int, model_rate: int
) -> tuple[int, int] | None:
    """Return the range of samples at the model's rate that a part needs.

    If rates differ, one second is added on both sides for the filter of the resampler.
    """
    first, end = part
    if part == (0, None):
        return None
    room = 0 if sample_rate == model_rate else 1
    begin = int((first / sample_rate - room) * model_rate)
    return begin, int(1e18) if end is None else int((end / sample_rate + room) * model_rate) + 1
