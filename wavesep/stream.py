"""The Stream: a sound that comes live in, its stems out as they become ready."""

from __future__ import annotations

import math

from numpy.typing import ArrayLike

from .audio.checks import check_block
from .dsp.resample import lag
from .dsp.steps import StepRunner
from .errors import OptionError
from .systems.pipeline import AnyPipeline, Signal, Stems


class Stream:
    """Separates a sound while it comes; `Separator.stream` makes one.

    The stems of all blocks, one after the other, are those that the whole sound has in
    `Separator.separate`. A WaveNet keeps the past of each layer, so it computes nothing twice.
    Other systems are given their context with every step.

    Attributes
    ----------
    sources : tuple of str
        Names of the stems.
    sample_rate, channels : int
        Of the blocks and of the stems.
    latency : int
        In samples: a sample's stems are there when at most so many samples have been pushed after
        it. At the model's own rate that is the network's right context and its step, less one
        sample. A step of a WaveNet has 6,144 samples, or 192 frames if these are fewer. At other
        rates, what two resamplers hold back comes on top.
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
        """Go on with the sound.

        Parameters
        ----------
        block : float array, (samples, channels)
            Of any length, in [-1, 1]; it is copied. Lists and tensors that `numpy.asarray` can
            convert are accepted.

        Returns
        -------
        dict of str to float32 array, (samples, channels)
            The samples of each stem that are ready and follow those of the last call. There may be
            none while fewer than `latency` samples have been pushed.

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


def stream_latency(runner: StepRunner, signal: Signal) -> int:
    """Return the latency of a runner at the rate of the mixture: see `Stream`."""
    rate, model_rate = signal.sample_rate, signal.model_rate
    after = runner.latency + lag(model_rate, rate)  # samples at the model's rate
    return lag(rate, model_rate) + math.ceil(after * rate / model_rate)
