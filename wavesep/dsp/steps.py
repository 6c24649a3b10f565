"""A live sound, given to an engine step by step.

The counterpart of `wavesep.dsp.chunks`: the estimate is the same, and each sample is ready as soon
as its right context has come in.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..audio import Audio
from .chunks import ChunkPlan, Network, active_frames, silence


class StepRunner:
    """Estimates a sound of any length while it is pushed.

    Parameters
    ----------
    network : callable
        Maps the next samples, ``(groups, chunk, channels)``, to the estimate of the samples
        ``right_context`` earlier, ``(groups, chunk, out_channels)``, which is written to.
    plan : ChunkPlan
        Its chunk is the length of a step.
    groups, channels : int
        Groups of the sound and channels of each.
    primed : bool
        Whether the network begins as if silence came before. Else it is given ``left_context``
        samples of silence first.

    Attributes
    ----------
    latency : int
        Each sample of the estimate is returned when at most this many later samples have been
        pushed.
    """

    def __init__(
        self,
        network: Network,
        plan: ChunkPlan,
        groups: int,
        channels: int,
        *,
        primed: bool = False,
    ) -> None:
        self._network = network
        self._plan = plan
        context = plan.left_context + plan.right_context
        self._pending = np.zeros((groups, 0, channels), np.float32)
        self._active = np.zeros((groups, context // plan.frame_size), np.bool_)
        self._samples = 0  # pushed, with no estimate returned yet
        self.latency = plan.right_context + plan.chunk - 1
        before = plan.left_context
        if primed:  # the first step of a network is slow, so it runs before the first block
            before = min(before, plan.chunk + before % plan.chunk)
        # estimates still to come that lie before the sound
        self._early = before + plan.right_context
        self._step(np.zeros((groups, before, channels), np.float32))

    def push(self, block: Audio) -> Audio:
        """Go on with the sound.

        Parameters
        ----------
        block : float32 array, (groups, samples, channels)

        Returns
        -------
        float32 array, (groups, samples, out_channels)
            The samples of the estimate that are ready and follow those of the last call.
        """
        self._samples += block.shape[1]
        return self._step(block)

    def flush(self) -> Audio:
        """End the sound and return the rest: in all, as many samples as were pushed."""
        groups, pending, channels = self._pending.shape
        needed = pending + self._plan.right_context
        steps = -(-needed // self._plan.chunk)
        return self._step(
            np.zeros((groups, steps * self._plan.chunk - pending, channels), np.float32)
        )

    def drain(self) -> Iterator[Audio]:
        """Yield the rest, as a `ChunkRunner` does."""
        yield self.flush()

    def _step(self, block: Audio) -> Audio:
        """Run as many steps as there are samples for."""
        chunk = self._plan.chunk
        pending = np.concatenate([self._pending, block], axis=1)
        estimates = [np.zeros((len(pending), 0, self._plan.out_channels), np.float32)]
        while pending.shape[1] >= chunk:
            estimates.append(self._estimate(pending[:, :chunk]))
            pending = pending[:, chunk:]
        self._pending = pending
        estimate = np.concatenate(estimates, axis=1)
        early = min(self._early, estimate.shape[1])
        self._early -= early
        estimate = estimate[:, early : early + self._samples]
        self._samples -= estimate.shape[1]
        return estimate

    def _estimate(self, sound: Audio) -> Audio:
        """Run one step."""
        active = np.concatenate([self._active, active_frames(sound, self._plan)], axis=1)
        self._active = active[:, sound.shape[1] // self._plan.frame_size :]
        estimate = self._network(sound)
        silence(estimate, active, self._plan)
        return estimate
