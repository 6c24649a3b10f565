"""Folders are scored: right, whole, once, and shown."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
import soundfile

from wavesep import Separator
from wavesep.audio import Audio
from wavesep.cli import main
from wavesep.evaluation import binary_mask, ratio_mask, sdr, si_sdr, summarise
from wavesep.evaluation.run import TrackScores
from wavesep.evaluation.scoring import bss_sdr, loudest_part, score, sung_windows

RATE = 44_100


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory, synthetic_song: tuple[Audio, Audio]) -> Path:
    """Three songs with both stems, of a second; one has a name for which links are quoted."""
    folder = tmp_path_factory.mktemp("songs")
    for i, name in enumerate(("one", "два & <2>?", "three")):
        for kind, audio in zip(("vocals", "accompaniment"), synthetic_song, strict=True):
            (folder / kind).mkdir(exist_ok=True)
            part = audio[(i + 1) * RATE : (i + 2) * RATE]
            soundfile.write(folder / kind / f"{name}.wav", part, RATE, subtype="FLOAT")
    return folder


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the pictures, which take longer than the rest: `in_windows` has them."""
    monkeypatch.setattr("wavesep.evaluation.run.draw_spectrograms", lambda *_: None)
    monkeypatch.setattr("wavesep.evaluation.report.draw_boxes", lambda *_: None)


def scores_of(out: Path) -> dict[tuple[str, str, float], dict[str, float]]:
    """Return the lines of scores.csv by song, system and start."""
    with (out / "scores.csv").open(encoding="utf-8", newline="") as file:
        return {
            (row["track"], row["system"], float(row["start"])): {
                name: float(row[name]) for name in ("si_sdr", "si_sdr_gain", "sdr", "nsdr")
            }
            for row in csv.DictReader(file)
        }


@pytest.mark.usefixtures("no_pictures")
def test_scores_are_those_of_each_system(
    songs: Path,
    tiny_file: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    synthetic_song: tuple[Audio, Audio],
) -> None:
    import fast_bss_eval

    out = tmp_path / "out"

    assert main(["evaluate", str(songs), "--model", str(tiny_file), "-o", str(out)]) == 0

    vocals, rest = (audio[RATE : 2 * RATE] for audio in synthetic_song)
    mixture = vocals + rest
    estimates = {
        "mixture": mixture,
        "binary mask": binary_mask(vocals, rest),
        "ratio mask": ratio_mask(vocals, rest),
        str(tiny_file): Separator(tiny_file).separate(mixture, RATE)["vocals"],
    }
    scores = scores_of(out)
    assert len(scores) == 12
    for system, estimate in estimates.items():
        ours = scores["one", system, 0.0]
        assert ours["si_sdr"] == pytest.approx(si_sdr(vocals, estimate), abs=1e-3)
        assert ours["sdr"] == pytest.approx(sdr(vocals, estimate), abs=1e-3)
        gain = si_sdr(vocals, estimate) - si_sdr(vocals, mixture)
        assert ours["si_sdr_gain"] == pytest.approx(gain, abs=2e-3)
        bss = [
            np.mean([fast_bss_eval.sdr(vocals.T[[c]].astype(float), e.T[[c]].astype(float))
                     for c in (0, 1)])
            for e in (estimate, mixture)
        ]  # fmt: skip
        assert ours["nsdr"] == pytest.approx(bss[0] - bss[1], abs=2e-3)
    printed = capfd.readouterr().out
    means = re.search(r"ratio mask +(\S+) +(\S+) +(\S+) +(\S+)", printed.split("Means over")[1])
    assert means
    for text, name in zip(means.groups(), ("si_sdr", "si_sdr_gain", "sdr", "nsdr"), strict=True):
        mean = np.mean([row[name] for key, row in scores.items() if key[1] == "ratio mask"])
        assert float(text) == pytest.approx(mean, abs=0.01)


@pytest.fixture(scope="module")
def in_windows(songs: Path, tiny_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The songs, scored in windows of 0.3 s."""
    out = tmp_path_factory.mktemp("windows")
    arguments = ["--model", str(tiny_file), "-o", str(out), "--window", "0.3"]
    assert main(["evaluate", str(songs), *arguments]) == 0
    return out


def test_windows(in_windows: Path, synthetic_song: tuple[Audio, Audio]) -> None:
    vocals, rest = (audio[RATE : 2 * RATE] for audio in synthetic_song)
    whole = ratio_mask(vocals, rest)
    scores = {key[1:]: row for key, row in scores_of(in_windows).items() if key[0] == "one"}
    starts = sorted({start for _, start in scores})
    windows = sung_windows(vocals, round(0.3 * RATE))
    assert starts == pytest.approx([w.start / RATE for w in windows], abs=1e-4)
    assert len(starts) > 2
    for window, start in zip(windows, starts, strict=True):
        expected = si_sdr(vocals[window], whole[window])
        assert scores["ratio mask", start]["si_sdr"] == pytest.approx(expected, abs=1e-3)


def test_what_is_hardly_sung_does_not_count() -> None:
    vocals = np.ones((50, 1), np.float32)
    vocals[20:30] = 0.09
    vocals[30:40] = 0.11

    assert [w.start for w in sung_windows(vocals, 10)] == [0, 10, 30, 40]
    assert sung_windows(vocals, None) == [slice(0, 50)]
    assert sung_windows(vocals, 80) == [slice(0, 50)]
    assert sung_windows(0 * vocals, 10) == []


# that songs are scored in several processes, the test with Ctrl-C shows, too
@pytest.mark.parametrize("processes", ["1", pytest.param("2", marks=pytest.mark.slow)])
@pytest.mark.usefixtures("no_pictures")
def test_a_song_is_scored_once(
    songs: Path, tiny_file: Path, tmp_path: Path, processes: str
) -> None:
    out = tmp_path / "out"
    arguments = ["evaluate", str(songs), "--model", str(tiny_file), "-o", str(out)]
    main([*arguments, "--most", "1"])
    (first,) = (out / "scores").glob("*.json")
    before, page = first.stat().st_mtime_ns, (out / "scores.csv").read_text()

    assert main([*arguments, "-j", processes]) == 0

    assert first.stat().st_mtime_ns == before
    assert len(list((out / "scores").glob("*.json"))) == 3
    assert set(page.splitlines()) < set((out / "scores.csv").read_text().splitlines())
    # what was scored otherwise is scored anew
    main([*arguments, "--most", "1", "--window", "0.5"])
    assert first.stat().st_mtime_ns > before
    first.write_text("{")
    assert main([*arguments, "--most", "1", "--window", "0.5"]) == 0
    assert json.loads(first.read_text())["starts"]


@pytest.mark.usefixtures("no_pictures")
def test_bss_eval_is_museval_s(
    synthetic_song: tuple[Audio, Audio], tiny_file: Path, tmp_path: Path
) -> None:
    import museval

    songs, out = tmp_path / "songs", tmp_path / "out"
    for kind, audio in zip(("vocals", "accompaniment"), synthetic_song, strict=True):
        (songs / kind).mkdir(parents=True)
        # two windows of museval
        soundfile.write(songs / kind / "one.wav", audio[RATE : 3 * RATE], RATE, subtype="FLOAT")
    arguments = ["--model", str(tiny_file), "-o", str(out), "--bss-eval"]

    assert main(["evaluate", str(songs), *arguments]) == 0

    (path,) = (out / "museval" / tiny_file.stem).glob("*.json")
    stems = [soundfile.read(songs / k / f"{path.stem}.wav", dtype="float32")[0]
             for k in ("vocals", "accompaniment")]  # fmt: skip
    estimate = Separator(tiny_file).separate(stems[0] + stems[1], RATE)
    expected = museval.evaluate(stems, [estimate["vocals"], estimate["accompaniment"]])
    method = museval.MethodStore()
    store = museval.EvalStore()
    store.add_eval_dir(path.parent)
    method.add_evalstore(store, tiny_file.stem)  # the field's tools read what we write
    frames = json.loads(path.read_text())["targets"]
    for target, sdr_frames in zip(frames, expected[0], strict=True):
        ours = [float(frame["metrics"]["SDR"]) for frame in target["frames"]]
        np.testing.assert_allclose(ours, sdr_frames, atol=1e-4)
    assert [target["name"] for target in frames] == ["vocals", "accompaniment"]
    table = (out / "report.html").read_text()
    assert f"{np.nanmedian(expected[0][1]):.2f}" in table


class Links(HTMLParser):
    """Collects what a page refers to, and its tags."""

    def __init__(self) -> None:
        super().__init__()
        self.images: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.images.append(dict(attrs)["src"] or "")

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_shows_every_song(in_windows: Path) -> None:
    page = Links()
    page.feed((in_windows / "report.html").read_text(encoding="utf-8"))

    assert len(page.images) == 2 + 3  # boxes of all, boxes of each song, songs
    for image in page.images:
        assert (in_windows / unquote(image)).read_bytes().startswith(b"\x89PNG")
    assert "два & <2>?" in page.text


def test_a_name_that_is_not_utf_8_gets_into_the_report(tmp_path: Path, noise: Audio) -> None:
    name = os.fsdecode(b"caf\xe9")
    for stem in ("vocals", "accompaniment"):
        (tmp_path / "set" / stem).mkdir(parents=True)
        soundfile.write(tmp_path / "song.wav", noise, 44_100)
        try:
            (tmp_path / "song.wav").rename(tmp_path / "set" / stem / f"{name}.wav")
        except OSError:
            pytest.skip("the file system takes names of UTF-8 alone")

    assert main(["evaluate", str(tmp_path / "set"), "--model", "centre", "-o", str(tmp_path)]) == 0

    page = Links()
    page.feed((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert r"caf\udce9" in page.text
    for image in page.images:
        assert (tmp_path / unquote(image, errors="surrogateescape")).is_file()


def test_an_output_that_is_no_folder_is_told(
    songs: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")

    assert main(["evaluate", str(songs), "--model", "centre", "-o", str(tmp_path / "file")]) == 1

    err = capfd.readouterr().err
    assert re.fullmatch(r"\s*wavesep: .*file/scores cannot be written: Not a directory\n", err)


def test_silent_and_perfect_estimates() -> None:
    voice = np.random.default_rng(0).normal(size=(8_000, 2)).astype(np.float32)
    mixture = voice[::-1] + voice
    perfect, silent = (
        score(voice, estimate, mixture, bss_sdr(voice, mixture)) for estimate in (voice, 0 * voice)
    )
    assert perfect["nsdr"] == pytest.approx(100 - bss_sdr(voice, mixture), abs=0.1)
    assert np.isnan([silent["nsdr"], silent["si_sdr"]]).all()
    assert silent["sdr"] == pytest.approx(0)

    rows = [perfect | {"si_sdr": 9.0}, silent]
    scores = TrackScores("song", "", {}, [0.0, 1.0], [1.0, 3.0], {"a": rows, "b": [silent] * 2})
    summary = summarise([scores])
    assert summary["a"]["si_sdr"] == 9
    assert summary["a"]["gnsdr"] == perfect["nsdr"]
    assert np.isnan(summary["b"]["si_sdr"])


@pytest.mark.usefixtures("no_pictures")
def test_bad_songs_are_told_and_the_others_scored(
    songs: Path, tiny_file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "songs"
    silence = np.zeros((RATE, 2), np.float32)
    for kind in ("vocals", "accompaniment"):
        (folder / kind).mkdir(parents=True)
        shutil.copy(songs / kind / "one.wav", folder / kind)
        shutil.copy(songs / kind / "два & <2>?.wav", folder / kind)
        soundfile.write(folder / kind / "silent.wav", silence, RATE)
        soundfile.write(folder / kind / "odd.wav", silence, RATE if kind == "vocals" else 8_000)

    code = main(["evaluate", str(folder), "--model", str(tiny_file), "-o", str(tmp_path / "out")])

    told = capfd.readouterr().err
    assert code == 1
    assert "silent: its vocals are silent, so there is nothing to score" in told
    differ = f"{folder / 'vocals' / 'odd.wav'} and other stems differ in sample rate or channels"
    assert f"odd: {differ}: convert one" in told
    assert {key[0] for key in scores_of(tmp_path / "out")} == {"one", "два & <2>?"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--window", "0"], "longer than 0 s"),
        (["-j", "0"], "must be 1 or more"),
        (["--model", "nothing"], "nothing"),
        (["--model", "vocals", "--model", "vocals"], "given twice"),
        (["--subset", "valid"], "no song"),
    ],
)
def test_mistakes_are_told(
    songs: Path, tmp_path: Path, arguments: list[str], message: str,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    code = main(["evaluate", str(songs), "-o", str(tmp_path / "out"), *arguments])

    assert code == 1
    assert message in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("no_pictures")
def test_after_ctrl_c_it_goes_on(songs: Path, tiny_file: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "songs", tmp_path / "out"
    for i in range(4):
        for kind in ("vocals", "accompaniment"):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            shutil.copy(songs / kind / "one.wav", folder / kind / f"{i:02}.wav")
    command = ["evaluate", str(folder), "--model", str(tiny_file), "-o", str(out)]
    with subprocess.Popen(
        [sys.executable, "-m", "wavesep", *command],
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        while len(list((out / "scores").glob("*.json"))) < 1 and process.poll() is None:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    done = {path: path.stat().st_mtime_ns for path in (out / "scores").glob("*.json")}

    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "interrupted: finished work is kept" in errors
    assert 1 <= len(done) < 4
    assert not list(out.rglob("*.part"))
    assert main(command) == 0
    assert all(path.stat().st_mtime_ns == when for path, when in done.items())
    assert len({key[0] for key in scores_of(out)}) == 4


@pytest.mark.usefixtures("no_pictures")
def test_what_has_no_score_is_left_out_and_counted(
    songs: Path, tiny_file: Path, synthetic_song: tuple[Audio, Audio], tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    folder, out = tmp_path / "songs", tmp_path / "out"
    shutil.copytree(songs, folder)
    voice, rest = (audio[RATE : 2 * RATE] for audio in synthetic_song)
    for name, stems in (
        ("alone", (voice, 0 * voice)),
        ("sample", (voice[:1, :1] + 0.5, rest[:1, :1] + 0.1)),
    ):
        for kind, audio in zip(("vocals", "accompaniment"), stems, strict=True):
            soundfile.write(folder / kind / f"{name}.wav", audio, RATE, subtype="FLOAT")
    (folder / "vocals" / "bad.wav").write_bytes(b"RIFFxxxx")
    command = ["evaluate", str(folder), "--model", str(tiny_file), "-o", str(out)]

    assert main([*command, "--strict"]) == 1
    assert "bad.wav holds no sound" in capfd.readouterr().err
    assert not out.exists()
    for _ in range(2):  # scored, and read back
        assert main(command) == 1

        printed, told = capfd.readouterr()
        bad = folder / "vocals" / "bad.wav"
        assert told.strip() == f"wavesep: bad: {bad} holds no sound that can be read"
        for song in ("alone", "sample"):
            assert (
                f"{song}: windows without a score are left out of the means of all systems"
                in printed
            )
        summary = json.loads((out / "summary.json").read_text(), parse_constant=pytest.fail)
        assert (summary["songs"], summary["lacking"].keys()) == (5, {"alone", "sample"})
        assert summary["failures"].keys() == {"bad"}
        gains = [
            row["si_sdr_gain"] for (song, system, _), row in scores_of(out).items()
            if system == "ratio mask" and song not in ("alone", "sample")
        ]  # fmt: skip
        ours = summary["systems"]["ratio mask"]
        assert ours["lacking"] == 2
        assert ours["si_sdr_gain"] == pytest.approx(np.mean(gains), abs=1e-3)
        assert ours["si_sdr_gain_median"] == pytest.approx(np.median(gains), abs=1e-3)
        assert ours["si_sdr_gain_least"] == pytest.approx(min(gains), abs=1e-3)
        assert re.search(rf"ratio mask .* {np.median(gains):.2f} +{min(gains):.2f} +2 ", printed)
        assert "inf" not in printed.split("Means over")[1].split("report:")[0]
        assert "nan" not in printed
        page = (out / "report.html").read_text()
        assert "alone: windows without a score are left out" in page
        assert f"<td>{min(gains):.2f}</td><td>2</td>" in page
        json.loads((out / "scores" / "alone.json").read_text(), parse_constant=pytest.fail)


def test_the_loudest_part_is_found_however_late_it_comes() -> None:
    vocals = np.zeros((1_000, 2), np.float32)
    vocals[900:] = 0.1
    assert loudest_part(vocals, 80) >= 890
    vocals[300:330] = 1
    assert 250 <= loudest_part(vocals, 80) <= 300
    vocals[995:] = 5
    assert loudest_part(vocals, 80) == 920
    assert loudest_part(vocals[:50], 80) == 0
