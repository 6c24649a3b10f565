"""Files that PyAV reads, which brings its own FFmpeg: everything compressed, and videos."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np

from ..errors import AudioError, EmptyAudioError, OptionError, TruncatedAudioError
from . import Audio
from .base import BLOCK, AudioInfo, RawFile
from .endings import first_bad_page, frame_size, is_cut, mp3_states_length

# what PyAV raises for files that it cannot read, by what it stumbles over
FAULTS = (av.FFmpegError, OSError, ValueError, TypeError, AttributeError, ArithmeticError,
          LookupError, RuntimeError)  # fmt: skip
# FFmpeg's formats that state how long they are; it estimates the length of others
STATING = {"aiff", "caf", "flac", "flv", "matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2", "tta", "wv"}
# and those without a beginning of their own: what is recorded starts anywhere in a frame
STREAMS = {"aac", "ac3", "dts", "eac3", "loas", "mp3", "mpeg", "mpegts", "truehd"}
CHECKED = {
    "ac3",
    "eac3",
    "flac",
    "tta",
    "wavpack",
}  # decoders that find damage by checksums, if they are told to
SLACK = 0.1  # seconds that a decoder may give less than they state, for its delay
LONGEST_FRAME = 4_608  # samples that it may give less, where the last frame is filled up
MOST_SECONDS = 1e6  # a length that is more is none


@contextmanager
def open_av(path: Path, track: int | None = None) -> Iterator[AvReader]:
    """Open a file with PyAV; see `read.open_audio`, also for what it raises."""
    with open_container(path) as container:
        stream = audio_stream(path, container, track)
        try:
            reader = AvReader(path, container, stream)
        except FAULTS as error:
            raise AudioError(f"{path} holds no sound that can be read") from error
        yield reader


@contextmanager
def open_container(path: Path) -> Iterator[av.container.InputContainer]:
    """Open a file with PyAV, or raise AudioError.

    FFmpeg gets a file that is open. It cannot take a colon in the name for a protocol, and it
    follows no playlist to other files or into the network.
    """
    try:
        raw = RawFile(path)
    except (OSError, ValueError) as error:
        raise AudioError(f"{path} cannot be read: {error}") from error
    with raw:
        try:
            container = av.open(
                raw, "r", metadata_errors="ignore", options={"protocol_whitelist": "none"}
            )
        except FAULTS as error:
            raise AudioError(f"{path} holds no sound that can be read") from error
        with container:
            yield container


def audio_stream(
    path: Path, container: av.container.InputContainer, track: int | None
) -> av.AudioStream:
    """Return the track of a number, the default one or the first, or raise AudioError."""
    streams = container.streams.audio
    if not streams:
        raise AudioError(f"{path} has no audio track")
    if track is not None:
        if track not in range(1, len(streams) + 1):
            raise OptionError(f"{path} has no audio track {track}: it has {len(streams)}")
        return streams[int(track) - 1]
    flagged = [s for s in streams if s.disposition & av.stream.Disposition.default]
    return (flagged or streams)[0]


class AvReader:
    """An audio or video file that FFmpeg reads.

    Attributes
    ----------
    info : AudioInfo
    """

    def __init__(
        self, path: Path, container: av.container.InputContainer, stream: av.AudioStream
    ) -> None:
        self._path = path
        self._container = container
        self._stream = stream
        rate, channels = stream.rate, stream.channels
        if not rate or not channels:
            raise ValueError("no rate or no channels")
        seconds = self._seconds()
        self._is_stated = seconds is not None and self._states_length()
        samples = round((seconds or 0) * rate)
        if container.format.name == "ogg" and stream.codec_context.name == "opus":
            # the samples at the start that are to be left out: RFC 7845, section 5.1
            samples -= int.from_bytes((stream.codec_context.extradata or b"")[10:12], "little")
        self.info = AudioInfo(rate, channels, max(samples, 0), bits_of(stream))

    def _seconds(self) -> float | None:
        """Return how long the track is, or the file if that is not said."""
        stream, seconds = self._stream, None
        if stream.duration and stream.time_base:
            seconds = float(stream.duration * stream.time_base)
        elif self._container.duration:
            seconds = self._container.duration / av.time_base
        return seconds if seconds and 0 < seconds < MOST_SECONDS else None

    def _states_length(self) -> bool:
        """Tell if the length is the file's own word for this track."""
        if self._container.format.name == "mp3":
            return mp3_states_length(self._path)
        # a video's picture may be longer than its sound
        own = self._stream.duration is not None or not self._container.streams.video
        return self._container.format.name in STATING and own

    def count(self) -> int:
        """See `AudioReader`: packets are counted where the file does not state its length."""
        if self._is_stated or self._container.format.name == "ogg":
            return self.info.samples  # of Ogg, that of the last link
        ticks = 0
        try:
            for packet in self._container.demux(self._stream):
                ticks += packet.duration or 0
        except FAULTS:
            pass  # the file is damaged there, and its sound ends
        return round(float(ticks * (self._stream.time_base or 0)) * self.info.sample_rate)

    def blocks(self) -> Iterator[Audio]:
        """See `AudioReader`."""
        joiner = Joiner(self.info.sample_rate, self._stream.layout.name)
        done, fault = 0, None
        try:
            for frame in self._frames():
                for block in joiner.push(frame):
                    done += len(block)
                    yield block
        except FAULTS as error:
            fault = error
        for block in joiner.flush():  # what came before a fault is good
            done += len(block)
            yield block
        self._check(done, fault)

    def _frames(self) -> Iterator[av.AudioFrame]:
        """Yield what is decoded; raise at what cannot be."""
        form, codec = self._container.format.name, self._stream.codec_context.name
        end = first_bad_page(self._path) if form == "ogg" else None
        if codec in CHECKED:
            self._stream.codec_context.options = {"err_detect": "crccheck+explode"}
        begun = False
        for packet in self._container.demux(self._stream):
            if end is not None and (packet.pos or 0) >= end:
                break
            size = frame_size(codec, bytes(packet)[:8])
            if 0 < packet.size < size:
                raise ValueError("the last frame is cut")
            try:
                frames = packet.decode()
            except av.FFmpegError:
                # a recording may begin within a frame, and tags stand between what was joined
                if (form in STREAMS and not begun) or (form == "mp3" and not size):
                    continue
                raise
            begun = begun or bool(frames)
            yield from frames
        if end is not None:
            raise ValueError(f"the page at byte {end} is damaged")

    def _check(self, done: int, fault: Exception | None) -> None:
        """Raise unless all samples have come."""
        if done == 0:
            raise EmptyAudioError(f"{self._path} has no samples that can be decoded") from fault
        if isinstance(fault, av.PatchWelcomeError):
            raise TruncatedAudioError(
                f"{self._path} changes its rate or channels after {done} samples, which cannot be "
                "followed: convert it to another format"
            ) from fault
        if fault:
            raise TruncatedAudioError(f"{self._path} is damaged after {done} samples") from fault
        slack = max(SLACK * self.info.sample_rate, LONGEST_FRAME)
        if (self._is_stated and done < self.info.samples - slack) or is_cut(self._path):
            raise TruncatedAudioError(f"{self._path} is cut short: only {done} samples are there")


class Joiner:
    """Joins decoded frames to blocks of one rate and layout, whatever theirs is.

    Parameters
    ----------
    sample_rate : int
        In Hz.
    layout : str
        FFmpeg's name for the channels.
    """

    def __init__(self, sample_rate: int, layout: str) -> None:
        self._rate = sample_rate
        self._layout = layout
        self._channels = 0
        self._begin()

    def _begin(self) -> None:
        self._frames = av.AudioFifo()
        self._convert = av.AudioResampler(format="fltp", layout=self._layout, rate=self._rate)

    def push(self, frame: av.AudioFrame) -> list[Audio]:
        """Take a frame and return the blocks that are ready."""
        frame.pts = None  # gaps between frames are none in the sound
        ready: list[Audio] = []
        try:
            # the queue looks at rate and format by itself
            if self._channels != frame.layout.nb_channels:
                raise ValueError("other channels")
            self._frames.write(frame)
        except ValueError:
            ready = self.flush()
            self._begin()
            self._channels = frame.layout.nb_channels
            self._frames.write(frame)
        while self._frames.samples >= BLOCK:
            ready += arrays(self._convert.resample(self._frames.read(BLOCK)))
        return ready

    def flush(self) -> list[Audio]:
        """Return what is left."""
        rest = self._frames.read(partial=True)
        return arrays([*(self._convert.resample(rest) if rest else []),
                       *self._convert.resample(None)])  # fmt: skip


def arrays(frames: Sequence[av.AudioFrame | None]) -> list[Audio]:
    """Return frames of planar floats as arrays."""
    return [np.ascontiguousarray(f.to_ndarray().T, dtype=np.float32) for f in frames if f]


def bits_of(stream: av.AudioStream) -> int:
    """Return the depth of a track: 16, 24 or 32 (float)."""
    codec, form = stream.codec_context.codec, stream.format.name.removesuffix("p")
    is_lossless = codec.lossless and (codec.name, form) != ("dca", "flt")
    if not is_lossless or form in {"u8", "s16"}:
        return 16
    return 24 if form == "s32" and not codec.name.startswith("pcm_s32") else 32
