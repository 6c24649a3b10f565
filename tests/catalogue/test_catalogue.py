"""``wavesep catalogue`` on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from wavesep import Separator
from wavesep.catalogue.report import sweep
from wavesep.catalogue.store import Store
from wavesep.cli import main

from .conftest import MODEL, write_music

CODEC = ["--model", MODEL, "--flac", "-q"]
GOOD = ["a.wav", "b.flac", "cd/a again.wav", "cd/c.wav"]
BAD = ["bad.mp3", "cut.wav"]


def markers(out: Path) -> dict[str, Any]:
    """Return the markers of an output by the ids of their songs."""
    found = [json.loads(path.read_text()) for path in out.glob("done/*/*.json")]
    return {facts["id"]: facts for facts in found}


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Songs, and the output of their catalogue, which has ended."""
    top = tmp_path_factory.mktemp("ended")
    write_music(top / "music")
    run = ["catalogue", str(top / "music"), "--out", str(top / "out"), "--workers", "2"]
    assert main([*run, *CODEC]) == 1
    return top


@pytest.fixture
def out(ended: Path, music: Path) -> Path:
    """A copy of that output, for the same songs."""
    return Path(shutil.copytree(ended / "out", music.parent / "out"))


def test_every_good_song_has_its_stems_and_every_bad_one_a_row(
    out: Path, music: Path, tmp_path: Path, centre: Separator
) -> None:
    done = markers(out)

    assert sorted(done) == GOOD
    for name, facts in done.items():
        wanted = centre.separate_to_file(music / name, tmp_path / "w", codec="flac", overwrite=True)
        for source, path in wanted.items():
            content = (out / facts["stems"][source]["file"]).read_bytes()
            assert content == path.read_bytes()
            assert hashlib.sha256(content).hexdigest() == facts["stems"][source]["sha256"]
    rows = [json.loads(path.read_text()) for path in out.glob("failed/*/*.final.json")]
    assert sorted(row["id"] for row in rows) == BAD
    assert len(list(out.rglob("*.flac"))) == 2 * len(GOOD)


def test_a_second_run_has_nothing_to_do(
    out: Path, music: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}

    assert main(["catalogue", str(music), "--out", str(out), *CODEC]) == 1

    assert capfd.readouterr().out == "6 songs: 4 done, 2 failed\n"
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_failed_songs_are_tried_again_when_asked(
    out: Path, music: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (music / "bad.mp3").write_bytes((music / "b.flac").read_bytes())
    run = ["catalogue", str(music), "--out", str(out), *CODEC]

    assert main([*run, "--retry-failed"]) == 1

    assert capfd.readouterr().out == "6 songs: 5 done, 1 failed\n"
    assert sorted(markers(out)) == sorted([*GOOD, "bad.mp3"])


def test_a_song_that_has_changed_is_separated_again(
    out: Path, music: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (music / "a.wav").write_bytes((music / "b.flac").read_bytes())

    main(["catalogue", str(music), "--out", str(out), *CODEC])

    assert markers(out)["b.flac"]["sha256"] in {
        json.loads(path.read_text())["sha256"]
        for path in out.glob("done/*/*.json")
        if json.loads(path.read_text())["id"] == "a.wav"
    }


def test_shares_make_the_whole(music: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (music / "bad.mp3").unlink()
    (music / "cut.wav").unlink()
    for number in (1, 2, 3):
        run = ["catalogue", str(music), "--out", str(out), "--share", f"{number}/3", *CODEC]
        assert main(run) in (0, 2)

    assert sorted(markers(out)) == GOOD


def test_the_status_is_read_from_the_output(
    out: Path, music: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (music / "new.wav").write_bytes((music / "a.wav").read_bytes())

    assert main(["catalogue", str(music), "--out", str(out), "--status"]) == 0

    lines = capfd.readouterr().out.splitlines()
    assert [line.split()[:4] for line in lines if line.split()[:1] == ["7"]] == [
        ["7", "4", "2", "1"]
    ]
    assert any(line.split() == ["unreadable", "1"] for line in lines)
    assert any(line.split() == ["truncated", "1"] for line in lines)


def test_the_report_has_a_row_for_each_song(out: Path, music: Path) -> None:
    from pyarrow import parquet

    assert main(["catalogue", str(music), "--out", str(out), "--report"]) == 0

    rows = parquet.read_table(out / "report.parquet").to_pylist()
    assert {row["id"]: row["state"] for row in rows} == dict.fromkeys(GOOD, "done") | dict.fromkeys(
        BAD, "failed"
    )


def test_damaged_stems_are_found_and_made_again(
    out: Path, music: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = ["catalogue", str(music), "--out", str(out)]
    assert main([*run, "--verify", "-q"]) == 0
    stems = markers(out)["a.wav"]["stems"], markers(out)["b.flac"]["stems"]
    damaged = out / stems[0]["vocals"]["file"]
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-1])
    (out / stems[1]["accompaniment"]["file"]).unlink()
    capfd.readouterr()

    assert main([*run, "--verify", "-q"]) == 1

    lines = capfd.readouterr().out.splitlines()
    assert sorted(lines[:-1]) == [
        "a.wav: a stem is missing or damaged", "b.flac: a stem is missing or damaged",
    ]  # fmt: skip
    main([*run, *CODEC])
    assert damaged.read_bytes() == whole
    assert main([*run, "--verify", "-q"]) == 0


def test_only_old_files_without_a_marker_are_swept(out: Path) -> None:
    keep = set(out.rglob("*.flac"))
    lost = out / "stems/00/lost/vocals.flac"
    lost.parent.mkdir(parents=True)
    lost.write_text("x")
    store = Store(str(out))

    assert sweep(store) == 0
    assert sweep(store, time.time() + 3_601) == 1

    assert set(out.rglob("*.flac")) == keep


def test_too_many_failures_stop_the_catalogue(
    music: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wavesep.catalogue.run.BEFORE", 3)
    for n in range(4):
        (music / f"bad{n}.mp3").write_text("no sound, and more bytes than any other" * 2_000)
    run = ["catalogue", str(music), "--out", str(tmp_path / "out"), *CODEC, "--workers", "1"]

    assert main([*run, "--max-failed", "50%"]) == 1

    told = capfd.readouterr().err.splitlines()[-1]
    assert told.endswith("stopped, because 3 of 3 songs failed, most of them by unreadable")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--out", "{out}", "--model", MODEL], "was begun with codec='flac', not 'wav'"),
        ([], "give --out"),
        (["--out", "gopher://x"], "cannot be opened"),
        (["--out", "{out}", *CODEC, "--workers", "0"], "must be 1 or more"),
        (["--out", "{out}", "--model", "missing"], "no model 'missing'"),
        (["--list", "songs.txt"], "a manifest ends with .csv or .parquet"),
    ],
)
def test_a_mistake_is_one_line(
    out: Path, music: Path, options: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (music / "new.wav").write_bytes((music / "a.wav").read_bytes())

    code = main(["catalogue", str(music), *(word.format(out=out) for word in options)])

    told = capfd.readouterr().err.splitlines()
    assert (code, len(told)) == (1, 1)
    assert message in told[0]


def test_the_songs_can_be_listed(music: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "songs.csv"

    assert main(["catalogue", str(music), "--list", str(manifest)]) == 0

    assert len(manifest.read_text().splitlines()) == 1 + len(GOOD) + len(BAD)


def test_secrets_of_the_environment_are_not_in_the_output(
    music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "top-secret-value")
    out = tmp_path / "out"

    main(["catalogue", str(music), "--out", str(out), *CODEC])

    assert markers(out)
    for path in out.rglob("*"):
        assert path.is_dir() or b"top-secret-value" not in path.read_bytes()
    assert os.environ["AWS_SECRET_ACCESS_KEY"] == "top-secret-value"
