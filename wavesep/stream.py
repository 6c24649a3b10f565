"""The Stream: blocks of live audio in, their stems out as they become ready."""

from __future__ import annotations

import math

from numpy.typing import ArrayLike

from .audio.checks import check_block
from .dsp.resample import lag
from .dsp.steps import StepRunner
from .errors import OptionError
from .systems.pipeline import AnyPipeline, Signal, Stems


class Stream:
    """Separates live audio, block by block. `Separator.stream` makes one.

    All stems joined equal the stems that `Separator.separate` gives for the whole audio. A WaveNet
    keeps the past of each layer, so it computes nothing twice. Other systems process their context
    again in every step.

    Attributes
    ----------
    sources : tuple of str
        Names of the stems.
    sample_rate, channels : int
        Of the blocks and of the stems.
    latency : int
        In samples. The stems of a sample are ready when at most this many samples have been pushed
        after it. At the model's own rate, it is the right context plus the length of a step, minus
        1. A step of a WaveNet has 6,144 samples, or 192 frames if these are fewer. At other rates,
        the delays of two resamplers are added.
    """

    def __init__(
        self,
        pipeline: AnyPipeline,
        sources: tuple[str, ...],
        sample_rate: int,
        channels: int,
        latency: int,
    ) -> None:
        self._pipeline = pipeline
        self._ended = False
        self.sources = sources
        self.sample_rate = sample_rate
        self.channels = channels
        self.latency = latency

    def push(self, block: ArrayLike) -> Stems:
        """Add a block and return the stems that are ready.

        Parameters
        ----------
        block : float array, (samples, channels)
            Of any length, in [-1, 1]; it is copied. Lists and tensors that `numpy.asarray` can
            convert are accepted.

        Returns
        -------
        dict of str to float32 array, (samples, channels)
            The next samples of each stem, after those of the last call. There may be none while
            fewer than `latency` samples have been pushed.

        Raises
        ------
        OptionError
            If the block has another shape or type, or the stream has been flushed.
        NonFiniteAudioError
            If a sample is NaN or infinite. The stream continues without the block.
        AudioError
            If a sample is beyond 100. The stream continues without the block.
        """
        if self._ended:
            raise OptionError("this stream was flushed: make a new one")
        return self._pipeline.push(check_block(block, self.channels).copy())

    def flush(self) -> Stems:
        """End the audio and return the rest of its stems.

        Returns
        -------
        dict of str to float32 array, (samples, channels)
            The remaining samples of each stem.

        Raises
        ------
        OptionError
            If the stream has been flushed before.
        """
        if self._ended:
            raise OptionError("this stream was flushed: make a new one")
        self._ended = True
        return self._pipeline.flush()


def stream_latency(runner: StepRunner, signal: Signal) -> int:
    """Return the latency of a runner in samples at the mixture's rate: see `Stream`."""
    rate, model_rate = signal.sample_rate, signal.model_rate
    after = runner.latency + lag(model_rate, rate)  # in samples at the model's rate
    return lag(rate, model_rate) + math.ceil(after * rate / model_rate)
