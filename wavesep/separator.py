"""The Separator: a mixture in, its stems out, as arrays or as files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from .audio import Audio
from .audio.base import BLOCK
from .audio.checks import MOST_SECONDS, check_array, check_channels, check_rate, to_number
from .audio.names import check_kept, stem_paths
from .audio.read import good_blocks, open_audio
from .audio.write import StemFormat, open_stems
from .dsp.chunks import ChunkRunner
from .dsp.steps import StepRunner
from .engines import Options
from .errors import EmptyAudioError, OptionError
from .stream import Stream, stream_latency
from .systems.opening import ReadySystem, open_systems
from .systems.pipeline import AnyPipeline, MeanPipeline, Pipeline, Signal, Stems
from .systems.tree import Mean, Tree, leaves, mapped, read_systems

Progress = Callable[[int, int], None]


class Separator:
    """Splits mixtures into stems.

    An output sample depends on the mixture from ``left_context`` before to ``right_context`` after
    it and on nothing else, so the result does not depend on the chunks. Where all of these samples
    are digital silence, so is every stem.

    A mono mixture gives mono stems. Of more than two channels, 0 and 1 are separated as a stereo
    pair, then 2 and 3, and so on; an odd last one as mono.

    Parameters
    ----------
    model : str or path
        A name out of `wavesep.list_models`, or a model file. "NAME:wiener" filters the mixture by
        the power of the model's estimates. "NAME:speeds" runs the model at speeds 1, 0.89 and 1.12
        and averages the stems. "NAME+NAME" averages the stems of several models. A suffix belongs
        to the name before it: "vocals:speeds+unet" gives both halves the same weight.
    engine : {"auto", "openvino", "keras"}
        What runs the network. "openvino" is the CPU's, "keras" is the GPU's and runs on the backend
        that Keras has. "auto" takes Keras for a GPU that ``device`` asks for, and else OpenVINO.
    precision : {"auto", "float32", "bfloat16"}
        Of the arithmetic. "auto" takes bfloat16 where the processor has units for it; that is twice
        as fast, and puts an error into the estimate that lies far below what the network gets
        wrong. What this documentation calls equal is so in either; chunks and streams agree.
    chunk_seconds : float, > 0, optional
        Length of the chunks; it changes the memory and the speed, not the result. Default: five
        times the network's context but hardly more than 30 s, and at least 8,192 frames.
    device : str, optional
        "cpu", "gpu", "gpu:1" …; default: the CPU for OpenVINO, what its backend prefers for Keras.
    threads : int, >= 1, optional
        That OpenVINO computes in. Default: one for each core.

    Attributes
    ----------
    sample_rate : int
        Of the model, in Hz; other mixtures are resampled for it, and their stems back. Of several
        models, the highest.
    sources : tuple of str
        Names of the stems. The last is what the others leave of the mixture.
    left_context, right_context : int
        In samples at the model's rate. Of several models, the longest.

    Raises
    ------
    ModelFileError
        If the model is missing, damaged or not one of ours.
    OptionError
        If an engine, a precision or a device is not there, or models cannot be brought together.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] = "vocals",
        *,
        engine: str = "auto",
        precision: str = "auto",
        chunk_seconds: float | None = None,
        device: str | None = None,
        threads: int | None = None,
    ) -> None:
        options = Options(engine=engine, precision=precision, device=device, threads=threads)
        tree = read_systems(model)
        systems = leaves(tree)
        self._systems = open_systems(tree, options, chunk_seconds)
        self.sample_rate = max(system.file.sample_rate for system in systems)
        self.sources = systems[0].file.sources
        self.left_context, self.right_context = (
            max(-(-system.context[side] * self.sample_rate // system.rate) for system in systems)
            for side in (0, 1)
        )

    def separate(
        self, audio: ArrayLike, sample_rate: int, progress: Progress | None = None
    ) -> Stems:
        """Separate a mixture in memory.

        Parameters
        ----------
        audio : float array, (samples, channels) or (samples,)
            The mixture, in [-1, 1], of at most 64 channels; it is left as it is. Lists and
            tensors that `numpy.asarray` can convert are accepted.
        sample_rate : int, from 1,000 to 768,000
            In Hz.
        progress : callable, optional
            Called with the samples done and the samples in all, again and again.

        Returns
        -------
        dict of str to float32 array, of the shape of ``audio``
            A stem for each of `sources`, at the same rate and place. They add up to the mixture.

        Raises
        ------
        OptionError
            If the shape, the type or the rate is not one of the above.
        EmptyAudioError
            If there are no samples.
        NonFiniteAudioError
            If a sample is NaN or infinite.
        AudioError
            If a sample is beyond 100.
        """
        sound, sample_rate = check_array(audio), check_rate(sample_rate)
        mixture = sound.reshape(len(sound), -1)
        stems = {source: np.empty_like(mixture) for source in self.sources}
        blocks = (mixture[i : i + BLOCK] for i in range(0, len(mixture), BLOCK))
        done = 0
        for part in self._run(blocks, sample_rate, mixture.shape[1]):
            count = len(part[self.sources[0]])
            for source, stem in stems.items():
                stem[done : done + count] = part[source]
            done += count
            if progress:
                progress(done, len(mixture))
        return {source: stem.reshape(sound.shape) for source, stem in stems.items()}

    def separate_to_file(
        self,
        path: str | os.PathLike[str],
        out_dir: str | os.PathLike[str] = "separated",
        *,
        filename: str = "{track}/{stem}.{ext}",
        codec: str = "wav",
        bits: int | None = None,
        start: float = 0.0,
        duration: float | None = None,
        two_stems: str | None = None,
        track: int | None = None,
        keep_truncated: bool = False,
        overwrite: bool = False,
        progress: Progress | None = None,
    ) -> dict[str, Path]:
        """Separate a file block by block; the memory this takes does not grow with the song.

        While it runs, each stem grows as ``out_dir/.wavesep-unfinished-XXXXXXXX/SOURCE.wav``, which
        can be played; the log (INFO) tells the name of that folder, which is new for every song.
        At the end all stems get their names, or none. The next call with this ``out_dir`` removes
        what a killed one has left there. The stems get the song's tags and cover: `audio.tags`.

        Parameters
        ----------
        path : path
            Any audio or video file, of at most 64 channels.
        out_dir : path
            Made where it is missing.
        filename : str
            Of each stem below ``out_dir``; ``{track}`` is the name of the song's file without its
            suffix, ``{stem}`` the source and ``{ext}`` the codec. Where a name would have more than
            255 bytes, the track's is made shorter.
        codec : {"wav", "flac", "mp3"}
        bits : {16, 24, 32}, optional
            Depth; 32 is float, for wav alone. Default: the song's own, as far as the codec has it.
        start, duration : float, >= 0
            In seconds, a part of the song: the samples that the whole song would give there, but
            for the gain below, which only knows the part. Default: the whole song.
        two_stems : str, optional
            One of `sources`, which is written, beside everything else as one stem.
        track : int, >= 1, optional
            Audio track of a video. Default: the one that it flags as default, else the first.
        keep_truncated : bool
            Of a song that is cut short or damaged, separate what comes before that, with a warning
            in the log. Default: raise TruncatedAudioError.
        overwrite : bool
            Replace files that exist. Default: raise OutputExistsError.
        progress : callable, optional
            Called with the samples done and the samples in all, again and again.

        Returns
        -------
        dict of str to Path
            The file of each stem. Where one of them would clip, all have been turned down by the
            same gain, and a warning in the log says so: they add up still.

        Raises
        ------
        AudioError
            If the file cannot be read to its end: see its subclasses.
        OptionError
            If an option is none of the above, the part lies beyond the song's end, or a stem would
            replace the song.
        OutputError
            If a stem cannot be written: see its subclasses. Nothing half-written is left.
        """
        with open_audio(path, track) as reader:
            info = reader.info
            check_rate(info.sample_rate)
            check_channels(info.channels)
            blocks = good_blocks(reader) if keep_truncated else reader.blocks()
            first, end = part_of_song(info.sample_rate, start, duration)
            if bits is None:
                bits = min(info.bits, 24) if codec == "flac" else info.bits
            form = StemFormat(codec, bits, info.sample_rate, info.channels)
            paths = self.stem_paths(
                path, out_dir, filename=filename, codec=codec, two_stems=two_stems
            )
            check_kept(Path(path), paths)
            total = max((info.samples if end is None else min(end, info.samples)) - first, 0)
            done = 0
            with open_stems(
                paths,
                form,
                samples=total,
                overwrite=overwrite,
                folder=Path(out_dir),
                song=Path(path),
            ) as writer:
                part = (first, end)
                for stems in self._run(blocks, info.sample_rate, info.channels, part):
                    writer.write(two_of(stems, two_stems, (*paths,)) if two_stems else stems)
                    done += len(next(iter(stems.values())))
                    if progress:
                        progress(done, max(total, done))
                if not done:
                    raise OptionError(f"{path} ends before {start:g} s: start earlier")
        return paths

    def stem_paths(
        self,
        path: str | os.PathLike[str],
        out_dir: str | os.PathLike[str] = "separated",
        *,
        filename: str = "{track}/{stem}.{ext}",
        codec: str = "wav",
        two_stems: str | None = None,
    ) -> dict[str, Path]:
        """Return where `separate_to_file` would write each stem, which has the same arguments."""
        names = self._stem_names(two_stems)
        return stem_paths(Path(path), Path(out_dir), filename, names, codec)

    def stream(self, sample_rate: int, channels: int = 2) -> Stream:
        """Begin to separate a sound that comes live.

        Parameters
        ----------
        sample_rate : int, from 1,000 to 768,000
            In Hz, of what comes; at the model's own, `sample_rate`, the latency is smallest.
        channels : int, from 1 to 64
            Of what comes.

        Returns
        -------
        Stream
            Takes blocks of any length and gives their stems as they become ready.

        Raises
        ------
        OptionError
            If the rate or the number of channels is not one of the above.
        """
        sample_rate, channels = check_rate(sample_rate), check_channels(channels)
        latencies = []

        def pipeline_of(ready: ReadySystem) -> Pipeline:
            signal = signal_of(ready, sample_rate, channels)
            groups = -(-channels // signal.model_channels)
            stepper = ready.engine.stepper(groups)
            plan = replace(ready.plan, chunk=stepper.samples)
            runner = StepRunner(stepper, plan, groups, signal.model_channels, primed=stepper.primed)
            latencies.append(stream_latency(runner, signal))
            return Pipeline(runner, signal)

        pipeline = self._joined(mapped(self._systems, pipeline_of), channels)
        return Stream(pipeline, self.sources, sample_rate, channels, max(latencies))

    def _run(
        self,
        blocks: Iterable[Audio],
        sample_rate: int,
        channels: int,
        part: tuple[int, int | None] = (0, None),
    ) -> Iterator[Stems]:
        """Yield the stems of a part of a mixture, in its own rate and channels."""

        def pipeline_of(ready: ReadySystem) -> Pipeline:
            runner = ChunkRunner(
                ready.engine,
                ready.plan,
                batch_size=ready.engine.batch_size,
                wanted=at_model_rate(part, sample_rate, ready.system.rate),
            )
            return Pipeline(runner, signal_of(ready, sample_rate, channels))

        pipeline = self._joined(mapped(self._systems, pipeline_of), channels)
        first, end = part
        at = 0
        for stems in all_stems(pipeline, blocks):
            count = len(stems[self.sources[0]])
            lo, hi = max(first - at, 0), count if end is None else min(end - at, count)
            at += count
            if hi > lo:
                yield {source: stem[lo:hi] for source, stem in stems.items()}
            if end is not None and at >= end:
                return

    def _joined(self, tree: Tree[Pipeline], channels: int) -> AnyPipeline:
        """Return one pipeline: where parts are to be averaged, the mean of theirs."""
        if not isinstance(tree, Mean):
            return tree
        parts = [self._joined(part, channels) for part in tree.parts]
        return MeanPipeline(parts, self.sources, channels)

    def _stem_names(self, two_stems: str | None) -> tuple[str, ...]:
        if two_stems is None:
            return self.sources
        if two_stems not in self.sources:
            raise OptionError(
                f"the model has no source {two_stems!r}: it has {', '.join(self.sources)}"
            )
        others = [source for source in self.sources if source != two_stems]
        return two_stems, others[0] if len(others) == 1 else f"no_{two_stems}"


def signal_of(ready: ReadySystem, sample_rate: int, channels: int) -> Signal:
    """Return what a system takes and gives for a mixture."""
    file = ready.system.file
    model_channels = file.architecture.channels
    return Signal(file.sources, ready.system.rate, model_channels, sample_rate, channels)


def all_stems(pipeline: AnyPipeline, blocks: Iterable[Audio]) -> Iterator[Stems]:
    """Push blocks through to the end, or raise EmptyAudioError if they hold nothing."""
    for block in blocks:
        yield pipeline.push(block)
    if not pipeline.samples:
        raise EmptyAudioError("the audio has no samples")
    yield from pipeline.drain()


def part_of_song(sample_rate: int, start: float, duration: float | None) -> tuple[int, int | None]:
    """Return the first sample of a part and its end, None for the song's; or raise OptionError."""
    begin, length = to_number(start), MOST_SECONDS if duration is None else to_number(duration)
    if not (0 <= begin <= MOST_SECONDS and 0 < length <= MOST_SECONDS):
        raise OptionError(
            "start must be 0 s or more and duration more than 0 s, "
            f"each {MOST_SECONDS:g} s at most, not {start!r} and {duration!r}"
        )
    first = round(begin * sample_rate)
    if duration is None:
        return first, None
    return first, max(round((begin + length) * sample_rate), first + 1)


def at_model_rate(
    part: tuple[int, int | None], sample_rate: int, model_rate: int
) -> tuple[int, int] | None:
    """Return the samples that a part needs at the model's rate, and a second around them.

    The second is there for the filter of the resampler.
    """
    first, end = part
    if part == (0, None):
        return None
    room = 0 if sample_rate == model_rate else 1
    begin = int((first / sample_rate - room) * model_rate)
    return begin, int(1e18) if end is None else int((end / sample_rate + room) * model_rate) + 1


def two_of(stems: Stems, source: str, names: tuple[str, ...]) -> Stems:
    """Return one stem, and the sum of all others."""
    others: Audio = sum(stem for name, stem in stems.items() if name != source)  # type: ignore[assignment]
    return {names[0]: stems[source], names[1]: others}
