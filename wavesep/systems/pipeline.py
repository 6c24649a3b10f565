"""Separate a mixture block by block: return the samples of the stems that are ready."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Protocol

import numpy as np

from ..audio import Audio
from ..audio.checks import check_estimate, check_sound
from ..dsp.blocks import BlockQueue
from ..dsp.channels import join_channels, split_channels
from ..dsp.resample import Resampler, tail
from ..errors import EmptyAudioError

Stems = dict[str, Audio]


class Runner(Protocol):
    """Estimates a sound block by block: see `ChunkRunner` and `StepRunner`."""

    def push(self, block: Audio) -> Audio:
        """Map ``(groups, samples, channels)`` to ``(groups, ready samples, out_channels)``."""
        ...

    def drain(self) -> Iterator[Audio]:
        """Yield the rest, each part when it is ready."""
        ...


@dataclass(frozen=True)
class Signal:
    """Sources, sample rates and channels of a mixture and of a model.

    Attributes
    ----------
    sources : tuple of str
        The model's targets, then the source that is the mixture minus the targets.
    model_rate, model_channels : int
        Sample rate in Hz and channels of the model.
    sample_rate, channels : int
        Sample rate in Hz and channels of the mixture and of the stems.
    """

    sources: tuple[str, ...]
    model_rate: int
    model_channels: int
    sample_rate: int
    channels: int


class Pipeline:
    """Converts a mixture to the rate and channels of a model, separates it, and converts back.

    Parameters
    ----------
    runner : Runner
        Maps groups of the model's channels to estimates, at the model's rate.
    signal : Signal
    """

    def __init__(self, runner: Runner, signal: Signal) -> None:
        rate, model_rate = signal.sample_rate, signal.model_rate
        self._runner = runner
        self._signal = signal
        self._tail = tail(rate, model_rate)
        self._there = Resampler(rate, model_rate, signal.channels)
        self._back = Resampler(model_rate, rate, signal.channels * (len(signal.sources) - 1))
        self._mixture = BlockQueue(signal.channels)
        self.samples = 0  # pushed so far

    def push(self, block: Audio) -> Stems:
        """Go on with the mixture, ``(samples, channels)``; return what is ready of its stems.

        Raises
        ------
        NonFiniteAudioError
            If a sample is NaN or infinite. The block is not used then.
        AudioError
            If the magnitude of a sample is above 100. The block is not used then either.
        """
        check_sound(block, self.samples)
        self.samples += len(block)
        self._mixture.put(block)
        return self._stems(self._estimate(block))

    def flush(self) -> Stems:
        """End the mixture and return the rest of its stems."""
        return joined(self.drain())

    def drain(self) -> Iterator[Stems]:
        """End the mixture and yield the rest of its stems, each part when it is ready."""
        yield self._stems(self._estimate(np.zeros((self._tail, self._signal.channels), np.float32)))
        yield self._stems(self._estimate_resampled(self._there.flush()))
        for estimate in self._runner.drain():
            yield self._stems(self._back.push(self._join(estimate)))
        yield self._stems(self._back.flush())

    def _estimate(self, block: Audio) -> Audio:
        """Return what is ready of the targets: ``(samples, targets * channels)``."""
        return self._estimate_resampled(self._there.push(block))

    def _estimate_resampled(self, block: Audio) -> Audio:
        groups = split_channels(block, self._signal.model_channels)
        return self._back.push(self._join(self._runner.push(groups)))

    def _join(self, estimate: Audio) -> Audio:
        """Return the targets side by side, each in the channels of the mixture."""
        targets = np.split(estimate, len(self._signal.sources) - 1, axis=2)
        return np.concatenate([join_channels(t, self._signal.channels) for t in targets], axis=1)

    def _stems(self, estimate: Audio) -> Stems:
        """Name the targets, and give the rest of the mixture to the last source."""
        count = min(len(estimate), len(self._mixture))  # further samples belong to the tail's zeros
        check_estimate(estimate)
        targets = np.split(estimate[:count], len(self._signal.sources) - 1, axis=1)
        rest = self._mixture.take(count) - sum(targets)
        return dict(zip(self._signal.sources, [*targets, rest], strict=True))


class MeanPipeline:
    """Runs several pipelines on one mixture and averages their stems.

    Parameters
    ----------
    pipelines : list of Pipeline or MeanPipeline
        All have the same sources and channels.
    sources : tuple of str
    channels : int
        Of the mixture.
    """

    def __init__(
        self, pipelines: list[AnyPipeline], sources: tuple[str, ...], channels: int
    ) -> None:
        self._pipelines = pipelines
        self._ready = [{s: BlockQueue(channels) for s in sources} for _ in pipelines]
        self._sources = sources
        self._channels = channels

    @property
    def samples(self) -> int:
        """Samples pushed so far."""
        return self._pipelines[0].samples

    def push(self, block: Audio) -> Stems:
        """See `Pipeline`."""
        return self._means([pipeline.push(block) for pipeline in self._pipelines])

    def flush(self) -> Stems:
        """See `Pipeline`."""
        return joined(self.drain())

    def drain(self) -> Iterator[Stems]:
        """See `Pipeline`."""
        nothing = {source: np.zeros((0, self._channels), np.float32) for source in self._sources}
        rests = [pipeline.drain() for pipeline in self._pipelines]
        for parts in zip_longest(*rests, fillvalue=nothing):
            yield self._means([*parts])

    def _means(self, parts: list[Stems]) -> Stems:
        """Return the means of the samples that all pipelines have ready."""
        for ready, stems in zip(self._ready, parts, strict=True):
            for source, stem in stems.items():
                ready[source].put(stem)
        count = min(len(ready[self._sources[0]]) for ready in self._ready)
        return {
            source: np.mean([ready[source].take(count) for ready in self._ready], axis=0)
            for source in self._sources
        }


AnyPipeline = Pipeline | MeanPipeline


def joined(parts: Iterable[Stems]) -> Stems:
    """Concatenate the parts of stems."""
    together = [*parts]
    return {source: np.concatenate([part[source] for part in together]) for source in together[0]}


def all_stems(pipeline: AnyPipeline, blocks: Iterable[Audio]) -> Iterator[Stems]:
    """Run all blocks through a pipeline, or raise EmptyAudioError if there are no samples."""
    for block in blocks:
        yield pipeline.push(block)
    if not pipeline.samples:
        raise EmptyAudioError("the audio has no samples")
    yield from pipeline.drain()
