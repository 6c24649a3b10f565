"""Reading: every format, in blocks and in part; what is no sound, or not all of it, is told."""

from __future__ import annotations

import os
import signal as signals
import time
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest
import soundfile
from scipy import signal

from wavesep.audio import Audio
from wavesep.audio.read import BLOCK, audio_info, open_audio, read_audio, read_part
from wavesep.audio.soundfiles import SoundFileReader, open_soundfile
from wavesep.errors import AudioError, EmptyAudioError, TruncatedAudioError

RATE = 48_000
SOUNDFILE = {
    "pcm16.wav": {"subtype": "PCM_16"},
    "pcm24.wav": {"subtype": "PCM_24"},
    "float.wav": {"subtype": "FLOAT"},
    "sound.flac": {},
    "sound.aiff": {},
    "sound.ogg": {},
    "sound.mp3": {},
    "libsndfile.opus": {"format": "OGG", "subtype": "OPUS"},
}
PYAV = {"sound.m4a": "aac", "sound.mp4": "aac", "sound.webm": "libopus", "sound.mka": "pcm_s16le",
        "sound.wma": "wmav2", "lossless.m4a": "alac", "sound.ac3": "ac3"}  # fmt: skip
LOSSLESS = {"pcm16.wav", "pcm24.wav", "float.wav", "sound.flac", "sound.aiff", "sound.mka",
            "lossless.m4a"}  # fmt: skip


def tones() -> Audio:
    """Three seconds: a tone that rises on the left and falls on the right, fading in and out."""
    time = np.arange(3 * RATE) / RATE
    fade = np.hanning(len(time))
    both = [0.3 * fade * signal.chirp(time, f0, 3, f1) for f0, f1 in ((200, 2_000), (3_000, 500))]
    return np.stack(both, axis=1).astype(np.float32)


def write_with_pyav(path: Path, codec: str, audio: Audio, *, picture: bool = False) -> None:
    """Encode a stereo sound, and a video of the same length if asked for."""
    with av.open(str(path), "w") as container:
        stream = cast(av.AudioStream, container.add_stream(codec, rate=RATE))
        stream.layout = "stereo"
        stream.bit_rate = 192_000
        stream.codec_context.open()
        if picture:
            video = container.add_stream("mpeg4", rate=25)
            video.width = video.height = 64
            for _ in range(25 * 5):  # two seconds longer than the sound
                black = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")
                container.mux(video.encode(black))
            container.mux(video.encode(None))
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(audio.T), "fltp", "stereo")
        frame.sample_rate = RATE
        form = av.AudioResampler(
            stream.format.name, "stereo", RATE, stream.codec_context.frame_size or 1_024
        )
        for piece in [*form.resample(frame), *form.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tones in every format."""
    folder = tmp_path_factory.mktemp("sounds")
    for name, options in SOUNDFILE.items():
        soundfile.write(folder / name, tones(), RATE, **options)
    for name, codec in PYAV.items():
        write_with_pyav(folder / name, codec, tones())
    write_with_pyav(folder / "film.mp4", "aac", tones(), picture=True)
    return folder


def read_all(path: Path) -> Audio:
    return read_audio(path)[0]


@pytest.mark.parametrize("name", [*SOUNDFILE, *PYAV, "film.mp4"])
def test_every_format_is_read(sounds: Path, name: str) -> None:
    audio = read_all(sounds / name)
    info = audio_info(sounds / name)

    assert audio.dtype == np.float32
    assert (info.sample_rate, info.channels) == (RATE, 2)
    # a lossy codec may add its delay and fill its last frame
    assert abs(len(audio) - 3 * RATE) <= (0 if name in LOSSLESS else 5_000)
    assert abs(info.samples - len(audio)) <= (0 if name in SOUNDFILE else 5_000)
    middle = slice(RATE, 2 * RATE)
    near = audio[RATE - 5_000 : 2 * RATE + 5_000, 0]
    lag = int(np.argmax(signal.correlate(near, tones()[middle, 0], "valid"))) - 5_000
    assert lag == 0 or name not in LOSSLESS
    error = audio[RATE + lag : 2 * RATE + lag] - tones()[middle]
    assert np.sqrt(np.mean(error**2)) < (1e-4 if name in LOSSLESS else 0.03)


@pytest.mark.parametrize(
    ("name", "bits"), [("pcm16.wav", 16), ("pcm24.wav", 24), ("float.wav", 32), ("sound.mp3", 16)]
)
def test_the_depth_of_a_file_is_known(sounds: Path, name: str, bits: int) -> None:
    assert audio_info(sounds / name).bits == bits


def test_blocks_are_small(sounds: Path) -> None:
    with open_audio(sounds / "float.wav") as reader:
        assert max(len(block) for block in reader.blocks()) <= BLOCK


@pytest.mark.parametrize("name", ["float.wav", "sound.flac", "sound.ogg", "sound.mp3"])
def test_a_part_is_what_the_whole_has_there(sounds: Path, name: str) -> None:
    whole = read_all(sounds / name)

    for start, samples in ((0, 10), (70_001, 5_003), (3 * RATE - 7, 7), (100, 0)):
        part = read_part(sounds / name, start, samples)
        np.testing.assert_allclose(part, whole[start : start + samples], atol=1e-5)


def test_a_part_beyond_the_end_is_refused(sounds: Path) -> None:
    with pytest.raises(TruncatedAudioError, match=f"ends after {3 * RATE} samples"):
        read_part(sounds / "float.wav", 3 * RATE - 5, 10)
    with pytest.raises(AudioError, match="cannot be read"):
        read_part(sounds / "missing.wav", 0, 10)


@pytest.mark.parametrize("share", [0.5, 0.9])
@pytest.mark.parametrize("name", [*SOUNDFILE, "sound.m4a", "sound.webm", "sound.mka"])
def test_a_truncated_file_is_told(sounds: Path, tmp_path: Path, name: str, share: float) -> None:
    content = (sounds / name).read_bytes()
    cut = tmp_path / name
    cut.write_bytes(content[: int(share * len(content))])

    with pytest.raises(AudioError, match=r"cut short|damaged|holds no sound|has no samples"):
        read_all(cut)


def test_a_film_longer_than_its_sound_is_not_cut_short(sounds: Path) -> None:
    assert len(read_all(sounds / "film.mp4")) < 4 * RATE


def test_what_is_not_sound_is_refused(tmp_path: Path) -> None:
    (tmp_path / "junk.wav").write_bytes(np.random.default_rng(0).bytes(5_000))
    (tmp_path / "text.mp3").write_text("hello " * 500)
    (tmp_path / "empty.flac").touch()
    soundfile.write(tmp_path / "none.wav", np.zeros((0, 2)), RATE)

    for name in ("junk.wav", "text.mp3"):
        with pytest.raises(AudioError, match=f"{name} holds no sound"):
            read_all(tmp_path / name)
    for name in ("empty.flac", "none.wav"):
        with pytest.raises(EmptyAudioError, match=name):
            read_all(tmp_path / name)
    with pytest.raises(AudioError, match="no file"):
        read_all(tmp_path / "missing.wav")
    with pytest.raises(AudioError, match="no file"):
        read_all(tmp_path)


def test_a_film_without_sound_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "silent.mp4"
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width = video.height = 64
        container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))))
        container.mux(video.encode(None))

    with pytest.raises(AudioError, match="has no audio track"):
        read_all(path)


def test_a_damaged_flac_says_where(sounds: Path, tmp_path: Path) -> None:
    content = bytearray((sounds / "sound.flac").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 3_000] = os.urandom(3_000)
    path = tmp_path / "damaged.flac"
    path.write_bytes(content)

    with pytest.raises(AudioError, match=r"damaged after \d+ samples"):
        read_all(path)


@pytest.mark.parametrize("name", ["amy_3_06", "leon_3_11"])
def test_opus_at_a_low_bit_rate_is_read_as_libopus_reads_it(shared: Path, name: str) -> None:
    # FFmpeg's own decoder makes samples of 33,000 and 7 times full scale of these two
    path = shared / "mir1k" / "train" / "accompaniment" / f"{name}.ogg"

    audio, sample_rate = read_audio(path)

    expected, rate = soundfile.read(path, dtype="float32")  # with libopus, at a third of the rate
    assert sample_rate == 3 * rate
    aligned = signal.resample_poly(audio[:, 0], 1, 3)
    assert np.abs(audio).max() < 1
    assert np.corrcoef(aligned, expected)[0, 1] > 0.99


@pytest.mark.skipif(not hasattr(signals, "setitimer"), reason="the system has no timers")
@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_ctrl_c_is_never_lost_in_a_decoder(noise: Audio, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"song{suffix}"
    soundfile.write(path, noise, 44_100)

    def read_for(reader: SoundFileReader, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            reader.part(0, len(noise))

    before = signals.signal(signals.SIGALRM, signals.default_int_handler)
    try:
        with open_soundfile(path) as reader:
            assert reader
            for wait in np.linspace(0.01, 0.03, 20):
                signals.setitimer(signals.ITIMER_REAL, wait)
                with pytest.raises(KeyboardInterrupt):
                    read_for(reader, 5)
    finally:
        signals.signal(signals.SIGALRM, before)
