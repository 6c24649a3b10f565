"""The Separator: separates mixtures into stems, as arrays, files or streams."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from .audio import Audio
from .audio.base import BLOCK
from .audio.checks import check_array, check_channels, check_rate, part_of_song
from .audio.names import check_kept, stem_paths
from .audio.read import good_blocks, limited, open_audio
from .audio.write import StemFormat, open_stems
from .dsp.chunks import ChunkRunner
from .dsp.steps import StepRunner
from .engines import Options
from .errors import OptionError
from .stream import Stream, stream_latency
from .systems.opening import ReadySystem, open_systems
from .systems.pipeline import AnyPipeline, MeanPipeline, Pipeline, Signal, Stems, all_stems
from .systems.plan import at_model_rate
from .systems.tree import Mean, Tree, leaves, mapped, read_systems

Progress = Callable[[int, int], None]
OnBlock = Callable[[int, Stems], None]


class StemFiles(dict[str, Path]):
    """The file of each stem of a song.

    Attributes
    ----------
    sample_rate : int
        In Hz.
    samples : int
        Length of every stem.
    gain_db : float, <= 0
        The gain that all stems got because one would have clipped; 0 if none would.
    """

    def __init__(
        self, paths: dict[str, Path], sample_rate: int, samples: int, gain_db: float
    ) -> None:
        super().__init__(paths)
        self.sample_rate = sample_rate
        self.samples = samples
        self.gain_db = gain_db


class Separator:
    """Separates mixtures into stems.

    An output sample depends on the mixture from ``left_context`` samples before it to
    ``right_context`` samples after it and on nothing else. So the result does not depend on the
    chunks. If all of these samples are digital silence, so is every stem.

    A mono mixture gives mono stems. If there are more than two channels, channels 0 and 1 are
    separated as a stereo pair, then 2 and 3, and so on; a single last channel is separated as mono.

    Parameters
    ----------
    model : str or path
        A name from `wavesep.list_models`, or a model file. "NAME:wiener" filters the mixture by
        the power of the model's estimates. "NAME:speeds" runs the model at speeds 1, 0.89 and 1.12
        and averages the stems. "NAME+NAME" averages the stems of several models. A suffix belongs
        to the name before it: "wavenet:speeds+unet" gives both halves the same weight.
    engine : {"auto", "openvino", "keras"}
        What runs the network. "openvino" runs on the CPU, "keras" on the devices of Keras's
        backend. "auto" is OpenVINO if it is installed and has a graph of the network, and
        ``device`` is not a GPU; otherwise it is Keras.
    precision : {"auto", "float32", "bfloat16"}
        Precision of the arithmetic. "auto" is bfloat16 on a GPU, and in OpenVINO if the processor
        supports it; otherwise float32. bfloat16 is about twice as fast; its rounding errors are far
        below the errors of the network. Chunks and streams give equal results in both.
    chunk_seconds : float, > 0, optional
        Length of the chunks. It changes memory use and speed, not the result. Default: five times
        the network's context, but about 30 s at most and about 8,192 frames at least.
    device : str, optional
        "cpu", "gpu", "gpu:1" …. Default: the CPU for OpenVINO, the backend's choice for Keras.
    threads : int, >= 1, optional
        Number of threads of OpenVINO. Default: one for each core.

    Attributes
    ----------
    sample_rate : int
        The model's sample rate in Hz; the highest of several models. Mixtures of other rates are
        resampled to it, and their stems are resampled back.
    sources : tuple of str
        Names of the stems. The last stem is the mixture minus the others.
    left_context, right_context : int
        In samples at `sample_rate`; the longest of several models.

    Raises
    ------
    ModelFileError
        If the model is missing, damaged or not a wavesep model.
    OptionError
        If an option is not available here, or the models cannot be combined.
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
        """Separate a mixture that is an array.

        Parameters
        ----------
        audio : float array, (samples, channels) or (samples,)
            The mixture, in [-1, 1], with at most 64 channels; it is not changed. Lists and
            tensors that `numpy.asarray` can convert are accepted.
        sample_rate : int, from 1,000 to 768,000
            In Hz.
        progress : callable, optional
            Called repeatedly with the number of finished samples and the total.

        Returns
        -------
        dict of str to float32 array, of the shape of ``audio``
            A stem for each of `sources`, at the mixture's rate. The stems add up to the mixture.

        Raises
        ------
        OptionError
            If the shape, the type or the rate is not one of the above.
        EmptyAudioError
            If there are no samples.
        NonFiniteAudioError
            If a sample, or the network's output, is NaN or infinite.
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
        most_seconds: float | None = None,
        overwrite: bool = False,
        progress: Progress | None = None,
        on_block: OnBlock | None = None,
    ) -> StemFiles:
        """Separate a file block by block; memory use does not grow with the length of the song.

        Unfinished stems are ``out_dir/.wavesep-unfinished-XXXXXXXX/SOURCE.wav`` and can be played.
        The log (INFO) names this folder, which is new for every song. At the end, all stems get
        their final names, or none. The next call with the same ``out_dir`` removes the folders of
        killed runs. The stems get the tags and the cover of the song: see `audio.tags`.

        Parameters
        ----------
        path : path
            Any audio or video file, with at most 64 channels.
        out_dir : path
            The output folder. It is made if it is missing.
        filename : str
            Path of each stem below ``out_dir``: ``{track}`` is the name of the song's file without
            its suffix, ``{stem}`` the source and ``{ext}`` the codec. If a name would have more
            than 255 bytes, the track is shortened.
        codec : {"wav", "flac", "mp3"}
        bits : {16, 24, 32}, optional
            Bit depth; 32 is float, for wav only. Default: the song's, but at most 24 for flac.
        start, duration : float
            The part of the song to separate, in seconds: ``start`` >= 0, ``duration`` > 0. Its
            samples equal those of the whole song, except for the gain (see Returns). Default: all.
        two_stems : str, optional
            One of `sources`. It is written, and the sum of all others as one stem.
        track : int, >= 1, optional
            Audio track of a video. Default: the track flagged as default, or else the first.
        keep_truncated : bool
            Separate the good samples before the place where a song is cut short or damaged, and log
            a warning. Default: raise TruncatedAudioError.
        most_seconds : float, > 0, optional
            Refuse a song of which more is decoded, whatever its header states. Default: any length.
        overwrite : bool
            Replace files that exist. Default: raise OutputExistsError.
        progress : callable, optional
            Called repeatedly with the number of finished samples and the expected total.
        on_block : callable, optional
            Called with each block of the stems as soon as it is separated: the place of its first
            sample in the stems, and the samples, which the gain against clipping has not changed
            yet. An error that this or ``progress`` raises stops the separation.

        Returns
        -------
        StemFiles
            A dict with the file of each stem. If one would clip, all are turned down by the same
            gain, so that they still add up, and a warning is logged.

        Raises
        ------
        AudioError
            If the file cannot be read to its end or separated: see its subclasses.
        TooLongError
            If more than ``most_seconds`` are decoded.
        OptionError
            If an option is invalid, the part starts after the end of the song, or a stem would
            replace the song.
        OutputError
            If a stem cannot be written: see its subclasses. No unfinished file is left.
        """
        with open_audio(path, track) as reader:
            info = reader.info
            check_rate(info.sample_rate)
            check_channels(info.channels)
            blocks = good_blocks(reader) if keep_truncated else reader.blocks()
            if most_seconds is not None:
                blocks = limited(blocks, path, info.sample_rate, most_seconds)
            first, end = part_of_song(info.sample_rate, start, duration)
            if bits is None:
                bits = min(info.bits, 24) if codec == "flac" else info.bits
            form = StemFormat(codec, bits, info.sample_rate, info.channels)
            paths = self.stem_paths(
                path, out_dir, filename=filename, codec=codec, two_stems=two_stems
            )
            check_kept(Path(path), paths)
            total = max((info.samples if end is None else min(end, info.samples)) - first, 0)
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
                    if two_stems:
                        stems = two_of(stems, two_stems, (*paths,))
                    if on_block:
                        on_block(writer.samples, stems)
                    writer.write(stems)
                    if progress:
                        progress(writer.samples, max(total, writer.samples))
                if not writer.samples:
                    raise OptionError(f"{path} ends before {start:g} s: start earlier")
        return StemFiles(paths, info.sample_rate, writer.samples, writer.gain_db)

    def stem_paths(
        self,
        path: str | os.PathLike[str],
        out_dir: str | os.PathLike[str] = "separated",
        *,
        filename: str = "{track}/{stem}.{ext}",
        codec: str = "wav",
        two_stems: str | None = None,
    ) -> dict[str, Path]:
        """Return the paths to which `separate_to_file` would write; see its parameters.

        Raises
        ------
        OptionError
            If ``filename`` or ``two_stems`` is invalid.
        """
        names = self._stem_names(two_stems)
        return stem_paths(Path(path), Path(out_dir), filename, names, codec)

    def stream(self, sample_rate: int, channels: int = 2) -> Stream:
        """Begin to separate live audio.

        Parameters
        ----------
        sample_rate : int, from 1,000 to 768,000
            In Hz, of the input. The latency is smallest at the model's own `sample_rate`.
        channels : int, from 1 to 64
            Channels of the input.

        Returns
        -------
        Stream
            It takes blocks of any length and returns their stems as they become ready.

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
        """Yield the stems of a part of a mixture, at its own rate and with its channels."""

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
        """Return one pipeline for a tree; it averages the parts of a mean."""
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
    """Return the rates, channels and sources of a system for a mixture."""
    file = ready.system.file
    model_channels = file.architecture.channels
    return Signal(file.sources, ready.system.rate, model_channels, sample_rate, channels)


def two_of(stems: Stems, source: str, names: tuple[str, ...]) -> Stems:
    """Return one stem and the sum of all others, under the names given."""
    others: Audio = sum(stem for name, stem in stems.items() if name != source)  # type: ignore[assignment]
    return {names[0]: stems[source], names[1]: others}
