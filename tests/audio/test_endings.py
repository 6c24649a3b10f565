"""What the bytes of a file say of its end, compared with what others wrote or read."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest
import soundfile

from wavesep.audio.endings import checksum, first_bad_page, frame_size, is_size

RATE = 32_000


@pytest.mark.parametrize(("codec", "suffix"), [("mp2", "mp2"), ("ac3", "ac3"), ("eac3", "eac3")])
@pytest.mark.parametrize("rate", [32_000, 44_100, 48_000])
def test_a_frame_has_the_bytes_that_its_header_states(
    tmp_path: Path, codec: str, suffix: str, rate: int
) -> None:
    path = tmp_path / f"a.{suffix}"
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = cast(av.AudioStream, container.add_stream(codec, rate=rate, layout="stereo"))
        noise = rng.uniform(-9_000, 9_000, (1, 2 * rate)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(noise, "s16", "stereo")
        frame.sample_rate = rate
        size = stream.codec_context.frame_size
        form = av.AudioResampler(stream.format.name, "stereo", rate, size)
        for piece in [*form.resample(frame), *form.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))

    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(audio=0) if packet.size]

    assert len(packets) > 10
    assert all(frame_size(codec, packet[:8]) == len(packet) for packet in packets)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_a_frame_of_mp3_has_the_bytes_that_its_header_states(tmp_path: Path, rate: int) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, rate)
    soundfile.write(tmp_path / "a.mp3", noise, rate, bitrate_mode="VARIABLE")

    with av.open(str(tmp_path / "a.mp3")) as container:
        packets = [bytes(packet) for packet in container.demux(audio=0) if packet.size]

    assert len(packets) > 5
    assert all(frame_size("mp3float", packet[:8]) == len(packet) for packet in packets)
    assert frame_size("mp3float", b"TAG not a frame") == 0


def test_pages_have_the_checksum_that_libogg_wrote(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (4 * RATE, 2))
    path = tmp_path / "a.ogg"
    soundfile.write(path, noise, RATE)
    content = path.read_bytes()
    pages = [b"OggS" + page for page in content.split(b"OggS")[1:]]

    assert len(pages) > 3
    assert all(checksum(page) == page[22:26] for page in pages)
    assert first_bad_page(path) is None

    path.write_bytes(b"".join(pages[:2] + pages[3:]))
    assert first_bad_page(path) == len(pages[0] + pages[1])
    path.write_bytes(b"".join(pages[:2]) + pages[2][:-1] + b"?" + b"".join(pages[3:]))
    assert first_bad_page(path) == len(pages[0] + pages[1])
    path.write_bytes(content + content)  # joined: its pages are counted anew
    assert first_bad_page(path) is None


@pytest.mark.parametrize("stated", [0, -1, 2**31 - 1, 2**32 - 1, 2**32 - 37, 0x7FFF_F000, 2**31])
def test_what_is_written_for_an_unknown_size_is_none(stated: int) -> None:
    assert not is_size(stated)
    assert is_size(1)
    assert is_size(2_000_000_000)
