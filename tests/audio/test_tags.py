"""Tags and covers of songs, in their stems; ffprobe is the judge of what stands there."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wavesep.audio import Audio
from wavesep.audio.write import StemFormat, open_stems

TAGS = {
    "title": "Über: uns", "artist": "A; B", "album": "C", "album_artist": "D", "date": "1999",
    "genre": "Pop", "track": "3", "license": "CC0",
}  # fmt: skip
LACKING = {"m4a": {"license"}, "wav": {"album_artist", "license"}}  # what songs do not hold
HELD = {
    "wav": TAGS.keys() - {"album_artist", "license"},
    "flac": TAGS.keys(),
    "mp3": TAGS.keys(),
}

pytestmark = pytest.mark.usefixtures("ffmpeg")


def song_with_tags(folder: Path, suffix: str, cover: bool = True) -> Path:
    """Make a file with tags, a replay gain and perhaps a cover."""
    song, picture = folder / f"song.{suffix}", folder / "cover.png"
    red = ["-f", "lavfi", "-i", "color=red:s=64x64", "-frames:v", "1"]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *red, picture], check=True)
    command = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "sine=d=1"]
    if cover:
        command += ["-i", str(picture), "-map", "0", "-map", "1", "-c:v", "copy"]
        command += ["-disposition:v", "attached_pic"]
    for tag, text in (TAGS | {"replaygain_track_gain": "-3 dB"}).items():
        command += ["-metadata", f"{tag}={text}"]
    subprocess.run([*map(str, command), str(song)], check=True)
    return song


def stems_of(folder: Path, codec: str, noise: Audio, song: Path | None) -> dict[str, Path]:
    """Write two stems of noise."""
    paths = {stem: folder / f"{stem}.{codec}" for stem in ("vocals", "accompaniment")}
    form = StemFormat(codec, 16, 44_100, 2)
    with open_stems(paths, form, samples=len(noise), song=song) as writer:
        writer.write({"vocals": noise, "accompaniment": 0.5 * noise})
    return paths


def probed(path: Path) -> tuple[dict[str, str], list[str]]:
    """Return the tags and the codecs of a file."""
    command = ["ffprobe", "-v", "error", "-of", "json", "-show_format", "-show_streams", str(path)]
    answer = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    tags = answer["format"].get("tags", {})
    return {k.lower(): v for k, v in tags.items()}, [s["codec_name"] for s in answer["streams"]]


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [("wav", "mp3"), ("flac", "m4a"), ("flac", "wav"), ("mp3", "flac"), ("mp3", "ogg")],
)
def test_stems_have_the_tags_and_the_cover_of_their_song(
    codec: str, suffix: str, tmp_path: Path, noise: Audio
) -> None:
    has_cover = suffix in {"flac", "mp3", "m4a"}
    song = song_with_tags(tmp_path, suffix, cover=has_cover)
    (tmp_path / "plain").mkdir()
    plain = stems_of(tmp_path / "plain", codec, noise, None)

    paths = stems_of(tmp_path / "o", codec, noise, song)

    for stem, path in paths.items():
        tags, codecs = probed(path)
        held = HELD[codec] - LACKING.get(suffix, set())
        assert tags.pop("title") == f"Über: uns ({stem})"
        assert {k: tags[k] for k in held - {"title"}} == {k: TAGS[k] for k in held - {"title"}}
        assert "replaygain_track_gain" not in tags
        assert ("png" in codecs) == (has_cover and codec != "wav")
        np.testing.assert_array_equal(soundfile.read(path)[0], soundfile.read(plain[stem])[0])
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == sorted(
        path.name for path in paths.values()
    )


def test_a_song_without_tags_gives_stems_without(tmp_path: Path, noise: Audio, song: Path) -> None:
    for codec in ("wav", "flac", "mp3"):
        bare = stems_of(tmp_path / "bare", codec, noise, None)
        for stem, path in stems_of(tmp_path / "o", codec, noise, song).items():
            assert path.read_bytes() == bare[stem].read_bytes()


def test_a_cover_that_is_no_picture_costs_the_tags_and_not_the_stems(
    tmp_path: Path, noise: Audio, caplog: pytest.LogCaptureFixture
) -> None:
    song = song_with_tags(tmp_path, "mp3")
    content = song.read_bytes()
    at = content.index(b"\x89PNG")
    song.write_bytes(content[:at] + bytes(60) + content[at + 60 :])

    for path in stems_of(tmp_path / "o", "flac", noise, song).values():
        assert soundfile.info(path).frames == len(noise)
    assert "tags cannot be copied" in caplog.text
