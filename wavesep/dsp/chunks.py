"""Long sounds in chunks with their true context: the result equals that of the whole sound.

Output sample t of a network needs the input from ``t - left_context`` to ``t + right_context``. A
chunk is read with that much of the sound around it. Zeros are used only beyond the two ends of the
sound. So the estimate of a chunk equals the same part of the estimate of the whole sound. Chunks
start at multiples of the frame size, where frames of the whole sound start too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..audio import Audio

Network = Callable[[Audio], Audio]
Window = tuple[Audio, int, int]  # the sound with its context; first sample and length of the chunk

AHEAD = 1  # batches that wait while one runs, so the network never waits


@dataclass(frozen=True)
class ChunkPlan:
    """How a sound is cut into chunks for a network.

    Attributes
    ----------
    chunk : int, >= 1
        Samples in a chunk, a multiple of ``frame_size``; its context comes on top.
    left_context, right_context : int, >= 0
        Samples that a frame of the output needs before and after itself: multiples of
        ``frame_size``.
    frame_size : int, >= 1
        Samples in a frame of the network.
    out_channels : int, >= 1
        Channels of an estimate.
    first_chunk : int, optional
        Samples in the first chunk, a multiple of ``frame_size``. A short one is ready early.
        Default: as in the others.
    """

    chunk: int
    left_context: int
    right_context: int
    frame_size: int
    out_channels: int
    first_chunk: int | None = None


class ChunkRunner:
    """Estimates a sound of any length, chunk by chunk, as the network would estimate it whole.

    Where a frame depends on digital silence alone, the network does not run and the estimate is
    exactly zero. The network runs in its own thread, so the next block can be read and the last
    estimate used at the same time.

    Parameters
    ----------
    network : callable
        Maps ``(batch, left_context + samples + right_context, channels)`` to
        ``(batch, samples, out_channels)``, which is written to. It is given few different shapes.
    plan : ChunkPlan
    batch_size : int, >= 1
        Windows that the network is given at a time. Each is one chunk of one group, so its memory
        does not grow with the number of groups.
    wanted : (int, int), optional
        First sample and end of the wanted part. Chunks outside are zeros and cost nothing.
        Default: all.
    """

    def __init__(
        self,
        network: Network,
        plan: ChunkPlan,
        *,
        batch_size: int = 1,
        wanted: tuple[int, int] | None = None,
    ) -> None:
        self._network = network
        self._plan = plan
        self._batch_size = batch_size
        self._wanted = wanted
        self._pending: Audio | None = None  # from ``left`` samples before the next chunk on
        self._start = 0  # of the next chunk
        self._batch: list[Window] = []
        self._jobs: deque[Future[Audio]] = deque()
        self._thread = ThreadPoolExecutor(1)

    def push(self, block: Audio) -> Audio:
        """Go on with the sound.

        Parameters
        ----------
        block : float32 array, (groups, samples, channels)
            Blocks may differ in length. Groups are estimated apart.

        Returns
        -------
        float32 array, (groups, samples, out_channels)
            The samples of the estimate that are ready and follow those of the last call.
        """
        left, right = self._plan.left_context, self._plan.right_context
        if self._pending is None:
            self._pending = np.zeros((len(block), left, block.shape[2]), np.float32)
        pending = np.concatenate([self._pending, block], axis=1)
        while pending.shape[1] >= left + (chunk := self._next_chunk()) + right:
            self._add(pending[:, : left + chunk + right], chunk)
            pending = pending[:, chunk:]
        self._pending = pending
        return self._collect(len(block), AHEAD)

    def flush(self) -> Audio:
        """End the sound and return the rest: in all, as many samples as were pushed."""
        return np.concatenate([*self.drain()], axis=1)

    def drain(self) -> Iterator[Audio]:
        """End the sound and yield the rest, each part when it is estimated."""
        if self._pending is None:
            yield np.zeros((0, 0, self._plan.out_channels), np.float32)
            return
        left, right, chunk = self._plan.left_context, self._plan.right_context, self._plan.chunk
        pending = self._pending
        if self._start == 0:
            chunk = smaller_chunk(pending.shape[1] - left, self._plan)
        while (length := pending.shape[1] - left) > 0:
            window = pending[:, : left + chunk + right]
            missing = left + chunk + right - window.shape[1]
            window = np.pad(window, ((0, 0), (0, missing), (0, 0)))
            self._add(window, min(length, chunk))
            pending = pending[:, chunk:]
        self._submit()
        for unfinished in reversed(range(max(len(self._jobs), 1))):
            yield self._collect(len(pending), unfinished)

    def _next_chunk(self) -> int:
        """Return the length of the next chunk."""
        return (not self._start and self._plan.first_chunk) or self._plan.chunk

    def _add(self, window: Audio, length: int) -> None:
        self._batch.append((window, self._start, length))
        # windows of one batch have one length, and the first may be shorter
        is_full = len(self._batch) == max(self._batch_size // len(window), 1)
        if is_full or (self._plan.first_chunk and not self._start):
            self._submit()
        self._start += length

    def _submit(self) -> None:
        if self._batch:
            self._jobs.append(self._thread.submit(self._run, self._batch))
            self._batch = []

    def _collect(self, groups: int, unfinished: int) -> Audio:
        """Wait until at most ``unfinished`` jobs run, and join the results of the others."""
        done = [np.zeros((groups, 0, self._plan.out_channels), np.float32)]
        while self._jobs and (len(self._jobs) > unfinished or self._jobs[0].done()):
            done.append(self._jobs.popleft().result())
        return np.concatenate(done, axis=1)

    def _run(self, batch: list[Window]) -> Audio:
        """Estimate the chunks that are wanted and not silent; set the others to zero."""
        groups = len(batch[0][0])
        asked = [overlaps(window, self._wanted) and bool(window[0].any()) for window in batch]
        sounds = [window[0] for window, ask in zip(batch, asked, strict=True) if ask]
        answers = iter(run_batch(self._network, sounds, self._batch_size))
        estimates = []
        for (sound, _, length), ask in zip(batch, asked, strict=True):
            if ask:
                estimate = next(answers)
                silence(estimate, active_frames(sound, self._plan), self._plan)
                estimates.append(estimate[:, :length])
            else:
                estimates.append(np.zeros((groups, length, self._plan.out_channels), np.float32))
        return np.concatenate(estimates, axis=1)


def smaller_chunk(samples: int, plan: ChunkPlan) -> int:
    """Halve the chunk while a whole sound still fits in.

    There are few such sizes, so a network is compiled for few shapes.
    """
    frames = plan.chunk // plan.frame_size
    while frames > 1 and (frames + 1) // 2 * plan.frame_size >= samples:
        frames = (frames + 1) // 2
    return frames * plan.frame_size


def overlaps(window: Window, wanted: tuple[int, int] | None) -> bool:
    """Tell if a chunk overlaps a range of samples."""
    _, start, length = window
    return wanted is None or (start < wanted[1] and start + length > wanted[0])


def run_batch(network: Network, sounds: list[Audio], batch_size: int) -> list[Audio]:
    """Run the windows of sounds in batches, padded so that the shape is always the same."""
    if not sounds:
        return []
    windows = np.concatenate(sounds)
    filled = np.pad(windows, ((0, -len(windows) % batch_size), (0, 0), (0, 0)))
    batches = [filled[i : i + batch_size] for i in range(0, len(filled), batch_size)]
    estimates = np.concatenate([network(batch) for batch in batches])
    return np.split(estimates[: len(windows)], len(sounds))


def active_frames(sound: Audio, plan: ChunkPlan) -> NDArray[np.bool_]:
    """Tell which frames of a sound are not all zeros: ``(groups, frames)``."""
    return np.any(sound.reshape(len(sound), -1, plan.frame_size * sound.shape[2]), axis=2)


def silence(estimate: Audio, active: NDArray[np.bool_], plan: ChunkPlan) -> None:
    """Set to zero the frames of an estimate that depend on digital silence alone.

    Parameters
    ----------
    estimate : float32 array, (groups, samples, out_channels)
        It is written to.
    active : bool array, (groups, frames)
        Of the sound, with the frames of its context on both sides.
    """
    if active.all():
        return
    reach = (plan.left_context + plan.right_context) // plan.frame_size + 1
    count = np.cumsum(np.pad(active, ((0, 0), (1, 0))), axis=1)
    heard = count[:, reach:] > count[:, :-reach]
    estimate[~heard.repeat(plan.frame_size, axis=1)] = 0
