"""What people write behind «wavesep», and what they get for it."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
from rich.progress import Progress

from wavesep.cli import main
from wavesep.cli.separate import seconds

MODEL = ["--model", "centre"]  # a rule, which loads in no time


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """A folder of five short songs, two of one name, and of what is no song."""
    top = tmp_path / "music"
    rng = np.random.default_rng(0)
    for name in ("a.wav", "cd1/01.flac", "cd2/01.FLAC", "cd2/b.ogg", "x [live].wav"):
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, rng.uniform(-0.1, 0.1, (9_000, 2)), 22_050)
    for name in ("cover.jpg", "._a.wav", "__MACOSX/._a.wav", ".cache/c.wav"):
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("no sound")
    return top


def stems_in(folder: Path) -> list[str]:
    """Return the stems in a folder, without the accompaniment."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if "vocals" in p.name)


def test_a_folder_is_its_songs_and_those_of_one_name_are_kept_apart(
    music: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "o"

    assert main(["separate", str(music), "-o", str(out), *MODEL]) == 0

    stems = ["a/vocals.wav", "cd1/01/vocals.wav", "cd2/01/vocals.wav", "cd2/b/vocals.wav",
             "x [live]/vocals.wav"]  # fmt: skip
    assert stems_in(out) == stems
    assert len(capfd.readouterr().out.splitlines()) == 5


def test_stems_in_a_folder_are_no_songs_of_it(music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(music)
    for _ in range(2):
        assert main(["separate", ".", "--overwrite", *MODEL]) == 0
    assert len(stems_in(music)) == 5


def test_a_pattern_is_its_songs(music: Path, tmp_path: Path) -> None:
    out = ["-o", str(tmp_path / "o"), *MODEL]

    assert main(["separate", f"{music}/*", f"{music}/**/b.*", f"{music}/x [live].wav", *out]) == 0

    assert stems_in(tmp_path / "o") == ["a/vocals.wav", "b/vocals.wav", "x [live]/vocals.wav"]


def test_songs_that_are_done_are_skipped(
    music: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "o"
    command = ["separate", str(music), "-o", str(out), *MODEL]
    assert main(["separate", str(music / "a.wav"), "-o", str(out), *MODEL]) == 0
    before = (out / "a" / "vocals.wav").stat().st_mtime_ns
    capfd.readouterr()

    assert main(command) == 1
    hint = "a/vocals.wav exists: use -o DIR, --skip-existing or --overwrite"
    assert hint in capfd.readouterr().err
    assert main([*command, "--skip-existing"]) == 0
    assert len(capfd.readouterr().out.splitlines()) == 5
    assert (out / "a" / "vocals.wav").stat().st_mtime_ns == before
    (out / "a" / "accompaniment.wav").unlink()
    assert main([*command, "--skip-existing"]) == 1
    assert hint in capfd.readouterr().err


def test_standard_input_is_a_song(
    music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    content = (music / "cd1" / "01.flac").read_bytes()
    answer = subprocess.run(
        [sys.executable, "-m", "wavesep", "separate", "-", *MODEL],
        input=content, capture_output=True, check=True,
    )  # fmt: skip
    assert answer.stdout.startswith(b"stdin -> separated/stdin/vocals.wav, ")
    assert soundfile.info("separated/stdin/vocals.wav").frames == 9_000

    for noise, message in ((b"no sound", "stdin holds no sound"), (b"", "stdin is empty")):
        monkeypatch.setattr(
            "sys.stdin", SimpleNamespace(buffer=io.BytesIO(noise), isatty=lambda: False)
        )
        assert main(["separate", "-", "-o", "o", *MODEL]) == 1
        assert message in capfd.readouterr().err
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    assert main(["separate", "-", "-o", "o", *MODEL]) == 1
    assert "nothing comes from standard input" in capfd.readouterr().err
    assert not Path("o").exists()


def test_json_tells_all_of_every_song(
    music: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    loud, text = tmp_path / "loud.wav", tmp_path / "text.wav"
    soundfile.write(loud, np.tile([[1.0, -1.0]], (9_000, 1)) * 0.999, 22_050)
    loud.write_bytes(loud.read_bytes()[:-4_000])
    text.write_text("no sound")
    out = ["-o", str(tmp_path / "o"), "--json", "--keep-truncated", *MODEL]
    songs = [str(path) for path in (music / "a.wav", loud, text, tmp_path / "missing.wav")]

    assert main(["separate", *songs, *out]) == 1

    answer = capfd.readouterr()
    facts = {line["song"]: line for line in map(json.loads, answer.out.splitlines())}
    assert facts.keys() == {*songs}
    stems = {s: str(tmp_path / "o" / "a" / f"{s}.wav") for s in ("vocals", "accompaniment")}
    assert facts[songs[0]]["stems"] == stems
    assert facts[songs[0]]["seconds"] == pytest.approx(9_000 / 22_050, abs=1e-3)
    assert "warnings" not in facts[songs[0]]
    assert facts[songs[1]]["seconds"] == pytest.approx(8_000 / 22_050, abs=1e-3)
    assert "left out" in facts[songs[1]]["warnings"][0]
    assert facts[songs[2]]["error"] == f"{text} holds no sound that can be read"
    assert facts[songs[3]]["error"] == f"no file {songs[3]}"
    assert len([line for line in answer.err.splitlines() if line.startswith("wavesep: ")]) == 2

    assert main(["separate", songs[0], "--skip-existing", *out]) == 0
    assert json.loads(capfd.readouterr().out)["skipped"]


def test_json_tells_the_gain(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    loud = tmp_path / "loud.wav"
    soundfile.write(loud, np.full((9_000, 2), 2.0), 22_050, subtype="FLOAT")

    assert main(["separate", str(loud), "-o", str(tmp_path), "--int16", "--json", *MODEL]) == 0

    facts = json.loads(capfd.readouterr().out)
    stems = [soundfile.read(path)[0] for path in facts["stems"].values()]
    assert np.median(sum(stems)) == pytest.approx(2.0 * 10 ** (facts["gain_db"] / 20), abs=1e-3)
    assert facts["gain_db"] < -6
    assert "turned down" in facts["warnings"][0]


def test_quiet_and_verbose(music: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    command = ["separate", str(music / "a.wav"), "-o", str(tmp_path), "--overwrite", *MODEL]

    assert main([*command, "-q"]) == 0
    assert capfd.readouterr() == ("", "")
    assert main(command) == 0
    assert "stems grow in" not in capfd.readouterr().err
    assert main([*command, "-v"]) == 0
    assert "stems grow in" in capfd.readouterr().err
    logging.getLogger("wavesep").setLevel(logging.NOTSET)


def test_progress_says_which_song_of_how_many(
    music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles = []
    add_task = Progress.add_task

    def listen(bar: Progress, title: str, **options: Any) -> Any:
        titles.append(title)
        return add_task(bar, title, **options)

    monkeypatch.setattr(Progress, "add_task", listen)
    for songs in ("cd2", "cd1"):
        assert main(["separate", str(music / songs), "-o", str(tmp_path / songs), *MODEL]) == 0
    assert titles == ["01.FLAC (1 of 2)", "b.ogg (2 of 2)", "01.flac"]


@pytest.mark.parametrize(
    ("text", "time"),
    [("90", 90), ("1.5", 1.5), ("1:30", 90), ("0:01:30.25", 90.25), ("90:00", 5400), ("0", 0)],
)
def test_a_time_is_seconds_or_clock(text: str, time: float) -> None:
    assert seconds(text) == time


@pytest.mark.parametrize("text", ["", "x", "1:60", "1:2:3:4", "-1", "inf", "nan", "1.5:00", "1:"])
def test_what_is_no_time_is_one_line(text: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["separate", "x.wav", "--start", text])
    assert "is not a time: write 90, 1:30 or 0:01:30" in capfd.readouterr().err


def test_a_part_by_the_clock(music: Path, tmp_path: Path) -> None:
    part = ["--start", "0:00.1", "--duration", "0:0:0.2", "-o", str(tmp_path), *MODEL]
    assert main(["separate", str(music / "a.wav"), *part]) == 0
    assert soundfile.info(tmp_path / "a" / "vocals.wav").frames == 4_410


@pytest.mark.usefixtures("ffmpeg")
def test_the_track_of_a_video(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    video = tmp_path / "film.mkv"
    sines = [["-f", "lavfi", "-i", f"sine={hertz}:d=1"] for hertz in (440, 880)]
    maps = ["-map", "0", "-map", "1", "-c:a", "flac", str(video)]
    subprocess.run(["ffmpeg", "-v", "error", *sines[0], *sines[1], *maps], check=True)
    command = ["separate", str(video), "-o", str(tmp_path), "--overwrite", *MODEL]

    for track, hertz in ((1, 440), (2, 880)):
        assert main([*command, "--track", str(track)]) == 0
        stems = [soundfile.read(path)[0] for path in (tmp_path / "film").iterdir()]
        assert np.argmax(np.abs(np.fft.rfft(sum(stems)))) == pytest.approx(hertz, abs=1)
    assert main([*command, "--track", "3"]) == 1
    assert "has no audio track 3" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (["song.ogg"], "write wavesep separate song.ogg", 2),
        (["my song.ogg"], "write wavesep separate 'my song.ogg'", 2),
        (["https://a.b/c"], "write wavesep separate https://a.b/c", 2),
        (
            ["seperate"],
            "no command seperate: choose one of separate, train, evaluate, info, bench",
            2,
        ),
        (["--foo"], "wavesep does not know --foo (see wavesep --help)", 2),
        (["separate", "x.wav", "--foo"],
         "wavesep separate does not know --foo (see wavesep separate --help)", 2),
        (["info", "--foo"], "wavesep info does not know --foo (see wavesep info --help)", 2),
        (["separate", "x", "-j", "two"], "invalid int value: 'two'", 2),
        (["separate", "https://a.b/c.mp3"], "is an address: download it, then give the file", 1),
        (["separate", "no.wav", "--model", "loads.nothing"], "no file no.wav", 1),
        (["separate", "no/*.wav", "--model", "loads.nothing"], "no audio file matches no/*", 1),
        (["separate", "."], "no audio file in .", 1),
    ],
)  # fmt: skip
def test_a_mistake_is_one_helpful_line(
    arguments: list[str],
    message: str,
    code: int,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        found = main(arguments)
    except SystemExit as leaves:
        found = int(leaves.code or 0)

    assert found == code
    answer = capfd.readouterr()
    assert answer.out == ""
    assert len(answer.err.splitlines()) == 1
    assert answer.err.startswith("wavesep: ")
    assert message in answer.err
    assert [*tmp_path.iterdir()] == []


def test_wavesep_alone_is_a_short_help(capfd: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2

    out = capfd.readouterr().out
    assert "wavesep separate song.mp3" in out
    assert 5 < len(out.splitlines()) < 30


@pytest.mark.parametrize("command", ["separate", "evaluate", "info", "bench"])
def test_help_has_examples_or_is_short(
    command: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as leaves:
        main([command, "--help"])

    out = capfd.readouterr().out
    assert leaves.value.code == 0
    assert f"\n  wavesep {command} " in out or len(out.splitlines()) < 25
    assert max(map(len, out.splitlines())) <= 81
    if command == "separate":
        groups = ["part of a song", "output", "model", "messages"]
        assert [line[:-1] for line in out.splitlines() if line[:-1] in groups] == groups
