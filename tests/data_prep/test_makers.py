"""What people have becomes a prepared set; what cannot is told, and nothing else is lost."""

from __future__ import annotations

import hashlib
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
import soundfile

from wavesep.data import Clips, pairs
from wavesep.data.manifest import read_manifest

from . import DATA_PREP, RATE, by_path, run, skipped, sound, write


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Folders as people have them: pairs and others, of several formats, rates and channels."""
    raw = tmp_path / "raw"
    write(raw / "v" / "one.wav", sound(2, 0))
    write(raw / "a" / "one.flac", sound(1.5, 1))
    write(raw / "v" / "Bjo\u0308rk" / "два.mp3", sound(2, 2))  # decomposed, as macOS writes it
    write(raw / "a" / "Bjo\u0308rk" / "два.ogg", sound(2, 3, 1), 44_100)
    write(raw / "v" / "alone.wav", 4 * sound(1, 4))
    write(raw / "a" / "empty.wav", sound(0, 0))
    write(raw / "a" / "silent.wav", 0 * sound(1, 0))
    (raw / "a" / "broken.wav").write_bytes(b"no sound")
    (raw / "a" / "notes.txt").write_text("no sound either")
    return raw


def test_folders(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "prepared"
    arguments = [out, "--vocals", raw / "v", "--accompaniment", raw / "a", "--licence", "CC0, all"]

    printed = run("folders.py", *arguments, "--valid-share", 0, code=1)

    assert skipped(out).keys() == {"empty", "silent", "broken"}
    assert all(f"skipped {name}: " in printed for name in skipped(out))
    assert "accompaniment ends 0.5 s before its song" in printed
    vocals, rest = Clips(out / "train" / "vocals"), Clips(out / "train" / "accompaniment")
    assert vocals.names == ["Bj\u00f6rk/два", "alone", "one"]
    assert [(vocals.names[i], rest.names[j]) for i, j in pairs(vocals, rest)] == [
        ("Bj\u00f6rk/два", "Bj\u00f6rk/два"), ("one", "one"),
    ]  # fmt: skip
    audio, rate = soundfile.read(out / "train/vocals/one.flac", dtype="float32")
    np.testing.assert_allclose(audio, sound(2, 0), atol=1e-4)
    backing, _ = soundfile.read(out / "train/accompaniment/one.flac", dtype="float32")
    np.testing.assert_allclose(backing[: len(sound(1.5, 1))], sound(1.5, 1), atol=1e-4)
    assert not backing[len(sound(1.5, 1)) :].any()
    entry = by_path(out)["train/vocals/one.flac"]
    assert (entry.stem, entry.source, entry.licence) == ("vocals", "v", "CC0, all")
    assert (entry.seconds, entry.sample_rate, entry.channels) == (2.0, RATE, 2)
    assert entry.peak == pytest.approx(np.abs(audio).max(), abs=1e-5)
    assert entry.loudness == pytest.approx(pyloudnorm.Meter(rate).integrated_loudness(audio), 0.01)
    content = (out / entry.path).read_bytes()
    assert entry.sha256 == hashlib.sha256(content).hexdigest()
    # of a song that is too loud for its format, the level is lost, not the shape
    loud, _ = soundfile.read(out / "train/vocals/alone.flac", dtype="float32")
    np.testing.assert_allclose(loud / np.abs(loud).max(), 4 * sound(1, 4) / 1.2, atol=2e-3)


def test_again_nothing_is_done_twice_and_what_came_is_added(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "prepared"
    arguments = [out, "--vocals", raw / "v", "--valid-share", 0.5]
    run("folders.py", *arguments)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.flac")}
    splits = {Path(path).stem: path.split("/")[0] for path in by_path(out)}
    lost = sorted(before)[0]
    lost.unlink()
    write(raw / "v" / "more.wav", sound(1, 9))

    printed = run("folders.py", *arguments)

    assert "2 songs are there already" in printed
    assert "is in the manifest but not there" in printed
    after = {path: path.stat().st_mtime_ns for path in out.rglob("*.flac")}
    assert len(after) == 4
    assert all(after[path] == before[path] for path in before if path != lost)
    assert splits.items() <= {Path(p).stem: p.split("/")[0] for p in by_path(out)}.items()


def test_two_songs_of_one_name(tmp_path: Path) -> None:
    for folder, seconds in (("first", 1), ("second", 2)):
        write(tmp_path / folder / "song.wav", sound(seconds, 0))
    out = tmp_path / "prepared"

    run("folders.py", out, "--vocals", tmp_path / "first", tmp_path / "second", code=1)

    assert skipped(out) == {"song": "there is another song of this name, in first"}
    assert [entry.seconds for entry in read_manifest(out)] == [1.0]


def test_after_ctrl_c_it_goes_on(tmp_path: Path) -> None:
    for i in range(10):
        write(tmp_path / "v" / f"{i}.wav", sound(8, i))
    out = tmp_path / "prepared"
    command = [sys.executable, str(DATA_PREP / "folders.py"), str(out), "--vocals",
               str(tmp_path / "v"), "--jobs", "1"]  # fmt: skip
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        while len(list(out.glob("train/vocals/*.flac"))) < 2 and process.poll() is None:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    done = read_manifest(out)

    assert process.returncode == 130
    assert "interrupted; the same command goes on" in errors
    assert "Traceback" not in errors
    assert 1 <= len(done) < 10
    assert not list(out.rglob("*.part*"))
    run("folders.py", out, "--vocals", tmp_path / "v")
    assert {entry.seconds for entry in read_manifest(out)} == {8.0}
    assert len(read_manifest(out)) == 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no audio file is in these folders"),
        (["--vocals", "nowhere"], "no folder nowhere"),
        (["--valid-share", "1"], "--valid-share must be"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, arguments: list[str], message: str) -> None:
    assert message in run("folders.py", tmp_path / "out", *arguments, code=2)
    assert not (tmp_path / "out").exists()


# the script is the same for both, and the reading of both has tests of its own
SLOW_AAC = pytest.param("musdb18", marks=pytest.mark.slow)


@pytest.mark.parametrize("kind", ["musdb_hq", SLOW_AAC])
def test_musdb18(kind: str, ffmpeg: None, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    out = tmp_path / "prepared"

    printed = run("musdb18.py", out, request.getfixturevalue(kind))

    assert "6 files" in printed
    entries = by_path(out)
    held_back = "valid/vocals/Actions - One Minute Smile.flac"
    assert {held_back, "train/vocals/Blåbär - Två.flac"} < entries.keys()
    assert entries[held_back].source == "MUSDB18"
    test = out / "test"
    true, _ = soundfile.read(request.getfixturevalue("musdb_hq") / "test/Nobody - Song/vocals.wav")
    audio, rate = soundfile.read(test / "vocals" / "Nobody - Song.flac")
    assert rate == 44_100
    inside = slice(22_050, 66_150)
    np.testing.assert_allclose(
        audio[inside], true[inside], atol=0.05 if kind == "musdb18" else 1e-4
    )
    rest, _ = soundfile.read(test / "accompaniment" / "Nobody - Song.flac")
    mixture, _ = soundfile.read(
        request.getfixturevalue("musdb_hq") / "test/Nobody - Song/mixture.wav"
    )
    np.testing.assert_allclose((audio + rest)[inside], mixture[inside], atol=0.1)


def test_dsd100(tmp_path: Path) -> None:
    dsd100 = tmp_path / "DSD100"
    for i, (subset, name) in enumerate((("Dev", "001 - Ä - B"), ("Test", "002 - C - D"))):
        for j, stem in enumerate(("vocals", "bass", "drums", "other")):
            path = dsd100 / "Sources" / subset / name / f"{stem}.wav"
            write(path, 0.3 * sound(1, 10 * i + j))
    (dsd100 / "Sources" / "Test" / "003 - broken").mkdir()
    out = tmp_path / "prepared"

    run("dsd100.py", out, dsd100, "--valid-share", 0, code=1)

    assert by_path(out).keys() == {
        f"{split}/{kind}/{name}.flac"
        for split, name in (("train", "001 - Ä - B"), ("test", "002 - C - D"))
        for kind in ("vocals", "accompaniment")
    }
    assert skipped(out).keys() == {"003 - broken"}
    rest, _ = soundfile.read(out / "test/accompaniment/002 - C - D.flac")
    expected = sum(0.3 * sound(1, 10 + j) for j in (1, 2, 3))
    np.testing.assert_allclose(rest, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("script", "module"),
    [("folders.py", "pyloudnorm"), ("download.py", "yt_dlp"), ("change_voices.py", "pyworld")],
)
def test_without_its_extra_a_script_says_what_to_install(
    script: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    for name in ("preparing", script.removesuffix(".py")):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(DATA_PREP)

    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(DATA_PREP / script), run_name="__main__")

    assert end.value.code == f'{module} is not installed: pip install ".[data]"'
