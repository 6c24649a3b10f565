"""Files that appear whole or not at all, wherever the run that writes them is killed."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from wavesep import atomic
from wavesep.atomic import PREFIX, give_names, unfinished, write_whole
from wavesep.errors import OutputError, OutputExistsError

# Gives two names and is killed before the operation of that number.
KILLED = """
import os, signal, sys
from pathlib import Path
from wavesep.atomic import give_names, unfinished

home, left, case = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]

def mortal(function):
    def call(*arguments, **options):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        if function.__name__ == "hardlink_to" and case == "no links":
            raise PermissionError
        return function(*arguments, **options)
    return call

for name in ("mkdir", "open", "rename", "hardlink_to", "unlink", "rmdir", "iterdir"):
    setattr(Path, name, mortal(getattr(Path, name)))
names = {"0": home / "a" / "vocals", "1": home / "b" / "accompaniment"}
with unfinished(home) as place:
    for part in names:
        with open(place / part, "w") as file:
            file.write("new")
    give_names(place, names, overwrite=case == "overwrite")
"""
TARGETS = ("a/vocals", "b/accompaniment")


def contents(home: Path) -> dict[str, str]:
    """Return what every file below a folder holds."""
    files = [path for path in home.rglob("*") if path.is_file()]
    return {path.relative_to(home).as_posix(): path.read_text() for path in files}


@pytest.mark.parametrize("case", ["new", "overwrite", "no links"])
def test_killed_before_any_step_all_names_are_given_or_none(tmp_path: Path, case: str) -> None:
    seen = set()
    for left in count():
        home = tmp_path / str(left)
        before = {}
        if case == "overwrite":
            before = {"a/vocals": "old"}
            write_whole(home / "a" / "vocals", b"old")
        code = subprocess.run(
            [sys.executable, "-c", KILLED, home, str(left), case], check=False
        ).returncode
        with unfinished(home):  # the next run
            pass
        after = contents(home)
        assert after in (before, dict.fromkeys(TARGETS, "new")), left
        assert not list(home.glob(f"{PREFIX}*")), left
        seen.add(len(after))
        if code == 0:
            break
        assert code == -signal.SIGKILL

    assert left > 15
    assert seen == {len(before), 2}


def test_names_are_taken_back_where_one_cannot_be_given(tmp_path: Path) -> None:
    (tmp_path / "first").write_text("old")
    (tmp_path / "second").mkdir()
    names = {"0": tmp_path / "first", "1": tmp_path / "new" / "x", "2": tmp_path / "second"}

    with unfinished(tmp_path) as place:
        for part in names:
            (place / part).write_text("new")
        with pytest.raises(OutputError, match="second is a folder"):
            give_names(place, names, overwrite=True)

    assert contents(tmp_path) == {"first": "old"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "second"]


def test_a_name_that_is_taken_meanwhile_is_not_replaced_by_the_next_run(tmp_path: Path) -> None:
    place = tmp_path / f"{PREFIX}killed"
    place.mkdir()
    (place / "lock").touch()
    for part in ("0", "1"):
        (place / part).write_text("new")
    targets = {"0": "first", "1": "second"}
    marks = {part: atomic.mark(place / part) for part in targets}
    journal = {"targets": targets, "marks": marks, "overwrite": False}
    (place / "journal").write_text(json.dumps(journal))
    (tmp_path / "first").hardlink_to(place / "0")
    (tmp_path / "second").write_text("theirs")

    with unfinished(tmp_path):
        assert not place.exists()

    assert contents(tmp_path) == {"second": "theirs"}


@pytest.mark.parametrize(
    "journal",
    [
        "", "{", "[]", '{"targets": 3}',
        '{"targets": {"0": "../outside"}, "marks": {"0": []}, "overwrite": true}',
        '{"targets": {"0": "/tmp/outside"}, "marks": {"0": []}, "overwrite": true}',
        '{"targets": {"../../mine": "x"}, "marks": {"../../mine": []}, "overwrite": true}',
    ],
)  # fmt: skip
def test_a_journal_that_is_not_ours_does_nothing(tmp_path: Path, journal: str) -> None:
    home = tmp_path / "home"
    place = home / f"{PREFIX}foreign"
    place.mkdir(parents=True)
    for name, content in (("lock", ""), ("0", "bad"), ("journal", journal)):
        (place / name).write_text(content)
    (tmp_path / "mine").write_text("mine")

    with unfinished(home):
        assert not place.exists()

    assert contents(tmp_path) == {"mine": "mine"}


def test_a_run_that_lives_is_left_alone(tmp_path: Path) -> None:
    with unfinished(tmp_path) as first:
        (first / "x").write_text("mine")
        with unfinished(tmp_path) as second:
            assert second != first
        assert (first / "x").read_text() == "mine"
        write_whole(tmp_path / "other", b"theirs")
        assert (first / "x").exists()
    assert contents(tmp_path) == {"other": "theirs"}


def test_links_of_such_a_name_are_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("lock", "mine"):
        (elsewhere / name).write_text("mine")
    (tmp_path / f"{PREFIX}abcdefgh").symlink_to(elsewhere)
    (tmp_path / f"{PREFIX}file").write_text("mine")

    write_whole(tmp_path / "x", b"new")

    assert sorted(path.name for path in elsewhere.iterdir()) == ["lock", "mine"]
    assert (tmp_path / f"{PREFIX}file").read_text() == "mine"


def test_folders_come_and_go_while_others_write(tmp_path: Path) -> None:
    start = threading.Barrier(8)

    def one(number: int) -> None:
        start.wait()
        for round_ in range(20):
            home = tmp_path / "a" / "b"
            if number % 2:
                write_whole(home / f"{number} {round_}", b"x")
                (home / f"{number} {round_}").unlink()
            else:
                with pytest.raises(ValueError, match="mine"), unfinished(home):
                    raise ValueError("mine")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(8)))
    assert contents(tmp_path) == {}


def test_a_whole_file_has_the_rights_of_any_other(tmp_path: Path) -> None:
    (tmp_path / "other").touch()

    write_whole(tmp_path / "new" / "file", b"content")

    assert (tmp_path / "new" / "file").read_bytes() == b"content"
    modes = {stat.S_IMODE(os.stat(tmp_path / name).st_mode) for name in ("other", "new/file")}
    assert len(modes) == 1


@pytest.mark.parametrize("path", ["folder", "file/x", "x" * 300, "new/" + "x" * 300])
def test_what_cannot_be_written_is_one_kind_of_error(tmp_path: Path, path: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()

    with pytest.raises(OutputError, match="cannot be") as caught:
        write_whole(tmp_path / path, b"x")
    assert not isinstance(caught.value, OutputExistsError)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]
