"""Where stems go: below the folder, each somewhere else, under names that a file can have."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavesep.audio.names import ignores_case, place_of, stem_paths
from wavesep.errors import OptionError

STEMS = ("vocals", "accompaniment")
OUT = Path("out")


def names(song: str, filename: str = "{track}/{stem}.{ext}") -> list[str]:
    paths = stem_paths(Path(song), OUT, filename, STEMS, "wav")
    return [path.relative_to(OUT).as_posix() for path in paths.values()]


@pytest.mark.parametrize(
    ("song", "filename", "expected"),
    [
        ("music/a.b.wav", "{track}/{stem}.{ext}", ["a.b/vocals.wav", "a.b/accompaniment.wav"]),
        ("01. Artist.wav", "{track} {stem}", ["01. Artist vocals", "01. Artist accompaniment"]),
        ("a.wav", "{{{track}}}-{stem}", ["{a}-vocals", "{a}-accompaniment"]),
        ("{stem}.wav", "{track}.{stem}", ["{stem}.vocals", "{stem}.accompaniment"]),
        ("...wav", "{track}/{stem}", ["...wav/vocals", "...wav/accompaniment"]),
    ],
)  # fmt: skip
def test_a_filename_is_filled_in(song: str, filename: str, expected: list[str]) -> None:
    assert names(song, filename) == expected


@pytest.mark.parametrize(
    "filename",
    [
        "{track.x}/{stem}", "{track[0]}/{stem}", "{0}/{stem}", "{}/{stem}", "{song}/{stem}",
        "{track!r}/{stem}", "{track:>1000000000}/{stem}", "{track", "}{stem}", "{track}", "x",
        "", "/tmp/{stem}", "../{stem}", "{track}/../{stem}", "{stem}/..", "a\0{stem}",
        "{stem}" + 250 * "x", 250 * "ä" + "/{stem}", "\ud800{stem}",
    ],
)  # fmt: skip
def test_a_filename_that_cannot_be_is_refused(filename: str) -> None:
    with pytest.raises(OptionError, match="filename"):
        names("song.wav", filename)


@given(
    track=st.text(min_size=1, max_size=90),
    filename=st.lists(
        st.sampled_from(["{track}", "{stem}", ".{ext}", "/", ".", " ", "ä", "x" * 99]), max_size=5
    ).map("".join),
)
def test_names_have_room_and_lie_below_the_folder(track: str, filename: str) -> None:
    song = Path(track + ".wav")
    try:
        paths = stem_paths(song, OUT, filename, STEMS, "wav")
    except OptionError:
        return
    for stem, path in paths.items():
        assert all(len(os.fsencode(part)) <= 255 for part in path.parts)
        inside = Path(os.path.normpath(path)).relative_to(OUT)
        assert stem in str(inside)
    assert len({os.path.normpath(path) for path in paths.values()}) == 2


@pytest.mark.parametrize("letter", ["a", "ä", "音", "🎵"])
def test_a_long_name_keeps_its_stem_and_suffix(letter: str) -> None:
    size = len(letter.encode())
    track = letter * (251 // size)

    first, second = names(f"{track}.wav", "{track} {stem}.{ext}")

    for name, end in ((first, " vocals.wav"), (second, " accompaniment.wav")):
        assert name.endswith(end)
        assert track.startswith(name.removesuffix(end))
        assert 255 - size < len(name.encode()) <= 255
    assert names(f"{track}.wav") == [f"{track}/vocals.wav", f"{track}/accompaniment.wav"]


def test_a_name_that_is_not_utf_8_is_kept() -> None:
    song = os.fsdecode(b"caf\xe9.wav")
    assert os.fsencode(names(song)[0]) == b"caf\xe9/vocals.wav"


def test_paths_to_one_file_are_one_place(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")

    assert place_of(tmp_path / "a" / "x") == place_of(tmp_path / "link" / ".." / "a" / "x")
    assert place_of(tmp_path / "link" / "x") == place_of(tmp_path / "a" / "x")
    same = place_of(tmp_path / "a" / "X") == place_of(tmp_path / "a" / "x")
    assert same == ignores_case(tmp_path / "a") == (tmp_path / "A").exists()
