"""Blocks of a mixture in, its stems out as far as they are ready."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from .audio import Audio
from .audio.checks import check_block, check_estimate, check_sound
from .dsp.blocks import BlockQueue
from .dsp.channels import join_channels, split_channels
from .dsp.resample import Resampler, lag, tail
from .dsp.steps import StepRunner
from .errors import OptionError

Stems = dict[str, Audio]


class Runner(Protocol):
    """What estimates a sound that comes in blocks: see `ChunkRunner` and `StepRunner`."""

    def push(self, block: Audio) -> Audio:
        """Map ``(groups, samples, channels)`` to ``(groups, ready samples, out_channels)``."""
        ...

    def drain(self) -> Iterator[Audio]:
        """Yield the rest, each part when it is ready."""
        ...


@dataclass(frozen=True)
class Form:
    """What a model takes and gives, and what a mixture has.

    Attributes
    ----------
    sources : tuple of str
        The model's targets, then the one that is what they leave of the mixture.
    model_rate, model_channels : int
    sample_rate, channels : int
        Of the mixture and of the stems.
    """

    sources: tuple[str, ...]
    model_rate: int
    model_channels: int
    sample_rate: int
    channels: int


class Pipeline:
    """The way of a mixture to its stems: another rate, other channels, a network, and all back.

    Parameters
    ----------
    runner : Runner
        Takes and gives groups of the model's channels, at the model's rate.
    form : Form
    """

    def __init__(self, runner: Runner, form: Form) -> None:
        rate, model_rate = form.sample_rate, form.model_rate
        self._runner = runner
        self._form = form
        self._tail = tail(rate, model_rate)
        self._there = Resampler(rate, model_rate, form.channels)
        self._back = Resampler(model_rate, rate, form.channels * (len(form.sources) - 1))
        self._mixture = BlockQueue(form.channels)
        self.samples = 0  # pushed so far

    def push(self, block: Audio) -> Stems:
        """Go on with the mixture, ``(samples, channels)``; return what is ready of its stems.

        Raises
        ------
        NonFiniteAudioError
            If a sample is NaN or infinite: nothing of the block has been taken.
        AudioError
            If a sample is beyond 100: nor then.
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
        yield self._stems(self._estimate(np.zeros((self._tail, self._form.channels), np.float32)))
        yield self._stems(self._estimate_resampled(self._there.flush()))
        for estimate in self._runner.drain():
            yield self._stems(self._back.push(self._join(estimate)))
        yield self._stems(self._back.flush())

    def _estimate(self, block: Audio) -> Audio:
        """Return what is ready of the targets: ``(samples, targets * channels)``."""
        return self._estimate_resampled(self._there.push(block))

    def _estimate_resampled(self, block: Audio) -> Audio:
        groups = split_channels(block, self._form.model_channels)
        return self._back.push(self._join(self._runner.push(groups)))

    def _join(self, estimate: Audio) -> Audio:
        """Return the targets one beside the other, each in the channels of the mixture."""
        targets = np.split(estimate, len(self._form.sources) - 1, axis=2)
        return np.concatenate([join_channels(t, self._form.channels) for t in targets], axis=1)

    def _stems(self, estimate: Audio) -> Stems:
        """Name the targets, and give the rest of the mixture to the last source."""
        count = min(len(estimate), len(self._mixture))  # what goes beyond comes of the tail's zeros
        check_estimate(estimate)
        targets = np.split(estimate[:count], len(self._form.sources) - 1, axis=1)
        rest = self._mixture.take(count) - sum(targets)
        return dict(zip(self._form.sources, [*targets, rest], strict=True))


class Mean:
    """Several pipelines for one mixture; its stems are the means of theirs.

    Parameters
    ----------
    pipelines : list of Pipeline
        Of the same sources and channels.
    sources : tuple of str
    channels : int
        Of the mixture.
    """

    def __init__(self, pipelines: list[Pipeline], sources: tuple[str, ...], channels: int) -> None:
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
        """Return the means as far as all are ready."""
        for ready, stems in zip(self._ready, parts, strict=True):
            for source, stem in stems.items():
                ready[source].put(stem)
        count = min(len(ready[self._sources[0]]) for ready in self._ready)
        return {
            source: np.mean([ready[source].take(count) for ready in self._ready], axis=0)
            for source in self._sources
        }


def joined(parts: Iterable[Stems]) -> Stems:
    """Return stems that came in parts as one."""
    together = [*parts]
    return {source: np.concatenate([part[source] for part in together]) for source in together[0]}


class Stream:
    """Separates a sound while it comes; `Separator.stream` makes one.

    The stems of all blocks, one after the other, are those that the whole sound has in
    `Separator.separate`. Nothing is computed twice: each layer of the network keeps its own past.

    Attributes
    ----------
    sources : tuple of str
        Names of the stems.
    sample_rate, channels : int
        Of the blocks and of the stems.
    latency : int
        In samples: a sample's stems are there when at most so many samples have been pushed after
        it. At the model's own rate that is the network's right context and its step, for a WaveNet
        192 frames, less one sample; at other rates, what two resamplers hold back comes on top.
    """

    def __init__(self, pipeline: Pipeline | Mean, form: Form, latency: int) -> None:
        self._pipeline = pipeline
        self._ended = False
        self.sources = form.sources
        self.sample_rate = form.sample_rate
        self.channels = form.channels
        self.latency = latency

    def push(self, block: ArrayLike) -> Stems:
        """Go on with the sound.

        Parameters
        ----------
        block : float array, (samples, channels)
            Of any length, in [-1, 1]; it is copied. It may be what `numpy.asarray` makes an array
            of: a list, or a tensor.

        Returns
        -------
        dict of str to float32 array, (samples, channels)
            What is ready of each stem, from where the last call ended: often nothing, as long as
            the sound is younger than `latency`.

        Raises
        ------
        OptionError
            If the block has another form, or the stream has been flushed.
        NonFiniteAudioError
            If a sample is NaN or infinite. The stream goes on without the block.
        AudioError
            If a sample is beyond 100. The stream goes on without the block.
        """
        if self._ended:
            raise OptionError("this stream was flushed: make a new one")
        return self._pipeline.push(check_block(block, self.channels).copy())

    def flush(self) -> Stems:
        """End the sound and return the rest of its stems, as `push` does.

        Raises
        ------
        OptionError
            If the stream has been flushed before.
        """
        if self._ended:
            raise OptionError("this stream was flushed: make a new one")
        self._ended = True
        return self._pipeline.flush()


def stream_latency(runner: StepRunner, form: Form) -> int:
    """Return the latency of a runner at the rate of the mixture: see `Stream`."""
    rate, model_rate = form.sample_rate, form.model_rate
    after = runner.latency + lag(model_rate, rate)  # samples at the model's rate
    return lag(rate, model_rate) + math.ceil(after * rate / model_rate)
