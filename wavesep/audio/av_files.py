"""Files that PyAV reads with its own FFmpeg: compressed audio and videos."""

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

# the errors that PyAV raises for files that it cannot read
FAULTS = (av.FFmpegError, OSError, ValueError, TypeError, AttributeError, ArithmeticError,
          LookupError, RuntimeError)  # fmt: skip
# FFmpeg's names of the formats that state their length; it estimates the length of others
STATING = {"aiff", "caf", "flac", "flv", "matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2", "tta", "wv"}
# formats without a header of the file: a recording may start in the middle of a frame
STREAMS = {"aac", "ac3", "dts", "eac3", "loas", "mp3", "mpeg", "mpegts", "truehd"}
CHECKED = {
    "ac3",
    "eac3",
    "flac",
    "tta",
    "wavpack",
}  # decoders that check checksums if an option says so
SLACK = 0.1  # seconds that may be missing from the stated length: the decoder's delay
LONGEST_FRAME = 4_608  # samples that may be missing if the last frame is padded
MOST_SECONDS = 1e6  # a greater length is ignored as damage


@contextmanager
def open_av(path: Path, track: int | None = None) -> Iterator[AvReader]:
    """Open a file with PyAV; see `read.open_audio`.

    Raises
    ------
    AudioError
        If the file cannot be opened, or contains no audio that can be read.
    OptionError
        If the file has no such track.
    """
    with open_container(path) as container:
        stream = audio_stream(path, container, track)
        try:
            reader = AvReader(path, container, stream)
        except FAULTS as error:
            raise AudioError(f"{path} holds no sound that can be read") from error
        yield reader


@contextmanager
def open_container(path: Path) -> Iterator[av.container.InputContainer]:
    """Open a file with PyAV.

    FFmpeg is given an open file instead of a name, so it cannot mistake a colon in the name for a
    protocol. It does not follow playlists to other files or to the network.

    Raises
    ------
    AudioError
        If the file cannot be opened, or contains no audio that can be read.
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
    """Return the audio track with a number, or else the default track, or else the first.

    Raises
    ------
    AudioError
        If there is no audio track.
    OptionError
        If there is no track with that number.
    """
    streams = container.streams.audio
    if not streams:
        raise AudioError(f"{path} has no audio track: choose another file")
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
        self._decoder = decoder_of(stream)
        rate, channels = stream.rate, stream.channels
        if not rate or not channels:
            raise ValueError("no rate or no channels")
        seconds = self._seconds()
        self._is_stated = seconds is not None and self._states_length()
        samples = round((seconds or 0) * rate)
        if container.format.name == "ogg" and stream.codec_context.name == "opus":
            # the pre-skip, samples to drop at the start: RFC 7845, section 5.1
            samples -= int.from_bytes((stream.codec_context.extradata or b"")[10:12], "little")
        self.info = AudioInfo(rate, channels, max(samples, 0), bits_of(stream))

    def _seconds(self) -> float | None:
        """Return the length of the track, or else of the file; None if neither is known."""
        stream, seconds = self._stream, None
        if stream.duration and stream.time_base:
            seconds = float(stream.duration * stream.time_base)
        elif self._container.duration:
            seconds = self._container.duration / av.time_base
        return seconds if seconds and 0 < seconds < MOST_SECONDS else None

    def _states_length(self) -> bool:
        """Return whether the file itself states the length of this track."""
        if self._container.format.name == "mp3":
            return mp3_states_length(self._path)
        # the pictures of a video may last longer than its audio
        own = self._stream.duration is not None or not self._container.streams.video
        return self._container.format.name in STATING and own

    def count(self) -> int:
        """See `AudioReader`; packets are counted if the file does not state its length."""
        if self._is_stated or self._container.format.name == "ogg":
            return self.info.samples  # for Ogg, the length of the last link
        ticks = 0
        try:
            for packet in self._container.demux(self._stream):
                ticks += packet.duration or 0
        except FAULTS:
            pass  # the file is damaged here, so its audio ends
        return round(float(ticks * (self._stream.time_base or 0)) * self.info.sample_rate)

    def blocks(self) -> Iterator[Audio]:
        """Yield the audio in blocks: see `AudioReader`.

        Raises
        ------
        TruncatedAudioError
            After the last good sample, if the file is cut short or damaged after it, or if the rate
            or the channels change in a way that FFmpeg does not support.
        EmptyAudioError
            If no sample can be decoded.
        """
        joiner = Joiner(self.info.sample_rate, self._stream.layout.name)
        done, fault = 0, None
        try:
            for frame in self._frames():
                for block in joiner.push(frame):
                    done += len(block)
                    yield block
        except FAULTS as error:
            fault = error
        for block in joiner.flush():  # the samples before damage are good
            done += len(block)
            yield block
        self._check(done, fault)

    def _frames(self) -> Iterator[av.AudioFrame]:
        """Decode the track frame by frame; raise one of `FAULTS` at damage."""
        form, codec = self._container.format.name, self._stream.codec_context.name
        end = first_bad_page(self._path) if form == "ogg" else None
        if codec in CHECKED:
            self._decoder.options = {"err_detect": "crccheck+explode"}
        begun = False
        for packet in self._container.demux(self._stream):
            if end is not None and (packet.pos or 0) >= end:
                break
            size = frame_size(codec, bytes(packet)[:8])
            if 0 < packet.size < size:
                raise ValueError("the last frame is cut")
            try:
                frames = self._decoder.decode(packet)
            except av.FFmpegError:
                # a recording may start within a frame; joined files have tags between them
                if (form in STREAMS and not begun) or (form == "mp3" and not size):
                    continue
                raise
            begun = begun or bool(frames)
            yield from frames
        if end is not None:
            raise ValueError(f"the page at byte {end} is damaged")

    def _check(self, done: int, fault: Exception | None) -> None:
        """Raise an error unless all samples have been decoded."""
        if done == 0:
            raise EmptyAudioError(f"{self._path} has no samples that can be decoded") from fault
        if isinstance(fault, av.PatchWelcomeError):
            raise TruncatedAudioError(
                f"{self._path} changes its rate or channels after {done} samples, "
                "which FFmpeg does not support: convert it to another format"
            ) from fault
        if fault:
            raise TruncatedAudioError(f"{self._path} is damaged after {done} samples") from fault
        slack = max(SLACK * self.info.sample_rate, LONGEST_FRAME)
        if (self._is_stated and done < self.info.samples - slack) or is_cut(self._path):
            raise TruncatedAudioError(f"{self._path} is cut short: only {done} samples are there")


class Joiner:
    """Converts decoded frames to one rate and layout, and joins them to blocks.

    Parameters
    ----------
    sample_rate : int
        In Hz, of the blocks.
    layout : str
        FFmpeg's name for the channels of the blocks.
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
        """Add a frame and return the blocks that are ready."""
        frame.pts = None  # a gap between time stamps is not a gap in the audio
        ready: list[Audio] = []
        try:
            # the queue itself raises ValueError if the rate or the format changes
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
        """Return the remaining blocks."""
        rest = self._frames.read(partial=True)
        return arrays([*(self._convert.resample(rest) if rest else []),
                       *self._convert.resample(None)])  # fmt: skip


def arrays(frames: Sequence[av.AudioFrame | None]) -> list[Audio]:
    """Convert frames of planar floats to arrays, ``(samples, channels)``."""
    return [np.ascontiguousarray(f.to_ndarray().T, dtype=np.float32) for f in frames if f]


def decoder_of(stream: av.AudioStream) -> av.AudioCodecContext:
    """Return the decoder of a track: for Opus, that of libopus if PyAV has it.

    FFmpeg's own Opus decoder returns samples of up to 33,000 times full scale for some files at low
    bit rates; libopus decodes them correctly.
    """
    own = stream.codec_context
    if own.name != "opus" or "libopus" not in av.codecs_available:
        return own
    decoder = av.CodecContext.create("libopus", "r")
    decoder.extradata, decoder.layout, decoder.sample_rate = own.extradata, own.layout, own.rate
    decoder.options = {"request_sample_fmt": "flt"}
    return decoder


def bits_of(stream: av.AudioStream) -> int:
    """Return the bit depth of a track: 16, 24 or 32 (float)."""
    codec, form = stream.codec_context.codec, stream.format.name.removesuffix("p")
    is_lossless = codec.lossless and (codec.name, form) != ("dca", "flt")
    if not is_lossless or form in {"u8", "s16"}:
        return 16
    return 24 if form == "s32" and not codec.name.startswith("pcm_s32") else 32
