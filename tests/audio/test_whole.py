"""A file is as long as what a decoder gives: compared with FFmpeg's own program, if it is there."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wavesep.audio import Audio
from wavesep.audio.read import BLOCK, audio_info, open_audio, read_audio, read_part
from wavesep.errors import AudioError, OptionError, TruncatedAudioError, WavesepError

RATE = 44_100
SAMPLES = 150_001
# how FFmpeg is told to encode; "|" in front lets it write to a pipe, where it cannot go back
FORMATS = {
    "a.mp3": "-q:a 4",
    "vbr.mp3": "-q:a 4 -write_xing 0",
    "cbr.mp3": "-b:a 128k -write_xing 0",
    "a.ogg": "-c:a libvorbis",
    "flac.ogg": "-c:a flac",
    "a.opus": "-c:a libopus -b:a 80k",
    "a.webm": "-c:a libopus",
    "a.m4a": "-c:a aac",
    "alac.m4a": "-c:a alac",
    "fragments.mp4": "-c:a aac -movflags frag_keyframe+empty_moov",
    "a.mka": "-c:a flac",
    "a.aac": "-c:a aac",
    "a.ac3": "-c:a ac3",
    "a.eac3": "-c:a eac3",
    "a.mp2": "-c:a mp2",
    "a.ts": "-c:a mp2",
    "a.avi": "-c:a libmp3lame",
    "a.wma": "-c:a wmav2",
    "a.tta": "-c:a tta",
    "a.wv": "-c:a wavpack",
    "a.flac": "-c:a flac",
    "a.w64": "",
    "a.caf": "",
    "a.au": "",
    "a.aiff": "",
    "rf64.wav": "-rf64 always",
    "adpcm.wav": "-c:a adpcm_ms",
    "mp3.wav": "-c:a libmp3lame",
    "|pipe.wav": "-f wav",
    "|pipe.flac": "-f flac",
    "|pipe.au": "-f au",
    "|pipe.caf": "-f caf",
    "|pipe.mp3": "-f mp3",
    "|adpcm_pipe.wav": "-f wav -c:a adpcm_ms",
}
NAMES = [name.removeprefix("|") for name in FORMATS]
# a pipe's file says nothing of its end, and FFmpeg writes no checksum into these
NEVER_CUT = {"pipe.wav", "pipe.au", "pipe.caf", "adpcm_pipe.wav"}


def ffmpeg(*options: str | Path) -> bytes:
    command = [shutil.which("ffmpeg") or pytest.skip("ffmpeg is not here"), "-v", "error", "-y"]
    return subprocess.run([*command, *options], capture_output=True, check=True).stdout


def decoded(path: Path, channels: int = 2) -> Audio:
    """Return what FFmpeg's program decodes."""
    raw = ffmpeg("-i", f"file:{path}", "-f", "f32le", "-")
    return np.frombuffer(raw, np.float32).reshape(-1, channels)


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one sound in every format: silence, then tones in noise, stereo."""
    folder = tmp_path_factory.mktemp("whole")
    rng = np.random.default_rng(0)
    time = np.arange(SAMPLES)[:, None] / RATE
    sound = 0.3 * np.sin(2 * np.pi * time * (220, 331)) + 0.05 * rng.standard_normal((SAMPLES, 2))
    sound[:40_000] = 0
    soundfile.write(folder / "a.wav", sound, RATE)
    at_once: list[str | Path] = []
    for name, options in FORMATS.items():
        if name.startswith("|"):
            content = ffmpeg("-i", folder / "a.wav", *options.split(), "-")
            (folder / name.removeprefix("|")).write_bytes(content)
        else:
            at_once += [*options.split(), folder / name]
    ffmpeg("-i", folder / "a.wav", *at_once)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_what_ffmpeg_decodes(music: Path, name: str) -> None:
    audio, rate = read_audio(music / name)

    expected = decoded(music / name)
    assert rate in (RATE, 48_000)
    assert audio.shape == expected.shape
    np.testing.assert_allclose(audio, expected, atol=2e-4)
    assert abs(audio_info(music / name).samples - len(audio)) < 3_000


@pytest.mark.parametrize("name", NAMES)
def test_a_part_is_what_the_whole_has_there(music: Path, name: str) -> None:
    whole, _ = read_audio(music / name)

    for start in (0, 41_003, len(whole) - 20_000, len(whole) - 5_000, len(whole) - 700):
        part = read_part(music / name, start, 700)
        np.testing.assert_allclose(part, whole[start : start + 700], atol=1e-5)


def test_small_frames_are_gathered(music: Path) -> None:
    with open_audio(music / "a.m4a") as reader:
        sizes = [len(block) for block in reader.blocks()]

    assert sizes[:-1] == [BLOCK] * (len(sizes) - 1)


@pytest.mark.parametrize("name", sorted({*NAMES} - NEVER_CUT))
def test_of_a_cut_file_the_good_part_is_there(music: Path, tmp_path: Path, name: str) -> None:
    content = (music / name).read_bytes()
    whole, _ = read_audio(music / name)
    cut = tmp_path / name
    for size in (len(content) * 2 // 3 + 7, len(content) - 11):
        cut.write_bytes(content[:size])

        good, message = read_as_far(cut)

        if good is None:  # it could not even be opened
            assert "holds no sound" in message
            continue
        assert f" {len(good)} samples" in message or len(good) == len(whole)
        # a frame also holds a part of the one before, so the last lacks what follows
        same = good[: max(len(good) - 5_000, 0)]
        np.testing.assert_allclose(same, whole[: len(same)], atol=1e-4)


def read_as_far(path: Path) -> tuple[Audio | None, str]:
    """Return the samples that come before a fault, and its message."""
    blocks = []
    try:
        with open_audio(path) as reader:
            for block in reader.blocks():
                blocks.append(block)
    except AudioError as error:
        message = str(error)
    else:
        message = ""
    return np.concatenate(blocks) if blocks else None, message


@pytest.mark.parametrize("name", ["a.mp3", "vbr.mp3", "a.ogg", "a.opus", "a.flac", "a.aac", "a.ts"])
def test_joined_files_are_read_to_their_end(music: Path, tmp_path: Path, name: str) -> None:
    content = (music / name).read_bytes()
    joined = tmp_path / name
    joined.write_bytes(content + content)

    one, _ = read_audio(music / name)
    both, _ = read_audio(joined)

    assert abs(len(both) - 2 * len(one)) < 4_000  # a codec's delay may come twice
    np.testing.assert_array_equal(both[: len(one) - 5_000], one[: len(one) - 5_000])
    end = slice(len(both) - 60_000, len(both) - 5_000)
    assert np.sqrt(np.mean(both[end] ** 2)) == pytest.approx(0.21, abs=0.03)


@pytest.mark.parametrize(
    "stated", [0, 0xFFFF_FFFF, 0x7FFF_FFFF, 0xFFFF_FFFF - 36, 0x7FFF_F000, "+1", "+3"]
)
def test_a_size_that_was_not_known_takes_nothing(
    music: Path, tmp_path: Path, stated: int | str
) -> None:
    content = bytearray((music / "a.wav").read_bytes())
    at = content.find(b"data") + 4
    size = 4 * SAMPLES + int(stated) if isinstance(stated, str) else stated
    content[at : at + 4] = struct.pack("<I", size)
    (tmp_path / "a.wav").write_bytes(content)
    content[4:8] = struct.pack("<I", 2 * len(content))
    (tmp_path / "b.wav").write_bytes(content)

    for name in ("a.wav", "b.wav"):
        np.testing.assert_array_equal(read_audio(tmp_path / name)[0], decoded(music / "a.wav"))


@pytest.mark.parametrize("missing", [1, 4, 5])
def test_a_sample_that_is_missing_is_missed(music: Path, tmp_path: Path, missing: int) -> None:
    (tmp_path / "a.wav").write_bytes((music / "a.wav").read_bytes()[:-missing])

    good = SAMPLES - (1 if missing < 5 else 2)
    with pytest.raises(TruncatedAudioError, match=f"only {good} samples"):
        read_audio(tmp_path / "a.wav")


@pytest.mark.parametrize("stated", [1_000, 0, 4_000_000_000])
def test_a_flac_file_is_longer_than_it_states(music: Path, tmp_path: Path, stated: int) -> None:
    content = bytearray((music / "a.flac").read_bytes())
    number = int.from_bytes(content[18:26], "big") >> 36 << 36 | stated  # STREAMINFO, 36 bits
    content[18:26] = number.to_bytes(8, "big")
    (tmp_path / "a.flac").write_bytes(content)

    if stated > 2**31:
        content[18:26] = (number | 2**36 - 1).to_bytes(8, "big")
        (tmp_path / "a.flac").write_bytes(content)
    np.testing.assert_array_equal(read_audio(tmp_path / "a.flac")[0], decoded(music / "a.wav"))


@pytest.mark.parametrize("name", ["a.ogg", "a.opus", "flac.ogg"])
def test_a_damaged_page_ends_the_good_part(music: Path, tmp_path: Path, name: str) -> None:
    content = bytearray((music / name).read_bytes())
    content[len(content) * 2 // 3] ^= 1
    (tmp_path / name).write_bytes(content)
    whole, _ = read_audio(music / name)

    good, message = read_as_far(tmp_path / name)

    assert good is not None
    assert f"damaged after {len(good)} samples" in message
    assert 20_000 < len(good) < len(whole)
    same = good[: len(good) - 5_000]
    np.testing.assert_allclose(same, whole[: len(same)], atol=1e-5)


def test_a_change_of_rate_and_channels_keeps_the_speed(music: Path, tmp_path: Path) -> None:
    ffmpeg("-i", music / "a.wav", "-ar", "48000", "-ac", "1", "-c:a", "ac3", tmp_path / "b.ac3")
    both = tmp_path / "both.ac3"
    both.write_bytes((music / "a.ac3").read_bytes() + (tmp_path / "b.ac3").read_bytes())

    audio, rate = read_audio(both)

    expected = decoded(both)
    assert rate == RATE
    assert audio.shape == expected.shape
    assert len(audio) == pytest.approx(2 * SAMPLES, abs=4_000)
    np.testing.assert_allclose(audio, expected, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "options", "bits"),
    [
        ("alac.m4a", "-c:a alac -sample_fmt s32p", 24),
        ("flac.mka", "-c:a flac -sample_fmt s32", 24),
        ("a.tta", "-c:a tta -sample_fmt s32", 24),
        ("a.wv", "-c:a wavpack -sample_fmt s32p", 24),
        ("float.mka", "-c:a pcm_f32le", 32),
        ("alac16.m4a", "-c:a alac", 16),
        ("a.m4a", "-c:a aac", 16),
    ],
)
def test_a_depth_of_24_bits_stays(
    music: Path, tmp_path: Path, name: str, options: str, bits: int
) -> None:
    ffmpeg("-i", music / "a.wav", *options.split(), tmp_path / name)

    assert audio_info(tmp_path / name).bits == bits


def test_a_name_may_be_anything(music: Path, tmp_path: Path) -> None:
    for name, source in (
        ("Mozart:Requiem.m4a", "a.m4a"), ("concat:a.mp3", "a.mp3"), ("http:a.opus", "a.opus"),
        ("sound.raw", "a.wav"), (os.fsdecode(b"caf\xe9.wav"), "a.wav"),
        (os.fsdecode(b"caf\xe9.ogg"), "a.ogg"),
    ):  # fmt: skip
        shutil.copy(music / source, tmp_path / name)
        assert read_audio(tmp_path / name)[0].shape == read_audio(music / source)[0].shape


def test_no_other_file_is_read(music: Path, tmp_path: Path) -> None:
    shutil.copy(music / "a.ts", tmp_path / "a.ts")
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:3,\na.ts\n#EXT-X-ENDLIST\n"
    (tmp_path / "list.m3u8").write_text(playlist)
    (tmp_path / "list.mp3").write_text(playlist)
    (tmp_path / "list.ffconcat").write_text("ffconcat version 1.0\nfile a.ts\n")

    for name in ("list.m3u8", "list.mp3", "list.ffconcat"):
        with pytest.raises(AudioError, match="holds no sound"):
            read_audio(tmp_path / name)


def test_what_cannot_be_a_file_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "folder.wav").mkdir()
    for path in ("x" * 300 + ".wav", "a\0b.wav", tmp_path / "folder.wav"):
        with pytest.raises(AudioError, match=r"no file|cannot be read"):
            read_audio(path)


def test_the_track_flagged_default_is_taken_or_the_one_asked_for(
    music: Path, tmp_path: Path
) -> None:
    film = tmp_path / "film.mkv"
    ffmpeg(
        "-f", "lavfi", "-i", "sine=220:d=1:r=44100", "-f", "lavfi", "-i", "sine=880:d=1:r=44100",
        "-map", "0", "-map", "1", "-c:a", "flac", "-disposition:a:0", "0",
        "-disposition:a:1", "default", film,
    )  # fmt: skip

    def pitch(track: int | None) -> float:
        audio, rate = read_audio(film, track)
        return float(np.abs(np.fft.rfft(audio[:rate, 0])).argmax())

    assert [pitch(track) for track in (None, 1, 2)] == [880, 220, 880]
    assert audio_info(film, 2).sample_rate == RATE
    with pytest.raises(OptionError, match="no audio track 3: it has 2"):
        read_audio(film, 3)
    with pytest.raises(OptionError, match="no audio track 2: it has 1"):
        read_audio(music / "a.wav", 2)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(["a.wav", *NAMES]), data=st.data())
def test_a_damaged_file_is_read_or_refused(
    music: Path, tmp_path: Path, name: str, data: st.DataObject
) -> None:
    content = bytearray((music / name).read_bytes())
    size = len(content)
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, size - 1) | st.integers(0, 99))] = data.draw(
            st.integers(0, 255)
        )
    damaged = tmp_path / name
    damaged.write_bytes(content[: data.draw(st.integers(1, size))])

    for read in (read_audio, audio_info, lambda path: read_part(path, 500, 500)):
        with suppress(WavesepError):
            read(damaged)
