"""Long sounds cut into chunks that hold their true context, so that the cuts leave no trace.

Output sample t of a network needs the input from ``t - left_context`` to ``t + right_context``. A
chunk is read with that much of the sound around it, zeros standing only for what lies beyond the
sound's two ends; so its estimate is what the whole sound would give there. Chunks start at
multiples of the frame size, where frames of the whole sound start too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from ..audio import Audio

Network = Callable[[Audio], Audio]
Window = tuple[Audio, int, int]  # the sound with its context; first sample and length of the chunk


@dataclass(frozen=True)
class ChunkPlan:
    """How a network's sound is cut.

    Attributes
    ----------
    chunk : int, >= 1
        Samples in a chunk, a multiple of ``frame_size``; its context comes on top.
    left_context, right_context : int, >= 0
        Samples that a frame of the output needs before and after itself.
    frame_size : int, >= 1
        Samples in a frame of the network.
    out_channels : int, >= 1
        Channels of an estimate.
    """

    chunk: int
    left_context: int
    right_context: int
    frame_size: int
    out_channels: int


def run_chunks(
    network: Network,
    blocks: Iterable[Audio],
    plan: ChunkPlan,
    *,
    batch_size: int = 1,
    wanted: tuple[int, int] | None = None,
) -> Iterator[Audio]:
    """Estimate a sound of any length, chunk by chunk, as the network would estimate it whole.

    Where all that a frame depends on is digital silence, the network is not asked and the estimate
    is exactly zero.

    Parameters
    ----------
    network : callable
        Maps ``(batch, left_context + samples + right_context, channels)`` to
        ``(batch, samples, out_channels)``. It is given few different shapes.
    blocks : iterable of float32 array, (groups, samples, channels)
        The sound; blocks may differ in length. Groups are estimated apart.
    plan : ChunkPlan
    batch_size : int, >= 1
        Chunks run at a time.
    wanted : (int, int), optional
        First sample and end of what is wanted: chunks outside come out as zeros and cost nothing.
        Default: all.

    Yields
    ------
    float32 array, (groups, samples, out_channels)
        As many samples in all as the blocks have.
    """
    windows = cut_windows(blocks, plan)
    while batch := list(islice(windows, batch_size)):
        asked = [overlaps(window, wanted) and bool(window[0].any()) for window in batch]
        sounds = [window[0] for window, ask in zip(batch, asked, strict=True) if ask]
        answers = iter(run_batch(network, sounds, batch_size))
        for (sound, _, length), ask in zip(batch, asked, strict=True):
            if ask:
                estimate = next(answers)
                estimate[~sounding(sound, plan)] = 0
                yield estimate[:, :length]
            else:
                yield np.zeros((len(sound), length, plan.out_channels), np.float32)


def cut_windows(blocks: Iterable[Audio], plan: ChunkPlan) -> Iterator[Window]:
    """Yield chunks with their context, all of one size; a short sound gets a smaller one."""
    left, right, chunk = plan.left_context, plan.right_context, plan.chunk
    start = 0
    pending: Audio | None = None  # from ``left`` samples before the next chunk on
    for block in blocks:
        if pending is None:
            pending = np.zeros((len(block), left, block.shape[2]), np.float32)
        pending = np.concatenate([pending, block], axis=1)
        while pending.shape[1] >= left + chunk + right:
            yield pending[:, : left + chunk + right], start, chunk
            pending = pending[:, chunk:]
            start += chunk
    if pending is None:
        return
    if start == 0:
        chunk = smaller_chunk(pending.shape[1] - left, plan)
    while (length := pending.shape[1] - left) > 0:
        window = pending[:, : left + chunk + right]
        missing = left + chunk + right - window.shape[1]
        yield np.pad(window, ((0, 0), (0, missing), (0, 0))), start, min(length, chunk)
        pending = pending[:, chunk:]
        start += chunk


def smaller_chunk(samples: int, plan: ChunkPlan) -> int:
    """Halve the chunk while a whole sound fits in: few sizes, so networks compile few times."""
    frames = plan.chunk // plan.frame_size
    while frames > 1 and (frames + 1) // 2 * plan.frame_size >= samples:
        frames = (frames + 1) // 2
    return frames * plan.frame_size


def overlaps(window: Window, wanted: tuple[int, int] | None) -> bool:
    """Tell if a chunk holds anything of a range of samples."""
    _, start, length = window
    return wanted is None or (start < wanted[1] and start + length > wanted[0])


def run_batch(network: Network, sounds: list[Audio], batch_size: int) -> list[Audio]:
    """Run windows together, filled up to the batch size so that the shape is always the same."""
    if not sounds:
        return []
    groups = len(sounds[0])
    filled = sounds + [np.zeros_like(sounds[0])] * (batch_size - len(sounds))
    estimates = np.array(network(np.concatenate(filled)))  # a copy that may be written to
    return [estimates[i * groups : (i + 1) * groups] for i in range(len(sounds))]


def sounding(sound: Audio, plan: ChunkPlan) -> NDArray[np.bool_]:
    """Tell which output samples have anything but zeros in what their frame depends on.

    Returns
    -------
    bool array, (groups, samples of the chunk)
    """
    reach = plan.left_context + plan.frame_size + plan.right_context
    heard_so_far = np.cumsum(np.pad(sound.any(axis=2), ((0, 0), (1, 0))), axis=1)
    first = np.arange(0, sound.shape[1] - reach + 1, plan.frame_size)
    heard = heard_so_far[:, first + reach] > heard_so_far[:, first]
    return heard.repeat(plan.frame_size, axis=1)
